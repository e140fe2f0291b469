//! `plimsoll verify`: prove that memory is bounded over N jobs, as a gate.

mod args;
mod gate;
mod outputs;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use plimsoll_daemon::{Options, Outcome, Pace, WorkerOutput};
use plimsoll_model::{Gate, RunResult, Verification};
use plimsoll_wire::agent::CapturePlan;

use args::Until;
pub use args::VerifyArgs;
use gate::{Answer, Facts};

use crate::live::Terminal;

/// Runs the worker as often as asked for and says whether its memory is bounded.
pub fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    for path in args
        .report
        .iter()
        .chain(&args.junit)
        .chain(&args.sarif)
        .chain(&args.markdown)
    {
        super::run::check_parent(path)?;
    }
    let mut outcomes = Vec::new();
    for number in 1..=args.repeat {
        let options = options(args, number);
        let mut view = Terminal::new(args.jobs, args.duration);
        let outcome = plimsoll_daemon::run(&args.command, &options, &mut view);
        view.clear();
        let outcome = outcome.map_err(|error| super::run::with_hint(&error))?;
        note_limit(&outcome);
        if args.repeat > 1 {
            eprintln!(
                "plimsoll: run {number} of {}: {}",
                args.repeat,
                answer(args, &outcome).sentence
            );
        }
        let interrupted = outcome.stopped() == Some(plimsoll_daemon::StopCause::Signal);
        outcomes.push(outcome);
        if interrupted {
            break;
        }
    }
    conclude(args, outcomes)
}

fn options(args: &VerifyArgs, number: u32) -> Options {
    let name = args.service.as_deref().unwrap_or(&args.command[0]);
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| super::run::default_folder(name));
    let out = if args.repeat > 1 {
        out.join(format!("run-{number}"))
    } else {
        out
    };
    let mut options = Options::new(out);
    options.service.clone_from(&args.service);
    options.release.clone_from(&args.release);
    options.env.clone_from(&args.env);
    options.jobs = args.jobs;
    options.duration = args.duration;
    options.growth_limit = args.growth_limit;
    options.memory_limit_bytes = args.memory_limit;
    options.pause_budget = args.pause_budget;
    options.stall = Some(args.stall);
    options.until_settled = args.until == Some(Until::Stable);
    options.pace = Pace::Test;
    if let Some(plan) = capture_plan(args) {
        options.capture = plan;
    }
    if args.json {
        options.output = WorkerOutput::Stderr;
    }
    options
}

/// A run that may end early cannot plan its dumps by its end: each comes at twice the jobs of the last.
fn capture_plan(args: &VerifyArgs) -> Option<CapturePlan> {
    if args.snapshots.is_some() {
        return args.snapshots.clone();
    }
    let (Some(jobs), Some(Until::Stable)) = (args.jobs, args.until) else {
        return None;
    };
    /// Most workers have warmed up after so many jobs.
    const FIRST: u64 = 100;
    /// Beyond 100 × 2^7 jobs floors alone are certain.
    const DOUBLINGS: u32 = 7;
    let counts = (0..=DOUBLINGS).map(|doublings| FIRST << doublings);
    Some(CapturePlan::At(
        counts.filter(|count| 2 * count <= jobs).collect(),
    ))
}

/// Which limit is in force is said beforehand, as far as possible: it decides what the test means.
fn note_limit(outcome: &Outcome) {
    if let Some(limit) = &outcome.limit {
        eprintln!(
            "plimsoll: the memory limit was held by {} and covered {}",
            limit.enforced_by, limit.scope
        );
    }
}

fn facts<'a>(args: &VerifyArgs, outcome: &'a Outcome) -> Facts<'a> {
    Facts {
        report: &outcome.report,
        jobs_asked: args.jobs,
        stopped: outcome.stopped(),
        killed: outcome.killed(),
        ended_badly: outcome.ended_badly(),
        stall_seconds: args.stall.as_secs_f64(),
        limit: outcome.limit.as_ref(),
    }
}

fn answer(args: &VerifyArgs, outcome: &Outcome) -> Answer {
    gate::answer(&facts(args, outcome))
}

fn conclude(args: &VerifyArgs, mut outcomes: Vec<Outcome>) -> anyhow::Result<ExitCode> {
    let answers: Vec<Answer> = outcomes.iter().map(|outcome| answer(args, outcome)).collect();
    let runs: Vec<RunResult> = outcomes
        .iter()
        .zip(&answers)
        .map(|(outcome, answer)| gate::result_of(&facts(args, outcome), answer))
        .collect();
    let (answer, shown) = gate::together(&answers);
    let mut outcome = outcomes.swap_remove(shown);
    let retained = gate::retained(&outcome.report);
    let verification = gate::verification(&facts(args, &outcome), answer, runs, retained);
    outcome.report.verify = Some(verification.clone());
    outcome.write_again()?;
    outputs::write(args, &outcome)?;
    print(args, &outcome, &verification)?;
    Ok(ExitCode::from(verification.exit_code))
}

fn print(args: &VerifyArgs, outcome: &Outcome, verification: &Verification) -> anyhow::Result<()> {
    if args.json {
        writeln!(io::stdout(), "{}", outcome.json()).context("could not write to stdout")?;
    } else {
        super::run::print_text(outcome);
    }
    eprintln!("{}", last_words(verification));
    Ok(())
}

fn last_words(verification: &Verification) -> String {
    let mut text = format!(
        "plimsoll verify: {}: {}",
        verification.outcome.word(),
        verification.sentence
    );
    if verification.outcome != Gate::Passed {
        for hint in &verification.hints {
            text += &format!("\n  hint: {hint}");
        }
    }
    text
}
