//! Released packages that leak, each with the version that fixed it, and programs that grow without leaking.
//!
//! Installs them by name and prints the table: `cargo test -p plimsoll --test zoo -- --nocapture`.
//! `ZOO_CASES` (names split by commas) picks some.

use plimsoll_testbed::{Missing, Slot, Watch, ZooCase, ZooRow, node, skip_or_fail, zoo_cases, zoo_table};

fn run(case: &ZooCase) -> Result<ZooRow, Missing> {
    let folder = case.install()?;
    let slot = Slot::take();
    let watch = Watch::run(env!("CARGO_BIN_EXE_plimsoll"))
        .env("JOBS", &case.jobs.to_string())
        .cwd(&folder);
    let watched = match case.runtime.as_str() {
        "python" => watch.command(&["./venv/bin/python", "worker.py"]),
        _ => watch.command(&[&node().to_string_lossy(), "worker.js"]),
    };
    drop(slot);
    Ok(match &watched.report {
        Ok(report) => case.row(report),
        Err(error) => case.failed(format!("{error}: {}", watched.finished.stderr)),
    })
}

#[test]
fn released_leaks_are_found_and_fixed_versions_are_not_blamed() {
    let chosen = std::env::var("ZOO_CASES").unwrap_or_default();
    let is_chosen = |case: &ZooCase| chosen.is_empty() || chosen.split(',').any(|name| name == case.name);
    let cases: Vec<ZooCase> = zoo_cases().into_iter().filter(is_chosen).collect();
    let rows: Result<Vec<ZooRow>, Missing> = std::thread::scope(|scope| {
        let runs: Vec<_> = cases.iter().map(|case| scope.spawn(|| run(case))).collect();
        runs.into_iter()
            .map(|run| run.join().expect("a run reports its failure in its row"))
            .collect()
    });
    let rows = match rows {
        Ok(rows) => rows,
        Err(missing) => return skip_or_fail(&missing),
    };
    println!("\n{}\n", zoo_table(&rows));
    let wrong: Vec<String> = rows
        .iter()
        .flat_map(|row| row.wrong.iter().map(move |wrong| row.told(wrong)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
