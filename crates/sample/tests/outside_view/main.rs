//! The outside view against fake trees and against real processes.
#![allow(clippy::unwrap_used)] // as in every test; the lint knows only functions marked #[test]

mod cgroups;
mod fake;
mod processes;
