//! The nouns that every stage of Plimsoll speaks: workers, readings, verdicts, suspects.
//!
//! Plain values without behaviour that needs the outside world: no I/O, no clock, no randomness.
//! Sizes are bytes, times are seconds; an unknown is `None`, never 0. The serde names are those of
//! the public report (`plimsoll.report/1`), so a field renamed here is a change of the contract.

mod evidence;
mod process;
mod profile;
mod reading;
mod report;
mod size;
mod verdict;
mod verification;

pub use evidence::{AllocationStack, Evidence, EvidenceKind};
pub use process::ProcessKey;
pub use profile::{Collections, MemoryProfile, TypeProfile};
pub use reading::{Floor, GcEvent, GcKind, JobCounts, Reading, Sample};
pub use report::{
    ClassStatus, Cost, Exit, Gap, JobClass, Pattern, Quantiles, Report, Spike, Suspect, Window, Worker,
};
pub use size::{HumanBytes, parse_size};
pub use verdict::{Channel, Estimate, Interval, Status, Verdict};
pub use verification::{Gate, Retained, RetainedByClass, RetainedType, RunResult, TestLimit, Verification};
