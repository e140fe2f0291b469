use std::path::PathBuf;

use super::memory::{parse_namespace_pids, parse_user};
use super::stat::parse_stat;
use crate::{
    error::{Reason, SampleError},
    read::read_path,
    roots::Roots,
};
use plimsoll_model::ProcessKey;

/// Who a process is: read once, when it first appears or has replaced its program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Pid and start time.
    pub key: ProcessKey,
    /// Parent at this moment.
    pub parent_pid: u32,
    /// The kernel's short name of it.
    pub name: String,
    /// The program file, if we may see it.
    pub executable: Option<PathBuf>,
    /// Its arguments, program first; empty if it has overwritten them or we may not see them.
    pub arguments: Vec<String>,
    /// Effective user.
    pub user: Option<u32>,
    /// Its pid in each namespace, outermost first, so the last is what it calls itself.
    pub namespace_pids: Vec<u32>,
}

impl Identity {
    /// Reads who `pid` is.
    pub fn read(roots: &Roots, pid: u32) -> Result<Self, SampleError> {
        let folder = roots.process(pid);
        let failed = |reason| SampleError::of_process(pid, folder.join("stat"), reason);
        let stat = parse_stat(&read_path(&folder.join("stat")).map_err(failed)?).ok_or(Reason::Garbage);
        let stat = stat.map_err(failed)?;
        let status = read_path(&folder.join("status")).unwrap_or_default();
        Ok(Identity {
            key: ProcessKey {
                pid,
                start_ticks: stat.start_ticks,
            },
            parent_pid: stat.parent_pid,
            name: stat.name,
            executable: std::fs::read_link(folder.join("exe")).ok(),
            arguments: read_path(&folder.join("cmdline"))
                .map(|text| parse_arguments(&text))
                .unwrap_or_default(),
            user: parse_user(&status),
            namespace_pids: parse_namespace_pids(&status),
        })
    }
}

/// Arguments end with a NUL each. A process that writes its own title leaves one string, and NULs
/// where the rest of its arguments were.
fn parse_arguments(content: &[u8]) -> Vec<String> {
    let Some(last) = content.iter().rposition(|byte| *byte != 0) else {
        return Vec::new();
    };
    let content = &content[..=last];
    content
        .split(|byte| *byte == 0)
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_end_with_nul() {
        for (content, expected) in [
            (&b""[..], &[][..]),
            (b"node\0", &["node"]),
            (b"node\0\0-x\0", &["node", "", "-x"]),
            (b"npm run worker\0\0\0\0", &["npm run worker"]),
        ] {
            assert_eq!(parse_arguments(content), expected);
        }
    }

    #[test]
    fn this_process_knows_itself() {
        let identity = Identity::read(&Roots::default(), std::process::id()).unwrap();
        assert_eq!(identity.executable, std::env::current_exe().ok());
        assert_eq!(identity.arguments.len(), std::env::args().count());
        assert!(identity.namespace_pids.contains(&std::process::id()));
        assert!(identity.user.is_some());
    }

    #[test]
    fn nobody_has_exited() {
        // Above the kernel's PID_MAX_LIMIT of 2^22.
        let missing = Identity::read(&Roots::default(), 5_000_000);
        assert!(matches!(missing, Err(SampleError::Exited { pid: 5_000_000 })));
    }
}
