//! The process to attach to: who it is, whether we may, and its signal.

use std::{
    fs,
    io::{self, Read},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal},
};

use super::error::AttachError;
use crate::node::arguments;

/// Node's port where nothing else is said.
const USUAL_PORT: u16 = 9229;

/// Bytes of a program searched for Node's symbols. They stood between 2.3 and 6.2 MB in Node 20.
const SYMBOLS_WITHIN_BYTES: u64 = 32 << 20;

/// Start of every mangled name in C++ namespace `node`, which Node exports for its addons.
const NODE_SYMBOL: &[u8] = b"_ZN4node";

/// The longest command line or environment that we read.
const TEXT_LIMIT_BYTES: u64 = 4 << 20;

#[derive(Debug)]
pub(super) struct Target {
    pub pid: u32,
    /// What the process itself takes for its pid, in its own namespace.
    pub own_pid: u32,
    pub command: Vec<String>,
    /// Where it would open its inspector.
    pub inspect_port: u16,
    inspects: bool,
    start_ticks: u64,
    /// Ties the signal to the process; `None` before Linux 5.3.
    handle: Option<OwnedFd>,
}

impl Target {
    /// Looks at everything that can be known before the process is touched.
    pub fn check(pid: u32, entry: &Path) -> Result<Self, AttachError> {
        let handle = open_handle(pid)?;
        let start_ticks = start_ticks(pid).ok_or(AttachError::Exited { pid })?;
        let status = read(pid, "status")?;
        check_user(pid, &status)?;
        let command = command(pid);
        check_program(pid, &command)?;
        check_namespaces(pid, entry)?;
        let options = options(pid, &command);
        Ok(Target {
            pid,
            own_pid: own_pid(&status).unwrap_or(pid),
            inspect_port: inspect_port(&options).unwrap_or(USUAL_PORT),
            inspects: options.iter().any(|option| is_inspect(option)),
            command,
            start_ticks,
            handle,
        })
    }

    /// Whether its command line or environment asks for an inspector.
    pub fn inspects(&self) -> bool {
        self.inspects
    }

    /// Whether SIGUSR1 would be handled rather than be its end. Node sets that up while it starts.
    pub fn catches_signal(&self) -> bool {
        read(self.pid, "status").is_ok_and(|status| catches(&status, Signal::USR1.as_raw()))
    }

    pub fn signal(&self) -> Result<(), AttachError> {
        let exited = AttachError::Exited { pid: self.pid };
        let sent = match &self.handle {
            Some(handle) => rustix::process::pidfd_send_signal(handle, Signal::USR1),
            None => {
                self.still_runs()?;
                rustix::process::kill_process(
                    raw(self.pid).ok_or(Errno::SRCH).map_err(|_| exited)?,
                    Signal::USR1,
                )
            }
        };
        sent.map_err(|errno| {
            if errno == Errno::SRCH {
                AttachError::Exited { pid: self.pid }
            } else {
                denied(self.pid)
            }
        })
    }

    pub fn still_runs(&self) -> Result<(), AttachError> {
        if start_ticks(self.pid) == Some(self.start_ticks) {
            Ok(())
        } else {
            Err(AttachError::Exited { pid: self.pid })
        }
    }
}

/// The command line of a process; empty if we may not see it.
pub(super) fn command(pid: u32) -> Vec<String> {
    nul_ended(&read(pid, "cmdline").unwrap_or_default())
}

fn denied(pid: u32) -> AttachError {
    AttachError::Denied { pid }
}

fn raw(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

fn open_handle(pid: u32) -> Result<Option<OwnedFd>, AttachError> {
    let pid_or_none = raw(pid).ok_or(AttachError::Exited { pid })?;
    match rustix::process::pidfd_open(pid_or_none, PidfdFlags::empty()) {
        Ok(handle) => Ok(Some(handle)),
        Err(Errno::SRCH) => Err(AttachError::Exited { pid }),
        Err(_) => Ok(None),
    }
}

fn read(pid: u32, file: &str) -> Result<String, AttachError> {
    let mut content = Vec::new();
    let opened = fs::File::open(format!("/proc/{pid}/{file}"));
    let read = opened.and_then(|file| file.take(TEXT_LIMIT_BYTES).read_to_end(&mut content));
    match read {
        Ok(_) => Ok(String::from_utf8_lossy(&content).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(denied(pid)),
        Err(_) => Err(AttachError::Exited { pid }),
    }
}

fn nul_ended(text: &str) -> Vec<String> {
    let text = text.strip_suffix('\0').unwrap_or(text);
    if text.is_empty() {
        Vec::new()
    } else {
        text.split('\0').map(str::to_owned).collect()
    }
}

/// `None` for a zombie too.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = read(pid, "stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    if fields.first()?.starts_with(['Z', 'X']) {
        None
    } else {
        fields.get(19)?.parse().ok()
    }
}

fn status_line<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
}

fn check_user(pid: u32, status: &str) -> Result<(), AttachError> {
    let theirs = status_line(status, "Uid").and_then(|ids| ids.split_ascii_whitespace().nth(1)?.parse().ok());
    let ours = rustix::process::geteuid().as_raw();
    match theirs {
        // Not even root is let through: the agent's files are readable by our user alone.
        Some(theirs) if theirs != ours => Err(AttachError::OtherUser { pid, theirs, ours }),
        Some(_) => Ok(()),
        None => Err(denied(pid)),
    }
}

