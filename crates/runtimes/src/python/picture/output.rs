//! The picture in columns, as it grows: objects, their references, texts, facts.

use std::collections::HashMap;

/// How a reference is held; the file's own numbers (docs/formats/cpython-picture.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Held {
    /// By a field of the interpreter's own.
    Internal = 0,
    /// By a name: an attribute, a dict's key.
    Named = 1,
    /// By a position.
    Element = 2,
    /// By a variable of a function.
    Variable = 3,
    /// Not at all.
    Weak = 4,
}

/// A reference: kind and label in one word, and where to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference {
    pub(super) label: u32,
    pub(super) to: u32,
}

const KIND_SHIFT: u32 = 29;
const LABEL_MASK: u32 = (1 << KIND_SHIFT) - 1;

impl Reference {
    pub(super) fn new(held: Held, label: u32, to: u32) -> Self {
        Self {
            label: (held as u32) << KIND_SHIFT | label.min(LABEL_MASK),
            to,
        }
    }

    pub(super) fn held(self) -> u8 {
        (self.label >> KIND_SHIFT) as u8
    }

    pub(super) fn text_or_index(self) -> u32 {
        self.label & LABEL_MASK
    }
}

/// What is known of an object besides its type; the file's own numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Fact {
    /// A module: its name, its file.
    Module = 1,
    /// A class: its module, its qualified name.
    Class = 2,
    /// Code: its qualified name, its file; the number is its first line.
    Code = 3,
    /// The attributes of another object: its own dict.
    Store = 4,
    /// Lost: more references are counted than found; the number is how many.
    Lost = 5,
}

/// A fact about an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct FactRow {
    pub(super) fact: Fact,
    pub(super) node: u32,
    pub(super) first: u32,
    pub(super) second: u32,
    pub(super) number: u32,
}

/// Texts, each once.
#[derive(Debug, Default)]
pub(super) struct Texts {
    known: HashMap<Box<str>, u32>,
    pub(super) all: Vec<Box<str>>,
}

impl Texts {
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let number = self.all.len() as u32;
        self.known.insert(text.into(), number);
        self.all.push(text.into());
        number
    }
}

/// A root that is no object: its name and what it holds.
#[derive(Debug)]
pub(super) struct RootRow {
    pub(super) name: u32,
    pub(super) references: Vec<Reference>,
}

/// The picture so far.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) texts: Texts,
    /// Per object: address, type name, bytes.
    pub(super) addresses: Vec<u64>,
    pub(super) types: Vec<u32>,
    pub(super) bytes: Vec<u64>,
    /// References of object `n` are `references[first[n]..first[n + 1]]`.
    pub(super) first: Vec<usize>,
    pub(super) references: Vec<Reference>,
    pub(super) facts: Vec<FactRow>,
    pub(super) roots: Vec<RootRow>,
    /// Files of native code that the process has loaded and that are not the system's.
    pub(super) libraries: Vec<String>,
}
