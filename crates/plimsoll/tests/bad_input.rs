//! What goes wrong around a worker: programs that are none, workers that misbehave, folders that cannot be
//! written, and plimsoll itself killed.

use std::path::Path;

use plimsoll_testbed::{Launch, Slot, Stop, Watch, Watched, node};

const PLIMSOLL: &str = env!("CARGO_BIN_EXE_plimsoll");

/// A loop over jobs as a user writes it; `work` is the body of one job with its number in `id`.
fn looping(jobs: u64, work: &str) -> String {
    format!(
        "const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
        const watched = (id, work) => (globalThis.plimsoll ? plimsoll.job('only', {{ id: String(id) }}, work) : work());
        (async () => {{
          console.log('ready pid=' + process.pid);
          for (let id = 1; id <= {jobs}; id += 1) await watched(id, async () => {{ await pause(1); {work} }}).catch(() => {{}});
          console.log('all done');
        }})();"
    )
}

fn run_script(watch: Watch, script: &str) -> Watched {
    let file = watch.folder().write("worker.js", script);
    let _slot = Slot::take();
    watch.command(&[&node().to_string_lossy(), &file.to_string_lossy()])
}

fn run(script: &str) -> Watched {
    run_script(Watch::run(PLIMSOLL), script)
}

#[test]
fn a_missing_program_is_127() {
    let finished = Launch::new(PLIMSOLL)
        .args(["run", "--", "no-such-program-here"])
        .run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(127), ""));
    assert!(
        finished.stderr.contains("`no-such-program-here`"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_program_that_may_not_run_is_126() {
    let watch = Watch::run(PLIMSOLL);
    let file = watch.folder().write("plain.txt", "not a program");
    let watched = watch.command(&[&file.to_string_lossy()]);
    assert_eq!(
        (watched.finished.code, watched.finished.stdout.as_str()),
        (Some(126), "")
    );
    assert!(
        watched.finished.stderr.contains("plain.txt"),
        "{}",
        watched.finished.stderr
    );
}

#[test]
fn bad_arguments_are_ours_to_answer_for() {
    for args in [
        &["run"][..],
        &["run", "--budget", "many", "--", "node"],
        &["attach", "0"],
        &["run", "--jbos", "3"],
    ] {
        let finished = Launch::new(PLIMSOLL).args(args.iter().copied()).run();
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (Some(125), ""),
            "{args:?}: {}",
            finished.stderr
        );
        assert!(finished.stderr.contains("error"), "{}", finished.stderr);
    }
}

#[test]
fn what_is_not_node_is_seen_from_outside_only() {
    let watched = Watch::run(PLIMSOLL).command(&["sh", "-c", "echo hello; sleep 1.2; exit 5"]);
    let report = watched.report();
    assert_eq!(
        (watched.finished.code, watched.finished.stdout.as_str()),
        (Some(5), "hello\n")
    );
    assert!(
        report.0["worker"]["runtime"].is_null() && report.0["worker"]["exit"]["code"] == 5,
        "{:?}",
        report.0["worker"]
    );
    assert_eq!((report.status(), report.jobs()), ("inconclusive", 0));
    assert!(
        report.0["window"]["samples"].as_u64() >= Some(1),
        "{:?}",
        report.0["window"]
    );
    assert!(
        watched.finished.stderr.contains("from outside only"),
        "{}",
        watched.finished.stderr
    );
}

#[test]
fn exit_codes_pass_through() {
    for (script, code) in [
        ("process.exit(7)", 7),
        ("process.exitCode = 3", 3),
        (
            "process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 9)",
            143,
        ),
    ] {
        let watched = run(script);
        assert_eq!(
            watched.finished.code,
            Some(code),
            "{script}: {}",
            watched.finished.stderr
        );
    }
}

#[test]
fn a_worker_that_throws_is_reported_up_to_there() {
    let watched = run(&looping(
        400,
        "if (id === 300) setImmediate(() => { throw new Error('out of luck'); });",
    ));
    let report = watched.report();
    assert_eq!(watched.finished.code, Some(1), "{}", watched.finished.stderr);
    assert!(
        watched.finished.stderr.contains("out of luck"),
        "{}",
        watched.finished.stderr
    );
    let jobs = report.jobs();
    assert!((299..=301).contains(&jobs), "{jobs} jobs");
    assert_eq!(report.0["worker"]["exit"]["code"], 1);
}

#[test]
fn a_worker_that_is_killed_is_reported_up_to_there() {
    // What an OOM killer does: no exit handler runs.
    let watched = run(&looping(
        4000,
        "if (id === 1500) process.kill(process.pid, 'SIGKILL');",
    ));
    let report = watched.report();
    assert_eq!(watched.finished.code, Some(137), "{}", watched.finished.stderr);
    assert_eq!(report.0["worker"]["exit"]["signal"], "SIGKILL");
    // Counts come every quarter of a second, and about 800 jobs run in one.
    assert!((700..=1500).contains(&report.jobs()), "{} jobs", report.jobs());
}

#[test]
fn a_worker_that_runs_out_of_heap_leaves_evidence() {
    let watch = Watch::run(PLIMSOLL).env("NODE_OPTIONS", "--max-old-space-size=60");
    let watched = run_script(
        watch,
        &looping(
            100_000,
            "(globalThis.kept ??= []).push(Array.from({ length: 400 }, (_, at) => ({ at, id })));",
        ),
    );
    let report = watched.report();
    assert_eq!(watched.finished.code, Some(134), "{}", watched.finished.stderr);
    assert_eq!(report.status(), "leaking", "{}", report.reasons());
    let snapshots = report.0["evidence"].as_array().map_or(0, Vec::len);
    assert!(snapshots >= 2, "{snapshots} snapshots");
    let holder = report
        .suspects()
        .first()
        .map(|suspect| suspect["holder"].to_string())
        .unwrap_or_default();
    assert!(holder.contains("kept"), "{holder}");
}

#[test]
fn a_flood_on_stdout_passes_through_whole() {
    let script = "const line = 'x'.repeat(999) + '\\n'; let left = 60_000;
        (function flood() { while (left > 0) { left -= 1; if (!process.stdout.write(line)) return process.stdout.once('drain', flood); } })();";
    let watched = run(script);
    assert_eq!(
        (watched.finished.code, watched.finished.stdout_bytes),
        (Some(0), 60_000_000),
        "{}",
        watched.finished.stderr
    );
}

#[test]
fn jobs_of_forked_children_are_counted() {
    let watch = Watch::run(PLIMSOLL);
    watch.folder().write("child.js", looping(300, ""));
    let script = "const { fork } = require('node:child_process'); const path = require('node:path');
        for (let at = 0; at < 3; at += 1) fork(path.join(__dirname, 'child.js'));";
    let watched = run_script(watch, script);
    assert_eq!(watched.finished.code, Some(0), "{}", watched.finished.stderr);
    assert_eq!(watched.report().jobs(), 900, "{}", watched.finished.stderr);
}

#[test]
fn a_job_limit_stops_the_worker_and_nothing_after_it_counts() {
    let watched = run_script(Watch::run(PLIMSOLL).option("--jobs=500"), &looping(1_000_000, ""));
    assert_eq!(watched.finished.code, Some(0), "{}", watched.finished.stderr);
    assert_eq!(watched.report().jobs(), 500);
    assert!(!watched.finished.stdout.contains("all done"));
}

#[test]
fn a_worker_that_ignores_sigterm_is_killed_after_its_verdict_is_safe() {
    let script = format!(
        "setInterval(() => {{}}, 1000); process.on('SIGTERM', () => console.log('never mind')); {}",
        looping(1_000_000, "")
    );
    let watched = run_script(Watch::run(PLIMSOLL).option("--jobs=300"), &script);
    assert_eq!(watched.finished.code, Some(0), "{}", watched.finished.stderr);
    assert!(
        watched.finished.stdout.contains("never mind"),
        "it was never asked"
    );
    let report = watched.report();
    assert_eq!(
        (report.jobs(), report.0["worker"]["exit"]["signal"].as_str()),
        (300, Some("SIGKILL"))
    );
}

#[test]
fn a_worker_that_exits_before_its_first_job_is_inconclusive() {
    let watched = run("console.log('nothing to do')");
    let report = watched.report();
    assert_eq!(
        (watched.finished.code, report.status(), report.jobs()),
        (Some(0), "inconclusive", 0)
    );
    assert_eq!(report.0["worker"]["runtime"], "node");
    assert!(
        report.0["verdict"]["bytes_per_job"].is_null(),
        "{:?}",
        report.0["verdict"]
    );
}

#[test]
fn an_output_folder_that_cannot_be_written_is_said_before_the_worker_starts() {
    let watch = Watch::run(PLIMSOLL);
    let file = watch.folder().write("a-file", "");
    let out = file.join("below");
    let args = [
        "run",
        "--out",
        &out.to_string_lossy(),
        "--",
        "sh",
        "-c",
        "echo started",
    ];
    let finished = Launch::new(PLIMSOLL).args(args).run();
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(125), ""),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.contains(&*out.to_string_lossy()),
        "{}",
        finished.stderr
    );
    let args = [
        "run",
        "--report",
        "/no/such/folder/report.json",
        "--",
        "sh",
        "-c",
        "echo started",
    ];
    let finished = Launch::new(PLIMSOLL).args(args).run();
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(125), ""),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_killed_plimsoll_leaves_the_worker_running() {
    let watch = Watch::run(PLIMSOLL);
    let mark = watch.folder().join("finished");
    let script = format!(
        "process.on('exit', (code) => require('node:fs').writeFileSync({:?}, String(code))); {}",
        mark.to_string_lossy(),
        looping(1500, "")
    );
    let file = watch.folder().write("worker.js", script);
    let (mut plimsoll, folder) = watch.start_command(&[&node().to_string_lossy(), &file.to_string_lossy()]);
    let ready = plimsoll.stdout_line("ready pid=");
    let worker: u32 = ready
        .rsplit('=')
        .next()
        .and_then(|pid| pid.parse().ok())
        .expect("the worker told its pid");
    plimsoll.stop(Stop::Kill);
    let finished = plimsoll.finish();
    assert_eq!(finished.signal, Some(9));
    wait_for_end(worker);
    assert_eq!(
        std::fs::read_to_string(&mark).ok().as_deref(),
        Some("0"),
        "the worker did not end by itself"
    );
    drop(folder);
}