fn own_pid(status: &str) -> Option<u32> {
    status_line(status, "NSpid")?
        .split_ascii_whitespace()
        .last()?
        .parse()
        .ok()
}

fn catches(status: &str, signal: i32) -> bool {
    let mask = status_line(status, "SigCgt").and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

fn check_program(pid: u32, command: &[String]) -> Result<(), AttachError> {
    let link = PathBuf::from(format!("/proc/{pid}/exe"));
    let program = fs::read_link(&link).map_err(|_| denied(pid))?;
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    // The name is a shortcut for the usual case; what counts is the code inside.
    let is_node = ["node", "nodejs"].contains(&&*name)
        || read(pid, "maps").is_ok_and(|maps| maps.contains("/libnode.so"))
        || holds_node(&link);
    if is_node {
        return Ok(());
    }
    let program = command
        .first()
        .cloned()
        .unwrap_or_else(|| program.display().to_string());
    Err(AttachError::NotNode { pid, program })
}

/// Whether Node is built into a program: a renamed copy, or a single executable application.
fn holds_node(program: &Path) -> bool {
    let Ok(file) = fs::File::open(program) else {
        return false;
    };
    let mut file = file.take(SYMBOLS_WITHIN_BYTES);
    let mut window = Vec::new();
    loop {
        // The end of the last piece may be the start of the name.
        window.drain(..window.len().saturating_sub(NODE_SYMBOL.len()));
        match file.by_ref().take(1 << 20).read_to_end(&mut window) {
            Ok(0) | Err(_) => return false,
            Ok(_) if window.windows(NODE_SYMBOL.len() + 1).any(is_node_symbol) => {
                return true;
            }
            Ok(_) => {}
        }
    }
}

/// A name goes on with its length, which the constant above, in our own program, does not.
fn is_node_symbol(piece: &[u8]) -> bool {
    piece
        .strip_prefix(NODE_SYMBOL)
        .is_some_and(|rest| rest[0].is_ascii_digit())
}

fn check_namespaces(pid: u32, entry: &Path) -> Result<(), AttachError> {
    let network = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    if network(&pid.to_string()) != network("self") {
        return Err(AttachError::OtherNetwork { pid });
    }
    let inside = Path::new(&format!("/proc/{pid}/root")).join(entry.strip_prefix("/").unwrap_or(entry));
    if inside.is_file() {
        Ok(())
    } else {
        Err(AttachError::AgentInvisible {
            pid,
            entry: entry.into(),
        })
    }
}

/// Node's options of the process: from its environment, then from its command line, which wins.
fn options(pid: u32, command: &[String]) -> Vec<String> {
    let environment = nul_ended(&read(pid, "environ").unwrap_or_default());
    let inherited = environment
        .iter()
        .find_map(|pair| pair.strip_prefix("NODE_OPTIONS="));
    let inherited = inherited
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned);
    let own = arguments::split(command.get(1..).unwrap_or_default()).0;
    inherited.chain(own.iter().cloned()).collect()
}

fn is_inspect(option: &str) -> bool {
    ["--inspect", "--inspect-brk", "--inspect-wait"].contains(&option.split('=').next().unwrap_or_default())
}

/// The port that the last option gives, `[host:]port` or a host alone.
fn inspect_port(options: &[String]) -> Option<u16> {
    let pairs = options.iter().zip(options.iter().skip(1).map(Some).chain([None]));
    let ports = pairs.filter_map(|(option, next)| {
        let (name, value) = option
            .split_once('=')
            .map_or((option.as_str(), None), |(name, value)| (name, Some(value)));
        match name {
            "--inspect-port" | "--debug-port" => port_of(value.or(next.map(String::as_str))?),
            _ if is_inspect(option) => port_of(value?),
            _ => None,
        }
    });
    ports.last()
}

fn port_of(value: &str) -> Option<u16> {
    value.rsplit(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_from_options() {
        for (line, expected) in [
            ("", None),
            ("--inspect", None),
            ("--inspect=0", Some(0)),
            ("--inspect=127.0.0.1:9300", Some(9300)),
            ("--inspect-brk=[::1]:9301", Some(9301)),
            ("--inspect=localhost", None),
            ("--inspect-port 9302 --inspect", Some(9302)),
            ("--inspect-port=9303 --debug-port=9304", Some(9304)),
            ("--inspect-port=99999999", None),
            ("--inspector=7", None),
        ] {
            let options: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(inspect_port(&options), expected, "{line}");
        }
    }

    #[test]
    fn status_tells_signals_and_pids() {
        let status = "Name:\tnode\nUid:\t5\t6\t5\t5\nNSpid:\t900\t12\nSigCgt:\t0000000100004602\n";
        assert!(catches(status, 10) && catches(status, 2) && !catches(status, 12));
        assert!(!catches("SigCgt:\tzz\n", 10) && !catches("", 10));
        assert_eq!(own_pid(status), Some(12));
        assert!(matches!(
            check_user(900, status),
            Err(AttachError::OtherUser { theirs: 6, .. })
        ));
    }

    #[test]
    fn this_process_is_not_node() {
        let own = std::process::id();
        let own_program = std::env::current_exe().unwrap();
        let refused = Target::check(own, &own_program).unwrap_err();
        assert!(
            matches!(refused, AttachError::NotNode { pid, .. } if pid == own),
            "{refused}"
        );
    }
}
