//! Programs that start the worker are not the worker: npx, npm, a shell, tsx.

use plimsoll_testbed::{
    Missing, Slot, TestFolder, Watch, Watched, marked_lines, npm_packages, repository, skip_or_fail,
    suspect_complaints,
};

/// A copy of the wrapped workers with the packages beside them.
fn workers() -> Result<TestFolder, Missing> {
    let folder = TestFolder::new("wrappers");
    for name in ["worker.ts", "worker.js", "package.json"] {
        std::fs::copy(
            repository().join("fixtures/wrappers").join(name),
            folder.join(name),
        )
        .expect("a file is copied");
    }
    std::os::unix::fs::symlink(npm_packages()?.join("node_modules"), folder.join("node_modules"))
        .expect("a link is made");
    Ok(folder)
}

fn run(command: &[&str]) -> Option<(Watched, TestFolder)> {
    let folder = match workers() {
        Ok(folder) => folder,
        Err(missing) => {
            skip_or_fail(&missing);
            return None;
        }
    };
    let _slot = Slot::take();
    let watched = Watch::run(env!("CARGO_BIN_EXE_plimsoll"))
        .cwd(folder.path())
        .command(command);
    Some((watched, folder))
}

fn check(command: &[&str], script: &str) {
    let Some((watched, folder)) = run(command) else {
        return;
    };
    let report = watched.report();
    let ready = watched
        .finished
        .stdout
        .lines()
        .find_map(|line| line.split_once("pid="))
        .expect("the worker was ready");
    assert_eq!(
        report.pid().to_string(),
        ready.1.trim(),
        "the wrapper was taken for the worker"
    );
    assert_eq!(watched.finished.code, Some(0), "{}", watched.finished.stderr);
    assert_eq!(
        report.class("send-letter")["jobs"],
        1666,
        "{:?}",
        report.classes()
    );
    assert_eq!(report.class("clean-list")["jobs"], 834, "{:?}", report.classes());
    assert_eq!(report.0["worker"]["runtime"], "node");
    assert_eq!(report.status(), "leaking", "{}", report.reasons());
    let marked = marked_lines(&folder.join(script), "HOLDER");
    let wrong = suspect_complaints(
        report,
        "send-letter",
        &["sentLetters"],
        &["growing-collection"],
        &marked,
    );
    assert!(wrong.is_empty(), "{wrong:?}\nagain: {}", watched.finished.shown);
}

#[test]
fn npx_tsx_is_reported_in_lines_of_typescript() {
    check(&["npx", "--no-install", "tsx", "worker.ts"], "worker.ts");
}

#[test]
fn npm_run_starts_the_worker() {
    check(&["npm", "run", "worker"], "worker.js");
}

#[test]
fn npm_run_of_tsx_starts_the_worker() {
    check(&["npm", "run", "--silent", "worker:ts"], "worker.ts");
}

#[test]
fn a_shell_starts_the_worker() {
    check(&["sh", "-c", "node worker.js; exit $?"], "worker.js");
}
