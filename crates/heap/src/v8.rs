//! Reader of V8 heap snapshots (`.heapsnapshot`: Node, Chrome, Deno, Electron).
//!
//! Push-fed: bytes go in as they come, in pieces of any length, and straight into the columns of a
//! [`Graph`]. The dump's own `snapshot.meta` says which fields there are and in what order, since they
//! differ between versions of V8. Sections may come in any order after `snapshot`; unknown ones are skipped.
//!
//! Bounds: what is kept is linear in the bytes fed (at most 8 bytes for each byte, in the worst
//! case of one-digit fields and empty strings); counts that the dump claims are checked, never
//! trusted. No input makes the parser panic or loop. Pieces of some MiB are parsed on two cores.

mod error;
mod lines;
mod meta;
mod numbers;
mod sections;
mod skip;
mod sniff;
mod strings;

pub use error::{Foreign, ParseError};

use crate::graph::Graph;
use meta::Meta;
use numbers::Numbers;
use sections::{Columns, Section};
use skip::Value;
use sniff::Head;
use strings::Strings;

/// Longest `snapshot` section that is taken for one: V8's own is under 4 KiB.
const META_BYTES_LIMIT: usize = 1 << 20;
/// Longest name of a section that is remembered; V8's longest has 20 letters.
const KEY_BYTES_LIMIT: usize = 256;

/// What to keep of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Longer texts are cut to this many bytes (at a character). V8 itself cuts strings at 1,024
    /// characters unless told otherwise, so the default of 4 KiB keeps all that it writes.
    pub text_bytes_limit: usize,
    /// Which texts to keep.
    pub texts: TextsKept,
}

/// Which texts of a dump to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextsKept {
    /// All of them.
    #[default]
    All,
    /// Those that name types or say which edges hold; the others read as empty. A dump of mostly
    /// strings then takes little memory.
    TypeNames,
}

impl Options {
    /// For questions about types alone. V8's names of entries of a `WeakMap` are the longest of the
    /// labels that matter then, some 100 letters and two type names.
    pub fn names_only() -> Self {
        Self {
            text_bytes_limit: 512,
            texts: TextsKept::TypeNames,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            text_bytes_limit: 4096,
            texts: TextsKept::All,
        }
    }
}

/// Push parser: [`Parser::feed`] until the input ends, then [`Parser::finish`].
///
/// ```
/// let dump = br#"{"snapshot":{"meta":{
///   "node_fields":["type","name","id","self_size","edge_count"],
///   "node_types":[["object"],"string","number","number","number"],
///   "edge_fields":["type","name_or_index","to_node"],
///   "edge_types":[["property"],"string_or_number","node"]},"node_count":1,"edge_count":1},
///   "nodes":[0,0,1,24,1],"edges":[0,1,0],"strings":["Job","self"]}"#;
/// let mut parser = plimsoll_heap::v8::Parser::default();
/// parser.feed(dump)?;
/// let graph = parser.finish()?;
/// assert_eq!(graph.name(plimsoll_heap::Graph::ROOT), "Job");
/// # Ok::<(), plimsoll_heap::v8::ParseError>(())
/// ```
#[derive(Debug)]
pub struct Parser {
    state: State,
    /// Bytes consumed before the piece in hand.
    offset: u64,
    head: Head,
    key: Vec<u8>,
    meta: Option<Meta>,
    columns: Columns,
    strings: Strings,
    texts: TextsKept,
}

#[derive(Debug)]
enum State {
    /// Before the opening brace.
    Start,
    /// Before a key; a closing brace may come instead.
    Key {
        after_comma: bool,
    },
    /// Inside a key.
    InKey,
    /// Between key and value.
    Colon,
    /// Before the bracket that opens a section of ours.
    Open(Section),
    /// Between two sections.
    AfterValue,
    /// Inside a value that is captured (`snapshot`) or skipped.
    Value(Value),
    Numbers(Section, Numbers),
    Strings,
    /// After the closing brace.
    Done,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl Parser {
    /// A parser that keeps what `options` say.
    pub fn new(options: Options) -> Self {
        Self {
            state: State::Start,
            offset: 0,
            head: Head::default(),
            key: Vec::new(),
            meta: None,
            columns: Columns::default(),
            strings: Strings::new(options.text_bytes_limit),
            texts: options.texts,
        }
    }

    /// Takes the next piece of the dump.
    ///
    /// # Errors
    /// What was expected and at which byte of the whole input, or what the input seems to be instead.
    /// The parser is of no use afterwards.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), ParseError> {
        self.head.see(piece);
        let mut at = 0;
        while at < piece.len() {
            match self.step(&piece[at..]) {
                Ok(taken) => at += taken,
                Err(fault) => return Err(self.explain(fault, self.offset + at as u64)),
            }
        }
        self.offset += piece.len() as u64;
        Ok(())
    }

    /// Ends the input and hands out the graph.
    ///
    /// # Errors
    /// As [`Parser::feed`]; besides, if the input ended early or the sections contradict each other.
    pub fn finish(self) -> Result<Graph, ParseError> {
        let Some(meta) = &self.meta else {
            return Err(match self.head.foreign() {
                Some(foreign) => ParseError::Foreign(foreign),
                None => ParseError::Truncated {
                    offset: self.offset,
                    inside: self.place(),
                },
            });
        };
        if !matches!(self.state, State::Done) {
            return Err(ParseError::Truncated {
                offset: self.offset,
                inside: self.place(),
            });
        }
        self.columns.into_graph(meta, self.strings.into_texts())
    }

