//! Registers and the system call instruction of each machine.
//!
//! aarch64 is written from the kernel's documents and compiles; nobody has run it yet.

use std::io;

/// A system call to be made: its number and arguments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) number: i64,
    pub(super) arguments: [u64; 5],
}

/// The general registers of a stopped thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Registers(pub(super) libc::user_regs_struct);

impl Registers {
    #[allow(unsafe_code)]
    pub(super) fn zeroed() -> Self {
        // SAFETY: the structure consists of integers only, for which all zeroes is a value.
        Registers(unsafe { std::mem::zeroed() })
    }
}

#[cfg(target_arch = "x86_64")]
mod machine {
    use super::{Call, Registers};

    /// `syscall`
    pub(in super::super) const INSTRUCTION: &[u8] = &[0x0f, 0x05];
    /// Instructions start at any byte.
    pub(in super::super) const STEP: usize = 1;
    /// Selector of 64-bit code (`__USER_CS`).
    const USER_CODE: u64 = 0x33;

    impl Registers {
        pub(in super::super) fn is_native(&self) -> bool {
            self.0.cs == USER_CODE
        }

        /// The same thread about to make a call by the instruction at `at`.
        pub(in super::super) fn calling(&self, at: u64, call: Call) -> Self {
            let mut next = *self;
            let [a, b, c, d, e] = call.arguments;
            next.0.rip = at;
            next.0.rax = call.number as u64;
            // Not in a system call: the kernel must not restart one on our registers.
            next.0.orig_rax = u64::MAX;
            (next.0.rdi, next.0.rsi, next.0.rdx, next.0.r10, next.0.r8) = (a, b, c, d, e);
            next
        }

        pub(in super::super) fn result(&self) -> i64 {
            self.0.rax as i64
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod machine {
    use super::{Call, Registers};

    /// `svc #0`
    pub(in super::super) const INSTRUCTION: &[u8] = &[0x01, 0x00, 0x00, 0xd4];
    pub(in super::super) const STEP: usize = 4;

    impl Registers {
        pub(in super::super) fn is_native(&self) -> bool {
            // A 32-bit thread has a smaller register set, which `registers` refuses.
            true
        }

        /// The same thread about to make a call by the instruction at `at`.
        pub(in super::super) fn calling(&self, at: u64, call: Call) -> Self {
            let mut next = *self;
            next.0.pc = at;
            next.0.regs[8] = call.number as u64;
            next.0.regs[..5].copy_from_slice(&call.arguments);
            next
        }

        pub(in super::super) fn result(&self) -> i64 {
            self.0.regs[0] as i64
        }
    }
}

pub(super) use machine::{INSTRUCTION, STEP};

/// `clone` with these flags and nothing else.
pub(super) fn clone_call(flags: i32) -> Call {
    Call {
        number: libc::SYS_clone,
        arguments: [flags as u64, 0, 0, 0, 0],
    }
}

/// `wait4` for a child of any kind, without waiting.
pub(super) fn reap_call(pid: i32) -> Call {
    Call {
        number: libc::SYS_wait4,
        arguments: [pid as u64, 0, (libc::__WALL | libc::WNOHANG) as u64, 0, 0],
    }
}

/// The result of a call, as the kernel returns it.
pub(super) fn outcome(result: i64) -> io::Result<i64> {
    /// Numbers of errors are below it.
    const ERRORS: i64 = 4096;
    if (-ERRORS..0).contains(&result) {
        Err(io::Error::from_raw_os_error(-result as i32))
    } else {
        Ok(result)
    }
}
