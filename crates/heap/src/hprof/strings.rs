//! What `byte[]` and `char[]` say: equal contents once, their beginning only.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::classes::{BasicType, Classes, StringFields};
use super::cursor::id_of;
use super::hash::{Seeded, content};

/// Bytes of an array that are kept to be read: some lines of text.
const SHOWN_BYTES: usize = 240;

/// Contents of arrays, by number.
#[derive(Debug)]
pub(crate) struct Contents {
    seed: u64,
    by_hash: HashMap<u64, u32, Seeded>,
    kinds: Vec<BasicType>,
    ends: Vec<usize>,
    bytes: Vec<u8>,
    /// Content by node, for those that have one; ascending.
    of_nodes: Vec<(u32, u32)>,
    /// Strings: node, address of the array, whether letters have two bytes.
    strings: Vec<(u32, u64, bool)>,
}

impl Default for Contents {
    fn default() -> Self {
        Self {
            seed: std::hash::BuildHasher::hash_one(&Seeded::default(), 1u64),
            by_hash: HashMap::default(),
            kinds: Vec::new(),
            ends: Vec::new(),
            bytes: Vec::new(),
            of_nodes: Vec::new(),
            strings: Vec::new(),
        }
    }
}

impl Contents {
    /// The number of some contents; equal ones share it.
    pub(crate) fn intern(&mut self, kind: BasicType, data: &[u8]) -> u32 {
        let next = self.kinds.len() as u32;
        match self.by_hash.entry(content(self.seed ^ u64::from(kind.0), data)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                new.insert(next);
                self.kinds.push(kind);
                self.bytes.extend_from_slice(&data[..data.len().min(SHOWN_BYTES)]);
                self.ends.push(self.bytes.len());
                next
            }
        }
    }

    pub(crate) fn of_node(&mut self, node: u32, content: u32) {
        self.of_nodes.push((node, content));
    }

    /// A `java.lang.String`, by the data of the instance.
    pub(crate) fn string(&mut self, node: u32, fields: StringFields, data: &[u8], id_bytes: usize) {
        let at = fields.value as usize;
        let Some(address) = data.get(at..at + id_bytes).map(id_of) else {
            return;
        };
        let coder = fields.coder.and_then(|at| data.get(at as usize));
        self.strings.push((node, address, coder == Some(&1)));
    }

    /// Texts by node: of strings as they read, of arrays as bytes or UTF-16 read.
    pub(crate) fn resolve(self, classes: &mut Classes, find: impl Fn(u64) -> Option<u32>) -> Vec<(u32, u32)> {
        let mut texts: HashMap<(u32, bool), u32> = HashMap::new();
        let mut text = |number: u32, is_wide: bool| {
            *texts.entry((number, is_wide)).or_insert_with(|| {
                let at = number as usize;
                let start = if at == 0 { 0 } else { self.ends[at - 1] };
                classes.text(&read(self.kinds[at], is_wide, &self.bytes[start..self.ends[at]]))
            })
        };
        let mut values = Vec::with_capacity(self.of_nodes.len() + self.strings.len());
        for (node, number) in &self.of_nodes {
            values.push((*node, text(*number, false)));
        }
        for (node, address, is_wide) in &self.strings {
            let array = find(*address);
            let at =
                array.and_then(|array| self.of_nodes.binary_search_by_key(&array, |(node, _)| *node).ok());
            if let Some(at) = at {
                values.push((*node, text(self.of_nodes[at].1, *is_wide)));
            }
        }
        values.sort_unstable();
        values
    }
}

/// Bytes as text. `char[]` is big-endian as everything in the format; `byte[]` holds Latin-1 or, in a
/// string that says so, UTF-16 in the order of the machine that ran: little-endian on all that matter.
fn read(kind: BasicType, is_wide: bool, bytes: &[u8]) -> String {
    let units = |join: fn([u8; 2]) -> u16| -> String {
        let units = bytes.chunks_exact(2).map(|pair| join([pair[0], pair[1]]));
        char::decode_utf16(units)
            .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    };
    match (kind, is_wide) {
        (BasicType::CHAR, _) => units(u16::from_be_bytes),
        (_, true) => units(u16::from_le_bytes),
        (_, false) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_as_their_coder_says() {
        for (kind, is_wide, bytes, expected) in [
            (BasicType::BYTE, false, &b"caf\xe9"[..], "café"),
            (
                BasicType::BYTE,
                true,
                &[0x3a, 0xd8, 0x80, 0xdc, 0x41, 0][..],
                "\u{1e880}A",
            ),
            (BasicType::CHAR, false, &[0, 0x41, 0x20, 0xac][..], "A€"),
        ] {
            assert_eq!(read(kind, is_wide, bytes), expected);
        }
    }

    #[test]
    fn equal_contents_share_a_number() {
        let mut contents = Contents::default();
        let long = vec![7; 1000];
        let numbers: Vec<u32> = [&long[..], b"a", &long[..999], &long[..], b"a", b""]
            .iter()
            .map(|data| contents.intern(BasicType::BYTE, data))
            .collect();
        assert_eq!(numbers, [0, 1, 2, 0, 1, 3]);
    }
}
