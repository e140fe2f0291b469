//! `plimsoll report`: a report shown again, and the story of a fix told from two.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use plimsoll_model::{Estimate, HumanBytes, Report, Status};
use serde_json::json;

/// Options of `report`.
#[derive(Debug, Args)]
#[command(before_help = "\
Examples:
  plimsoll report compare before.json after.json")]
pub struct ReportArgs {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with reports.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Whether a fix works: exit 0 fixed, 1 not fixed, 3 cannot tell, 2 unreadable
    Compare(CompareArgs),
}

/// Options of `report compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The report of the worker that leaks (`plimsoll.report/1`)
    #[arg(value_name = "BEFORE.json")]
    pub before: PathBuf,
    /// The report of the worker with the fix
    #[arg(value_name = "AFTER.json")]
    pub after: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How a fix fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fix {
    Fixed,
    NotFixed,
    CannotTell,
}

impl Fix {
    fn code(self) -> u8 {
        match self {
            Fix::Fixed => 0,
            Fix::NotFixed => 1,
            Fix::CannotTell => 3,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Fix::Fixed => "fixed",
            Fix::NotFixed => "not fixed",
            Fix::CannotTell => "cannot tell",
        }
    }
}

/// Runs the command.
pub fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let Action::Compare(args) = &args.action;
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let (fix, sentence) = judge(&before, &after);
    let text = if args.json {
        let gone = gone(&before, &after);
        let document = json!({
            "schema": "plimsoll.report-compare/1",
            "outcome": fix.word(),
            "sentence": sentence,
            "bytes_per_job": {"before": before.verdict.bytes_per_job, "after": after.verdict.bytes_per_job},
            "floor_bytes": {"before": floor(&before), "after": floor(&after)},
            "floor_saved_share": saved(&before, &after),
            "gc_pause_seconds_per_job": {"before": pauses(&before), "after": pauses(&after)},
            "holders_gone": gone,
        });
        format!("{document:#}\n")
    } else {
        told(&before, &after, fix, &sentence)
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("could not write to stdout")?;
    Ok(ExitCode::from(fix.code()))
}

fn read(path: &Path) -> anyhow::Result<Report> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    plimsoll_wire::report::read(&text).with_context(|| format!("`{}` is no report", path.display()))
}

/// Fixed only if the fix is known to be bounded and what was there before was a leak.
fn judge(before: &Report, after: &Report) -> (Fix, String) {
    use Status::{Bounded, Inconclusive, Leaking, Stable};
    match (before.verdict.status, after.verdict.status) {
        (Leaking, Stable | Bounded) => (Fix::Fixed, "it leaked before and memory is bounded now".into()),
        (_, Leaking) => (Fix::NotFixed, still(before, after)),
        (_, Inconclusive) => (
            Fix::CannotTell,
            "the run after the fix does not settle it: run more jobs".into(),
        ),
        (_, Stable | Bounded) => (
            Fix::CannotTell,
            "memory is bounded now, but the run before shows no leak: compare with one that does".into(),
        ),
    }
}

fn still(before: &Report, after: &Report) -> String {
    match (before.verdict.bytes_per_job, after.verdict.bytes_per_job) {
        (Some(old), Some(new)) if new.high < old.low => format!(
            "it leaks less, but it still leaks: {} a job after {}",
            HumanBytes(new.estimate),
            HumanBytes(old.estimate)
        ),
        _ => "it still leaks".to_owned(),
    }
}

fn floor(report: &Report) -> Option<u64> {
    report.memory.as_ref()?.floor_bytes
}

/// Share of the last floor that is saved; unknown where the runs differ in jobs, since a leak's floor grows
/// with them.
fn saved(before: &Report, after: &Report) -> Option<f64> {
    let (old, new) = (floor(before)?, floor(after)?);
    let (jobs, others) = (before.window.jobs as f64, after.window.jobs as f64);
    // A tenth more or fewer jobs move a floor by less than the runs themselves differ.
    let alike = (jobs - others).abs() <= 0.1 * jobs.max(others);
    (alike && old > 0).then(|| 1.0 - new as f64 / old as f64)
}

fn pauses(report: &Report) -> Option<f64> {
    let pause = report.memory.as_ref()?.collections?.pause_seconds;
    (report.window.jobs > 0).then(|| pause / report.window.jobs as f64)
}

/// Holders that gained before and are no suspects any more.
fn gone(before: &Report, after: &Report) -> Vec<String> {
    let names = |report: &Report| -> BTreeSet<String> {
        report
            .suspects
            .iter()
            .filter_map(|suspect| suspect.holder.clone())
            .collect()
    };
    names(before).difference(&names(after)).cloned().collect()
}

/// The story as text.
fn told(before: &Report, after: &Report, fix: Fix, sentence: &str) -> String {
    let growth = |growth: Option<Estimate>| {
        growth.map_or("unknown".to_owned(), |e| {
            format!(
                "{} ({} to {})",
                HumanBytes(e.estimate),
                HumanBytes(e.low),
                HumanBytes(e.high)
            )
        })
    };
    let bytes =
        |bytes: Option<u64>| bytes.map_or("unknown".to_owned(), |bytes| HumanBytes(bytes as f64).to_string());
    let pause =
        |pause: Option<f64>| pause.map_or("unknown".to_owned(), |seconds| format!("{:.1} µs", seconds * 1e6));
    let mut text = format!("{}: {sentence}\n", fix.word());
    for (name, old, new) in [
        (
            "verdict",
            before.verdict.status.to_string(),
            after.verdict.status.to_string(),
        ),
        (
            "growth per job",
            growth(before.verdict.bytes_per_job),
            growth(after.verdict.bytes_per_job),
        ),
        ("last floor", bytes(floor(before)), bytes(floor(after))),
        ("gc pause per job", pause(pauses(before)), pause(pauses(after))),
        (
            "jobs",
            before.window.jobs.to_string(),
            after.window.jobs.to_string(),
        ),
    ] {
        text += &format!("  {name:<17} {old}  →  {new}\n");
    }
    if let Some(saved) = saved(before, after) {
        text += &format!("  memory saved      {:.0} % of the last floor\n", saved * 100.0);
    }
    for holder in gone(before, after) {
        text += &format!("  gone              {}\n", holder.escape_debug());
    }
    text
}
