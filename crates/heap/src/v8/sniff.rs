//! Tells what an input that is no V8 heap snapshot looks like, by its first bytes.

use super::Foreign;

const HEAD_BYTES: usize = 512;

/// The first bytes of the input.
#[derive(Debug, Default)]
pub(crate) struct Head(Vec<u8>);

impl Head {
    pub(crate) fn see(&mut self, piece: &[u8]) {
        let room = HEAD_BYTES - self.0.len();
        self.0.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// `None` if it begins as a V8 heap snapshot does.
    pub(crate) fn foreign(&self) -> Option<Foreign> {
        const MAGIC: [(&[u8], Foreign); 6] = [
            (b"JAVA PROFILE 1.0", Foreign::Hprof),
            (b"\x1f\x8b", Foreign::Gzip),
            (b"\x28\xb5\x2f\xfd", Foreign::Zstd),
            (b"PK\x03\x04", Foreign::Zip),
            (b"\x7fELF", Foreign::Elf),
            // Field 1 (sample_type), length-delimited, a ValueType of two small varints.
            (b"\x0a\x04\x08", Foreign::Pprof),
        ];
        if self.0.is_empty() {
            return Some(Foreign::Empty);
        }
        let known = MAGIC
            .iter()
            .find(|(magic, _)| self.0.starts_with(magic))
            .map(|(_, foreign)| *foreign);
        known.or_else(|| self.foreign_text())
    }

    fn foreign_text(&self) -> Option<Foreign> {
        let text = String::from_utf8_lossy(&self.0);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if text.starts_with('{') || text.starts_with('[') {
            return Self::foreign_json(text);
        }
        let is_text = !self
            .0
            .iter()
            .any(|byte| *byte < 0x20 && !byte.is_ascii_whitespace());
        Some(if is_text { Foreign::Text } else { Foreign::Unknown })
    }

    fn foreign_json(text: &str) -> Option<Foreign> {
        let inner = text[1..].trim_start();
        // The beginning of one may be all there is.
        if "\"snapshot\"".starts_with(inner) || (text.starts_with('{') && inner.starts_with("\"snapshot\"")) {
            return None;
        }
        Some(match text.contains("\"callFrame\"") {
            true if inner.starts_with("\"head\"") => Foreign::SamplingHeapProfile,
            true => Foreign::CpuProfile,
            false => Foreign::OtherJson,
        })
    }
}
