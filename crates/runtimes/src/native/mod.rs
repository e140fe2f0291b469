//! The allocation sampler: a shared object in front of a program's allocator, and the table it writes.
//!
//! `agents/native` is the sampler, docs/formats/alloc-table.md the table. It reaches programs that are
//! linked dynamically against glibc; a static, musl or setuid program runs as if it were not there, and is
//! seen from outside only.

mod inject;
mod program;
mod symbols;
mod table;

pub use inject::{SamplerFiles, Scope, environment};
pub use program::{Reach, binary_of, reach};
pub use symbols::Symbols;
pub use table::{Live, Module, PythonFrame, Stack, Table, TableError};
