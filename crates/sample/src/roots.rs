use std::path::{Path, PathBuf};

/// Where the kernel's file systems are mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    proc: PathBuf,
    cgroup: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Roots::new("/proc", "/sys/fs/cgroup")
    }
}

impl Roots {
    /// Roots other than the usual ones: a fake tree, or a host's file systems mounted in a container.
    pub fn new(proc: impl Into<PathBuf>, cgroup: impl Into<PathBuf>) -> Self {
        Roots {
            proc: proc.into(),
            cgroup: cgroup.into(),
        }
    }

    /// `/proc`.
    pub fn proc(&self) -> &Path {
        &self.proc
    }

    /// `/sys/fs/cgroup`.
    pub fn cgroup(&self) -> &Path {
        &self.cgroup
    }

    /// `/proc/PID`.
    pub(crate) fn process(&self, pid: u32) -> PathBuf {
        self.proc.join(pid.to_string())
    }
}
