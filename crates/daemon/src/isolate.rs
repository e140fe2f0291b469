//! What is known of one isolate (the main thread of a process, or one of its worker threads).

use std::collections::{BTreeMap, VecDeque};

use plimsoll_model::{Floor, GcEvent, GcKind, JobCounts, Sample};
use plimsoll_wire::agent::{
    AgentEvidence, AgentFloor, AgentGc, AgentJob, AgentLine, AgentMessage, AgentProfile, AgentSample,
    AgentSpike, AgentWarning, ClassTotals, Hello,
};

/// Series keep at most so many points; past it every other point goes.
pub const MAX_POINTS: usize = 4096;
/// Details kept of single jobs, newest last.
const MAX_JOB_DETAILS: usize = 1000;
/// Peaks and warnings kept, the largest or the latest.
const MAX_NOTES: usize = 64;

/// Share of all growth that must be gone at once for the last floor to be a farewell: more than a
/// collection of the runtime's own caches gives back, which is some 5 % in the runs that were looked at.
const FAREWELL_SHARE: f64 = 0.25;
/// Less than this is the runtime's own coming and going.
const FAREWELL_BYTES: f64 = 1e6;

/// A bounded series that thins itself to half when it is full.
#[derive(Debug, Clone)]
pub struct Thinned<T> {
    points: Vec<T>,
    stride: u64,
    seen: u64,
}

impl<T> Default for Thinned<T> {
    fn default() -> Self {
        Thinned {
            points: Vec::new(),
            stride: 1,
            seen: 0,
        }
    }
}

impl<T> Thinned<T> {
    /// Adds a point, or leaves it out once the series has been thinned.
    pub fn push(&mut self, point: T) {
        self.seen += 1;
        if !(self.seen - 1).is_multiple_of(self.stride) {
            return;
        }
        if self.points.len() >= MAX_POINTS {
            let mut keep = false;
            self.points.retain(|_| {
                keep = !keep;
                keep
            });
            self.stride *= 2;
        }
        self.points.push(point);
    }

    /// Takes the last point away.
    fn pop(&mut self) {
        self.points.pop();
    }

    /// The points kept.
    pub fn points(&self) -> &[T] {
        &self.points
    }

    /// All points ever pushed.
    pub fn seen(&self) -> u64 {
        self.seen
    }
}

/// Everything that one agent has told.
#[derive(Debug, Clone, Default)]
pub struct Isolate {
    /// Its first line.
    pub hello: Hello,
    /// Instant of the first line.
    pub since: f64,
    /// Periodic samples.
    pub samples: Thinned<(f64, AgentSample)>,
    /// Full collections.
    pub collections: Thinned<(f64, AgentGc)>,
    /// Quiescent floors.
    pub floors: Thinned<(f64, AgentFloor)>,
    /// Latest cumulative counts.
    pub classes: BTreeMap<String, ClassTotals>,
    /// Counts over time.
    pub job_counts: Thinned<(f64, JobCounts)>,
    /// The latest jobs in detail.
    pub jobs: VecDeque<AgentJob>,
    /// The jobs with the largest peaks.
    pub peaks: Vec<(f64, AgentJob)>,
    /// Captured files that are still there.
    pub evidence: Vec<(f64, AgentEvidence)>,
    /// Captures that did not happen, and why.
    pub skipped: Vec<String>,
    /// Errors of the agent's own, after which it was silent.
    pub failures: Vec<String>,
    /// The latest profile.
    pub profile: Option<AgentProfile>,
    /// Peaks caught in the act.
    pub spikes: Vec<(f64, AgentSpike)>,
    /// Warnings of the runtime.
    pub warnings: Vec<AgentWarning>,
    /// Lines that were no messages.
    pub garbled: u64,
    /// Pauses that we caused.
    pub pauses_seconds: f64,
    /// Still connected.
    pub open: bool,
}

impl Isolate {
    /// Jobs completed, failed ones included.
    pub fn jobs_done(&self) -> u64 {
        self.classes.values().map(|class| class.done).sum()
    }

