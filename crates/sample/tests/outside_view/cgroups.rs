use plimsoll_sample::{Cgroup, CgroupSample, CgroupVersion, Pressure, Reason, SampleError};

use crate::fake::{Fake, as_nobody};

const MIB: u64 = 1 << 20;
const PRESSURE: &str = "some avg10=1.50 avg60=0.00 avg300=0.00 total=2000000\n\
    full avg10=0.50 avg60=0.00 avg300=0.00 total=1000000\n";
const V1_NO_LIMIT: &str = "9223372036854771712\n";

fn put_v2(fake: &Fake, folder: &str, current_mib: u64, max: &str) {
    let file = |name: &str| format!("cgroup/{folder}/{name}");
    fake.put(&file("memory.current"), format!("{}\n", current_mib * MIB));
    fake.put(&file("memory.max"), max);
    fake.put(&file("memory.high"), "max\n");
    fake.put(
        &file("memory.stat"),
        format!("anon 1\nfile 2\ninactive_file {}\n", 10 * MIB),
    );
    fake.put(
        &file("memory.events"),
        "low 0\nhigh 3\nmax 21\noom 2\noom_kill 1\n",
    );
    fake.put(&file("memory.pressure"), PRESSURE);
    fake.put(&file("cgroup.procs"), "");
}

fn put_v1(fake: &Fake, folder: &str, usage_mib: u64, limit: &str, hierarchical: &str) {
    let file = |name: &str| format!("cgroup/memory/{folder}/{name}");
    fake.put(&file("memory.usage_in_bytes"), format!("{}\n", usage_mib * MIB));
    fake.put(&file("memory.limit_in_bytes"), limit);
    fake.put(
        &file("memory.memsw.usage_in_bytes"),
        format!("{}\n", (usage_mib + 5) * MIB),
    );
    let stat = format!(
        "inactive_file 1\nhierarchical_memory_limit {hierarchical}total_inactive_file {}\n",
        10 * MIB
    );
    fake.put(&file("memory.stat"), stat);
    fake.put(
        &file("memory.oom_control"),
        "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
    );
    fake.put(&file("memory.failcnt"), "99\n");
    fake.put(&file("cgroup.procs"), "");
}

fn look(fake: &Fake) -> (Cgroup, CgroupSample) {
    let cgroup = Cgroup::of(&fake.roots(), 7).unwrap();
    let sample = cgroup.sample().unwrap();
    (cgroup, sample)
}

fn v2() -> Fake {
    let fake = Fake::new(&[
        ("proc/7/cgroup", "0::/pod/app\n"),
        ("cgroup/cgroup.controllers", "cpu memory\n"),
    ]);
    put_v2(&fake, "pod", 380, &format!("{}\n", 400 * MIB));
    put_v2(&fake, "pod/app", 110, &format!("{}\n", 300 * MIB));
    fake
}

#[test]
fn version_2_takes_the_least_limit_and_the_fullest_level() {
    let fake = v2();
    let (cgroup, sample) = look(&fake);
    assert_eq!((cgroup.version(), cgroup.is_exact()), (CgroupVersion::V2, true));
    assert_eq!(sample.usage_bytes, Some(110 * MIB));
    assert_eq!(sample.working_set_bytes, Some(100 * MIB));
    let limit = sample.limit.unwrap();
    assert_eq!((limit.bytes, limit.usage_bytes), (300 * MIB, Some(110 * MIB)));
    assert_eq!(limit.folder.unwrap(), fake.path("cgroup/pod/app"));
    assert_eq!(
        sample.fullness,
        Some(370.0 / 400.0),
        "the pod is nearer to its limit than the app"
    );
    assert_eq!(
        (sample.events.high, sample.events.max, sample.events.oom_kill),
        (Some(3), Some(21), Some(1))
    );
    assert_eq!(sample.pressure.unwrap().full.unwrap().total_seconds, 1.0);
    assert_eq!(sample.blind_spots, []);
}

#[test]
fn an_ancestor_can_have_the_least_limit() {
    let fake = v2();
    fake.put("cgroup/pod/memory.max", format!("{}\n", 200 * MIB));
    fake.put("cgroup/pod/memory.high", format!("{}\n", 150 * MIB));
    let (_, sample) = look(&fake);
    assert_eq!(sample.limit.unwrap().folder.unwrap(), fake.path("cgroup/pod"));
    assert_eq!(sample.throttle_bytes, Some(150 * MIB));
}

