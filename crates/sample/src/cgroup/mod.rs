//! Control groups: the memory limit that really holds for a process, and how near it is.

mod locate;
mod usage;

pub use locate::{Cgroup, CgroupVersion};
pub use usage::{CgroupSample, MemoryEvents, MemoryLimit};
