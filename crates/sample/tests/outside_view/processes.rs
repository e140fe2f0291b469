use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use plimsoll_model::ProcessKey;
use plimsoll_sample::{
    Adopter, Cgroup, Detail, Identity, ProcessSampler, ProcessTree, Reason, Roots, SampleError, adopt_orphans,
};

use crate::fake::{Fake, as_nobody};

/// A shell that runs one line after another and answers each with a line.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shell {
    fn start() -> Self {
        Shell::start_with_environment("MARK", "")
    }

    fn start_with_environment(key: &str, value: &str) -> Self {
        let mut command = Command::new("sh");
        let mut child = command
            .env(key, value)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let (input, output) = (
            child.stdin.take().unwrap(),
            BufReader::new(child.stdout.take().unwrap()),
        );
        Shell { child, input, output }
    }

    /// Sends a line and waits for the line that it prints.
    fn ask(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer.trim().to_string()
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_living_process_is_seen_whole() {
    let mut shell = Shell::start();
    shell.ask("echo ready");
    let mut sampler = ProcessSampler::open(&Roots::default(), shell.pid()).unwrap();
    let sample = sampler.sample(Detail::Full).unwrap();
    assert_eq!(sample.blind_spots, []);
    let split = sample.split.unwrap();
    assert!(
        split.rss_bytes >= split.pss_bytes && split.pss_bytes >= split.private_bytes,
        "{split:?}"
    );
    assert!(split.private_bytes > 0 && split.anonymous_bytes > 0, "{split:?}");
    // Counted at slightly different moments and, by the kernel, in batches per CPU.
    let difference = sample.rss_bytes.abs_diff(split.rss_bytes);
    assert!(
        difference <= 2 << 20,
        "{} and {}",
        sample.rss_bytes,
        split.rss_bytes
    );
    let descriptors = sample.descriptors.unwrap();
    assert!(
        descriptors.pipes >= 2 && descriptors.total >= 3,
        "{descriptors:?}"
    );
    assert_eq!(descriptors.unexamined, 0);
    assert_eq!(sample.threads, 1);
    assert!(sample.virtual_bytes > sample.rss_bytes);
    assert!(sample.io.unwrap().read_bytes > 0);
    assert!(sample.status.unwrap().peak_rss_bytes.unwrap() > 0);
    let cheap = sampler.sample(Detail::Counters).unwrap();
    assert_eq!((cheap.split, cheap.descriptors.unwrap().sockets), (None, 0));
    assert_eq!(cheap.descriptors.unwrap().total, descriptors.total);
}

#[test]
fn cpu_counts_up() {
    let mut shell = Shell::start();
    let mut sampler = ProcessSampler::open(&Roots::default(), shell.pid()).unwrap();
    let cpu_seconds = |sampler: &mut ProcessSampler| {
        let sample = sampler.sample(Detail::Counters).unwrap();
        sample.user_cpu_seconds + sample.system_cpu_seconds
    };
    let before_seconds = cpu_seconds(&mut sampler);
    wait_until("the shell has used CPU", || {
        shell.ask("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done");
        cpu_seconds(&mut sampler) > before_seconds
    });
}

#[test]
fn the_end_is_an_ordinary_result() {
    let mut shell = Shell::start();
    shell.ask("echo ready");
    let mut sampler = ProcessSampler::open(&Roots::default(), shell.pid()).unwrap();
    let pid = shell.pid();
    shell.child.kill().unwrap();
    // First a zombie, then nothing at all.
    let exited = |result| matches!(result, Err(SampleError::Exited { pid: found }) if found == pid);
    wait_until("the zombie is seen", || exited(sampler.sample(Detail::Full)));
    shell.child.wait().unwrap();
    assert!(exited(sampler.sample(Detail::Full)));
    assert!(matches!(
        ProcessSampler::open(&Roots::default(), pid),
        Err(SampleError::Exited { .. })
    ));
}

#[test]
fn a_program_that_replaces_itself_stays_in_view() {
    let mut shell = Shell::start();
    shell.ask("echo ready");
    let mut sampler = ProcessSampler::open(&Roots::default(), shell.pid()).unwrap();
    assert!(sampler.sample(Detail::Full).unwrap().split.is_some());
    shell.ask("exec sh -c 'echo replaced; read line'");
    let sample = sampler.sample(Detail::Full).unwrap();
    assert!(sample.split.is_some(), "{:?}", sample.blind_spots);
}

#[test]
fn a_reused_pid_is_another_process() {
    let stat = |start: u64| {
        let zeros = "0 ".repeat(9);
        format!("7 (node) S 1 {zeros}1 1 0 0 20 0 11 0 {start} 100 10\n")
    };
    let fake = Fake::new(&[
        ("proc/7/stat", &stat(500)),
        ("proc/7/statm", "100 20 1 1 0 1 0\n"),
    ]);
    let mut sampler = ProcessSampler::open(&fake.roots(), 7).unwrap();
    let sample = sampler.sample(Detail::Full).unwrap();
    assert_eq!(sample.rss_bytes, 20 * rustix::param::page_size() as u64);
    let missing: Vec<_> = sample
        .blind_spots
        .iter()
        .map(|spot| (spot.file, spot.reason))
        .collect();
    let expected = ["status", "io", "smaps_rollup", "fd"].map(|file| (file, Reason::Missing));
    assert_eq!(missing, expected);
    fake.put("proc/7/stat", stat(900));
    let reused = sampler.sample(Detail::Counters).unwrap_err();
    assert_eq!(
        reused.to_string(),
        "pid `7` was reused: it started at tick 900, not 500"
    );
    let key = ProcessKey {
        pid: 7,
        start_ticks: 500,
    };
    assert!(matches!(
        ProcessSampler::open_key(&fake.roots(), key),
        Err(SampleError::Reused { .. })
    ));
    let key = ProcessKey {
        pid: 7,
        start_ticks: 900,
    };
    assert_eq!(ProcessSampler::open_key(&fake.roots(), key).unwrap().key(), key);
}

#[test]
fn garbage_in_a_needed_file_is_an_error_and_elsewhere_a_blind_spot() {
    let zeros = "0 ".repeat(9);
    let stat = format!("7 (node) S 1 {zeros}1 1 0 0 20 0 11 0 500 100 10\n");
    let files = [
        ("proc/7/stat", stat.as_str()),
        ("proc/7/statm", "100 20 1 1 0 1 0\n"),
    ];
    let fake = Fake::new(&files);
    fake.put("proc/7/io", "\0\0\0");
    fake.put("proc/7/status", vec![b'x'; 1 << 20]);
    let mut sampler = ProcessSampler::open(&fake.roots(), 7).unwrap();
    let spots = sampler.sample(Detail::Counters).unwrap().blind_spots;
    let reason = |file| {
        spots
            .iter()
            .find(|spot| spot.file == file)
            .map(|spot| spot.reason)
    };
    assert_eq!(
        (reason("io"), reason("status")),
        (Some(Reason::Garbage), Some(Reason::TooLarge))
    );
    fake.put("proc/7/statm", "what");
    assert!(matches!(
        sampler.sample(Detail::Counters),
        Err(SampleError::Garbage { .. })
    ));
    fake.put("proc/7/stat", "");
    assert!(matches!(
        ProcessSampler::open(&fake.roots(), 7),
        Err(SampleError::Garbage { .. })
    ));
}

#[test]
fn another_users_process_is_seen_as_far_as_the_kernel_allows() {
    let sample = as_nobody(|| {
        ProcessSampler::open(&Roots::default(), 1)
            .unwrap()
            .sample(Detail::Full)
    })
    .unwrap();
    assert!(sample.rss_bytes > 0);
    let denied: Vec<_> = sample
        .blind_spots
        .iter()
        .map(|spot| (spot.file, spot.reason))
        .collect();
    assert_eq!(
        denied,
        ["io", "smaps_rollup", "fd"].map(|file| (file, Reason::Denied))
    );
}

#[test]
fn a_tree_of_real_processes_follows_them() {
    let mut shell = Shell::start();
    let child: u32 = shell.ask("sleep 100 >/dev/null 2>&1 & echo $!").parse().unwrap();
    let mut tree = ProcessTree::new(&Roots::default(), shell.pid(), None).unwrap();
    let appeared: Vec<u32> = tree
        .refresh()
        .appeared
        .iter()
        .map(|member| member.key.pid)
        .collect();
    assert_eq!(appeared, [child]);
    shell.ask("kill $!; wait; echo gone");
    let exited: Vec<u32> = tree.refresh().exited.iter().map(|key| key.pid).collect();
    assert_eq!(exited, [child]);
    shell.child.kill().unwrap();
    wait_until("the root is gone", || {
        tree.refresh();
        tree.is_empty()
    });
}

#[test]
fn a_daemonised_grandchild_falls_to_the_adopter() {
    adopt_orphans().unwrap();
    let own = std::process::id();
    let mark = format!("plimsoll-test-{own}");
    let mut shell = Shell::start_with_environment("MARK", &mark);
    // The inner shell ends at once and leaves an orphan that nobody has seen.
    let orphan: u32 = shell
        .ask("sh -c 'sleep 100 >/dev/null 2>&1 & echo $!'")
        .parse()
        .unwrap();
    let adopter = Adopter {
        pid: own,
        marker: mark.into_bytes(),
    };
    let mut tree = ProcessTree::new(&Roots::default(), shell.pid(), Some(adopter)).unwrap();
    wait_until("the orphan is adopted", || {
        tree.refresh();
        tree.members()
            .any(|member| member.key.pid == orphan && member.parent_pid == own)
    });
    // Until then it is still the shell that forked it.
    wait_until("the orphan runs its program", || {
        Identity::read(&Roots::default(), orphan).unwrap().arguments == ["sleep", "100"]
    });
    shell.ask(&format!("kill {orphan}; echo killed"));
    wait_until("the orphan is gone", || {
        tree.refresh();
        tree.members().count() == 1
    });
}

#[test]
fn the_own_control_group_is_found_where_there_is_one() {
    let found = Cgroup::of(&Roots::default(), std::process::id());
    match found {
        Ok(cgroup) => {
            let sample = cgroup.sample().unwrap();
            let usage_bytes = sample.usage_bytes.expect("a memory controller counts usage");
            assert!(usage_bytes > 0);
            assert!(sample.limit.is_none_or(|limit| limit.bytes > 0));
        }
        // A sandbox may hide its control groups.
        Err(SampleError::Missing { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}