    /// Takes one line in.
    pub fn take(&mut self, line: AgentLine) {
        let at = line.t;
        match line.message {
            AgentMessage::Hello(hello) => {
                self.hello = hello;
                self.since = at;
            }
            AgentMessage::Sample(sample) => self.samples.push((at, *sample)),
            AgentMessage::Gc(event) => self.collections.push((at, event)),
            AgentMessage::Floor(floor) => self.take_floor(at, floor),
            AgentMessage::Jobs(jobs) => self.take_counts(at, jobs.classes),
            AgentMessage::Job(job) => self.take_job(at, *job),
            AgentMessage::Evidence(evidence) => self.take_evidence(at, evidence),
            AgentMessage::EvidenceDropped { file } => self.evidence.retain(|(_, kept)| kept.file != file),
            AgentMessage::EvidenceSkipped { reason, .. } => push_bounded(&mut self.skipped, reason),
            AgentMessage::Profile(profile) => self.profile = Some(profile),
            AgentMessage::Spike(spike) => push_bounded(&mut self.spikes, (at, spike)),
            AgentMessage::Warning(warning) => push_bounded(&mut self.warnings, warning),
            AgentMessage::Scripts { .. } => {} // sources and their maps are read from the files themselves
            AgentMessage::Failed { message } => {
                push_bounded(&mut self.failures, message);
            }
            AgentMessage::PictureReady(_)
            | AgentMessage::Reached { .. }
            | AgentMessage::Closed {}
            | AgentMessage::Bye { .. }
            | AgentMessage::Unknown => {}
        }
    }

    fn take_floor(&mut self, at: f64, floor: AgentFloor) {
        self.pauses_seconds += floor.pause_seconds.unwrap_or(0.0);
        self.floors.push((at, floor));
    }

    fn take_counts(&mut self, at: f64, classes: BTreeMap<String, ClassTotals>) {
        // A message holds the classes that have changed since the one before.
        self.classes.extend(classes);
        let counts = self
            .classes
            .iter()
            .map(|(name, class)| (name.clone(), class.done))
            .collect();
        self.job_counts.push((at, counts));
    }

    fn take_job(&mut self, at: f64, job: AgentJob) {
        if let Some(peak) = job.peak_bytes.filter(|peak| *peak > 0) {
            self.peaks.push((job.started_at.unwrap_or(at), job.clone()));
            self.peaks
                .sort_by_key(|(_, job)| std::cmp::Reverse(job.peak_bytes));
            self.peaks.truncate(MAX_NOTES);
            debug_assert!(peak > 0);
        }
        if self.jobs.len() >= MAX_JOB_DETAILS {
            self.jobs.pop_front();
        }
        self.jobs.push_back(job);
    }

    fn take_evidence(&mut self, at: f64, evidence: AgentEvidence) {
        self.pauses_seconds += evidence.pause_seconds.unwrap_or(0.0);
        // Names come over a socket: a plain name inside our own folder, or nothing.
        if is_plain_name(&evidence.file) {
            self.evidence.push((at, evidence));
        }
    }

    /// A worker that ends by itself lets go of its state first: what module-level variables held is
    /// garbage once no timer and no promise leads to the module any more. Such a last look says nothing
    /// of the worker at work, so it is left out. Tells whether it was.
    pub fn forget_farewell(&mut self) -> bool {
        let total = |floor: &AgentFloor| floor.live_bytes as f64 + floor.external_bytes.unwrap_or(0) as f64;
        let floors = self.floors.points();
        let [(_, first), .., (_, before), (_, last)] = floors else {
            return false;
        };
        let grown = (total(before) - total(first)).max(FAREWELL_BYTES);
        if !last.is_final || total(before) - total(last) < FAREWELL_SHARE * grown {
            return false;
        }
        self.floors.pop();
        self.evidence
            .retain(|(_, evidence)| evidence.reason.as_deref() != Some("exit"));
        true
    }

