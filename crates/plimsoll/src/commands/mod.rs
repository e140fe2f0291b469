//! One module per command.

pub mod demo;
pub mod heap;
pub mod run;
