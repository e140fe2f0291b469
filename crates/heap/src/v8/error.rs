use std::fmt;

/// Why a dump could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The input is something else.
    #[error("this is {0}, not a V8 heap snapshot")]
    Foreign(Foreign),
    /// The input ended too early.
    #[error("the dump ends early: {offset} bytes, the last of them inside {inside}")]
    Truncated {
        /// Length of the input.
        offset: u64,
        /// The section that it ends in.
        inside: String,
    },
    /// A byte that cannot stand there.
    #[error("byte {offset}, inside {inside}: expected {expected}")]
    Unexpected {
        /// Offset of the byte in the input.
        offset: u64,
        /// The section that it stands in.
        inside: String,
        /// What should have been there.
        expected: String,
    },
    /// A section is not there.
    #[error("the dump has no section `{section}`")]
    Missing {
        /// Its name.
        section: &'static str,
    },
    /// Two sections contradict each other.
    #[error("the dump contradicts itself: {what}")]
    Contradiction {
        /// In what.
        what: String,
    },
}

/// What an input that is no V8 heap snapshot looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // see `Display`
pub enum Foreign {
    Empty,
    Hprof,
    Gzip,
    Zstd,
    Zip,
    Elf,
    CpuProfile,
    SamplingHeapProfile,
    Pprof,
    OtherJson,
    Text,
    Unknown,
}

impl fmt::Display for Foreign {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Foreign::Empty => "an empty file",
            Foreign::Hprof => "a JVM heap dump (hprof)",
            Foreign::Gzip => "gzip-compressed data",
            Foreign::Zstd => "zstd-compressed data",
            Foreign::Zip => "a zip archive",
            Foreign::Elf => "a native program or core dump (ELF)",
            Foreign::CpuProfile => "a V8 CPU profile",
            Foreign::SamplingHeapProfile => "a V8 sampling heap profile",
            Foreign::Pprof => "a pprof profile",
            Foreign::OtherJson => "other JSON",
            Foreign::Text => "plain text",
            Foreign::Unknown => "binary data of an unknown kind",
        })
    }
}
