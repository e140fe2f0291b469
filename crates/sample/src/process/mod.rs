//! One process, seen from outside through descriptors that stay open.

mod descriptors;
mod identity;
mod memory;
mod sampler;
mod stat;

pub use descriptors::Descriptors;
pub use identity::Identity;
pub use memory::{Io, MemorySplit, StatusMemory};
pub use sampler::{Detail, ProcessSample, ProcessSampler};
pub(crate) use stat::parse_stat;
