//! The outside view against fake trees and against real processes.

mod cgroups;
mod fake;
mod processes;
