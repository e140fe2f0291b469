//! Labelled memory records of simulated workers, and a scorer for leak detectors.
//!
//! A [`Kind`] says how a worker behaves and whether it leaks; [`Kind::plan`] fills in its figures from a
//! seed, [`simulate`] turns a plan into readings. Nothing here knows how the detector works: records are
//! the same for every rule that is scored on them. Seeds below [`HOLDOUT_FROM`] are for tuning, those
//! from it on for figures that are published.

mod kinds;
mod labelled;
mod plan;
mod random;
mod rules;
mod score;
mod simulate;
mod table;
mod wild;
mod wild_kinds;

pub use kinds::{Kind, Length, Truth, kind, kinds};
pub use labelled::Labelled;
pub use random::Random;
pub use rules::{RULES, Rule};
pub use score::{Outcome, examine, naive_rules, with_baseline};
pub use table::{Table, report};

/// The first seed that must not be used for tuning.
pub const HOLDOUT_FROM: u64 = 2_000_000;
