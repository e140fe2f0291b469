use std::sync::{Condvar, Mutex, PoisonError};

/// Workers that run at the same time in one test binary: memory and pace are measured, and a starved worker
/// measures badly. Two is what the smallest machine that runs the suite has cores for.
const SLOTS_MAX: usize = 2;

static TAKEN: Mutex<usize> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

/// Leave to run a worker; given back when dropped.
#[derive(Debug)]
pub struct Slot(());

impl Slot {
    /// Waits until fewer than two workers run.
    pub fn take() -> Slot {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken >= SLOTS_MAX {
            taken = GIVEN_BACK.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += 1;
        Slot(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        GIVEN_BACK.notify_one();
    }
}
