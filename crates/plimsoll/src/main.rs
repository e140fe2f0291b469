//! The `plimsoll` command: arguments in, exit code out.

mod cli;
mod commands;
mod live;
mod relay;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

/// `run`, `attach` and `demo` pass the worker's codes through, so ours must be out of their way.
const OUR_FAILURE: u8 = 125;
/// What the gates answer when they could not do it.
const COULD_NOT: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage_error(&error),
    };
    let (result, failure) = match &cli.command {
        Command::Run(args) => (commands::run::run(args), OUR_FAILURE),
        Command::Attach(args) => (commands::run::attach(args), OUR_FAILURE),
        Command::Report(args) => (commands::report::run(args), COULD_NOT),
        Command::Verify(args) => (commands::verify::run(args), COULD_NOT),
        Command::Demo(args) => (commands::demo::run(args), OUR_FAILURE),
        Command::Detect(args) => (commands::detect::run(args), COULD_NOT),
        Command::Heap(args) => (commands::heap::run(args), COULD_NOT),
        Command::Serve(args) => (commands::serve::run(args), COULD_NOT),
        Command::Incident(args) => (commands::incident::run(args), COULD_NOT),
        Command::Audit(args) => (commands::audit::audit(args), COULD_NOT),
        Command::Token(args) => (commands::audit::token(args), COULD_NOT),
    };
    result.unwrap_or_else(|error| {
        eprintln!("plimsoll: {error:#}");
        ExitCode::from(failure)
    })
}

fn usage_error(error: &clap::Error) -> ExitCode {
    // A closed pipe while help is printed is nobody's fault.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let passes_through = std::env::args()
        .nth(1)
        .is_some_and(|name| ["run", "attach", "demo"].contains(&&*name));
    ExitCode::from(if passes_through { OUR_FAILURE } else { COULD_NOT })
}
