//! The one event type of the loop, and the threads that feed it.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{PidfdFlags, pidfd_open};

use plimsoll_wire::agent::{AgentLine, MAX_LINE_BYTES, parse_line};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

/// More agents than this at once are refused: a run-away fork must not exhaust our threads.
const MAX_CONNECTIONS: usize = 256;

/// Names one connection for as long as the run lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Everything that can happen to a run.
#[derive(Debug)]
pub enum Event {
    /// An agent has connected; the stream is for commands.
    Opened(ConnectionId, UnixStream),
    /// An agent said something.
    Said(ConnectionId, AgentLine),
    /// An agent said something that is no message: counted, not trusted.
    Garbled(ConnectionId),
    /// An agent is gone.
    Closed(ConnectionId),
    /// The process that we started has ended.
    Exited(io::Result<ExitStatus>),
    /// Somebody wants us to end.
    Signal {
        /// Its number.
        signal: i32,
        /// It came from the terminal, which has sent it to the worker as well.
        from_terminal: bool,
    },
}

/// Accepts agents for as long as the receiver lives.
pub fn listen(listener: UnixListener, events: SyncSender<Event>) {
    let open = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(stream) = stream else { continue };
            if open.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
                continue; // dropping the stream closes it: the agent goes silent
            }
            let Ok(commands) = stream.try_clone() else {
                continue;
            };
            let id = ConnectionId(number as u64);
            if events.send(Event::Opened(id, commands)).is_err() {
                return;
            }
            open.fetch_add(1, Ordering::Relaxed);
            let (events, open) = (events.clone(), Arc::clone(&open));
            thread::spawn(move || {
                read_lines(id, stream, &events);
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
}

fn read_lines(id: ConnectionId, stream: UnixStream, events: &SyncSender<Event>) {
    let mut reader = BufReader::with_capacity(64 << 10, stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = match reader
            .by_ref()
            .take(MAX_LINE_BYTES as u64)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => break,
            Ok(length) => length,
        };
        if length == MAX_LINE_BYTES && line.last() != Some(&b'\n') {
            break; // no agent of ours writes such a line
        }
        let event = match parse_line(&line) {
            Ok(line) => Event::Said(id, line),
            Err(_) => Event::Garbled(id),
        };
        if events.send(event).is_err() {
            return;
        }
    }
    // The receiver may be gone by now, which ends this thread as well.
    let _ = events.send(Event::Closed(id));
}

/// Reports the end of the child.
pub fn wait_for(mut child: Child, events: SyncSender<Event>) {
    thread::spawn(move || {
        await_end(child.id());
        let status = child.wait();
        let _ = events.send(Event::Exited(status));
    });
}

/// Returns once the process has ended, without waiting for it: while another of our threads traces it, a wait
/// would take the stops that are meant for that one. Kernels without process descriptors cannot tell; there the
/// caller waits after all.
fn await_end(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    let opened = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let Some(process) = opened else { return };
    let mut wanted = [PollFd::new(&process, PollFlags::IN)];
    while poll(&mut wanted, None) == Err(rustix::io::Errno::INTR) {}
}

/// Turns signals to us into events, for as long as the worker is watched; after that they end us.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn catch_signals(events: SyncSender<Event>, watching: Arc<AtomicBool>) -> io::Result<()> {
    let mut signals = SignalsInfo::<WithOrigin>::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for origin in &mut signals {
            if !watching.load(Ordering::Relaxed) {
                // The worker has ended and dumps are being read: nothing is left to wait for.
                let _ = signal_hook::low_level::emulate_default_handler(origin.signal);
            }
            let from_terminal = matches!(origin.cause, Cause::Kernel);
            if events
                .send(Event::Signal {
                    signal: origin.signal,
                    from_terminal,
                })
                .is_err()
            {
                return;
            }
        }
    });
    Ok(())
}
