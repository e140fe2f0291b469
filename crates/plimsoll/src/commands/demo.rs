//! `plimsoll demo`: a realistic mailer that leaks, watched for a minute.

use std::process::ExitCode;

use anyhow::Context;
use plimsoll_daemon::{Options, WorkerOutput};

use crate::cli::DemoArgs;
use crate::live::Terminal;

/// The worker that ships inside the binary.
const MAILER: &str = include_str!("../../../../fixtures/workers/node/demo/mailer.js");

/// Runs the mailer under watch and prints what was found.
pub fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| super::run::default_folder("demo"));
    std::fs::create_dir_all(&out)
        .with_context(|| format!("cannot write to the output folder `{}`", out.display()))?;
    let script = out.join("mailer.js");
    std::fs::write(&script, MAILER).with_context(|| format!("could not write `{}`", script.display()))?;
    let mut options = Options::new(out.clone());
    options.service = Some("mailer".into());
    options.env = Some("demo".into());
    options.duration = Some(args.duration);
    options.output = WorkerOutput::File(out.join("mailer.log"));
    let mut view = Terminal::new(None, Some(args.duration));
    let command = ["node".to_owned(), script.to_string_lossy().into_owned()];
    eprintln!(
        "A mailer that parks failed e-mails runs for {} under watch.",
        humantime::format_duration(args.duration)
    );
    match plimsoll_daemon::run(&command, &options, &mut view) {
        Ok(outcome) => {
            view.clear();
            super::run::print_text(&outcome);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Ok(super::run::failed(&error)),
    }
}
