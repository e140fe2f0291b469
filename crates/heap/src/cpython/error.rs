/// Why a picture could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The input is something else.
    #[error("this is no heap picture of CPython")]
    Foreign,
    /// It was written by a later Plimsoll.
    #[error("the picture has version {0}, version 1 is known")]
    Version(u8),
    /// The input ended too early.
    #[error("the picture ends early, after {offset} bytes")]
    Truncated {
        /// Length of the input.
        offset: u64,
    },
    /// Something follows the end.
    #[error("byte {offset}: the picture is over, but the input goes on")]
    Trailing {
        /// Where.
        offset: u64,
    },
    /// A section says what cannot be.
    #[error("the section at byte {offset}: {what}")]
    Corrupt {
        /// Where the section begins.
        offset: u64,
        /// What is wrong.
        what: String,
    },
}
