//! Dumps of any runtime, told by their first bytes.

use crate::types::shallow_rows;
use crate::{Format, Graph, Summary, Types, cpython, hprof, v8};

/// What to keep of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// Counts and shallow sizes by type, without a graph where that is cheaper: for
    /// [`DumpParser::finish_shallow`].
    Shallow,
    /// What sizes and types need: names of references and most texts are left out.
    Types,
    /// Everything but the contents of a JVM's strings.
    #[default]
    References,
    /// Everything that a graph has room for.
    Everything,
}

/// Why a dump could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DumpError {
    /// As a V8 heap snapshot, which anything is taken for that is not known otherwise.
    #[error(transparent)]
    V8(#[from] v8::ParseError),
    /// As a JVM heap dump.
    #[error(transparent)]
    Hprof(#[from] hprof::ParseError),
    /// As a heap picture of CPython.
    #[error(transparent)]
    Cpython(#[from] cpython::ParseError),
}

impl DumpError {
    /// Whether the input is no heap dump at all.
    pub fn is_foreign(&self) -> bool {
        matches!(
            self,
            DumpError::V8(v8::ParseError::Foreign(_))
                | DumpError::Hprof(hprof::ParseError::Foreign)
                | DumpError::Cpython(cpython::ParseError::Foreign)
        )
    }
}

/// Push parser for any dump: [`DumpParser::feed`] until the input ends, then [`DumpParser::finish`].
///
/// ```
/// let mut parser = plimsoll_heap::DumpParser::default();
/// parser.feed(b"JAVA PROFILE 1.0.2\0")?;
/// let error = parser.finish().unwrap_err();
/// assert_eq!(error.to_string(), "the dump ends early: 19 bytes, the last of them inside the head of the file");
/// # Ok::<(), plimsoll_heap::DumpError>(())
/// ```
#[derive(Debug)]
pub struct DumpParser {
    detail: Detail,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Too few bytes to tell.
    Undecided(Vec<u8>),
    V8(Box<v8::Parser>),
    Hprof(Box<hprof::Parser>),
    Cpython(Box<cpython::Parser>),
}

/// Bytes that tell one format from another.
const MAGIC_BYTES: usize = 16;

impl Default for DumpParser {
    fn default() -> Self {
        Self::new(Detail::default())
    }
}

impl DumpParser {
    /// A parser that keeps what `detail` says.
    pub fn new(detail: Detail) -> Self {
        Self {
            detail,
            state: State::Undecided(Vec::new()),
        }
    }

    /// Takes the next piece of the dump.
    ///
    /// # Errors
    /// What is wrong and where. The parser is of no use afterwards.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), DumpError> {
        match &mut self.state {
            State::V8(parser) => Ok(parser.feed(piece)?),
            State::Hprof(parser) => Ok(parser.feed(piece)?),
            State::Cpython(parser) => Ok(parser.feed(piece)?),
            State::Undecided(head) => {
                let missing = MAGIC_BYTES.saturating_sub(head.len()).min(piece.len());
                head.extend_from_slice(&piece[..missing]);
                if head.len() < MAGIC_BYTES {
                    return Ok(());
                }
                self.decide()?;
                self.feed(&piece[missing..])
            }
        }
    }

    fn decide(&mut self) -> Result<(), DumpError> {
        let State::Undecided(head) = &mut self.state else {
            return Ok(());
        };
        let head = std::mem::take(head);
        self.state = if head.starts_with(hprof::MAGIC) {
            State::Hprof(Box::new(hprof::Parser::new(match self.detail {
                Detail::Shallow => hprof::Detail::Histogram,
                Detail::Types => hprof::Detail::Unlabelled,
                Detail::References => hprof::Detail::Labelled,
                Detail::Everything => hprof::Detail::Strings,
            })))
        } else if head.starts_with(cpython::MAGIC) {
            State::Cpython(Box::default())
        } else {
            State::V8(Box::new(v8::Parser::new(match self.detail {
                Detail::Shallow | Detail::Types => v8::Options::names_only(),
                _ => v8::Options::default(),
            })))
        };
        self.feed(&head)
    }

    /// Ends the input of a parser of [`Detail::Shallow`]: counts and shallow sizes by type, the largest
    /// first. Their retained sizes are unknown, and 0 here; so are the references of a JVM heap dump.
    ///
    /// # Errors
    /// As [`DumpParser::finish`].
    pub fn finish_shallow(mut self) -> Result<(Format, Summary), DumpError> {
        self.decide()?;
        if let State::Hprof(parser) = self.state {
            return Ok((Format::Hprof, Summary::of_rows(parser.finish_histogram()?, 0)));
        }
        let graph = self.finish()?;
        let rows = shallow_rows(&graph, &Types::of(&graph));
        Ok((graph.format(), Summary::of_rows(rows, graph.reference_count())))
    }

    /// Ends the input and hands out the graph.
    ///
    /// # Errors
    /// As [`DumpParser::feed`]; besides, if the input ended early or its parts contradict each other.
    pub fn finish(mut self) -> Result<Graph, DumpError> {
        self.decide()?;
        match self.state {
            State::V8(parser) => Ok(parser.finish()?),
            State::Hprof(parser) => Ok(parser.finish()?),
            State::Cpython(parser) => Ok(parser.finish()?),
            State::Undecided(_) => Ok(v8::Parser::default().finish()?),
        }
    }
}
