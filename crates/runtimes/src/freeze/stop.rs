//! All threads of a process stopped, and running again when this is dropped.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::FreezeError;
use super::sys::{self, Stop};

/// A thread that has not stopped by then sleeps uninterruptibly (a disk or network that hangs).
const PATIENCE: Duration = Duration::from_millis(500);
/// Rounds over the list of threads: those that are stopped start none, so that two are usual.
const ROUNDS: usize = 64;

/// Threads that are stopped by us.
#[derive(Debug)]
pub(super) struct Stopped {
    pid: u32,
    threads: BTreeSet<i32>,
    since: Instant,
}

impl Stopped {
    /// Stops all threads of a process.
    pub(super) fn all(pid: u32) -> Result<Self, FreezeError> {
        let mut stopped = Self {
            pid,
            threads: BTreeSet::new(),
            since: Instant::now(),
        };
        for _ in 0..ROUNDS {
            let fresh: Vec<i32> = threads(pid)?
                .into_iter()
                .filter(|tid| !stopped.threads.contains(tid))
                .collect();
            if fresh.is_empty() {
                break;
            }
            let mut seized = Vec::with_capacity(fresh.len());
            for tid in fresh {
                if stopped.seize(tid)? {
                    seized.push(tid);
                }
            }
            for tid in seized {
                if !wait_stopped(pid, tid)? {
                    stopped.threads.remove(&tid);
                }
            }
        }
        if stopped.threads.is_empty() {
            return Err(FreezeError::Gone { pid });
        }
        Ok(stopped)
    }

    /// Whether the thread was there to be seized.
    fn seize(&mut self, tid: i32) -> Result<bool, FreezeError> {
        let pid = self.pid;
        let taken = sys::seize(tid).and_then(|()| {
            self.threads.insert(tid);
            sys::interrupt(tid)
        });
        match taken {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {
                self.threads.remove(&tid);
                Ok(false)
            }
            // A main thread that has ended beside others that run cannot be traced.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) && is_dead(pid, tid) => Ok(false),
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => Err(FreezeError::refused(pid)),
            Err(error) => Err(FreezeError::Call {
                call: "ptrace",
                pid,
                error,
            }),
        }
    }

    /// The thread to work with: the first one, where it lives.
    pub(super) fn worker(&self) -> i32 {
        let first = self.pid as i32;
        if self.threads.contains(&first) {
            return first;
        }
        self.threads.first().copied().unwrap_or(first)
    }

    /// Lets all threads run on and tells how long they stood.
    pub(super) fn resume(mut self) -> Duration {
        self.let_go();
        self.since.elapsed()
    }

    fn let_go(&mut self) {
        for tid in std::mem::take(&mut self.threads) {
            // One that was killed meanwhile needs nothing.
            let _ = sys::detach(tid);
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.let_go();
    }
}

fn threads(pid: u32) -> Result<Vec<i32>, FreezeError> {
    let list = std::fs::read_dir(format!("/proc/{pid}/task")).map_err(|_| FreezeError::Gone { pid })?;
    Ok(list
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

fn is_dead(pid: u32, tid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Waits until a thread stands; `false` if it ended instead. Signals that come first are delivered:
/// the stop follows before the handler's first instruction.
fn wait_stopped(pid: u32, tid: i32) -> Result<bool, FreezeError> {
    loop {
        match next_stop(pid, tid)? {
            Stop::Event(libc::PTRACE_EVENT_STOP) => return Ok(true),
            Stop::Ended => return Ok(false),
            Stop::Signal(signal) => {
                let _ = sys::run_on(tid, signal);
            }
            Stop::Event(_) | Stop::Syscall => {
                let _ = sys::run_on(tid, 0);
            }
        }
    }
}

/// The next stop of a tracee, within [`PATIENCE`].
pub(super) fn next_stop(pid: u32, tid: i32) -> Result<Stop, FreezeError> {
    /// Looks before sleeping: a stop takes microseconds as a rule.
    const SPINS: u32 = 2000;
    let begin = Instant::now();
    let mut looks = 0;
    loop {
        let polled = sys::poll_stop(tid).map_err(|error| FreezeError::Call {
            call: "waitpid",
            pid,
            error,
        })?;
        if let Some(stop) = polled {
            return Ok(stop);
        }
        looks += 1;
        if looks < SPINS {
            std::thread::yield_now();
        } else if begin.elapsed() > PATIENCE {
            return Err(FreezeError::Stuck {
                pid,
                tid: tid as u32,
                waited_ms: PATIENCE.as_millis() as u64,
            });
        } else {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}
