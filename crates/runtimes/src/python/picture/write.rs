//! The picture as a file: docs/formats/cpython-picture.md.

use std::io::{self, Write};

use super::output::{Output, Reference};

const MAGIC: &[u8; 8] = b"PLMPYPIC";
const VERSION: u8 = 1;
/// Sections are closed from this size on, so that readers need no more memory for one.
const SECTION_BYTES: usize = 1 << 20;

const END: u8 = 0;
const INFO: u8 = 1;
const TEXTS: u8 = 2;
const ROOTS: u8 = 3;
const OBJECTS: u8 = 4;
const FACTS: u8 = 5;
const LIBRARIES: u8 = 6;

/// Writes a picture and tells its bytes.
pub(super) fn write(output: &Output, info: &[(&str, String)], into: &mut dyn Write) -> io::Result<u64> {
    let mut file = Writer { into, bytes: 0 };
    file.put(MAGIC)?;
    file.put(&[VERSION])?;
    file.section(INFO, info.iter(), |buffer, (key, value)| {
        text(buffer, key);
        text(buffer, value);
    })?;
    file.section(TEXTS, output.texts.all.iter(), |buffer, one| text(buffer, one))?;
    file.section(LIBRARIES, output.libraries.iter(), |buffer, one| {
        text(buffer, one)
    })?;
    file.section(ROOTS, output.roots.iter(), |buffer, root| {
        number(buffer, u64::from(root.name));
        references(buffer, &root.references, 0);
    })?;
    file.section(OBJECTS, 0..output.addresses.len(), |buffer, at| {
        number(buffer, output.addresses[at]);
        number(buffer, u64::from(output.types[at]));
        number(buffer, output.bytes[at]);
        references(
            buffer,
            &output.references[output.first[at]..output.first[at + 1]],
            at as u32,
        );
    })?;
    file.section(FACTS, output.facts.iter(), |buffer, row| {
        buffer.push(row.fact as u8);
        for value in [row.node, row.first, row.second, row.number] {
            number(buffer, u64::from(value));
        }
    })?;
    file.section(END, [()].iter(), |buffer, ()| {
        number(buffer, output.addresses.len() as u64);
        number(buffer, output.references.len() as u64);
    })?;
    file.into.flush()?;
    Ok(file.bytes)
}

struct Writer<'w> {
    into: &'w mut dyn Write,
    bytes: u64,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.into.write_all(bytes)
    }

    /// Rows in as many sections as they need: tag, length, number of rows, rows.
    fn section<T>(
        &mut self,
        tag: u8,
        rows: impl Iterator<Item = T>,
        mut put: impl FnMut(&mut Vec<u8>, T),
    ) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mut count = 0u32;
        for row in rows {
            put(&mut buffer, row);
            count += 1;
            if buffer.len() >= SECTION_BYTES {
                self.close(tag, count, &mut buffer)?;
                count = 0;
            }
        }
        if count > 0 {
            self.close(tag, count, &mut buffer)
        } else {
            Ok(())
        }
    }

    fn close(&mut self, tag: u8, count: u32, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.put(&[tag])?;
        let length = u32::try_from(buffer.len() + 4).map_err(io::Error::other)?;
        self.put(&length.to_le_bytes())?;
        self.put(&count.to_le_bytes())?;
        self.put(buffer)?;
        buffer.clear();
        Ok(())
    }
}

fn text(buffer: &mut Vec<u8>, text: &str) {
    number(buffer, text.len() as u64);
    buffer.extend_from_slice(text.as_bytes());
}

/// Number of references, then each: label and kind, target less the one before.
fn references(buffer: &mut Vec<u8>, all: &[Reference], own: u32) {
    number(buffer, all.len() as u64);
    let mut last = own;
    for reference in all {
        number(
            buffer,
            u64::from(reference.text_or_index()) << 3 | u64::from(reference.held()),
        );
        let step = i64::from(reference.to) - i64::from(last);
        number(buffer, (step << 1 ^ step >> 63) as u64);
        last = reference.to;
    }
}

/// LEB128.
fn number(buffer: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buffer.push(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.push(value as u8);
}
