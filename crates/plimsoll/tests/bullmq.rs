//! Job libraries on a real Redis, recognised with no change to the worker: BullMQ, Bull, Bee-Queue.

use plimsoll_testbed::{
    Missing, Redis, Slot, TestFolder, Watch, Watched, marked_lines, node, npm_packages, repository,
    skip_or_fail, suspect_complaints,
};

const JOBS: u64 = 3000;
/// Every fifth of the 1000 thumbnails fails once.
const RETRIED: u64 = 200;

fn check(script: &str) {
    match try_check(script) {
        Ok(()) => {}
        Err(missing) => skip_or_fail(&missing),
    }
}

fn run(script: &str, order: (&str, &str)) -> Result<(Watched, TestFolder), Missing> {
    let packages = npm_packages()?;
    let redis = Redis::start()?;
    let folder = TestFolder::new("libraries");
    for name in ["work.cjs", script] {
        std::fs::copy(
            repository().join("fixtures/libraries").join(name),
            folder.join(name),
        )
        .expect("a file is copied");
    }
    std::os::unix::fs::symlink(packages.join("node_modules"), folder.join("node_modules"))
        .expect("a link is made");
    let slot = Slot::take();
    let watch = Watch::run(env!("CARGO_BIN_EXE_plimsoll"))
        .cwd(folder.path())
        .env("JOBS", &JOBS.to_string());
    let watch = watch
        .env("REDIS_PORT", &redis.port().to_string())
        .env(order.0, order.1);
    let watched = watch.command(&[&node().to_string_lossy(), script]);
    drop(slot);
    Ok((watched, folder))
}

fn try_check(script: &str) -> Result<(), Missing> {
    let (watched, folder) = run(script, ("ORDER", "mixed"))?;
    let report = watched.report();
    assert_eq!(
        (watched.finished.code, watched.finished.stdout.trim()),
        (Some(0), "done"),
        "{}",
        watched.finished.stderr
    );
    for (class, jobs, failed) in [
        ("thumbnail", JOBS / 3 + RETRIED, RETRIED),
        ("caption", JOBS / 3, 0),
        ("publish", JOBS / 3, 0),
    ] {
        let told = report.class(class);
        assert_eq!(
            (&told["jobs"], &told["failed"]),
            (&jobs.into(), &failed.into()),
            "{class}: {:?}",
            report.classes()
        );
        let median = told["duration_seconds"]["p50"].as_f64().unwrap_or(0.0);
        assert!((0.0005..0.1).contains(&median), "{class}: median of {median} s");
    }
    assert_eq!(report.jobs(), JOBS + RETRIED);
    assert_eq!(report.status(), "leaking", "{}", report.reasons());
    let marked = marked_lines(&folder.join("work.cjs"), "HOLDER");
    let wrong = suspect_complaints(report, "caption", &["captions"], &["growing-collection"], &marked);
    assert!(wrong.is_empty(), "{wrong:?}\nagain: {}", watched.finished.shown);
    Ok(())
}

/// Three classes in a fixed rotation run equally often at all times: which of them leaks may be left open, but
/// a sound one is not to be blamed.
#[test]
fn classes_in_rotation_are_not_guessed() {
    let (watched, _folder) = match run("bullmq.cjs", ("ROTATE", "1")) {
        Ok(run) => run,
        Err(missing) => return skip_or_fail(&missing),
    };
    let report = watched.report();
    assert_eq!(report.status(), "leaking", "{}", report.reasons());
    for class in ["thumbnail", "publish"] {
        assert_ne!(report.class(class)["status"], "leaking", "{:?}", report.classes());
        assert!(
            report
                .suspects()
                .iter()
                .all(|suspect| suspect["job_class"] != class),
            "{:?}",
            report.suspects()
        );
    }
}

#[test]
fn bullmq_in_commonjs() {
    check("bullmq.cjs");
}

#[test]
fn bullmq_in_an_es_module() {
    check("bullmq.mjs");
}

#[test]
fn bull() {
    check("bull.cjs");
}

#[test]
fn bee_queue() {
    check("bee.cjs");
}
