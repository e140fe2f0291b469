//! Verdict, jobs, heap growth and stacks made into ranked suspects. Pure.

mod settle;

pub use settle::settle;
