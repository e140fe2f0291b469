//! Repository chores: `cargo xtask tidy` checks what no compiler checks, `cargo xtask test` runs everything.

mod test;
mod tidy;

use std::{path::PathBuf, process::ExitCode};

use anyhow::bail;

const USAGE: &str = "\
usage: cargo xtask test [--fast]   all checks and tests; --fast leaves out those that run workers for minutes
       cargo xtask tidy            the checks that no compiler makes";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all is well.
fn run() -> anyhow::Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    match words[..] {
        ["test"] => test::run(&root, test::Extent::All),
        ["test", "--fast"] => test::run(&root, test::Extent::Fast),
        ["tidy"] => tidy::run(&root),
        _ => bail!("{USAGE}"),
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace")
        .to_path_buf()
}
