//! One module per command.

pub mod demo;
pub mod detect;
pub mod heap;
pub mod run;
pub mod verify;