    /// How many bytes were fed so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Handles the start of `rest` and says how much of it.
    fn step(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        match &mut self.state {
            State::Value(_) => self.value(rest),
            State::Numbers(..) => self.numbers(rest),
            State::Strings => self.texts(rest),
            State::InKey => Ok(self.in_key(rest)),
            _ if rest[0].is_ascii_whitespace() => Ok(1),
            _ => self.punctuation(rest[0]),
        }
    }

    fn punctuation(&mut self, byte: u8) -> Result<usize, Fault> {
        let next = match (&self.state, byte) {
            (State::Start, b'{') => State::Key { after_comma: false },
            // A byte order mark, as editors leave it.
            (State::Start, 0xEF | 0xBB | 0xBF) => State::Start,
            (State::Start, _) => return Err(Fault::new(0, "`{`")),
            (State::Key { .. }, b'"') => State::InKey,
            (State::Key { after_comma: false }, b'}') | (State::AfterValue, b'}') => State::Done,
            (State::Key { .. }, _) => return Err(Fault::new(0, "a key in quotes")),
            (State::Colon, b':') => self.section(),
            (State::Colon, _) => return Err(Fault::new(0, "`:`")),
            (State::Open(Section::Strings), b'[') => {
                if self.texts == TextsKept::TypeNames {
                    self.strings.want(self.columns.type_texts());
                }
                State::Strings
            }
            (State::Open(section), b'[') => State::Numbers(*section, Numbers::default()),
            (State::Open(_), _) => return Err(Fault::new(0, "`[`")),
            (State::AfterValue, b',') => State::Key { after_comma: true },
            (State::AfterValue, _) => return Err(Fault::new(0, "`,` or `}`")),
            _ => return Err(Fault::new(0, "the end of the dump")),
        };
        if let State::InKey = next {
            self.key.clear();
        }
        self.state = next;
        Ok(1)
    }

    /// The state that the value of the key just read begins with.
    fn section(&self) -> State {
        match self.key.as_slice() {
            b"nodes" => State::Open(Section::Nodes),
            b"edges" => State::Open(Section::Edges),
            b"locations" => State::Open(Section::Locations),
            b"strings" => State::Open(Section::Strings),
            b"snapshot" => State::Value(Value::captured(META_BYTES_LIMIT)),
            _ => State::Value(Value::skipped()),
        }
    }

    fn in_key(&mut self, rest: &[u8]) -> usize {
        let (key, taken) = match rest.iter().position(|byte| *byte == b'"') {
            Some(end) => (&rest[..end], end + 1),
            None => (rest, rest.len()),
        };
        let room = KEY_BYTES_LIMIT.saturating_sub(self.key.len());
        self.key.extend_from_slice(&key[..key.len().min(room)]);
        if taken > key.len() {
            self.state = State::Colon;
        }
        taken
    }

    fn value(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        let State::Value(value) = &mut self.state else {
            return Ok(0);
        };
        let taken = value.take(rest)?;
        if value.is_complete() {
            if let Some(text) = value.captured_text() {
                self.meta = Some(Meta::parse(text).map_err(|expected| Fault::owned(0, expected))?);
            }
            self.state = State::AfterValue;
        }
        Ok(taken)
    }

    fn numbers(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        let State::Numbers(section, numbers) = &mut self.state else {
            return Ok(0);
        };
        let Some(meta) = &self.meta else {
            return Err(Fault::new(0, "`snapshot` before the other sections"));
        };
        if let Some(is_first) = numbers.row_start() {
            let taken = self.columns.lines(*section, meta, rest, is_first);
            if taken > 0 {
                numbers.resume_after_row();
                return Ok(taken);
            }
        }
        let taken = numbers.take(rest, section.width(meta))?;
        self.columns.rows(*section, meta, numbers)?;
        if numbers.is_complete() {
            if !numbers.values().is_empty() {
                return Err(Fault::new(
                    taken - 1,
                    "as many numbers as `snapshot.meta` has fields",
                ));
            }
            self.state = State::AfterValue;
        }
        Ok(taken)
    }

    fn texts(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        let taken = self.strings.take(rest)?;
        if self.strings.is_complete() {
            self.state = State::AfterValue;
        }
        Ok(taken)
    }

    fn explain(&self, fault: Fault, base: u64) -> ParseError {
        match self.head.foreign() {
            Some(foreign) if self.meta.is_none() => ParseError::Foreign(foreign),
            _ => ParseError::Unexpected {
                offset: base + fault.at as u64,
                inside: self.place(),
                expected: fault.expected,
            },
        }
    }

    /// The part of the dump that is being read, for messages.
    fn place(&self) -> String {
        match &self.state {
            State::Start => "the start".to_owned(),
            State::Done => "the end".to_owned(),
            _ => format!("`{}`", String::from_utf8_lossy(&self.key).escape_debug()),
        }
    }
}

/// An error on its way up: where in the piece in hand, and what should have been there.
#[derive(Debug)]
pub(crate) struct Fault {
    at: usize,
    expected: String,
}

impl Fault {
    pub(crate) fn new(at: usize, expected: &str) -> Self {
        Self {
            at,
            expected: expected.to_owned(),
        }
    }

    pub(crate) fn owned(at: usize, expected: String) -> Self {
        Self { at, expected }
    }
}
