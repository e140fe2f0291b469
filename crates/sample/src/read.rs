//! Bounded reads of the kernel's virtual files.

use std::{
    fs::File,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use crate::error::Reason;

/// No file that we read is longer in practice: the longest is `status` of a process in hundreds of
/// groups, and `cgroup.procs`. Pinned by `a_huge_file_is_refused`.
pub(crate) const READ_LIMIT_BYTES: usize = 256 * 1024;

/// Most files fit into this at once.
const FIRST_READ_BYTES: usize = 4096;

pub(crate) fn open(path: &Path) -> Result<OwnedFd, Reason> {
    rustix::fs::open(path, read_flags(), Mode::empty()).map_err(Reason::of_errno)
}

pub(crate) fn open_at(folder: impl AsFd, name: &str) -> Result<OwnedFd, Reason> {
    rustix::fs::openat(folder, name, read_flags(), Mode::empty()).map_err(Reason::of_errno)
}

fn read_flags() -> OFlags {
    // NONBLOCK: a fifo or a device planted in a fake or foreign tree must not hold us.
    OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK
}

/// Rereads `file` from its start into `buffer`.
///
/// One `pread` is enough for a virtual file that fits into the buffer: the kernel hands out a
/// single record whole, so a short read is the end of it.
pub(crate) fn reread(file: impl AsFd, buffer: &mut Vec<u8>) -> Result<(), Reason> {
    buffer.clear();
    loop {
        let filled = buffer.len();
        let room = if filled == 0 { FIRST_READ_BYTES } else { filled };
        if filled + room > READ_LIMIT_BYTES {
            return Err(Reason::TooLarge);
        }
        buffer.resize(filled + room, 0);
        let got = read_at(&file, &mut buffer[filled..], filled as u64)?;
        buffer.truncate(filled + got);
        if got < room {
            return Ok(());
        }
    }
}

fn read_at(file: impl AsFd, into: &mut [u8], offset: u64) -> Result<usize, Reason> {
    loop {
        match rustix::io::pread(&file, &mut *into, offset) {
            Err(Errno::INTR) => {}
            result => return result.map_err(Reason::of_errno),
        }
    }
}

/// Opens `path`, reads it whole and closes it. For files of many records, which the kernel hands
/// out in pieces, so that only an empty read is the end.
pub(crate) fn read_path(path: &Path) -> Result<Vec<u8>, Reason> {
    let file = File::from(open(path)?);
    let mut content = Vec::new();
    loop {
        let filled = content.len();
        if filled >= READ_LIMIT_BYTES {
            return Err(Reason::TooLarge);
        }
        content.resize(filled + FIRST_READ_BYTES, 0);
        let got = read_at(&file, &mut content[filled..], filled as u64)?;
        content.truncate(filled + got);
        if got == 0 {
            return Ok(content);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_huge_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huge");
        for (bytes, expected) in [
            (0, None),
            (4096, None),
            (100_000, None),
            (READ_LIMIT_BYTES + 1, Some(Reason::TooLarge)),
        ] {
            std::fs::write(&path, vec![b'7'; bytes]).unwrap();
            let read = read_path(&path);
            assert_eq!(read.as_ref().err(), expected.as_ref(), "read_path of {bytes}");
            let mut buffer = Vec::new();
            let again = reread(open(&path).unwrap(), &mut buffer);
            assert_eq!(again.err(), expected, "reread of {bytes}");
            if expected.is_none() {
                assert_eq!((read.unwrap().len(), buffer.len()), (bytes, bytes));
            }
        }
    }

    #[test]
    fn a_fifo_does_not_hold_us() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: `name` is a valid string that lives across the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        assert!(matches!(read_path(&path), Err(Reason::Failed(libc::ESPIPE))));
    }
}
