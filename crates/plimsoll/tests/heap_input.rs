//! `plimsoll heap` on files that are no heap dumps.

use plimsoll_testbed::{Launch, Snapshot, Watch, check_snapshot};

const PLIMSOLL: &str = env!("CARGO_BIN_EXE_plimsoll");

fn check(args: &[&str], filters: &[(&str, &'static str)], expected: &str) {
    let finished = Launch::new(PLIMSOLL)
        .env("NO_COLOR", "1")
        .args(args.iter().copied())
        .run();
    check_snapshot(&finished, &Snapshot::with_filters(filters), expected);
}

#[test]
fn dumps_that_are_none_are_refused_with_the_place() {
    let watch = Watch::run(PLIMSOLL);
    let truncated = r#"{"snapshot":{"meta":{"node_fields":["type","name","id","self_size","edge_count"]"#;
    for (name, text, place) in [
        ("empty", "", "empty file"),
        ("foreign", "PK\u{3}\u{4} not a heap", "not a V8 heap snapshot"),
        ("truncated", truncated, "80 bytes"),
        ("other", "{\"a\":1}", "not a V8 heap snapshot"),
    ] {
        let file = watch.folder().write(&format!("{name}.heapsnapshot"), text);
        let finished = Launch::new(PLIMSOLL)
            .args(["heap", "summary"])
            .arg(&file)
            .deadline(20)
            .run();
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (Some(2), ""),
            "{name}: {}",
            finished.stderr
        );
        assert!(finished.stderr.contains(place), "{name}: {}", finished.stderr);
        assert!(
            !finished.stderr.contains("panicked"),
            "{name}: {}",
            finished.stderr
        );
    }
}

#[test]
fn a_dump_that_is_not_there_is_said() {
    check(
        &["heap", "summary", "/no/such/dump.heapsnapshot"],
        &[],
        "
        exit 2
        --- stdout

        --- stderr
        plimsoll: cannot open `/no/such/dump.heapsnapshot`: No such file or directory (os error 2)",
    );
}
