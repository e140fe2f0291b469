use std::{fmt, io, path::PathBuf};

/// Who holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its pid.
    pub pid: u32,
    /// Its command line.
    pub command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "process `{}` (`{}`)", self.pid, self.command)
    }
}

/// Why the agent could not be loaded into a running process.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages say what each is, `pid` is always the process to attach to
pub enum AttachError {
    #[error("process `{pid}` is not running")]
    Exited { pid: u32 },
    #[error("process `{pid}` (`{program}`) is not Node")]
    NotNode { pid: u32, program: String },
    #[error("not allowed to look into process `{pid}`")]
    Denied { pid: u32 },
    #[error("process `{pid}` belongs to user `{theirs}`, we run as `{ours}`")]
    OtherUser { pid: u32, theirs: u32, ours: u32 },
    #[error("process `{pid}` has a network namespace of its own, so its inspector is out of reach")]
    OtherNetwork { pid: u32 },
    #[error("process `{pid}` cannot see the agent at `{}`", entry.display())]
    AgentInvisible { pid: u32, entry: PathBuf },
    #[error("port `{port}`, where process `{pid}` would open its inspector, is held by {}", held_by(.holder.as_ref()))]
    PortTaken {
        pid: u32,
        port: u16,
        holder: Option<Holder>,
    },
    #[error("process `{pid}` does not take SIGUSR1, which would open its inspector")]
    SignalNotCaught { pid: u32 },
    #[error("process `{pid}` opened no inspector after SIGUSR1")]
    NoInspector { pid: u32 },
    #[error("the inspector on port `{port}` speaks for process `{}`, not `{pid}`", found.map_or("unknown".into(), |found| found.to_string()))]
    WrongProcess { pid: u32, port: u16, found: Option<u64> },
    #[error("an agent is loaded in process `{pid}` already")]
    AlreadyAttached { pid: u32 },
    #[error("the agent did not start in process `{pid}`")]
    AgentDeclined { pid: u32 },
    #[error("loading the agent failed inside the process: {message}")]
    Evaluate { message: String },
    #[error("the inspector did not answer in time")]
    TimedOut,
    #[error("the inspector's answer makes no sense: {what}")]
    Garbage { what: &'static str },
    #[error("the connection to the inspector failed")]
    Connection { source: io::Error },
}

fn held_by(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "a process that we may not see".to_owned(), ToString::to_string)
}

impl AttachError {
    /// What the user can do about it, if anything.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            AttachError::OtherUser { theirs, .. } => format!("run it as that user: `sudo -u '#{theirs}' plimsoll attach …`"),
            AttachError::Denied { .. } => "run it as the user of that process".into(),
            AttachError::OtherNetwork { pid } => {
                format!("run it inside the container, or `sudo nsenter -t {pid} -n -p -m plimsoll attach …`")
            }
            AttachError::AgentInvisible { .. } => "run it inside the container of the process".into(),
            AttachError::PortTaken { pid, .. } => format!(
                "end the other inspector, or restart the worker with `--inspect-port=0`, or start it with `plimsoll run`; \
                 then `plimsoll attach {pid}` again"
            ),
            AttachError::SignalNotCaught { .. } => {
                "it was started with `--disable-sigusr1` or is a worker thread's host: start it with `plimsoll run`".into()
            }
            AttachError::NoInspector { .. } => {
                "the program handles SIGUSR1 itself, or is built without the inspector: start it with `plimsoll run`, \
                 or with `--inspect=127.0.0.1:0`"
                    .into()
            }
            AttachError::TimedOut => "the worker is busy or stopped; try again with more time".into(),
            _ => return None,
        })
    }

    pub(super) fn of_io(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AttachError::TimedOut,
            _ => AttachError::Connection { source },
        }
    }
}
