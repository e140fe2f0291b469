//! Who holds what grew, for people.

use std::fmt::Write;

use plimsoll_model::{HumanBytes, Suspect};

/// Suspects that are printed: those behind the first few are rarely the cause.
const SHOWN: usize = 5;

/// Of the first one's growth: what is below is noise beside it, and JSON has it all the same.
const LEAST_SHARE: f64 = 0.01;

/// One paragraph each; nothing if there are none. `per_job` is off where jobs are not known.
pub fn as_text(suspects: &[Suspect], per_job: PerJob) -> String {
    let mut out = String::new();
    let bytes = |suspect: &Suspect| suspect.bytes_per_job.unwrap_or(0.0);
    let least = suspects.first().map_or(0.0, bytes) * LEAST_SHARE;
    for suspect in suspects
        .iter()
        .filter(|suspect| bytes(suspect) >= least)
        .take(SHOWN)
    {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "\n{}. {}", suspect.rank, title(suspect));
        let growth = match (per_job, suspect.bytes_per_job, suspect.count_per_job) {
            (PerJob::Known, Some(bytes), Some(count)) => {
                format!("{} and {count:.2} objects per job", HumanBytes(bytes))
            }
            (PerJob::Unknown, Some(bytes), _) => format!("{} more", HumanBytes(bytes)),
            _ => "growth unknown".to_owned(),
        };
        let retained = suspect.retained_bytes.map_or(String::new(), |bytes| {
            format!(", {} held in the last dump", HumanBytes(bytes as f64))
        });
        let _ = writeln!(out, "   {growth}{retained}");
        if let PerJob::Known = per_job {
            let _ = writeln!(out, "   {}", suspect.explanation);
        }
        for step in &suspect.retainer_path {
            let _ = writeln!(out, "     → {step}");
        }
        for remedy in suspect.remedies.iter().take(1) {
            let _ = writeln!(out, "   {remedy}");
        }
    }
    if out.is_empty() {
        out
    } else {
        format!("\nWho holds what grew{out}")
    }
}

/// Whether growth can be put in relation to jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PerJob {
    Known,
    Unknown,
}

fn title(suspect: &Suspect) -> String {
    let holder = suspect.holder.as_deref().unwrap_or("an unnamed holder");
    let kind = suspect
        .holder_type
        .as_deref()
        .map_or(String::new(), |name| format!(" ({name})"));
    let place = suspect
        .source
        .as_deref()
        .map_or(String::new(), |source| format!(" at {source}"));
    format!("{holder}{kind}{place} holds {}", suspect.type_name)
}
