//! Dicts: where entries are, in the layouts of all versions.

use super::layout::Layout;
use super::pages::Pages;

/// The keys of a dict, shared by instances of one class or its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keys {
    /// Address of the first entry.
    pub(super) entries: u64,
    /// Entries in use, deleted ones among them.
    pub(super) count: u64,
    /// Words of an entry: hash, key and value, or key and value.
    pub(super) stride: u64,
    /// Bytes of the whole structure.
    pub(super) bytes: u64,
    /// Entries that there is room for.
    pub(super) room: u64,
}

impl Keys {
    pub(super) fn key_word(self) -> u64 {
        self.stride - 2
    }
}

/// log2 of the largest table that is believed.
const LOG2_SIZE: u8 = 40;

/// Reads `PyDictKeysObject`.
pub(super) fn keys(address: u64, layout: &Layout, pages: &mut Pages<'_>) -> Option<Keys> {
    if address == 0 {
        return None;
    }
    let count = pages.u64(address + layout.keys_count)?;
    let (size, index_bytes, stride) = if layout.minor < 11 {
        let size = pages.u64(address + 8)?;
        let width = match size {
            0..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => 8,
        };
        (size, size.checked_mul(width)?, 3)
    } else {
        let log2_size = pages.u8(address + 8).filter(|log2| *log2 <= LOG2_SIZE)?;
        let log2_bytes = pages.u8(address + 9).filter(|log2| *log2 <= LOG2_SIZE)?;
        let general = pages.u8(address + 10)? == 0;
        (1 << log2_size, 1 << log2_bytes, if general { 3 } else { 2 })
    };
    let room = size * 2 / 3;
    if count > room.max(8) {
        return None;
    }
    let entries = address + layout.keys_indices + index_bytes;
    Some(Keys {
        entries,
        count,
        stride,
        bytes: layout.keys_indices + index_bytes + room * stride * 8,
        room,
    })
}

/// The value of a key in a small dict with its own values, such as that of a class.
pub(super) fn value_of(dict: u64, key: &str, layout: &Layout, pages: &mut Pages<'_>) -> Option<u64> {
    /// Attributes of a class or module.
    const ENTRIES: u64 = 100_000;
    let keys_at = pages.u64(dict + 32)?;
    let values = pages.u64(dict + 40)?;
    let keys = keys(keys_at, layout, pages)?;
    for at in 0..keys.count.min(ENTRIES) {
        let entry = keys.entries + at * keys.stride * 8;
        let name = pages.u64(entry + keys.key_word() * 8)?;
        let is_it =
            name != 0 && super::text::read(name, layout, pages, key.len() + 1).as_deref() == Some(key);
        if is_it {
            let value = match values {
                0 => pages.u64(entry + keys.key_word() * 8 + 8)?,
                _ => pages.u64(values + layout.values + at * 8)?,
            };
            return Some(value).filter(|value| *value != 0);
        }
    }
    None
}
