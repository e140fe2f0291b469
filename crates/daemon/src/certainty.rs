//! When to end a worker before it has done all that was asked for: it hangs, or the answer is certain.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use plimsoll_model::Status;

use crate::Options;
use crate::judge::judge;
use crate::watch::Record;

/// A dump is being written if its file changed so recently; V8 writes in pieces of a megabyte.
const WRITING: Duration = Duration::from_secs(10);

/// Notices that no job finishes any more.
#[derive(Debug)]
pub struct StallClock {
    jobs: u64,
    since: Instant,
}

impl StallClock {
    /// Starts with the worker.
    pub fn new(now: Instant) -> Self {
        StallClock { jobs: 0, since: now }
    }

    /// Whether none finished for `limit`. Time in which a dump is written does not count.
    pub fn stalled(&mut self, jobs: u64, limit: Duration, evidence: &Path) -> bool {
        if jobs != self.jobs {
            self.jobs = jobs;
            self.since = Instant::now();
        }
        if self.since.elapsed() < limit {
            return false;
        }
        let writing = is_being_written(evidence);
        if writing {
            self.since = Instant::now();
        }
        !writing
    }
}

fn is_being_written(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    let recent = |time: SystemTime| time.elapsed().is_ok_and(|age| age < WRITING);
    entries
        .flatten()
        .filter_map(|entry| entry.metadata().ok()?.modified().ok())
        .any(recent)
}

/// Looks that must agree before a run is ended early.
const LOOKS: u32 = 3;
/// A look costs a fit of all readings, so the next one waits for so many more jobs …
const JOBS_BETWEEN: f64 = 1.15;
/// … and so long.
const SECONDS_BETWEEN: Duration = Duration::from_secs(1);
/// Dumps without which a fill is not told from a leak.
const DUMPS: usize = 3;

/// Judges a run while it goes on.
#[derive(Debug)]
pub struct Certainty {
    next_jobs: u64,
    next_at: Instant,
    streak: u32,
    last: Option<Status>,
}

impl Default for Certainty {
    fn default() -> Self {
        Certainty {
            next_jobs: 0,
            next_at: Instant::now() + SECONDS_BETWEEN,
            streak: 0,
            last: None,
        }
    }
}

impl Certainty {
    /// Whether the floors have given the same answer on three looks in a row, and dumps are there to
    /// bear it out.
    pub fn reached(&mut self, jobs: u64, record: &Record, options: &Options) -> bool {
        if jobs < self.next_jobs || Instant::now() < self.next_at {
            return false;
        }
        let began = Instant::now();
        let status = judge(record, options)
            .first()
            .map(|judged| judged.assessment.verdict.status);
        // A look may take a twentieth of the time at most.
        self.next_at = Instant::now() + SECONDS_BETWEEN.max(20 * began.elapsed());
        self.next_jobs = (jobs as f64 * JOBS_BETWEEN) as u64;
        let settled = status.filter(|status| *status != Status::Inconclusive);
        self.streak = match settled {
            Some(_) if settled == self.last => self.streak + 1,
            Some(_) => 1,
            None => 0,
        };
        self.last = settled;
        self.streak >= LOOKS && has_evidence(record, options)
    }
}

fn has_evidence(record: &Record, options: &Options) -> bool {
    use plimsoll_wire::agent::{CaptureMode, CapturePlan};
    let never = options.capture == CapturePlan::Mode(CaptureMode::Never);
    never
        || record
            .isolates
            .values()
            .any(|isolate| isolate.evidence.len() >= DUMPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_hangs_when_no_job_ends_and_no_dump_is_written() {
        let folder = tempfile::tempdir().expect("there is room");
        let long_ago = Instant::now()
            .checked_sub(Duration::from_secs(100))
            .expect("the machine has run for longer");
        let limit = Duration::from_secs(60);
        let mut clock = StallClock::new(long_ago);
        assert!(clock.stalled(0, limit, folder.path()));
        std::fs::write(folder.path().join("heap.part"), "x").expect("there is room");
        assert!(!clock.stalled(0, limit, folder.path()), "a dump is being written");
        let mut clock = StallClock::new(long_ago);
        assert!(!clock.stalled(7, limit, Path::new("/nowhere")), "a job has ended");
    }
}
