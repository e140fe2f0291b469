//! Frozen pictures of a running process: a copy-on-write clone, made from outside through ptrace.
//!
//! All threads of the process are stopped, one of them is made to clone the process through a syscall
//! instruction that is there already (no code is patched), registers are put back and all threads run
//! on. The clone never runs an instruction; its memory is read with `process_vm_readv` at leisure.
//!
//! What the process can notice:
//! - the pause, which grows with its page tables ([`Frame::pause`]);
//! - nothing in its children: the clone is the child of a helper that is gone before the process runs
//!   on, so that it belongs to the reaper of orphans (`init`). Where the process is that reaper itself
//!   (it is pid 1 of a container, or a child subreaper), it gets the SIGCHLD that every orphan means;
//! - nothing in its descriptors: the clone shares the table, so that a close is a close.
//!
//! The clone is killed when its [`Frame`] goes, and by the kernel when we die (`PTRACE_O_EXITKILL`).
//! If we are killed within the pause itself, the process may not survive: there is no way to put the
//! registers of a thread back from outside without being there.

mod arch;
mod error;
mod inject;
mod memory;
mod stop;
mod sys;

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

pub use error::FreezeError;
pub use memory::{Mapping, ProcessMemory, ReadError, ReadMemory};

/// A frozen copy of a process. Dropping it kills and reaps the clone.
#[derive(Debug)]
pub struct Frame {
    pid: u32,
    clone: u32,
    pause: Duration,
    // Tracees belong to the thread that took them: it waits for the end of the frame.
    over: Option<Sender<()>>,
    tracer: Option<JoinHandle<()>>,
}

impl Frame {
    /// Freezes a process: returns once it runs again.
    ///
    /// # Errors
    /// If the process cannot be traced ([`FreezeError::hint`] says what would help), is gone, or one of
    /// its threads does not stop in time. It runs on as before in each case.
    pub fn take(pid: u32) -> Result<Self, FreezeError> {
        let (over, wait) = channel::<()>();
        let (tell, taken) = channel();
        let tracer = std::thread::Builder::new()
            .name("plimsoll-frame".to_owned())
            .spawn(move || {
                let result = inject::freeze(pid);
                let clone = result.as_ref().ok().map(|frozen| frozen.clone);
                let told = tell.send(result).is_ok();
                if let Some(clone) = clone {
                    if told {
                        // Ends with the sender, whether a word is sent or not.
                        let _ = wait.recv();
                    }
                    inject::end(clone);
                }
            })
            .map_err(FreezeError::Thread)?;
        let frozen = taken.recv().map_err(|_| FreezeError::Gone { pid })??;
        Ok(Self {
            pid,
            clone: frozen.clone as u32,
            pause: frozen.pause,
            over: Some(over),
            tracer: Some(tracer),
        })
    }

    /// The process that this is a picture of.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The process that holds the picture.
    pub fn clone_pid(&self) -> u32 {
        self.clone
    }

    /// How long the process stood still, from the first thread that was stopped to the last that ran on.
    pub fn pause(&self) -> Duration {
        self.pause
    }

    /// Its memory at that instant.
    pub fn memory(&self) -> ProcessMemory {
        ProcessMemory::new(self.clone)
    }

    /// What was mapped where at that instant.
    ///
    /// # Errors
    /// If the clone is gone.
    pub fn mappings(&self) -> std::io::Result<Vec<Mapping>> {
        memory::mappings(self.clone)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(tracer) = self.tracer.take() {
            // A tracer that died has taken the clone with it.
            let _ = tracer.join();
        }
    }
}
