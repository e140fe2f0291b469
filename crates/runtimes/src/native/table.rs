//! Reads the table of docs/formats/alloc-table.md.
//!
//! The worker may be writing while it is read, and may be hostile: every index is checked, an entry that
//! cannot be is left out, and an address that shows up twice (it was being moved) counts once.

use std::collections::HashSet;
use std::path::Path;

const MAGIC: &[u8; 8] = b"PLSMALOC";
const VERSION: u32 = 1;
const SLOTS: Section = Section {
    at: 128,
    count: 32_768,
    size: 32,
};
const STACKS: Section = SLOTS.then(8192, 16);
const FRAMES: Section = STACKS.then(131_072, 8);
const PYTHON_FRAMES: Section = FRAMES.then(8192, 16);
const MODULES: Section = PYTHON_FRAMES.then(512, 32);
const STRINGS: Section = MODULES.then(524_288, 1);
const FILE_BYTES: usize = STRINGS.at + STRINGS.count;
/// Offsets of return addresses take the lower part of a frame, the module the upper.
const MODULE_SHIFT: u32 = 48;

#[derive(Debug, Clone, Copy)]
struct Section {
    at: usize,
    count: usize,
    size: usize,
}

impl Section {
    const fn then(self, count: usize, size: usize) -> Section {
        Section {
            at: self.at + self.count * self.size,
            count,
            size,
        }
    }

    fn entry<'b>(&self, bytes: &'b [u8], index: usize) -> Option<&'b [u8]> {
        let at = self.at + index.checked_mul(self.size).filter(|_| index < self.count)?;
        bytes.get(at..at + self.size)
    }
}

/// Why a table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The system's reason.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Not (yet) a table.
    #[error("not an allocation table")]
    NotATable,
    /// Written by another version of the sampler.
    #[error("allocation table of version {0}, this program reads version {VERSION}")]
    Version(u32),
    /// Shorter than a table is.
    #[error("allocation table cut off at {0} of {FILE_BYTES} bytes")]
    Truncated(usize),
}

/// One look at the live sampled allocations of a process.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The process.
    pub pid: u32,
    /// When it began to be sampled, seconds since the Unix epoch.
    pub started_at: f64,
    /// CPU time spent on samples so far.
    pub sampler_seconds: f64,
    /// Allocations sampled so far.
    pub sampled: u64,
    /// Samples that there was no room for, or no time.
    pub dropped: u64,
    /// CPython's version, where it is one whose frames are read.
    pub python: Option<(u8, u8)>,
    /// Sampled allocations that live.
    pub live: Vec<Live>,
    /// Stacks by index; the first is that of samples whose own did not fit.
    pub stacks: Vec<Stack>,
    /// Loaded objects by index; the first is none.
    pub modules: Vec<Module>,
    /// Python frames by index.
    pub python_frames: Vec<PythonFrame>,
}

/// A live sampled allocation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Live {
    /// Its own size.
    pub bytes: u64,
    /// Bytes that it stands for.
    pub weight_bytes: f64,
    /// Index of its stack.
    pub stack: u32,
    /// When it was allocated, seconds since the Unix epoch.
    pub born_at: f64,
    /// One of Python's small objects, which `malloc` never sees.
    pub is_python_object: bool,
}

/// A stack, innermost frame first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stack {
    /// Return addresses as (module, offset within the module's own address space).
    pub native: Vec<(u16, u64)>,
    /// Indexes of Python frames.
    pub python: Vec<u32>,
}

/// A loaded object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Module {
    /// Its path, as the process sees it.
    pub path: String,
}

/// A place in Python code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonFrame {
    /// The file, as the code object names it.
    pub file: String,
    /// The function, qualified where the version of Python knows how.
    pub function: String,
    /// The line, 0 where unknown.
    pub line: u32,
}

impl Table {
    /// Reads a table file.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn read(path: &Path) -> Result<Self, TableError> {
        Table::parse(&std::fs::read(path)?)
    }

    /// Reads a table.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TableError> {
        if bytes.get(..8) != Some(MAGIC) {
            return Err(TableError::NotATable);
        }
        let version = u32_at(bytes, 8).ok_or(TableError::Truncated(bytes.len()))?;
        if version != VERSION {
            return Err(TableError::Version(version));
        }
        if bytes.len() < FILE_BYTES {
            return Err(TableError::Truncated(bytes.len()));
        }
        let word = |at| u64_at(bytes, at).unwrap_or(0);
        let half = |at| u32_at(bytes, at).unwrap_or(0);
        let started_at = word(24) as f64 / 1e9;
        let stacks: Vec<Stack> = (0..count(half(84), STACKS))
            .map(|index| stack(bytes, index))
            .collect();
        let python = half(108);
        Ok(Table {
            pid: half(12),
            started_at,
            sampler_seconds: word(32) as f64 / 1e9,
            sampled: word(40),
            dropped: word(56).saturating_add(word(64)).saturating_add(word(72)),
            python: (python > 0).then_some(((python >> 8) as u8, python as u8)),
            live: live(bytes, started_at, stacks.len()),
            stacks,
            modules: (0..count(half(96), MODULES))
                .map(|index| module(bytes, index))
                .collect(),
            python_frames: (0..count(half(92), PYTHON_FRAMES))
                .map(|index| python_frame(bytes, index))
                .collect(),
        })
    }
}

