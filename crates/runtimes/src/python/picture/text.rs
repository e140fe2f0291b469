//! Texts and numbers of the interpreter, as people read them.

use super::layout::{Layout, flags};
use super::pages::Pages;

/// Bits of `PyASCIIObject.state`: 2 (3.9 to 3.11 and later) for interning, then kind, compact, ascii.
const KIND_SHIFT: u32 = 2;
const KIND_MASK: u32 = 7;
const COMPACT: u32 = 1 << 5;
const ASCII: u32 = 1 << 6;

/// Where the letters of a `str` are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Letters {
    pub(super) data: u64,
    pub(super) length: u64,
    /// Bytes a letter.
    pub(super) width: u64,
    /// Bytes of the whole object.
    pub(super) bytes: u64,
}

/// Finds the letters of the `str` at `address`.
pub(super) fn letters(address: u64, layout: &Layout, pages: &mut Pages<'_>) -> Option<Letters> {
    let length = pages.u64(address + 16)?;
    let state = pages.u32(address + 32)?;
    let width = u64::from(state >> KIND_SHIFT & KIND_MASK);
    let (is_compact, is_ascii) = (state & COMPACT != 0, state & ASCII != 0);
    let head = match (is_compact, is_ascii) {
        (true, true) => layout.ascii_bytes,
        (true, false) => layout.compact_bytes,
        (false, _) => layout.compact_bytes + 8,
    };
    let data = if is_compact {
        address + head
    } else {
        pages.u64(address + layout.compact_bytes)?
    };
    Some(Letters {
        data,
        length,
        width,
        bytes: head.saturating_add((length + 1).saturating_mul(width)),
    })
}

/// Reads a `str` of at most `most` letters; longer ones are cut.
pub(super) fn read(address: u64, layout: &Layout, pages: &mut Pages<'_>, most: usize) -> Option<String> {
    let class = pages.u64(address + 8)?;
    let bits = pages.u64(class.checked_add(super::layout::type_object::FLAGS)?)?;
    if bits & flags::UNICODE == 0 {
        return None;
    }
    let letters = letters(address, layout, pages)?;
    let count = (letters.length as usize).min(most);
    let mut bytes = Vec::new();
    pages.bytes(letters.data, count * letters.width as usize, &mut bytes);
    let text: String = match letters.width {
        1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
        2 => bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| char::from_u32(u32::from(u16::from_le_bytes(*pair))).unwrap_or('\u{fffd}'))
            .collect(),
        4 => bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|word| char::from_u32(u32::from_le_bytes(*word)).unwrap_or('\u{fffd}'))
            .collect(),
        _ => return None,
    };
    Some(text)
}

/// Number of digits of an `int`, and whether it is negative.
pub(super) fn digits(address: u64, layout: &Layout, pages: &mut Pages<'_>) -> Option<(u64, bool)> {
    let head = pages.i64(address + 16)?;
    Some(match layout.minor {
        ..12 => (head.unsigned_abs(), head < 0),
        _ => ((head as u64) >> 3, head & 3 == 2),
    })
}

/// The value of a small `int`.
pub(super) fn small_integer(address: u64, layout: &Layout, pages: &mut Pages<'_>) -> Option<i64> {
    let (count, negative) = digits(address, layout, pages)?;
    let mut value = 0i64;
    for at in 0..count {
        if at >= 2 {
            return None;
        }
        value |= i64::from(pages.u32(address + 24 + 4 * at)?) << (30 * at);
    }
    Some(if negative { -value } else { value })
}
