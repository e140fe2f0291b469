//! Values of a few symbols of an ELF file: its tables of dynamic and of all symbols.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Values of the symbols asked for, in their order.
#[derive(Debug, PartialEq)]
pub(super) struct Symbols {
    pub(super) values: Vec<Option<u64>>,
    /// Whether addresses are absolute: a program that is not position-independent.
    pub(super) is_fixed: bool,
    /// Address of the first loaded page, as the file tells it.
    pub(super) first_address: u64,
}

/// Sections read of one file, and bytes of one section.
const SECTIONS: u64 = 1000;
const SECTION_BYTES: u64 = 64 << 20;
const SYMBOL_BYTES: usize = 24;
const LOAD: u64 = 1;
const WRITABLE: u64 = 2;
const SYMBOL_TABLE: u64 = 2;
const DYNAMIC_SYMBOLS: u64 = 11;
const EXECUTABLE: u64 = 2;

/// Looks symbols up; `None` if the file is no 64-bit little-endian ELF file or has no such table.
pub(super) fn symbols(path: &Path, names: &[&str]) -> Option<Symbols> {
    let file = File::open(path).ok()?;
    let header = read(&file, 0, 64)?;
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let mut found = Symbols {
        values: vec![None; names.len()],
        is_fixed: number(&header, 16, 2)? == EXECUTABLE,
        first_address: first_address(&file, &header).unwrap_or(0),
    };
    let (start, size, count) = (
        number(&header, 40, 8)?,
        number(&header, 58, 2)?,
        number(&header, 60, 2)?.min(SECTIONS),
    );
    let table = read(&file, start, size.checked_mul(count)?)?;
    let section = |at: u64| table.get((at * size) as usize..)?.get(..size as usize);
    for at in 0..count {
        let section_header = section(at)?;
        let kind = number(section_header, 4, 4)?;
        if kind == SYMBOL_TABLE || kind == DYNAMIC_SYMBOLS {
            let texts = section(number(section_header, 40, 4)?)?;
            let entries = content(&file, section_header)?;
            collect(&entries, &content(&file, texts)?, names, &mut found.values);
        }
        if found.values.iter().all(Option::is_some) {
            break;
        }
    }
    Some(found)
}

fn collect(entries: &[u8], texts: &[u8], names: &[&str], values: &mut [Option<u64>]) {
    for entry in entries.chunks_exact(SYMBOL_BYTES) {
        let (Some(name), Some(value)) = (number(entry, 0, 4), number(entry, 8, 8)) else {
            continue;
        };
        let Some(text) = texts.get(name as usize..) else {
            continue;
        };
        let is = |wanted: &str| text.starts_with(wanted.as_bytes()) && text.get(wanted.len()) == Some(&0);
        if value != 0
            && let Some(at) = names.iter().position(|wanted| is(wanted))
        {
            values[at].get_or_insert(value);
        }
    }
}

/// A stretch of a loaded file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    start: u64,
    bytes: u64,
    is_writable: bool,
}

fn segments(file: &File, header: &[u8]) -> Option<Vec<Segment>> {
    let (start, size, count) = (
        number(header, 32, 8)?,
        number(header, 54, 2)?,
        number(header, 56, 2)?,
    );
    let table = read(file, start, size.checked_mul(count)?)?;
    let loaded = table
        .chunks_exact(size.max(1) as usize)
        .filter(|segment| number(segment, 0, 4) == Some(LOAD));
    let segment = |row: &[u8]| {
        Some(Segment {
            start: number(row, 16, 8)?,
            bytes: number(row, 40, 8)?,
            is_writable: number(row, 4, 4)? & WRITABLE != 0,
        })
    };
    Some(loaded.filter_map(segment).collect())
}

fn first_address(file: &File, header: &[u8]) -> Option<u64> {
    segments(file, header)?
        .first()
        .map(|segment| segment.start & !0xfff)
}

/// Where the variables of a program or library are, zeroed ones included, once its first byte is
/// mapped at `mapped_at`: addresses and bytes.
pub(super) fn variables(path: &Path, mapped_at: u64) -> Vec<(u64, u64)> {
    let read_all = || {
        let file = File::open(path).ok()?;
        let header = read(&file, 0, 64)?;
        if !header.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let is_fixed = number(&header, 16, 2)? == EXECUTABLE;
        let all = segments(&file, &header)?;
        let bias = match is_fixed {
            true => 0,
            false => mapped_at.wrapping_sub(all.first()?.start & !0xfff),
        };
        let writable = all.iter().filter(|segment| segment.is_writable);
        Some(
            writable
                .map(|segment| (bias.wrapping_add(segment.start), segment.bytes))
                .collect(),
        )
    };
    read_all().unwrap_or_default()
}

fn content(file: &File, section_header: &[u8]) -> Option<Vec<u8>> {
    read(
        file,
        number(section_header, 24, 8)?,
        number(section_header, 32, 8)?,
    )
}

fn read(file: &File, at: u64, length: u64) -> Option<Vec<u8>> {
    if length > SECTION_BYTES {
        return None;
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, at).ok()?;
    Some(bytes)
}

fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let mut whole = [0; 8];
    whole[..width].copy_from_slice(bytes.get(at..at + width)?);
    Some(u64::from_le_bytes(whole))
}
