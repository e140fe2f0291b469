//! What is run, in which order: cheap and telling things first.

use std::{fs, path::Path};

use anyhow::Context;

use super::{Extent, needs::Need};

/// End-to-end tests that run workers for minutes. Tests that are not named here are fast.
const SLOW: &[(&str, &str, &[Need])] = &[
    ("wrappers", "slow: wrappers", &[Need::Node, Need::Npm]),
    ("attach", "slow: attach", &[Need::Node]),
    ("serve", "slow: serve", &[Need::Node]),
    ("verify", "slow: verify", &[Need::Node]),
    ("bullmq", "slow: bullmq", &[Need::Node, Need::Npm, Need::Redis]),
    ("fixtures", "slow: fixtures", &[Need::Node, Need::Npm]),
    ("zoo", "slow: zoo", &[Need::Node, Need::Npm]),
];

/// One command, or the tidy checks if it is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub name: &'static str,
    pub command: Vec<String>,
    pub needs: &'static [Need],
}

/// The steps of `extent`.
pub fn steps(root: &Path, extent: Extent) -> anyhow::Result<Vec<Step>> {
    let end_to_end = names_in(&root.join("crates/plimsoll/tests"), ".rs")?;
    let agent_tests = paths_in(root, "agents/node/test", ".test.cjs")?;
    let helper_tests = paths_in(root, "agents/npm/test", ".test.cjs")?;
    Ok(plan(extent, &end_to_end, &agent_tests, &helper_tests))
}

fn plan(extent: Extent, end_to_end: &[String], agent_tests: &[String], helper_tests: &[String]) -> Vec<Step> {
    let mut steps = vec![
        step("format", "cargo fmt --all --check -- -l", &[]),
        step("tidy", "", &[]),
        step(
            "lints",
            "cargo clippy --workspace --all-targets --quiet -- -D warnings",
            &[],
        ),
        step(
            "unit and crate tests",
            "cargo test --workspace --exclude plimsoll --exclude plimsoll-testbed --exclude plimsoll-attribute \
             --no-fail-fast",
            &[Need::Node],
        ),
        step(
            "attribution and testbed",
            "cargo test -p plimsoll-testbed -p plimsoll-attribute --lib",
            &[],
        ),
        binary_tests(end_to_end),
        step(
            "job libraries",
            "npm install --no-audit --no-fund --no-package-lock --loglevel=error --prefix agents/node/test/packages",
            &[Need::Npm],
        ),
        node_step("node agent", &[Need::Node, Need::Npm], agent_tests),
        node_step("npm helper", &[Need::Node], helper_tests),
    ];
    if extent == Extent::All {
        steps.push(step(
            "slow: truths and patterns",
            "cargo test -p plimsoll-testbed -p plimsoll-attribute --no-fail-fast",
            &[Need::Node],
        ));
        let present = SLOW
            .iter()
            .filter(|(test, ..)| end_to_end.iter().any(|name| name == test));
        steps.extend(
            present.map(|(test, name, needs)| {
                step(name, &format!("cargo test -p plimsoll --test {test}"), needs)
            }),
        );
    }
    steps
}

fn step(name: &'static str, command: &str, needs: &'static [Need]) -> Step {
    Step {
        name,
        command: command.split_whitespace().map(str::to_owned).collect(),
        needs,
    }
}

/// The binary's own tests without the slow ones.
fn binary_tests(end_to_end: &[String]) -> Step {
    let mut run = step(
        "binary",
        "cargo test -p plimsoll --no-fail-fast --bins",
        &[Need::Node],
    );
    for name in end_to_end
        .iter()
        .filter(|name| !SLOW.iter().any(|(slow, ..)| slow == name))
    {
        run.command.extend(["--test".to_owned(), name.clone()]);
    }
    run
}

/// Files are named one by one: what a folder means to `node --test` changed between versions.
fn node_step(name: &'static str, needs: &'static [Need], paths: &[String]) -> Step {
    let mut run = step(name, "node --test", needs);
    run.command.extend_from_slice(paths);
    run
}

/// Files in `folder` below `root` that end with `ending`, from `root` on.
fn paths_in(root: &Path, folder: &str, ending: &str) -> anyhow::Result<Vec<String>> {
    let names = names_in(&root.join(folder), ending)?;
    Ok(names
        .iter()
        .map(|name| format!("{folder}/{name}{ending}"))
        .collect())
}

/// Names of the files in `folder` that end with `ending`, without it.
fn names_in(folder: &Path, ending: &str) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list `{}`", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(ending).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_tests_come_last_or_not_at_all() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let end_to_end = names(&["bad_input", "bullmq", "fixtures", "new_one"]);
        let agent = names(&["agents/node/test/jobs.test.cjs"]);
        let helper = names(&["agents/npm/test/slope.test.cjs"]);
        let fast = plan(Extent::Fast, &end_to_end, &agent, &helper);
        let all = plan(Extent::All, &end_to_end, &agent, &helper);
        assert_eq!(all[..fast.len()], fast[..]);
        let slow: Vec<_> = all[fast.len()..]
            .iter()
            .map(|step| step.command.join(" "))
            .collect();
        assert_eq!(
            slow,
            [
                "cargo test -p plimsoll-testbed -p plimsoll-attribute --no-fail-fast",
                "cargo test -p plimsoll --test bullmq",
                "cargo test -p plimsoll --test fixtures"
            ]
        );
        let binary = fast.iter().find(|step| step.name == "binary").unwrap();
        assert_eq!(
            binary.command.join(" "),
            "cargo test -p plimsoll --no-fail-fast --bins --test bad_input --test new_one"
        );
        for (name, command) in [
            ("node agent", "node --test agents/node/test/jobs.test.cjs"),
            ("npm helper", "node --test agents/npm/test/slope.test.cjs"),
        ] {
            let step = fast.iter().find(|step| step.name == name).unwrap();
            assert_eq!(step.command.join(" "), command);
        }
    }
}