#[test]
fn without_any_limit_there_is_none() {
    let fake = v2();
    for folder in ["pod", "pod/app"] {
        fake.put(&format!("cgroup/{folder}/memory.max"), "max\n");
    }
    let (_, sample) = look(&fake);
    assert_eq!(
        (sample.limit, sample.fullness, sample.throttle_bytes),
        (None, None, None)
    );
}

#[test]
fn a_leaf_without_the_controller_stands_for_its_parent() {
    let fake = v2();
    std::fs::remove_file(fake.path("cgroup/pod/app/memory.current")).unwrap();
    let (cgroup, sample) = look(&fake);
    assert_eq!(
        (cgroup.folder(), cgroup.is_exact()),
        (fake.path("cgroup/pod").as_path(), false)
    );
    assert_eq!(sample.usage_bytes, Some(380 * MIB));
}

#[test]
fn version_1_reads_its_own_files() {
    let fake = Fake::new(&[("proc/7/cgroup", "4:cpu,memory:/app\n1:name=systemd:/app\n")]);
    put_v1(&fake, "", 500, V1_NO_LIMIT, V1_NO_LIMIT);
    put_v1(
        &fake,
        "app",
        110,
        &format!("{}\n", 300 * MIB),
        &format!("{}\n", 300 * MIB),
    );
    let (cgroup, sample) = look(&fake);
    assert_eq!((cgroup.version(), cgroup.is_exact()), (CgroupVersion::V1, true));
    assert_eq!(sample.working_set_bytes, Some(100 * MIB));
    assert_eq!(sample.swap_bytes, Some(5 * MIB));
    let limit = sample.limit.unwrap();
    assert_eq!(
        (limit.bytes, limit.folder),
        (300 * MIB, Some(fake.path("cgroup/memory/app")))
    );
    assert_eq!(
        (sample.events.max, sample.events.oom_kill, sample.events.high),
        (Some(99), Some(4), None)
    );
    assert_eq!(sample.pressure, None);
    assert_eq!(sample.blind_spots.len(), 1, "pressure is not kept by version 1");
}

#[test]
fn version_1_knows_limits_above_the_mount() {
    let fake = Fake::new(&[("proc/7/cgroup", "4:memory:/app\n")]);
    put_v1(&fake, "", 500, V1_NO_LIMIT, V1_NO_LIMIT);
    put_v1(&fake, "app", 110, V1_NO_LIMIT, &format!("{}\n", 200 * MIB));
    let limit = look(&fake).1.limit.unwrap();
    assert_eq!(
        (limit.bytes, limit.folder, limit.usage_bytes),
        (200 * MIB, None, None)
    );
}

#[test]
fn hybrid_takes_memory_from_one_and_pressure_from_two() {
    let fake = Fake::new(&[
        ("proc/7/cgroup", "4:memory:/a/b\n0::/x\n"),
        ("cgroup/unified/cgroup.controllers", "\n"),
    ]);
    put_v1(&fake, "", 500, V1_NO_LIMIT, V1_NO_LIMIT);
    put_v1(&fake, "a/b", 64, V1_NO_LIMIT, V1_NO_LIMIT);
    fake.put("cgroup/unified/x/memory.pressure", PRESSURE);
    let (cgroup, sample) = look(&fake);
    assert_eq!(cgroup.version(), CgroupVersion::V1);
    assert_eq!((sample.usage_bytes, sample.limit), (Some(64 * MIB), None));
    assert_eq!(sample.pressure.unwrap().some.last_10s_percent, 1.5);
}

#[test]
fn a_mount_that_shows_a_part_only() {
    // The path names the whole hierarchy, the mount shows it from `/docker/c0ffee` on.
    for (pids, folder, exact) in [
        ("3\n7\n", "cgroup/memory/jobs", true),
        ("3\n", "cgroup/memory", false),
    ] {
        let fake = Fake::new(&[("proc/7/cgroup", "4:memory:/docker/c0ffee/jobs\n")]);
        put_v1(&fake, "", 500, V1_NO_LIMIT, V1_NO_LIMIT);
        put_v1(&fake, "jobs", 64, V1_NO_LIMIT, V1_NO_LIMIT);
        fake.put("cgroup/memory/jobs/cgroup.procs", pids);
        let cgroup = Cgroup::of(&fake.roots(), 7).unwrap();
        assert_eq!(
            (cgroup.folder(), cgroup.is_exact()),
            (fake.path(folder).as_path(), exact)
        );
    }
}

