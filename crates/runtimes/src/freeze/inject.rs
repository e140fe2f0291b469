//! Makes a stopped thread clone its process, and puts everything back.

use std::io;
use std::time::Duration;

use super::arch::{Call, INSTRUCTION, Registers, STEP, clone_call, outcome, reap_call};
use super::memory::{Mapping, mappings};
use super::stop::{Stopped, next_stop};
use super::sys::{self, Stop};
use super::{FreezeError, ProcessMemory, ReadMemory};

/// A clone that was made.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) clone: i32,
    pub(super) pause: Duration,
}

/// The helper shares everything with the process: making it costs nothing. No signal at its end.
const HELPER: i32 = libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_FS;
/// The clone shares descriptors and working folder, never memory.
const CLONE: i32 = libc::CLONE_FILES | libc::CLONE_FS;

/// Freezes a process.
pub(super) fn freeze(pid: u32) -> Result<Frozen, FreezeError> {
    // Found before anything stands still.
    let instruction = find_instruction(pid)?;
    let stopped = Stopped::all(pid)?;
    let clone = Thread::enter(pid, stopped.worker(), instruction)?.clone_process()?;
    Ok(Frozen {
        clone,
        pause: stopped.resume(),
    })
}

/// Kills a clone and waits for its end.
pub(super) fn end(clone: i32) {
    sys::kill(clone);
    sys::wait_end(clone);
}

/// A stopped thread whose registers and signals are put back when this is dropped.
struct Thread {
    pid: u32,
    tid: i32,
    instruction: u64,
    registers: Registers,
    signal_mask: u64,
}

impl Thread {
    fn enter(pid: u32, tid: i32, instruction: u64) -> Result<Self, FreezeError> {
        let registers = sys::registers(tid).map_err(|error| unsupported(pid, &error.to_string()))?;
        if !registers.is_native() {
            return Err(unsupported(pid, "it is a 32-bit process"));
        }
        let signal_mask = sys::signal_mask(tid).map_err(|error| call("PTRACE_GETSIGMASK", pid, error))?;
        let thread = Self {
            pid,
            tid,
            instruction,
            registers,
            signal_mask,
        };
        // A signal in between would run its handler on our registers.
        sys::set_signal_mask(tid, u64::MAX).map_err(|error| call("PTRACE_SETSIGMASK", pid, error))?;
        let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE;
        sys::set_options(tid, options).map_err(|error| call("PTRACE_SETOPTIONS", pid, error))?;
        Ok(thread)
    }

    /// Thread → helper → clone. The helper is gone before the process runs again, so that the clone
    /// belongs to the reaper of orphans and the process never sees a child that it did not start.
    fn clone_process(&self) -> Result<i32, FreezeError> {
        let helper = self.new_process(self.tid, HELPER)?;
        let clone = self.new_process(helper, CLONE);
        end(helper);
        self.run(self.tid, reap_call(helper))
            .map_err(|error| call("wait4", self.pid, error))?;
        clone
    }

    /// A child of `tid`, stopped before its first instruction and killed with us.
    fn new_process(&self, tid: i32, flags: i32) -> Result<i32, FreezeError> {
        let pid = self.pid;
        let made = self.run(tid, clone_call(flags));
        let made = made.map_err(|error| FreezeError::NoClone { pid, error })? as i32;
        let ready = next_stop(pid, made).and_then(|_| {
            let options = libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE;
            sys::set_options(made, options).map_err(|error| call("PTRACE_SETOPTIONS", pid, error))
        });
        if let Err(error) = ready {
            end(made);
            return Err(error);
        }
        Ok(made)
    }

    /// Makes one system call in a stopped thread. For a clone the result is its number as we see it.
    fn run(&self, tid: i32, request: Call) -> io::Result<i64> {
        let before = sys::registers(tid)?;
        sys::set_registers(tid, &before.calling(self.instruction, request))?;
        let mut syscall_stops = 0;
        let mut child = None;
        // Entry, clone event, exit.
        while syscall_stops < 2 {
            sys::run_to_syscall(tid)?;
            let stop = next_stop(self.pid, tid).map_err(io::Error::other)?;
            match stop {
                Stop::Syscall => syscall_stops += 1,
                Stop::Event(libc::PTRACE_EVENT_CLONE) => child = Some(i64::from(sys::event_message(tid)?)),
                Stop::Ended => return Err(io::Error::from_raw_os_error(libc::ESRCH)),
                Stop::Event(_) | Stop::Signal(_) => {}
            }
        }
        let result = outcome(sys::registers(tid)?.result())?;
        Ok(child.unwrap_or(result))
    }

    /// Back to a stop of the kind that the thread was found in: only from there does the kernel restart
    /// a system call that we interrupted (its number and error are in the registers).
    fn put_back(&self) -> Result<(), FreezeError> {
        let failed = |error| call("ptrace", self.pid, error);
        sys::set_options(self.tid, 0).map_err(failed)?;
        sys::interrupt(self.tid).map_err(failed)?;
        sys::run_on(self.tid, 0).map_err(failed)?;
        while !matches!(
            next_stop(self.pid, self.tid)?,
            Stop::Event(libc::PTRACE_EVENT_STOP) | Stop::Ended
        ) {
            sys::run_on(self.tid, 0).map_err(failed)?;
        }
        sys::set_registers(self.tid, &self.registers).map_err(failed)?;
        sys::set_signal_mask(self.tid, self.signal_mask).map_err(failed)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // It fails only if the thread was killed.
        let _ = self.put_back();
    }
}

fn unsupported(pid: u32, reason: &str) -> FreezeError {
    FreezeError::Unsupported {
        pid,
        reason: reason.to_owned(),
    }
}

fn call(call: &'static str, pid: u32, error: io::Error) -> FreezeError {
    FreezeError::Call { call, pid, error }
}

/// A system call instruction in the code of the process: the kernel's own page first, then libraries.
fn find_instruction(pid: u32) -> Result<u64, FreezeError> {
    let mapped = mappings(pid).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => FreezeError::refused(pid),
        _ => FreezeError::Gone { pid },
    })?;
    if mapped.is_empty() {
        return Err(FreezeError::Gone { pid });
    }
    let memory = ProcessMemory::new(pid);
    let mut code: Vec<&Mapping> = mapped
        .iter()
        .filter(|mapping| mapping.readable && mapping.executable && mapping.path != "[vsyscall]")
        .collect();
    code.sort_by_key(|mapping| (mapping.path != "[vdso]", !mapping.path.contains("/libc")));
    let mut read_any = false;
    for mapping in code {
        // Bounded: libraries have their first system call early in their code.
        const SEARCHED: u64 = 4 << 20;
        let mut text = vec![0; (mapping.end - mapping.start).min(SEARCHED) as usize];
        if memory.read(mapping.start, &mut text).is_err() {
            continue;
        }
        read_any = true;
        let found = (0..text.len())
            .step_by(STEP)
            .find(|at| text[*at..].starts_with(INSTRUCTION));
        if let Some(at) = found {
            return Ok(mapping.start + at as u64);
        }
    }
    match read_any {
        true => Err(unsupported(pid, "no system call instruction in its code")),
        false => Err(FreezeError::refused(pid)),
    }
}
