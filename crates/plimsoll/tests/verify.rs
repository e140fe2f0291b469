//! `plimsoll verify` as a gate: exit codes and sentences for workers that behave in every way.

use plimsoll_testbed::{Launch, Watch, Watched, node};

/// A worker of its own making: five leaking kinds of jobs would do as well as one.
const LOOP: &str = r"
const kept = [];
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const job = (name, fn) => globalThis.plimsoll?.job(name, {}, fn) ?? fn();
const JOBS = Number(process.env.JOBS ?? 100000);
async function work(number) {
  const order = { number, lines: Array.from({ length: 60 }, (_, line) => `${number}-${line}`) };
  if (process.env.LEAK) kept.push(order);
  if (number % 7 === 0) await sleep(0);
  return order.lines.length;
}
(async () => {
  for (let number = 1; number <= JOBS; number += 1) {
    await job(number % 3 ? 'order' : 'refund', () => work(number));
    if (number === Number(process.env.CRASH_AT)) throw new Error('out of luck');
    if (number === Number(process.env.HANG_AT)) await new Promise(() => setInterval(() => {}, 1000));
  }
})();
if (process.env.DEAF) process.on('SIGTERM', () => {});
";

fn verify(variables: &[(&str, &str)], options: &[&str]) -> Watched {
    let mut watch = Watch::verify(env!("CARGO_BIN_EXE_plimsoll"));
    for (name, value) in variables {
        watch = watch.env(name, value);
    }
    for option in options {
        watch = watch.option(option);
    }
    let script = watch.folder().write("orders.js", LOOP);
    watch.command(&[&node().to_string_lossy(), &script.to_string_lossy()])
}

/// Exit code and the words that the last lines must have.
fn check(variables: &[(&str, &str)], options: &[&str], code: i32, words: &str) -> Watched {
    let watched = verify(variables, options);
    let said = &watched.finished.stderr;
    let last = said.find("plimsoll verify:").map_or("", |at| &said[at..]);
    assert_eq!(
        watched.finished.code,
        Some(code),
        "{variables:?} {options:?}\n{said}"
    );
    assert!(last.contains(words), "`{last}` lacks `{words}`");
    watched
}

#[test]
fn a_leak_fails_a_sound_worker_passes_and_two_reports_tell_of_the_fix() {
    let leaky = check(&[("LEAK", "1")], &["--jobs", "2000"], 1, "held by `kept` at");
    assert_eq!(leaky.report().jobs(), 2000);
    let sound = check(&[], &["--jobs", "2000"], 0, "over 2000 jobs");
    let compare = |before: &Watched, after: &Watched| {
        let launch = Launch::new(env!("CARGO_BIN_EXE_plimsoll")).args(["report", "compare"]);
        launch
            .arg(before.file("report.json"))
            .arg(after.file("report.json"))
            .run()
    };
    let fixed = compare(&leaky, &sound);
    assert_eq!(fixed.code, Some(0), "{}", fixed.stderr);
    assert!(
        fixed.stdout.contains("gone              kept"),
        "{}",
        fixed.stdout
    );
    assert_eq!(compare(&leaky, &leaky).code, Some(1));
    assert_eq!(compare(&sound, &sound).code, Some(3));
}

#[test]
fn a_worker_that_does_not_do_its_part_is_told_apart_from_a_leak() {
    check(
        &[("CRASH_AT", "500")],
        &["--jobs", "2000"],
        2,
        "exit code 1 after 500 of 2000 jobs",
    );
    check(
        &[("JOBS", "700")],
        &["--jobs", "2000"],
        2,
        "by itself after 700 of 2000 jobs",
    );
    check(
        &[("HANG_AT", "500")],
        &["--jobs", "2000", "--stall", "8s"],
        2,
        "no job finished for 8 s after 500 of 2000 jobs",
    );
}

#[test]
fn a_worker_without_jobs_is_told_how_to_tell_them() {
    let watch = Watch::verify(env!("CARGO_BIN_EXE_plimsoll"))
        .option("--jobs")
        .option("50");
    let watched = watch.command(&[
        &node().to_string_lossy(),
        "-e",
        "console.log('\\x1b[31mgarbage\\0{{{')",
    ]);
    assert_eq!(watched.finished.code, Some(2));
    assert!(
        watched
            .finished
            .stderr
            .contains("no job was seen before the worker ended"),
        "{}",
        watched.finished.stderr
    );
    assert!(watched.finished.stderr.contains("globalThis.plimsoll?.job"));
}

#[test]
fn a_worker_that_ignores_the_request_to_stop_gets_its_verdict() {
    check(
        &[("DEAF", "1"), ("LEAK", "1")],
        &["--jobs", "2000"],
        1,
        "over 2000 jobs",
    );
}

#[test]
fn bad_arguments_and_missing_programs_are_2() {
    let run = |options: &[&str], command: &[&str]| {
        let watch = options
            .iter()
            .fold(Watch::verify(env!("CARGO_BIN_EXE_plimsoll")), |watch, option| {
                watch.option(option)
            });
        watch.command(command).finished
    };
    for (options, command, words) in [
        (&[][..], "true", "--jobs"),
        (&["--jobs", "0"], "true", "--jobs"),
        (&["--jobs", "10", "--growth-limit", "much"], "true", "1KB/job"),
        (&["--jobs", "10", "--junit", "/nowhere/a.xml"], "true", "/nowhere"),
        (&["--jobs", "10"], "no-such-program-here", "no program"),
    ] {
        let finished = run(options, &[command]);
        assert_eq!(finished.code, Some(2), "{options:?}: {}", finished.stderr);
        assert!(
            finished.stderr.contains(words),
            "{options:?}: {}",
            finished.stderr
        );
    }
}

#[test]
fn two_at_once_do_not_disturb_each_other() {
    std::thread::scope(|scope| {
        let leaky = scope.spawn(|| check(&[("LEAK", "1")], &["--jobs", "1500"], 1, "held by `kept`"));
        let sound = scope.spawn(|| check(&[], &["--jobs", "1500"], 0, "over 1500 jobs"));
        leaky.join().expect("the leaky one is told");
        sound.join().expect("the sound one is told");
    });
}

#[test]
fn a_memory_limit_fails_the_test_when_it_is_hit() {
    let watched = check(
        &[("LEAK", "1")],
        &[
            "--jobs",
            "1000000",
            "--memory-limit",
            "96M",
            "--snapshots",
            "never",
        ],
        1,
        "ran into the memory limit of 96.0 MiB",
    );
    let report = &watched.report().0;
    let limit = &report["verify"]["memory_limit"];
    assert_eq!(limit["hit"], true, "{limit}");
    let stable = check(
        &[],
        &["--jobs", "1500", "--memory-limit", "256M"],
        0,
        "over 1500 jobs",
    );
    assert_eq!(stable.report().0["verify"]["memory_limit"]["hit"], false);
}

#[test]
fn an_answer_that_is_certain_ends_the_run_early() {
    let leaky = check(
        &[("LEAK", "1")],
        &["--jobs", "1000000", "--until", "stable"],
        1,
        "held by `kept`",
    );
    assert!(leaky.report().jobs() < 900_000, "{}", leaky.report().jobs());
}
