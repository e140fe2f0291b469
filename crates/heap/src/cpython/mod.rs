//! Reader of heap pictures of CPython (docs/formats/cpython-picture.md).
//!
//! Push-fed: bytes go in as they come, in pieces of any length; one section (at most 16 MiB) is kept
//! until it is whole. Objects are named after their types. What keeps nothing alive is no edge that
//! holds.
//!
//! Bounds: what is kept is linear in the bytes fed. No input makes the reader panic or loop.

mod agent;
mod cursor;
mod error;
mod facts;
mod holders;
mod lost;
pub(crate) mod members;
mod pattern;
mod pile;
mod place;
mod remedy;
mod sections;
mod source;
mod way;
mod words;

pub(crate) use agent::below_agent;
pub use error::ParseError;
pub(crate) use facts::Facts;
pub(crate) use holders::name_holders;
pub(crate) use pile::is_plain;
pub(crate) use remedy::remedies;

use crate::graph::{Format, Graph};
use sections::{Picture, Tag};

/// How a picture begins.
pub(crate) const MAGIC: &[u8] = b"PLMPYPIC";
const VERSION: u8 = 1;
/// Magic and version; tag and length of a section.
const HEAD_BYTES: usize = 9;
const SECTION_HEAD_BYTES: usize = 5;
/// Longest section that is believed: writers close them at 1 MiB, save for one very large object.
const SECTION_BYTES: usize = 1 << 30;

/// Push parser: [`Parser::feed`] until the input ends, then [`Parser::finish`].
///
/// ```
/// use plimsoll_heap::cpython::{ParseError, Parser};
///
/// let mut parser = Parser::default();
/// assert_eq!(parser.feed(b"JAVA PROFILE"), Err(ParseError::Foreign));
/// ```
#[derive(Debug, Default)]
pub struct Parser {
    carry: Vec<u8>,
    /// Bytes consumed.
    offset: u64,
    has_head: bool,
    is_over: bool,
    picture: Picture,
}

impl Parser {
    /// Takes the next piece of the picture.
    ///
    /// # Errors
    /// What is wrong and where. The parser is of no use afterwards.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), ParseError> {
        let mut carry = std::mem::take(&mut self.carry);
        carry.extend_from_slice(piece);
        let mut rest = carry.as_slice();
        while let Some(taken) = self.step(rest)? {
            rest = &rest[taken..];
            self.offset += taken as u64;
        }
        let left = carry.len() - rest.len();
        carry.drain(..left);
        self.carry = carry;
        Ok(())
    }

    /// Takes the head or one section, if it is whole, and tells its bytes.
    fn step(&mut self, rest: &[u8]) -> Result<Option<usize>, ParseError> {
        if !self.has_head {
            let known = rest.len().min(MAGIC.len());
            if rest[..known] != MAGIC[..known] {
                return Err(ParseError::Foreign);
            }
            let Some(version) = rest.get(MAGIC.len()) else {
                return Ok(None);
            };
            if *version != VERSION {
                return Err(ParseError::Version(*version));
            }
            self.has_head = true;
            return Ok(Some(HEAD_BYTES));
        }
        if self.is_over {
            // Whatever follows the end belongs to somebody else.
            return match rest.is_empty() {
                true => Ok(None),
                false => Err(ParseError::Trailing { offset: self.offset }),
            };
        }
        let Some((head, body)) = rest.split_at_checked(SECTION_HEAD_BYTES) else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if length > SECTION_BYTES {
            return Err(self.corrupt("a section of more than 1 GiB"));
        }
        let Some(body) = body.get(..length) else {
            return Ok(None);
        };
        let tag = Tag::of(head[0]);
        self.is_over = tag == Tag::End;
        self.picture.take(tag, body).map_err(|what| self.corrupt(what))?;
        Ok(Some(SECTION_HEAD_BYTES + length))
    }

    fn corrupt(&self, what: &str) -> ParseError {
        ParseError::Corrupt {
            offset: self.offset,
            what: what.to_owned(),
        }
    }

    /// Ends the input and hands out the graph.
    ///
    /// # Errors
    /// If the input ended early or its parts contradict each other.
    pub fn finish(self) -> Result<Graph, ParseError> {
        let offset = self.offset + self.carry.len() as u64;
        if !self.is_over {
            return Err(ParseError::Truncated { offset });
        }
        let mut graph = self.picture.finish().map_err(|what| ParseError::Corrupt {
            offset,
            what: what.to_owned(),
        })?;
        graph.format = Format::Cpython;
        Ok(graph)
    }
}
