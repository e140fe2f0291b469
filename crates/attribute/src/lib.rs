//! Verdict, jobs, heap growth and stacks made into ranked suspects. Pure.

mod settle;
mod suspects;

pub use settle::settle;
pub use suspects::suspects;
