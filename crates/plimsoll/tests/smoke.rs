//! The main path in a minute: a leak found and explained, a lookalike left in peace, the demo, the HTML.

use plimsoll_testbed::{
    Fixture, Launch, ReportFile, Slot, TestFolder, Watch, judge_leaky, judge_sound, repository,
    suspect_complaints,
};

const PLIMSOLL: &str = env!("CARGO_BIN_EXE_plimsoll");

#[test]
fn a_leak_is_found_and_explained() {
    let worker = Fixture::load("emitter-listener", "leaky").as_is();
    let _slot = Slot::take();
    let watched = Watch::run(PLIMSOLL).worker(&worker);
    let wrong = judge_leaky(&worker, watched.report());
    assert!(
        wrong.is_empty(),
        "{}\nagain: {}",
        wrong.join("\n"),
        watched.finished.shown
    );
    let html =
        std::fs::read_to_string(watched.file("out/report.html")).expect("the report is written as HTML");
    assert!(
        html.contains("crawl-page") && html.contains("settingsBus"),
        "the HTML does not name the leak"
    );
    assert!(
        !html.contains("src=\"http") && !html.contains("href=\"http"),
        "the HTML is not self-contained"
    );
}

#[test]
fn a_lookalike_is_left_in_peace() {
    let worker = Fixture::load("cache-no-eviction", "sound").as_is();
    let _slot = Slot::take();
    let watched = Watch::run(PLIMSOLL).worker(&worker);
    let wrong = judge_sound(&worker, watched.report());
    assert!(
        wrong.is_empty(),
        "{}\nagain: {}",
        wrong.join("\n"),
        watched.finished.shown
    );
}

#[test]
fn a_gate_fails_on_a_leak() {
    let worker = Fixture::load("external-buffers", "leaky").as_is();
    let _slot = Slot::take();
    let watched = Watch::run(PLIMSOLL).option("--fail-on=leaking").worker(&worker);
    assert_eq!(watched.finished.code, Some(1), "{}", watched.finished.stderr);
}

#[test]
fn the_demo_names_its_leak() {
    let folder = TestFolder::new("demo");
    let _slot = Slot::take();
    let launch = Launch::new(PLIMSOLL)
        .env("NO_COLOR", "1")
        .args(["demo", "--for", "20s", "--out"])
        .arg(folder.path());
    let finished = launch.deadline(90).run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let report = ReportFile::read(&folder.join("report.json")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.status(), "leaking", "{}", report.reasons());
    // The demo's own source has no marker: it is shown to people.
    let marked = [(
        "mailer.js".to_owned(),
        declaration_line("const deferredMails = [];"),
    )];
    let patterns = ["retry-buffer", "growing-collection"];
    let wrong = suspect_complaints(&report, "invoice-email", &["deferredMails"], &patterns, &marked);
    assert!(wrong.is_empty(), "{wrong:?}\n{}", finished.stderr);
    assert!(
        finished.stderr.contains("deferredMails") && finished.stderr.contains("report.html"),
        "{}",
        finished.stderr
    );
}

fn declaration_line(declaration: &str) -> u64 {
    let text = std::fs::read_to_string(repository().join("fixtures/workers/node/demo/mailer.js"))
        .expect("it is there");
    text.lines()
        .position(|line| line == declaration)
        .expect("the demo declares its holder") as u64
        + 1
}
