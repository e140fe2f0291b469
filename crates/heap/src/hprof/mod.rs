//! Reader of JVM heap dumps (`.hprof`, "JAVA PROFILE 1.0.x": HotSpot, OpenJ9, GraalVM, Android).
//!
//! Push-fed: bytes go in as they come, in pieces of any length, and straight into columns. Identifiers
//! may have 4 or 8 bytes; classes may come after their instances. Where the references are in an instance
//! follows from the fields of its class and of those above it.
//!
//! What holds what:
//! - every field and array element holds, except the `referent` of soft, weak and phantom references;
//! - a class object holds its static fields, its loader and its superclass; an instance holds its class
//!   where the loader may be unloaded (any but the bootstrap, platform and system loader);
//! - the root holds what the virtual machine says it does, by kind: system classes, JNI references,
//!   monitors, threads. A thread holds the local variables of its frames.
//!
//! Bounds: what is kept is linear in the bytes fed: at most 32 bytes for each. No input makes the reader
//! panic or loop.

mod address_map;
mod classes;
mod cursor;
mod error;
mod hash;
mod histogram;
mod nodes;
mod records;
mod roots;
mod sizes;
mod strings;

pub use error::ParseError;

use classes::Classes;
use cursor::Cursor;
use nodes::Nodes;
use roots::Roots;
use strings::Contents;

use crate::graph::Graph;
pub use histogram::Histogram;

/// What to keep of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// Counts and sizes by class: no graph.
    Histogram,
    /// A graph without the names of references: for sizes and types.
    Unlabelled,
    /// A graph with the names of references.
    #[default]
    Labelled,
    /// Besides, what strings and `byte[]` and `char[]` say (their first letters), equal ones once.
    Strings,
}

/// How a dump begins.
pub(crate) const MAGIC: &[u8] = b"JAVA PROFILE 1.0";
/// Longest head before the identifier size: the magic with its version.
const HEAD_BYTES_LIMIT: usize = 64;

/// Push parser: [`Parser::feed`] until the input ends, then [`Parser::finish`].
///
/// ```
/// use plimsoll_heap::hprof::{ParseError, Parser};
///
/// let mut parser = Parser::default();
/// let error = parser.feed(b"{\"snapshot\":{}}").unwrap_err();
/// assert_eq!(error, ParseError::Foreign);
/// ```
#[derive(Debug)]
pub struct Parser {
    state: State,
    /// Bytes consumed.
    offset: u64,
    /// The start of something whose end has not come yet.
    carry: Vec<u8>,
    /// Bytes of it that are needed to go on.
    needed: usize,
    id_bytes: usize,
    /// Bytes left in the record in hand.
    left: u64,
    /// Whether a record of objects was seen.
    has_heap: bool,
    heap: Heap,
}

/// What was read so far.
#[derive(Debug)]
struct Heap {
    classes: Classes,
    nodes: Nodes,
    roots: Roots,
    contents: Option<Contents>,
    histogram: Option<Histogram>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the head of the file.
    Head,
    /// Before a record.
    Record,
    /// Inside a record that is taken whole.
    Body(u8),
    /// Inside a record that is skipped.
    Skip,
    /// Inside a record of objects.
    Objects,
    /// Inside the elements of an array of references: how many are left, and the number of the next.
    Elements { left: u32, next: u32 },
    /// Inside data that is skipped, within a record of objects.
    Data(u64),
}

/// What became of the start of the bytes at hand.
enum Step {
    /// So many bytes were taken.
    Taken(usize),
    /// So many are needed.
    More(usize),
}

impl Default for Parser {
    fn default() -> Self {
        Self::new(Detail::default())
    }
}

impl Parser {
    /// A parser that keeps what `detail` says.
    pub fn new(detail: Detail) -> Self {
        Self {
            state: State::Head,
            offset: 0,
            carry: Vec::new(),
            needed: 0,
            id_bytes: 8,
            left: 0,
            has_heap: false,
            heap: Heap {
                classes: Classes::new(),
                nodes: Nodes::new(detail),
                roots: Roots::default(),
                contents: (detail == Detail::Strings).then(Contents::default),
                histogram: (detail == Detail::Histogram).then(Histogram::default),
            },
        }
    }

