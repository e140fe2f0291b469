use std::{fmt, io, path::PathBuf};

use rustix::io::Errno;

/// Why a process, a cgroup or the machine could not be sampled at all.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The process is gone, or only its zombie is left.
    #[error("process `{pid}` exited")]
    Exited {
        /// Its pid.
        pid: u32,
    },
    /// The pid now names another process.
    #[error("pid `{pid}` was reused: it started at tick {found_ticks}, not {expected_ticks}")]
    Reused {
        /// The pid.
        pid: u32,
        /// Start of the process that was meant.
        expected_ticks: u64,
        /// Start of the process that has the pid now.
        found_ticks: u64,
    },
    /// The kernel does not let us look.
    #[error("permission denied reading `{}`", path.display())]
    PermissionDenied {
        /// What we tried to read.
        path: PathBuf,
    },
    /// There is no such file: an old kernel, or a feature that is off.
    #[error("`{}` does not exist", path.display())]
    Missing {
        /// What we tried to read.
        path: PathBuf,
    },
    /// The content makes no sense.
    #[error("`{}` holds something other than expected", path.display())]
    Garbage {
        /// What we read.
        path: PathBuf,
    },
    /// Any other failure of the system.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// What we tried to read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SampleError {
    pub(crate) fn of_path(path: PathBuf, reason: Reason) -> Self {
        match reason {
            Reason::Gone | Reason::Missing => SampleError::Missing { path },
            Reason::Denied => SampleError::PermissionDenied { path },
            Reason::Garbage | Reason::TooLarge => SampleError::Garbage { path },
            Reason::Failed(errno) => SampleError::Unreadable {
                path,
                source: io::Error::from_raw_os_error(errno),
            },
        }
    }

    pub(crate) fn of_process(pid: u32, path: PathBuf, reason: Reason) -> Self {
        match reason {
            // A process's folder vanishes with it, so a missing file in it means the same.
            Reason::Gone | Reason::Missing => SampleError::Exited { pid },
            other => SampleError::of_path(path, other),
        }
    }
}

/// Why one part of a sample is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// What the file describes is gone.
    Gone,
    /// There is no such file.
    Missing,
    /// The kernel does not let us look: another user's process, or a security module.
    Denied,
    /// The content makes no sense.
    Garbage,
    /// There is more than the bound allows to read.
    TooLarge,
    /// Any other error number of the system.
    Failed(i32),
}

impl Reason {
    pub(crate) fn of_errno(errno: Errno) -> Self {
        match errno {
            Errno::SRCH => Reason::Gone,
            Errno::NOENT | Errno::NOTDIR => Reason::Missing,
            Errno::ACCESS | Errno::PERM => Reason::Denied,
            // Pressure files exist but cannot be read where the kernel was booted with psi=0.
            Errno::OPNOTSUPP => Reason::Missing,
            other => Reason::Failed(other.raw_os_error()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Gone => out.write_str("gone"),
            Reason::Missing => out.write_str("not offered by this kernel"),
            Reason::Denied => out.write_str("permission denied"),
            Reason::Garbage => out.write_str("unexpected content"),
            Reason::TooLarge => out.write_str("too large"),
            Reason::Failed(errno) => io::Error::from_raw_os_error(*errno).fmt(out),
        }
    }
}

/// A part of a sample that could not be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlindSpot {
    /// The file that holds it, such as `smaps_rollup`.
    pub file: &'static str,
    /// Why it could not be seen.
    pub reason: Reason,
}