/// A process that is not ours to wait for: its folder in /proc goes when it ends.
fn wait_for_end(pid: u32) {
    let ends = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while Path::new(&format!("/proc/{pid}/cwd")).exists() && !is_zombie(pid) {
        assert!(std::time::Instant::now() < ends, "process {pid} never ended");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn is_zombie(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
}

#[test]
fn the_first_interrupt_ends_with_a_report() {
    let watch = Watch::run(PLIMSOLL);
    let script = looping(1_000_000, "if (id === 400) console.log('four hundred');");
    let file = watch.folder().write("worker.js", script);
    let _slot = Slot::take();
    let (mut plimsoll, folder) = watch.start_command(&[&node().to_string_lossy(), &file.to_string_lossy()]);
    plimsoll.stdout_line("four hundred");
    plimsoll.stop(Stop::Interrupt);
    let watched = Watched::of(plimsoll, folder);
    let report = watched.report();
    assert!(report.jobs() >= 400, "{} jobs", report.jobs());
    assert!(
        watched.finished.stderr.contains("report"),
        "{}",
        watched.finished.stderr
    );
    assert!(
        watched.finished.seconds < 60.0,
        "it took {} s",
        watched.finished.seconds
    );
}

#[test]
fn options_of_the_user_and_odd_folders_survive() {
    let watch = Watch::run(PLIMSOLL).env("NODE_OPTIONS", "--stack-trace-limit=3 --no-warnings");
    let script =
        "console.log(Error.stackTraceLimit, process.execArgv.length, typeof globalThis.plimsoll?.job)";
    let file = watch.folder().write("a \"quoted\" folder/wörker one.js", script);
    let watched = watch.command(&[&node().to_string_lossy(), &file.to_string_lossy()]);
    assert_eq!(
        watched.finished.stdout.trim(),
        "3 0 function",
        "{}",
        watched.finished.stderr
    );
}