    /// Takes the next piece of the dump.
    ///
    /// # Errors
    /// What is wrong and at which byte of the whole input. The parser is of no use afterwards.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), ParseError> {
        let mut rest = piece;
        while !self.carry.is_empty() && !rest.is_empty() {
            let missing = self.needed.saturating_sub(self.carry.len()).min(rest.len());
            self.carry.extend_from_slice(&rest[..missing]);
            rest = &rest[missing..];
            if self.carry.len() < self.needed {
                return Ok(());
            }
            let carry = std::mem::take(&mut self.carry);
            let taken = self.run(&carry)?;
            self.carry = carry;
            self.carry.drain(..taken);
        }
        let taken = self.run(rest)?;
        self.carry.extend_from_slice(&rest[taken..]);
        Ok(())
    }

    /// Goes as far as the bytes allow; how many were taken. `needed` is set if some are left.
    fn run(&mut self, bytes: &[u8]) -> Result<usize, ParseError> {
        let mut at = 0;
        while at < bytes.len() {
            match self.step(&bytes[at..])? {
                Step::Taken(taken) => {
                    at += taken;
                    self.offset += taken as u64;
                }
                Step::More(needed) => {
                    self.needed = needed;
                    break;
                }
            }
        }
        Ok(at)
    }

    fn step(&mut self, bytes: &[u8]) -> Result<Step, ParseError> {
        match self.state {
            State::Head => self.head(bytes),
            State::Record => self.record(bytes),
            State::Body(tag) => Ok(self.body(tag, bytes)),
            State::Skip => Ok(self.skip(bytes)),
            State::Objects => self.object(bytes),
            State::Elements { left, next } => self.elements(left, next, bytes),
            State::Data(left) => {
                let taken = left.min(bytes.len() as u64);
                self.in_objects(taken);
                if taken < left {
                    self.state = State::Data(left - taken);
                }
                Ok(Step::Taken(taken as usize))
            }
        }
    }

    fn head(&mut self, bytes: &[u8]) -> Result<Step, ParseError> {
        let common = bytes.len().min(MAGIC.len());
        if bytes[..common] != MAGIC[..common] {
            return Err(ParseError::Foreign);
        }
        let Some(end) = memchr::memchr(0, &bytes[..bytes.len().min(HEAD_BYTES_LIMIT)]) else {
            return match bytes.len() < HEAD_BYTES_LIMIT {
                true => Ok(Step::More(bytes.len() + 1)),
                false => Err(ParseError::Foreign),
            };
        };
        let mut cursor = Cursor::new(&bytes[end + 1..], 8);
        let (Some(id_bytes), Some(_)) = (cursor.u4(), cursor.take(8)) else {
            return Ok(Step::More(end + 13));
        };
        if id_bytes != 4 && id_bytes != 8 {
            let what = format!("identifiers of {id_bytes} bytes; 4 and 8 are known");
            return Err(self.unexpected(end as u64 + 1, what));
        }
        self.id_bytes = id_bytes as usize;
        self.state = State::Record;
        Ok(Step::Taken(end + 13))
    }

    fn unexpected(&self, ahead: u64, what: String) -> ParseError {
        ParseError::Unexpected {
            offset: self.offset + ahead,
            what,
        }
    }

    /// Counts bytes of a record of objects as taken, and goes on inside it or behind it.
    fn in_objects(&mut self, taken: u64) {
        self.left -= taken.min(self.left);
        self.state = if self.left == 0 {
            State::Record
        } else {
            State::Objects
        };
    }

    /// Ends the input and hands out the graph.
    ///
    /// # Errors
    /// If the input ended early or holds no objects.
    pub fn finish(mut self) -> Result<Graph, ParseError> {
        self.end()?;
        nodes::into_graph(self.heap, self.id_bytes)
    }

    /// Ends the input and hands out the histogram of a parser of [`Detail::Histogram`].
    ///
    /// # Errors
    /// As [`Parser::finish`].
    pub fn finish_histogram(mut self) -> Result<Vec<crate::TypeRow>, ParseError> {
        self.end()?;
        let histogram = self.heap.histogram.take().unwrap_or_default();
        Ok(histogram.finish(&mut self.heap.classes, self.id_bytes))
    }

    fn end(&mut self) -> Result<(), ParseError> {
        if self.state != State::Record || !self.carry.is_empty() {
            return Err(match self.offset + self.carry.len() as u64 {
                0 => ParseError::Foreign,
                offset => ParseError::Truncated {
                    offset,
                    inside: self.place(),
                },
            });
        }
        if self.has_heap {
            Ok(())
        } else {
            Err(ParseError::NoHeap)
        }
    }

    fn place(&self) -> &'static str {
        match self.state {
            State::Head => "the head of the file",
            State::Record => "the head of a record",
            State::Body(_) | State::Skip => "a record",
            State::Objects => "a record of objects",
            State::Elements { .. } => "an array of references",
            State::Data(_) => "an array of numbers",
        }
    }

    /// How many bytes were fed so far.
    pub fn offset(&self) -> u64 {
        self.offset + self.carry.len() as u64
    }
}
