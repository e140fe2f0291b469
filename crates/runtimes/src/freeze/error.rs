//! Why a process could not be frozen, and what helps.

use std::io;

/// Why a process could not be frozen. It runs on as before.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// There is no such process, or it ended meanwhile.
    #[error("process `{pid}` is gone")]
    Gone {
        /// The process.
        pid: u32,
    },
    /// The kernel does not let us trace it.
    #[error("may not trace process `{pid}`: {reason}")]
    Refused {
        /// The process.
        pid: u32,
        /// The setting in force, in words.
        reason: String,
        /// What would help.
        hint: String,
    },
    /// Another program (a debugger, a profiler) traces it.
    #[error("process `{pid}` is traced by process `{tracer}` already")]
    Traced {
        /// The process.
        pid: u32,
        /// Who traces it.
        tracer: u32,
    },
    /// A thread sleeps in the kernel and cannot be stopped.
    #[error("thread `{tid}` of process `{pid}` did not stop within {waited_ms} ms")]
    Stuck {
        /// The process.
        pid: u32,
        /// The thread.
        tid: u32,
        /// How long was waited.
        waited_ms: u64,
    },
    /// Its code has no instruction that a clone can be made with, or another word size.
    #[error("process `{pid}` cannot be cloned from outside: {reason}")]
    Unsupported {
        /// The process.
        pid: u32,
        /// Why.
        reason: String,
    },
    /// The clone was not allowed: out of memory, processes, or by a filter of system calls.
    #[error("process `{pid}` could not be cloned: {error}")]
    NoClone {
        /// The process.
        pid: u32,
        /// What the kernel says.
        error: io::Error,
    },
    /// Another failure of the kernel's.
    #[error("`{call}` on process `{pid}` failed: {error}")]
    Call {
        /// The system call.
        call: &'static str,
        /// The process.
        pid: u32,
        /// What the kernel says.
        error: io::Error,
    },
    /// We have no thread to trace with.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

impl FreezeError {
    /// What the user can do about it, with the exact command or setting.
    pub fn hint(&self) -> Option<String> {
        match self {
            FreezeError::Refused { hint, .. } => Some(hint.clone()),
            FreezeError::Traced { tracer, .. } => Some(format!("end process `{tracer}` or detach it first")),
            FreezeError::NoClone { error, .. } => match error.raw_os_error() {
                Some(libc::ENOMEM) => Some(
                    "allow overcommit (`sysctl vm.overcommit_memory`) or raise the memory limit of the worker"
                        .to_owned(),
                ),
                Some(libc::EAGAIN) => Some("raise the limit of processes (`ulimit -u`, `pids.max`)".to_owned()),
                Some(libc::EPERM | libc::ENOSYS) => Some(
                    "a seccomp filter refuses `clone`: let it pass, or run the worker without the filter".to_owned(),
                ),
                _ => None,
            },
            _ => None,
        }
    }

    /// Says why tracing is refused, from the settings in force.
    pub(super) fn refused(pid: u32) -> Self {
        if let Some(tracer) = status_number(pid, "TracerPid:").filter(|tracer| *tracer != 0) {
            return FreezeError::Traced { pid, tracer };
        }
        let scope = std::fs::read_to_string(YAMA).ok();
        let scope = scope.as_deref().map(str::trim);
        let (reason, hint) = explain(scope, pid);
        FreezeError::Refused { pid, reason, hint }
    }
}

const YAMA: &str = "/proc/sys/kernel/yama/ptrace_scope";

fn explain(scope: Option<&str>, pid: u32) -> (String, String) {
    let root = format!("or run as root: `sudo plimsoll attach {pid}`");
    let container = "in a container: `--cap-add=SYS_PTRACE` (Kubernetes: `securityContext.capabilities.add: [SYS_PTRACE]`)";
    match scope {
        Some("1") => (
            "`kernel.yama.ptrace_scope` is 1, which allows tracing of own children only".to_owned(),
            format!(
                "set it to 0: `sudo sysctl kernel.yama.ptrace_scope=0`, start the worker with `plimsoll run`, {root}; {container}"
            ),
        ),
        Some("2") => (
            "`kernel.yama.ptrace_scope` is 2, which allows tracing with CAP_SYS_PTRACE only".to_owned(),
            format!("set it to 0 or 1: `sudo sysctl kernel.yama.ptrace_scope=0`, {root}; {container}"),
        ),
        Some("3") => (
            "`kernel.yama.ptrace_scope` is 3, which forbids tracing until the next boot".to_owned(),
            "set `kernel.yama.ptrace_scope = 0` in /etc/sysctl.d and boot again".to_owned(),
        ),
        _ => (
            "it belongs to another user, is not dumpable, or a seccomp filter or missing capability forbids ptrace"
                .to_owned(),
            format!("run as the worker's user, {root}; {container}"),
        ),
    }
}

fn status_number(pid: u32, key: &str) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_has_its_way_out() {
        for (scope, present, needed) in [
            (Some("1"), "is 1", "ptrace_scope=0"),
            (Some("2"), "is 2", "ptrace_scope=0"),
            (Some("3"), "is 3", "boot again"),
            (Some("0"), "another user", "SYS_PTRACE"),
            (None, "another user", "SYS_PTRACE"),
        ] {
            let (reason, hint) = explain(scope, 7);
            assert!(reason.contains(present), "{scope:?}: {reason}");
            assert!(hint.contains(needed), "{scope:?}: {hint}");
        }
    }
}