#[test]
fn a_group_of_another_namespace_is_not_guessed() {
    let fake = v2();
    fake.put("proc/7/cgroup", "0::/../../other\n");
    assert!(matches!(
        Cgroup::of(&fake.roots(), 7),
        Err(SampleError::Missing { .. })
    ));
}

#[test]
fn a_removed_group_stands_for_its_parent_and_a_gone_one_says_so() {
    let fake = v2();
    let (cgroup, _) = look(&fake);
    std::fs::remove_dir_all(fake.path("cgroup/pod/app")).unwrap();
    assert!(matches!(cgroup.sample(), Err(SampleError::Missing { .. })));
    fake.put("proc/7/cgroup", "0::/pod/app (deleted)\n");
    let (cgroup, sample) = look(&fake);
    assert_eq!(
        (cgroup.folder(), cgroup.is_exact()),
        (fake.path("cgroup/pod").as_path(), false)
    );
    assert_eq!(sample.usage_bytes, Some(380 * MIB));
}

#[test]
fn every_file_can_be_missing_garbage_huge_or_forbidden() {
    type Damage = fn(&Fake, &str);
    let damages: [(&str, Damage, Reason); 4] = [
        (
            "missing",
            |fake, path| std::fs::remove_file(fake.path(path)).unwrap(),
            Reason::Missing,
        ),
        (
            "garbage",
            |fake, path| fake.put(path, b"\xff\0 no number"),
            Reason::Garbage,
        ),
        (
            "huge",
            |fake, path| fake.put(path, vec![b'1'; 1 << 20]),
            Reason::TooLarge,
        ),
        ("forbidden", Fake::forbid, Reason::Denied),
    ];
    let files = [
        "memory.current",
        "memory.max",
        "memory.high",
        "memory.stat",
        "memory.events",
        "memory.pressure",
    ];
    for (damage, apply, reason) in damages {
        for file in files {
            let fake = v2();
            let cgroup = Cgroup::of(&fake.roots(), 7).unwrap();
            apply(&fake, &format!("cgroup/pod/app/{file}"));
            let sample = as_nobody(|| cgroup.sample()).unwrap();
            let spot = sample.blind_spots.iter().find(|spot| spot.file == file);
            match file {
                "memory.current" => assert_eq!((sample.usage_bytes, sample.working_set_bytes), (None, None)),
                // The limit of the parent is still known.
                "memory.max" => assert_eq!(sample.limit.unwrap().bytes, 400 * MIB),
                "memory.stat" => assert_eq!(sample.working_set_bytes, None),
                "memory.events" => assert_eq!(sample.events.oom_kill, None),
                "memory.pressure" => assert_eq!(sample.pressure, None),
                _ => assert_eq!(sample.throttle_bytes, None),
            }
            // Garbage in a list of counters shows as counters that are not there.
            if ["memory.current", "memory.pressure"].contains(&file) {
                assert_eq!(spot.map(|spot| spot.reason), Some(reason), "{damage} {file}");
            }
        }
    }
}

#[test]
fn a_process_without_any_controller_to_see() {
    let fake = Fake::new(&[("proc/7/cgroup", "0::/app\n")]);
    assert!(matches!(
        Cgroup::of(&fake.roots(), 7),
        Err(SampleError::Missing { .. })
    ));
    assert!(matches!(
        Cgroup::of(&fake.roots(), 8),
        Err(SampleError::Exited { pid: 8 })
    ));
    fake.put("proc/7/cgroup", b"\xff\xff");
    assert!(matches!(
        Cgroup::of(&fake.roots(), 7),
        Err(SampleError::Missing { .. })
    ));
    fake.forbid("proc/7/cgroup");
    let denied = as_nobody(|| Cgroup::of(&fake.roots(), 7));
    assert!(
        matches!(denied, Err(SampleError::PermissionDenied { .. })),
        "{denied:?}"
    );
}

#[test]
fn machine_pressure_is_read_or_said_to_be_missing() {
    let fake = Fake::new(&[("proc/pressure/memory", PRESSURE)]);
    assert_eq!(Pressure::machine(&fake.roots()).unwrap().some.total_seconds, 2.0);
    let none = Fake::new(&[]);
    assert!(matches!(
        Pressure::machine(&none.roots()),
        Err(SampleError::Missing { .. })
    ));
    fake.put("proc/pressure/memory", "some of it\n");
    assert!(matches!(
        Pressure::machine(&fake.roots()),
        Err(SampleError::Garbage { .. })
    ));
}
