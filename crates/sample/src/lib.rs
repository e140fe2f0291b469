//! The outside view of a worker on Linux: what `/proc`, cgroups and pressure files say about a
//! process tree, without an agent inside it.
//!
//! Invariants:
//! - Nothing here writes to, signals or pauses the process that it looks at.
//! - Every path starts at a [`Roots`], so that tests run against a tree in a temporary folder.
//! - Every read is bounded. A bound that hides something says so: [`BlindSpot`], `unexamined`.
//! - A process is named by pid and start time. "Exited" and "permission denied" are ordinary results.
//! - A figure that could not be read is `None` with a [`BlindSpot`], never 0. A number counts only when
//!   the character after it was read too, so that cut-off text never yields a smaller number.
//!
//! What this does not do: keep series, judge them, or look inside a runtime.

mod cgroup;
mod error;
mod machine;
mod pressure;
mod process;
mod read;
mod roots;
mod text;
mod tree;

pub use cgroup::{Cgroup, CgroupSample, CgroupVersion, MemoryEvents, MemoryLimit};
pub use error::{BlindSpot, Reason, SampleError};
pub use machine::MachineMemory;
pub use pressure::{Pressure, PressureLine};
pub use process::{
    Descriptors, Detail, Identity, Io, MemorySplit, ProcessSample, ProcessSampler, StatusMemory,
};
pub use roots::Roots;
pub use tree::{Adopter, Member, ProcessTree, TreeChange, adopt_orphans};