    /// Records that agents could not deliver.
    pub fn dropped_records(&self) -> u64 {
        let told = self
            .samples
            .points()
            .last()
            .and_then(|(_, sample)| sample.dropped)
            .unwrap_or(0);
        told + self.garbled
    }
}

fn push_bounded<T>(list: &mut Vec<T>, item: T) {
    if list.len() < MAX_NOTES {
        list.push(item);
    }
}

fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// A floor as detection wants it. `counts` stand in where the agent did not give its own.
pub fn floor_reading(start: f64, at: f64, floor: &AgentFloor, counts: Option<JobCounts>) -> Floor {
    Floor {
        at_seconds: at - start,
        live_bytes: floor.live_bytes,
        external_bytes: floor.external_bytes,
        rss_bytes: floor.rss_bytes,
        jobs: floor.jobs.clone().filter(|jobs| !jobs.is_empty()).or(counts),
        in_flight: floor.in_flight,
        pause_seconds: floor.pause_seconds,
    }
}

/// A collection as detection wants it, if the agent could say what was left.
pub fn gc_reading(start: f64, at: f64, event: &AgentGc) -> Option<GcEvent> {
    Some(GcEvent {
        at_seconds: at - start,
        kind: GcKind::Major,
        live_bytes: event.live_bytes?,
        in_flight: event.in_flight,
        pause_seconds: event.pause_seconds,
    })
}

/// A sample as detection wants it.
pub fn sample_reading(start: f64, at: f64, sample: &AgentSample, jobs: JobCounts) -> Sample {
    Sample {
        at_seconds: at - start,
        rss_bytes: sample.rss_bytes,
        heap_used_bytes: sample.heap_used_bytes,
        heap_committed_bytes: sample.heap_total_bytes,
        external_bytes: sample.external_bytes,
        jobs,
        in_flight: sample.in_flight,
        ..Sample::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_stays_bounded_and_keeps_its_span() {
        let mut series = Thinned::default();
        for point in 0..100_000_u32 {
            series.push(point);
        }
        assert!(series.points().len() <= MAX_POINTS);
        assert_eq!(series.seen(), 100_000);
        assert_eq!(series.points()[0], 0);
        assert!(*series.points().last().expect("has points") > 99_000);
    }

    #[test]
    fn classes_that_did_not_change_are_kept() {
        let mut isolate = Isolate::default();
        for (class, done) in [("a", 3), ("b", 4), ("a", 5)] {
            let totals = ClassTotals {
                done,
                ..ClassTotals::default()
            };
            isolate.take_counts(0.0, BTreeMap::from([(class.to_owned(), totals)]));
        }
        assert_eq!(isolate.jobs_done(), 9);
    }

    #[test]
    fn a_farewell_is_left_out() {
        let check = |live: &[u64], expected: usize| {
            let mut isolate = Isolate::default();
            for bytes in live {
                isolate.take_floor(
                    0.0,
                    AgentFloor {
                        live_bytes: *bytes,
                        is_final: true,
                        ..AgentFloor::default()
                    },
                );
            }
            assert_eq!(isolate.forget_farewell(), expected < live.len());
            assert_eq!(isolate.floors.points().len(), expected, "{live:?}");
        };
        check(&[4_000_000, 5_000_000, 6_400_000, 4_600_000], 3);
        check(&[4_000_000, 5_000_000, 6_400_000, 6_300_000], 4);
        check(&[4_000_000, 4_100_000, 3_950_000], 3);
        check(&[4_000_000, 3_000_000], 2);
    }

    #[test]
    fn evidence_outside_the_folder_is_refused() {
        let mut isolate = Isolate::default();
        for file in [
            "../x",
            "/etc/passwd",
            "",
            ".hidden",
            "a/b",
            "heap-1-0-1-10.heapsnapshot",
        ] {
            isolate.take_evidence(
                0.0,
                AgentEvidence {
                    file: file.into(),
                    ..AgentEvidence::default()
                },
            );
        }
        assert_eq!(isolate.evidence.len(), 1);
    }
}
