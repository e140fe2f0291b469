//! The one test command: looks after what the tests need, runs everything, sums up.

mod needs;
mod plan;

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use self::{needs::Needs, plan::Step};
use crate::tidy;

/// How much to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    All,
    /// All but tests that run workers for minutes.
    Fast,
}

/// How one step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    /// It was not run, for want of something.
    Lacking(String),
}

struct Finished {
    name: &'static str,
    outcome: Outcome,
    time: Duration,
}

/// Runs the steps; whether all passed. Without what a step needs it is not run and the summary says
/// so; in continuous integration (`CI` is set) that counts as a failure, since nobody reads it there.
pub fn run(root: &Path, extent: Extent) -> anyhow::Result<bool> {
    let needs = Needs::look_after();
    let steps = plan::steps(root, extent)?;
    let finished: Vec<Finished> = steps.iter().map(|step| run_step(root, step, &needs)).collect();
    let strict = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    println!("\n{}", summary(&finished, extent));
    Ok(finished
        .iter()
        .all(|step| step.outcome == Outcome::Passed || (!strict && step.outcome != Outcome::Failed)))
}

fn run_step(root: &Path, step: &Step, needs: &Needs) -> Finished {
    println!("\n── {}", step.name);
    let started = Instant::now();
    let outcome = match needs.lacking(step.needs) {
        Some(what) => Outcome::Lacking(what),
        None if step.passes(root) => Outcome::Passed,
        None => Outcome::Failed,
    };
    Finished {
        name: step.name,
        outcome,
        time: started.elapsed(),
    }
}

/// What is drawn at random comes from this seed, so that what passes here passes again; another one
/// is given in the variable.
const SEED: &str = "42";
const SEED_VARIABLE: &str = "PLIMSOLL_TEST_SEED";

impl Step {
    fn passes(&self, root: &Path) -> bool {
        if self.command.is_empty() {
            return tidy::run(root).unwrap_or_else(|error| {
                println!("{error:#}");
                false
            });
        }
        println!("$ {}", self.command.join(" "));
        let status = Command::new(&self.command[0])
            .args(&self.command[1..])
            .current_dir(root)
            .env(
                SEED_VARIABLE,
                std::env::var(SEED_VARIABLE).unwrap_or_else(|_| SEED.into()),
            )
            .status();
        status.is_ok_and(|status| status.success())
    }
}

fn summary(finished: &[Finished], extent: Extent) -> String {
    let mut lines: Vec<String> = finished.iter().map(summary_line).collect();
    let count = |wanted: fn(&Outcome) -> bool| finished.iter().filter(|step| wanted(&step.outcome)).count();
    let failed = count(|outcome| *outcome == Outcome::Failed);
    let lacking = count(|outcome| matches!(outcome, Outcome::Lacking(_)));
    let total: Duration = finished.iter().map(|step| step.time).sum();
    lines.push(format!(
        "{} of {} steps passed, {failed} failed, {lacking} not run; {:.0} s{}",
        finished.len() - failed - lacking,
        finished.len(),
        total.as_secs_f64(),
        if extent == Extent::Fast {
            " (slow tests left out)"
        } else {
            ""
        }
    ));
    lines.join("\n")
}

fn summary_line(step: &Finished) -> String {
    let seconds = step.time.as_secs_f64();
    match &step.outcome {
        Outcome::Passed => format!("  ok       {:<28} {seconds:>6.1} s", step.name),
        Outcome::Failed => format!("  FAILED   {:<28} {seconds:>6.1} s", step.name),
        Outcome::Lacking(what) => format!("  not run  {:<28} lacks {what}", step.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_what_failed_and_what_lacks() {
        let step = |name, outcome| Finished {
            name,
            outcome,
            time: Duration::from_secs(61),
        };
        let finished = [
            step("format", Outcome::Passed),
            step("lints", Outcome::Failed),
            step("slow: bullmq", Outcome::Lacking("redis-server".into())),
        ];
        let expected = "  ok       format                         61.0 s\n  FAILED   lints                          61.0 s\n  \
            not run  slow: bullmq                 lacks redis-server\n1 of 3 steps passed, 1 failed, 1 not run; 183 s";
        assert_eq!(summary(&finished, Extent::All), expected);
    }
}
