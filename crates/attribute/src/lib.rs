//! Verdict, jobs, heap growth and stacks made into ranked suspects. Pure.
