use serde::{Deserialize, Serialize};

/// A process, named so that a reused pid can never be mistaken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessKey {
    /// Process id in the namespace of the reader.
    pub pid: u32,
    /// Start time in clock ticks since boot: field 22 of `/proc/PID/stat`, see proc_pid_stat(5).
    pub start_ticks: u64,
}
