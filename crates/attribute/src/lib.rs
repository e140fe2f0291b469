//! Who leaks: holders from the dumps, joined with job classes and allocation stacks into suspects.
//!
//! Pure. [`attribute`] ranks suspects; [`corroborate`] tells what the objects say about the verdict
//! that a series of figures alone cannot settle (a leak, or a structure that fills up).

mod class;
mod evidence;
mod settle;
mod stack;
mod suspect;

pub use class::ClassGrowth;
pub use evidence::{ObjectEvidence, corroborate};
pub use settle::settle;
pub use suspect::{Input, attribute};
