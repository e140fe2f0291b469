//! Why a JVM heap dump could not be read.

/// Why a JVM heap dump could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The input does not begin as such a dump does.
    #[error("not a JVM heap dump: it does not begin with `JAVA PROFILE 1.0`")]
    Foreign,
    /// The input ended too early.
    #[error("the dump ends early: {offset} bytes, the last of them inside {inside}")]
    Truncated {
        /// Length of the input.
        offset: u64,
        /// What it ends in.
        inside: &'static str,
    },
    /// Something that cannot stand there.
    #[error("byte {offset}: {what}")]
    Unexpected {
        /// Offset in the input.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The dump holds no objects.
    #[error("the dump has no heap in it: no record `HEAP_DUMP` or `HEAP_DUMP_SEGMENT`")]
    NoHeap,
    /// More objects or references than can be counted.
    #[error("more than 2^32 {0}")]
    TooLarge(&'static str),
}