fn count(claimed: u32, section: Section) -> usize {
    (claimed as usize).min(section.count)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn live(bytes: &[u8], started_at: f64, stacks: usize) -> Vec<Live> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for entry in (0..SLOTS.count).filter_map(|index| SLOTS.entry(bytes, index)) {
        let address = u64_at(entry, 0).unwrap_or(0);
        if address == 0 || !seen.insert(address) {
            continue;
        }
        let size = u64_at(entry, 8).unwrap_or(0);
        let stack = u32_at(entry, 16).unwrap_or(0);
        found.push(Live {
            bytes: size,
            weight_bytes: weight(size, entry[24]),
            stack: if (stack as usize) < stacks { stack } else { 0 },
            born_at: started_at + f64::from(u32_at(entry, 20).unwrap_or(0)) / 1e3,
            is_python_object: entry[25] == 1,
        });
    }
    found
}

/// The inverse of the chance of being sampled, times the size (Horvitz and Thompson 1952).
fn weight(bytes: u64, interval_log2: u8) -> f64 {
    let interval = f64::from(2.0_f32.powi(i32::from(interval_log2.min(62))));
    bytes as f64 / -(-charge(bytes) / interval).exp_m1()
}

/// What the sampler takes off its countdown for an allocation.
fn charge(bytes: u64) -> f64 {
    let halvings = bytes.checked_ilog2().map_or(0, |log| log.saturating_sub(10) / 2);
    (bytes >> halvings) as f64 + 1.0
}

fn stack(bytes: &[u8], index: usize) -> Stack {
    let Some(entry) = STACKS.entry(bytes, index) else {
        return Stack::default();
    };
    let half = |at: usize| usize::from(u16::from_le_bytes([entry[at], entry[at + 1]]));
    let (first, native, python) = (u32_at(entry, 0).unwrap_or(0) as usize, half(4), half(6));
    let frame = |index: usize| FRAMES.entry(bytes, index).and_then(|entry| u64_at(entry, 0));
    let offset_mask = (1 << MODULE_SHIFT) - 1;
    Stack {
        native: (first..first + native)
            .map_while(frame)
            .map(|word| ((word >> MODULE_SHIFT) as u16, word & offset_mask))
            .collect(),
        python: (first + native..first + native + python)
            .map_while(frame)
            .filter_map(|word| u32::try_from(word).ok())
            .collect(),
    }
}

fn module(bytes: &[u8], index: usize) -> Module {
    let path = MODULES.entry(bytes, index).and_then(|entry| u32_at(entry, 24));
    Module {
        path: string(bytes, path.unwrap_or(0)),
    }
}

fn python_frame(bytes: &[u8], index: usize) -> PythonFrame {
    let field = |at| {
        let entry = PYTHON_FRAMES.entry(bytes, index)?;
        u32_at(entry, at)
    };
    PythonFrame {
        file: string(bytes, field(0).unwrap_or(0)),
        function: string(bytes, field(4).unwrap_or(0)),
        line: field(8).unwrap_or(0),
    }
}

fn string(bytes: &[u8], at: u32) -> String {
    let text = bytes[STRINGS.at..FILE_BYTES].get(at as usize..).unwrap_or(&[]);
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(0);
    String::from_utf8_lossy(&text[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_unbiased() {
        // Small ones stand for about the interval, the largest for themselves.
        assert!((weight(1000, 16) / 65_536.0 - 1.0).abs() < 0.02);
        assert!((weight(1 << 34, 16) / f64::from(1 << 30) / 16.0 - 1.0).abs() < 1e-6);
        let chance = 1.0 - (-32_769.0_f64 / 65_536.0).exp();
        assert!((weight(1 << 20, 16) * chance - f64::from(1 << 20)).abs() < 1.0);
        assert_eq!(weight(0, 16), 0.0);
    }

    #[test]
    fn a_table_cut_off_anywhere_is_refused() {
        let mut bytes = vec![0; FILE_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8] = 1;
        assert!(Table::parse(&bytes).is_ok());
        for end in (0..256).chain((256..FILE_BYTES).step_by(4099)) {
            assert!(Table::parse(&bytes[..end]).is_err(), "{end}");
        }
        bytes[8] = 2;
        assert!(matches!(Table::parse(&bytes), Err(TableError::Version(2))));
    }

    #[test]
    fn nonsense_is_survived() {
        let mut bytes = vec![0xFF; FILE_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&1_u32.to_le_bytes());
        let table = Table::parse(&bytes).expect("every field is checked");
        assert_eq!(table.live.len(), 1, "the same address counts once");
        assert!(table.python_frames.iter().all(|frame| frame.file.is_empty()));
    }
}
