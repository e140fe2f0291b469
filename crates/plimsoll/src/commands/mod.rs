//! One module per command.

pub mod audit;
pub mod demo;
pub mod detect;
pub mod heap;
pub mod incident;
pub mod report;
pub mod run;
pub mod serve;
pub mod verify;
