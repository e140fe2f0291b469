//! A report in the forms that continuous integration reads: JUnit, SARIF, GitHub annotations, a summary.

mod findings;
mod github;
mod junit;
mod sarif;

pub use findings::{Finding, Level, Place, Places, findings};
pub use github::annotations;
pub use junit::junit;
pub use sarif::sarif;

use plimsoll_model::{Gate, Report};

use crate::markdown::{markdown, text};
use crate::story::Story;

/// The summary of a gate: how it ended, then the report. Ends with a newline.
pub fn summary(story: &Story) -> String {
    let Some(verify) = &story.report.verify else {
        return markdown(story);
    };
    let mut out = format!(
        "## plimsoll verify: {}\n\n{}\n\n",
        verify.outcome.word(),
        text(&verify.sentence)
    );
    if let Some(limit) = &verify.memory_limit {
        let sentence = format!(
            "memory limit {} bytes, held by {}",
            limit.bytes, limit.enforced_by
        );
        out += &format!("{}\n\n", text(&sentence));
    }
    for hint in verify.hints.iter().filter(|_| verify.outcome != Gate::Passed) {
        out += &format!("- {}\n", text(hint));
    }
    out += "\n";
    out + &markdown(story)
}

/// How the gate ended; a report without one is judged by its verdict.
fn outcome(report: &Report) -> Gate {
    use plimsoll_model::Status;
    match (&report.verify, report.verdict.status) {
        (Some(verify), _) => verify.outcome,
        (None, Status::Leaking) => Gate::Failed,
        (None, Status::Inconclusive) => Gate::Inconclusive,
        (None, Status::Stable | Status::Bounded) => Gate::Passed,
    }
}

/// Why, in a sentence.
fn sentence(report: &Report) -> String {
    match &report.verify {
        Some(verify) => verify.sentence.clone(),
        None => report.verdict.reasons.join("; "),
    }
}
