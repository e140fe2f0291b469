//! `plimsoll attach PID`: a Node process that was started without plimsoll.

use std::sync::{Mutex, MutexGuard, PoisonError};

use plimsoll_testbed::{Child, Fixture, Launch, Slot, Watch, Watched, free_port, judge_leaky, node};

const PLIMSOLL: &str = env!("CARGO_BIN_EXE_plimsoll");

/// A leaky worker that runs for long enough to be watched for a while.
fn start_worker(fixture: &Fixture, jobs: &str) -> Child {
    let launch = Launch::new(node())
        .arg(&fixture.file)
        .env("JOBS", jobs)
        .env("PACE_MS", "3")
        .deadline(120);
    let mut worker = launch.start();
    worker.stdout_line("ready");
    worker
}

/// Node opens its inspector on one port for all, so one test at a time.
static PORT: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    PORT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn attach(pid: u32, seconds: &str) -> Watched {
    Watch::attach(PLIMSOLL)
        .option("--for")
        .option(seconds)
        .option(&pid.to_string())
        .finish()
}

#[test]
fn a_running_worker_is_explained_and_left_as_it_was() {
    let _alone = alone();
    let _slot = Slot::take();
    let fixture = Fixture::load("global-array", "leaky");
    let worker = start_worker(&fixture, "14000");
    let watched = attach(worker.pid(), "8s");
    assert_eq!(watched.finished.code, Some(0), "{}", watched.finished.stderr);
    let report = watched.report();
    assert_eq!(report.pid(), u64::from(worker.pid()));
    assert_eq!(
        (
            &report.0["worker"]["runtime"],
            report.0["worker"]["exit"].is_null()
        ),
        (&"node".into(), true)
    );
    assert!(
        report.jobs() > 1000,
        "{} jobs: {}",
        report.jobs(),
        watched.finished.stderr
    );
    let wrong = judge_leaky(&fixture.as_is(), report);
    assert!(
        wrong.is_empty(),
        "{}\nagain: {}",
        wrong.join("\n"),
        watched.finished.shown
    );
    let ended = worker.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("done 14000"), "{}", ended.stdout);
}

#[test]
fn a_taken_inspector_port_is_handled_or_said() {
    let _alone = alone();
    let _slot = Slot::take();
    // Node's inspector starts on 9229; whoever holds it already, ours or another's, the port is taken.
    let mut other = Launch::new(node())
        .args([
            "--inspect=127.0.0.1:9229",
            "-e",
            "console.log('ready'); setInterval(() => {}, 1000)",
        ])
        .deadline(120)
        .start();
    other.stdout_line("ready");
    let worker = start_worker(&Fixture::load("global-array", "sound"), "6000");
    let watched = attach(worker.pid(), "4s");
    match watched.finished.code {
        Some(0) => assert_eq!(watched.report().pid(), u64::from(worker.pid())),
        _ => assert!(
            watched.finished.stderr.contains("9229"),
            "{}",
            watched.finished.stderr
        ),
    }
    assert!(
        watched.finished.stderr.contains("9229") || watched.report().jobs() > 0,
        "{}",
        watched.finished.stderr
    );
    assert!(other.is_running(), "the process that held the port is gone");
    let ended = worker.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_process_that_is_not_there_is_said() {
    let _alone = alone();
    let gone = Launch::new("/bin/true").start();
    let pid = gone.pid();
    gone.finish();
    let watched = attach(pid, "2s");
    assert_eq!(watched.finished.code, Some(125), "{}", watched.finished.stderr);
    assert!(
        watched.finished.stderr.contains(&pid.to_string()),
        "{}",
        watched.finished.stderr
    );
}

#[test]
fn what_is_not_node_is_seen_from_outside_only() {
    let _alone = alone();
    let mut other = Launch::new("/bin/sleep").arg("20").start();
    let watched = attach(other.pid(), "2s");
    assert_eq!(watched.finished.code, Some(0), "{}", watched.finished.stderr);
    assert!(
        watched
            .finished
            .stderr
            .contains("is not Node: watching from outside only"),
        "{}",
        watched.finished.stderr
    );
    let report = watched.report();
    assert_eq!(
        (report.status(), report.pid()),
        ("inconclusive", u64::from(other.pid())),
        "{}",
        report.reasons()
    );
    assert!(other.is_running(), "the process was harmed");
}

#[test]
fn a_worker_that_listens_already_is_attached_by_its_own_port() {
    let _alone = alone();
    let _slot = Slot::take();
    let fixture = Fixture::load("global-map", "sound");
    let inspect = format!("--inspect=127.0.0.1:{}", free_port());
    let launch = Launch::new(node())
        .arg(inspect)
        .arg(&fixture.file)
        .env("JOBS", "6000")
        .env("PACE_MS", "3");
    let mut worker = launch.deadline(120).start();
    worker.stdout_line("ready");
    let watched = attach(worker.pid(), "4s");
    assert_eq!(watched.finished.code, Some(0), "{}", watched.finished.stderr);
    assert!(watched.report().jobs() > 100, "{}", watched.finished.stderr);
    assert_eq!(worker.finish().code, Some(0));
}
