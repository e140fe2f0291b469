//! Loads the agent into a Node process that already runs, through its inspector.
//!
//! Invariants:
//! - SIGUSR1 is sent only to a process that catches it; to any other it would be the end.
//! - The inspector is found by whose socket it is, never by its usual port, and asked for its pid
//!   before anything is loaded: the port may be another process's.
//! - An inspector that we opened is closed again; one that was open stays.
//! - Only loopback is connected to. Every wait ends at the deadline.
//!
//! The worker's stderr gets Node's own lines about the debugger; there is no way around them.

mod error;
mod http;
mod inspector;
mod listeners;
mod script;
mod target;

use std::{
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

pub use error::{AttachError, Holder};

use self::{inspector::Inspector, listeners::Listener, target::Target};

/// Between two looks at `/proc` while waiting. Node opens its inspector within some 10 ms.
const POLL: Duration = Duration::from_millis(10);

/// How long a signalled process may take to listen before its other sockets are tried: it may be in
/// the middle of starting up.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long to wait for a port that another process holds: another attach is done with it within a
/// second, a debugger stays. Pinned by `a_held_port_is_said_long_before_the_deadline`.
const PORT_PATIENCE: Duration = Duration::from_secs(3);

/// Time for the inspector to close after all is done, deadline or not. A worker that is busy longer
/// closes it when it gets to it.
const CLOSING_TIME: Duration = Duration::from_secs(2);

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Node's version, without the `v`.
    pub runtime_version: String,
    /// The command line of the process.
    pub command: Vec<String>,
    /// The port of its inspector.
    pub port: u16,
    /// Whether the inspector was opened for this.
    pub opened: bool,
    /// Whether that inspector is closed again; a busy worker closes it later.
    pub closed: bool,
}

/// Loads `agent_entry` into process `pid` with `config_json` as its configuration.
///
/// # Errors
/// Each way to fail has its variant, and most a [`AttachError::hint`]. The process runs on as before.
pub fn attach(
    pid: u32,
    agent_entry: &Path,
    config_json: &str,
    deadline: Instant,
) -> Result<Attached, AttachError> {
    let target = Target::check(pid, agent_entry)?;
    let (listener, opened) = find_inspector(&target, deadline)?;
    let loaded = load(&target, &listener, agent_entry, config_json, opened, deadline);
    let closed = opened && wait_until_closed(&target, &listener, deadline);
    Ok(Attached {
        runtime_version: loaded?,
        command: target.command,
        port: listener.port(),
        opened,
        closed,
    })
}

/// The socket that the inspector listens on, and whether it took our signal to open it.
fn find_inspector(target: &Target, deadline: Instant) -> Result<(Listener, bool), AttachError> {
    let before = listeners::of_process(target.pid);
    let likely = before
        .iter()
        .filter(|listener| target.inspects() || listener.port() == target.inspect_port);
    if let Some(open) = first_inspector(likely, deadline) {
        return Ok((open, false));
    }
    open_inspector(target, deadline)?;
    let signalled = Instant::now();
    while Instant::now() < deadline {
        let now = listeners::of_process(target.pid);
        let (old, new): (Vec<_>, Vec<_>) = now.iter().partition(|listener| before.contains(listener));
        if let Some(open) = first_inspector(new.into_iter(), deadline) {
            return Ok((open, true));
        }
        // The program may have opened an inspector itself, on any port; the signal then does nothing.
        if signalled.elapsed() > PATIENCE
            && let Some(open) = first_inspector(old.into_iter(), deadline)
        {
            return Ok((open, false));
        }
        target.still_runs()?;
        sleep(POLL);
    }
    Err(no_inspector(target))
}

fn first_inspector<'a>(
    mut listeners: impl Iterator<Item = &'a Listener>,
    deadline: Instant,
) -> Option<Listener> {
    listeners
        .find(|listener| http::inspector_path(listener, deadline).is_ok())
        .cloned()
}

/// Waits until the port is free and the process ready, then signals it.
fn open_inspector(target: &Target, deadline: Instant) -> Result<(), AttachError> {
    let until_free = deadline.min(Instant::now() + PORT_PATIENCE);
    loop {
        let taken = listeners::is_taken(target.pid, target.inspect_port);
        if !taken && target.catches_signal() {
            return target.signal();
        }
        target.still_runs()?;
        match taken {
            true if Instant::now() >= until_free => return Err(port_taken(target)),
            false if Instant::now() >= deadline => {
                return Err(AttachError::SignalNotCaught { pid: target.pid });
            }
            _ => sleep(POLL),
        }
    }
}

fn no_inspector(target: &Target) -> AttachError {
    if listeners::is_taken(target.pid, target.inspect_port) {
        return port_taken(target);
    }
    AttachError::NoInspector { pid: target.pid }
}

fn port_taken(target: &Target) -> AttachError {
    let holder = listeners::holder(target.pid, target.inspect_port);
    AttachError::PortTaken {
        pid: target.pid,
        port: target.inspect_port,
        holder,
    }
}

/// Loads the agent and gives Node's version. Closes the inspector if `opened`, failed or not.
fn load(
    target: &Target,
    listener: &Listener,
    entry: &Path,
    config_json: &str,
    opened: bool,
    deadline: Instant,
) -> Result<String, AttachError> {
    let mut inspector = Inspector::connect(listener, deadline)?;
    let loaded = load_through(&mut inspector, target, listener.port(), entry, config_json);
    if opened {
        // What it answers changes nothing: whether the port is closed is seen from outside.
        let _ = inspector.evaluate(script::CLOSE);
    }
    inspector.disconnect();
    loaded
}

fn load_through(
    inspector: &mut Inspector,
    target: &Target,
    port: u16,
    entry: &Path,
    config_json: &str,
) -> Result<String, AttachError> {
    let found = inspector.evaluate("process.pid")?.as_u64();
    if found != Some(u64::from(target.own_pid)) {
        return Err(AttachError::WrongProcess {
            pid: target.pid,
            port,
            found,
        });
    }
    let state = inspector.evaluate(&script::load(entry, config_json))?;
    match state.as_str() {
        Some("already") => return Err(AttachError::AlreadyAttached { pid: target.pid }),
        Some("declined") => return Err(AttachError::AgentDeclined { pid: target.pid }),
        _ => {}
    }
    let version = inspector.evaluate("process.versions.node")?;
    Ok(version.as_str().unwrap_or_default().to_owned())
}

fn wait_until_closed(target: &Target, listener: &Listener, deadline: Instant) -> bool {
    let deadline = deadline.max(Instant::now() + CLOSING_TIME);
    while listeners::of_process(target.pid).contains(listener) {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(POLL);
    }
    true
}
