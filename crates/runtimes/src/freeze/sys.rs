//! The system calls that freezing needs, each in one safe function.
#![allow(unsafe_code)]

use std::io;

use super::arch::Registers;

/// A stop or end that `waitpid` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Stopped by a ptrace event (`PTRACE_EVENT_*`).
    Event(i32),
    /// At the entry to or the exit from a system call.
    Syscall,
    /// About to get this signal.
    Signal(i32),
    /// Ended.
    Ended,
}

fn check(result: i64) -> io::Result<i64> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn ptrace(request: u32, tid: i32, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: the requests of this module take numbers, or pointers to memory that their callers own
    // and that outlives the call.
    check(unsafe { libc::ptrace(request, tid, address, data) }).map(|_| ())
}

/// Begins to trace a thread, without stopping it.
pub(super) fn seize(tid: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_SEIZE, tid, 0, 0)
}

pub(super) fn interrupt(tid: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_INTERRUPT, tid, 0, 0)
}

pub(super) fn set_options(tid: i32, options: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_SETOPTIONS, tid, 0, options as usize)
}

pub(super) fn run_on(tid: i32, signal: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_CONT, tid, 0, signal as usize)
}

pub(super) fn run_to_syscall(tid: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_SYSCALL, tid, 0, 0)
}

pub(super) fn detach(tid: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_DETACH, tid, 0, 0)
}

pub(super) fn registers(tid: i32) -> io::Result<Registers> {
    let mut registers = Registers::zeroed();
    let mut vector = libc::iovec {
        iov_base: (&raw mut registers.0).cast(),
        iov_len: size_of_val(&registers.0),
    };
    ptrace(
        libc::PTRACE_GETREGSET,
        tid,
        libc::NT_PRSTATUS as usize,
        (&raw mut vector) as usize,
    )?;
    if vector.iov_len != size_of_val(&registers.0) {
        return Err(io::Error::other("the process has another word size"));
    }
    Ok(registers)
}

pub(super) fn set_registers(tid: i32, registers: &Registers) -> io::Result<()> {
    let mut copy = registers.0;
    let mut vector = libc::iovec {
        iov_base: (&raw mut copy).cast(),
        iov_len: size_of_val(&copy),
    };
    ptrace(
        libc::PTRACE_SETREGSET,
        tid,
        libc::NT_PRSTATUS as usize,
        (&raw mut vector) as usize,
    )
}

// Not in the `libc` crate: <linux/ptrace.h>.
const PTRACE_GETSIGMASK: u32 = 0x420a;
const PTRACE_SETSIGMASK: u32 = 0x420b;

pub(super) fn signal_mask(tid: i32) -> io::Result<u64> {
    let mut mask = 0u64;
    ptrace(PTRACE_GETSIGMASK, tid, size_of::<u64>(), (&raw mut mask) as usize)?;
    Ok(mask)
}

pub(super) fn set_signal_mask(tid: i32, mask: u64) -> io::Result<()> {
    ptrace(
        PTRACE_SETSIGMASK,
        tid,
        size_of::<u64>(),
        (&raw const mask) as usize,
    )
}

/// The number that a clone event carries: the new process.
pub(super) fn event_message(tid: i32) -> io::Result<i32> {
    let mut message: libc::c_ulong = 0;
    ptrace(libc::PTRACE_GETEVENTMSG, tid, 0, (&raw mut message) as usize)?;
    Ok(message as i32)
}

/// What a tracee did, if it did anything yet.
pub(super) fn poll_stop(tid: i32) -> io::Result<Option<Stop>> {
    let mut status = 0;
    // SAFETY: `status` lives through the call.
    let waited = unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL | libc::WNOHANG) };
    if check(i64::from(waited))? == 0 {
        return Ok(None);
    }
    Ok(Some(stop_of(status)))
}

/// Waits for the end of a process that was killed.
pub(super) fn wait_end(pid: i32) {
    loop {
        let mut status = 0;
        // SAFETY: `status` lives through the call.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
        let interrupted = waited < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
        if !interrupted && (waited < 0 || stop_of(status) == Stop::Ended) {
            return;
        }
    }
}

fn stop_of(status: i32) -> Stop {
    if !libc::WIFSTOPPED(status) {
        return Stop::Ended;
    }
    let signal = libc::WSTOPSIG(status);
    match status >> 16 {
        0 if signal == libc::SIGTRAP | 0x80 => Stop::Syscall,
        0 => Stop::Signal(signal),
        event => Stop::Event(event),
    }
}

pub(super) fn kill(pid: i32) {
    // SAFETY: takes numbers only; a process that is gone is no harm.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// Reads memory of a process, as many bytes as are there.
pub(super) fn read_memory(pid: i32, address: u64, into: &mut [u8]) -> io::Result<usize> {
    let local = libc::iovec {
        iov_base: into.as_mut_ptr().cast(),
        iov_len: into.len(),
    };
    let remote = libc::iovec {
        iov_base: address as usize as *mut libc::c_void,
        iov_len: into.len(),
    };
    // SAFETY: the kernel writes at most `into.len()` bytes to `into`, which we hold exclusively; the
    // remote address is only looked up in the other process.
    let taken = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    check(taken as i64).map(|taken| taken as usize)
}
