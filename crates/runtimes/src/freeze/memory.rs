//! Memory of a process from outside: what is mapped, and reads of it.

use std::io;

/// A read that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{length}` bytes at `{address:#x}` cannot be read")]
pub struct ReadError {
    /// Where.
    pub address: u64,
    /// How many.
    pub length: usize,
}

/// Memory that can be read: of a frozen process, or made up for a test.
pub trait ReadMemory {
    /// Fills all of `into` from `address` on.
    ///
    /// # Errors
    /// If any byte of it is not there.
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError>;
}

/// Memory of a process, read with `process_vm_readv`.
#[derive(Debug, Clone, Copy)]
pub struct ProcessMemory {
    pid: u32,
}

impl ProcessMemory {
    /// Memory of a process that we may trace.
    pub fn new(pid: u32) -> Self {
        Self { pid }
    }
}

impl ReadMemory for ProcessMemory {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        match super::sys::read_memory(self.pid as i32, address, into) {
            Ok(taken) if taken == into.len() => Ok(()),
            _ => Err(ReadError {
                address,
                length: into.len(),
            }),
        }
    }
}

/// One mapping: a line of `/proc/PID/maps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// Whether it can be read.
    pub readable: bool,
    /// Whether it can be written.
    pub writable: bool,
    /// Whether it can be executed.
    pub executable: bool,
    /// Offset into the file.
    pub offset: u64,
    /// The file, or a name in brackets; empty for anonymous memory.
    pub path: String,
}

impl Mapping {
    /// Whether no file is behind it.
    pub fn is_anonymous(&self) -> bool {
        !self.path.starts_with('/')
    }
}

/// Mappings read of one process: a worker has hundreds, a hostile one must not fill our memory.
const MAPPINGS: usize = 1 << 17;

/// What a process has mapped, in the order of addresses.
pub(crate) fn mappings(pid: u32) -> io::Result<Vec<Mapping>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    Ok(text.lines().take(MAPPINGS).filter_map(mapping).collect())
}

fn mapping(line: &str) -> Option<Mapping> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let rights = words.next()?.as_bytes();
    let offset = words.next()?;
    let path = words.nth(2).unwrap_or_default().trim_start();
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        readable: rights.first() == Some(&b'r'),
        writable: rights.get(1) == Some(&b'w'),
        executable: rights.get(2) == Some(&b'x'),
        offset: u64::from_str_radix(offset, 16).ok()?,
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps_are_read() {
        let file = mapping("7f00-7fff r-xp 00001000 fe:00 123    /usr/lib/a b.so").unwrap();
        assert_eq!((file.start, file.end, file.offset), (0x7f00, 0x7fff, 0x1000));
        assert!(file.readable && !file.writable && file.executable && !file.is_anonymous());
        assert_eq!(file.path, "/usr/lib/a b.so");
        let heap = mapping("10-20 rw-p 00000000 00:00 0 ").unwrap();
        assert!(heap.is_anonymous() && heap.path.is_empty());
        assert_eq!(mapping("nonsense"), None);
    }
}
