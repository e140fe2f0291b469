//! The allocation sampler in hostile programs: it says nothing, breaks nothing, and what it counts is
//! within sampling error of what leaks.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use plimsoll_runtimes::native::{SamplerFiles, Scope, Symbols, Table, environment};

/// The programs, built once.
struct Programs {
    folder: tempfile::TempDir,
    files: SamplerFiles,
}

impl Programs {
    fn get() -> &'static Programs {
        static BUILT: OnceLock<Programs> = OnceLock::new();
        BUILT.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a folder");
            compile("hostile.c", &folder.path().join("hostile"), &["-pthread", "-ldl"]);
            compile(
                "plugin.c",
                &folder.path().join("plugin.so"),
                &["-shared", "-fPIC"],
            );
            let files = SamplerFiles::write(folder.path()).expect("writable");
            Programs { folder, files }
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn compile(source: &str, to: &Path, more: &[&str]) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../agents/native/tests")
        .join(source);
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let built = Command::new(compiler)
        .args(["-std=gnu11", "-O1", "-g", "-fno-builtin", "-o"])
        .arg(to)
        .arg(source)
        .args(more)
        .status();
    assert!(built.expect("a C compiler").success());
}

/// Runs a program under the sampler; the tables that its processes left, the first process's first.
fn run(arguments: &[&str], tables: &Path) -> (Output, Vec<Table>) {
    let programs = Programs::get();
    let variables = environment(&programs.files, tables, Scope::Native, None).expect("plain paths");
    let output = Command::new(programs.path("hostile"))
        .args(arguments)
        .envs(variables)
        .env("PLIMSOLL_ALLOC_INTERVAL_LOG2", "13")
        .output()
        .expect("it was built");
    let mut found: Vec<Table> = std::fs::read_dir(tables)
        .into_iter()
        .flatten()
        .map(|entry| Table::read(&entry.expect("a readable folder").path()).expect("a table"))
        .collect();
    found.sort_by(|a, b| a.started_at.total_cmp(&b.started_at));
    (output, found)
}

fn assert_silent(arguments: &[&str], output: &Output) {
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments:?}: {:?}",
        output.status
    );
    assert!(
        output.stdout.is_empty() && output.stderr.is_empty(),
        "{arguments:?}"
    );
}

/// Runs a program and compares what lives at its end with what it is known to leak.
fn check(arguments: &[&str], leaked_bytes: f64) {
    let tables = tempfile::tempdir().expect("a folder");
    let (output, found) = run(arguments, tables.path());
    assert_silent(arguments, &output);
    let table = found.first().expect("a table");
    assert!(
        table.dropped * 20 <= table.sampled,
        "{arguments:?}: {} dropped",
        table.dropped
    );
    assert_lives(arguments, std::iter::once(table), leaked_bytes);
}

fn assert_lives<'t>(arguments: &[&str], tables: impl Iterator<Item = &'t Table>, leaked_bytes: f64) {
    let weights: Vec<f64> = tables
        .flat_map(|table| table.live.iter().map(|live| live.weight_bytes))
        .collect();
    let live: f64 = weights.iter().sum();
    // The variance of the estimate is below the sum of the squares of its weights; five deviations are
    // exceeded once in a million runs. What the program and its libraries keep is below 300 KB.
    let deviation = weights.iter().map(|weight| weight.powi(2)).sum::<f64>().sqrt();
    assert!(
        (live - leaked_bytes).abs() <= 5.0 * deviation + 300e3,
        "{arguments:?}: {live} of {leaked_bytes} ± {deviation}"
    );
}

#[test]
fn what_lives_is_what_leaks() {
    check(&["leak"], 40e6);
    check(&["leak-large"], 40e6);
    check(&["leak-nothing"], 0.0);
    check(&["threads"], 16e6);
    check(&["vforks"], 5e6);
    check(&["reallocs"], 20e6);
    check(&["aligned"], 2000.0 * 4096.0);
    check(&["odd-sizes"], 0.0);
    check(&["foreign"], 0.0);
}

#[test]
fn forked_children_have_tables_of_their_own() {
    check(&["forks"], 10e6);
    let tables = tempfile::tempdir().expect("a folder");
    let (_, found) = run(&["forks"], tables.path());
    assert_lives(&["forks"], found[1..].iter(), 100.0 * 200.0 * 5000.0);
}

#[test]
fn stacks_lead_to_the_line() {
    let tables = tempfile::tempdir().expect("a folder");
    let (_, found) = run(&["leak"], tables.path());
    let table = &found[0];
    let largest = table.live.first().expect("leaks").stack;
    let frames = Symbols::default().native(table, largest);
    let names: Vec<&str> = frames
        .iter()
        .filter_map(|frame| frame.split(' ').next())
        .collect();
    assert!(
        names
            .windows(3)
            .any(|three| three == ["filled", "leak_here", "leak"]),
        "{frames:?}"
    );
    assert!(
        frames.iter().any(|frame| frame.contains("hostile.c:")),
        "{frames:?}"
    );
}

#[test]
fn a_library_that_comes_and_goes_is_named() {
    let tables = tempfile::tempdir().expect("a folder");
    let plugin = Programs::get().path("plugin.so");
    let arguments = ["libraries", plugin.to_str().expect("a plain path")];
    let (output, found) = run(&arguments, tables.path());
    assert_silent(&arguments, &output);
    let mut symbols = Symbols::default();
    let by_plugin: f64 = found[0]
        .live
        .iter()
        .filter(|live| {
            symbols
                .native(&found[0], live.stack)
                .iter()
                .any(|f| f.starts_with("plugin_leak "))
        })
        .map(|live| live.weight_bytes)
        .sum();
    assert!((4e6..8e6).contains(&by_plugin), "{by_plugin} of 6,000,000 bytes");
}

#[test]
fn where_no_table_can_be_made_the_program_runs() {
    let nowhere = Path::new("/nonexistent/tables");
    let (output, found) = run(&["leak"], nowhere);
    assert_silent(&["leak"], &output);
    assert!(found.is_empty());
    let tables = tempfile::tempdir().expect("a folder");
    let (output, found) = run(&["small-files"], tables.path());
    assert_silent(&["small-files"], &output);
    // It may have had one before it limited its files to 1,000 bytes and replaced itself.
    assert!(found.iter().all(|table| table.live.len() < 20), "{}", found.len());
}
