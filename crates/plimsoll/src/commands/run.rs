//! `plimsoll run` and `plimsoll attach`.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use plimsoll_daemon::{DaemonError, Options, Outcome, StopCause, WorkerOutput};
use plimsoll_model::Status;

use crate::cli::{AttachArgs, FailOn, RunArgs, WatchArgs};
use crate::live::Terminal;
use crate::relay::Relay;

/// Starts a worker, watches it, explains it.
pub fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let program = args.command[0].clone();
    let mut options = options(&args.watch, &program)?;
    options.jobs = args.jobs;
    options.agent = !args.no_agent;
    options.alloc_sampler = args.alloc_sampler.into();
    if args.watch.json {
        options.output = WorkerOutput::Stderr;
    }
    let view = Terminal::new(args.jobs, args.watch.duration);
    let mut view = Relay::new(view, &args.watch, &options, &args.command)?;
    match plimsoll_daemon::run(&args.command, &options, &mut view) {
        Ok(outcome) => finish(&outcome, &args.watch, view.finish(&outcome)),
        Err(error) => Ok(failed(&error)),
    }
}

/// Watches a process that already runs.
pub fn attach(args: &AttachArgs) -> anyhow::Result<ExitCode> {
    let options = options(&args.watch, &format!("pid-{}", args.pid))?;
    let view = Terminal::new(None, args.watch.duration);
    let command = [format!("pid-{}", args.pid)];
    let mut view = Relay::new(view, &args.watch, &options, &command)?;
    match plimsoll_daemon::attach(args.pid, &options, &mut view) {
        Ok(outcome) => finish(&outcome, &args.watch, view.finish(&outcome)),
        Err(error) => Ok(failed(&error)),
    }
}

fn options(args: &WatchArgs, program: &str) -> anyhow::Result<Options> {
    for path in &args.report {
        check_parent(path)?;
    }
    let out = match &args.out {
        Some(out) => out.clone(),
        None => default_folder(args.service.as_deref().unwrap_or(program)),
    };
    let mut options = Options::new(out);
    options.service.clone_from(&args.service);
    options.release.clone_from(&args.release);
    options.env.clone_from(&args.env);
    options.budget_bytes = args.budget;
    options.growth_limit = args.growth_limit;
    options.duration = args.duration;
    options.capture = args.capture.clone();
    options.pause_budget = args.pause_budget;
    Ok(options)
}

/// A report that cannot be written is better known before the worker has run for an hour.
pub fn check_parent(path: &Path) -> anyhow::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    anyhow::ensure!(
        parent.is_dir(),
        "cannot write the report `{}`: no folder `{}`",
        path.display(),
        parent.display()
    );
    Ok(())
}

/// `$XDG_STATE_HOME/plimsoll/runs/NAME-TIME-PID` (XDG Base Directory Specification).
pub fn default_folder(name: &str) -> PathBuf {
    let base = state_folder();
    let name = Path::new(name).file_name().unwrap_or_default().to_string_lossy();
    let plain: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
        .take(40)
        .collect();
    let time = humantime::format_rfc3339_seconds(SystemTime::now())
        .to_string()
        .replace(':', "");
    base.join("plimsoll/runs")
        .join(format!("{plain}-{time}-{}", std::process::id()))
}

/// `$XDG_STATE_HOME` (XDG Base Directory Specification).
pub fn state_folder() -> PathBuf {
    std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")))
        .unwrap_or_else(std::env::temp_dir)
}

/// Prints and writes what was found, and says how to exit.
pub fn finish(outcome: &Outcome, args: &WatchArgs, view: &Terminal) -> anyhow::Result<ExitCode> {
    view.clear();
    for path in &args.report {
        outcome
            .write_report(path)
            .with_context(|| format!("could not write the report `{}`", path.display()))?;
    }
    if args.json {
        writeln!(io::stdout(), "{}", outcome.json()).context("could not write to stdout")?;
    } else {
        print_text(outcome);
    }
    Ok(ExitCode::from(exit_code(outcome, args.fail_on)))
}

/// The report as text, for people: on stderr, since stdout is the worker's.
pub fn print_text(outcome: &Outcome) {
    let style = crate::live::style(io::stderr().is_terminal());
    // Nobody reads a closed stderr.
    let _ = writeln!(io::stderr(), "{}", outcome.terminal(style));
}

/// The worker's own code, unless a gate was asked for. A worker that ended because we told it to, as
/// asked for by `--jobs` or `--for`, has no code of its own: that is a success.
fn exit_code(outcome: &Outcome, fail_on: Option<FailOn>) -> u8 {
    match (fail_on, outcome.status()) {
        (Some(FailOn::Leaking), Status::Leaking) => return 1,
        (Some(FailOn::Leaking), Status::Inconclusive) => return 3,
        _ => {}
    }
    match outcome.stopped() {
        Some(StopCause::Jobs | StopCause::Duration | StopCause::Settled) if outcome.ended_by_signal() => 0,
        _ => outcome.shell_code(),
    }
}

/// An error with what can be done about it.
pub fn with_hint(error: &DaemonError) -> anyhow::Error {
    match error.hint() {
        Some(hint) => anyhow::anyhow!("{error}\n  hint: {hint}"),
        None => anyhow::anyhow!("{error}"),
    }
}

/// Says why a run failed and how to exit.
pub fn failed(error: &DaemonError) -> ExitCode {
    eprintln!("plimsoll: {error}");
    if let Some(hint) = error.hint() {
        eprintln!("  hint: {hint}");
    }
    ExitCode::from(match error {
        DaemonError::NotFound { .. } => 127,
        DaemonError::NotExecutable { .. } => 126,
        DaemonError::Interrupted => 130,
        _ => crate::OUR_FAILURE,
    })
}
