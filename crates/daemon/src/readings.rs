//! From what an isolate told to what detection reads.

use plimsoll_model::{JobCounts, Reading};

use crate::isolate::{Isolate, floor_reading, gc_reading, sample_reading};
use crate::watch::Record;

/// All readings of an isolate in time order, seconds since the start of the record.
///
/// An isolate that runs no jobs itself (a worker thread, a child) is read against the jobs of the
/// whole record: somebody's jobs fill it.
pub fn readings(record: &Record, isolate: &Isolate) -> Vec<Reading> {
    let start = record.started_at;
    let own = isolate.jobs_done() > 0;
    let counts_at = |at: f64| {
        let series = if own { isolate.job_counts.points() } else { record.job_counts.points() };
        counts_before(series, at)
    };
    let mut readings: Vec<Reading> = Vec::new();
    for (at, sample) in isolate.samples.points() {
        let mut reading = sample_reading(start, *at, sample, counts_at(*at));
        // Descriptors and threads belong to the process, so the main thread speaks for them.
        if isolate.hello.thread == 0 {
            if let Some((fds, threads)) = record.outside.descriptors_and_threads(isolate.hello.pid, *at) {
                reading.fds = fds;
                reading.threads = Some(threads);
            }
        }
        readings.push(Reading::Sample(reading));
    }
    for (at, event) in isolate.collections.points() {
        readings.extend(gc_reading(start, *at, event).map(Reading::Gc));
    }
    for (at, floor) in isolate.floors.points() {
        readings.push(Reading::Floor(floor_reading(start, *at, floor, Some(counts_at(*at)))));
    }
    readings.sort_by(|a, b| a.at_seconds().total_cmp(&b.at_seconds()));
    readings
}

/// The last counts that were known at an instant.
pub fn counts_before(series: &[(f64, JobCounts)], at: f64) -> JobCounts {
    let known = series.partition_point(|(then, _)| *then <= at);
    known.checked_sub(1).map(|last| series[last].1.clone()).unwrap_or_default()
}
