//! From what an isolate told to what detection reads.

use plimsoll_model::{JobCounts, Reading, Sample};

use crate::isolate::{Isolate, floor_reading, gc_reading, sample_reading};
use crate::watch::Record;

/// All readings of an isolate in time order, seconds since the start of the record.
///
/// An isolate that runs no jobs itself (a worker thread, a child) is read against the jobs of the
/// whole record: somebody's jobs fill it.
pub fn readings(record: &Record, isolate: &Isolate) -> Vec<Reading> {
    let start = record.started_at;
    let own = isolate.jobs_done() > 0;
    let series = if own {
        own_counts(isolate)
    } else {
        record.job_counts.points().to_vec()
    };
    let counts_then = |at: f64| counts_at(&series, at);
    let mut readings: Vec<Reading> = Vec::new();
    for (at, sample) in isolate.samples.points() {
        readings.push(Reading::Sample(sample_reading(
            start,
            *at,
            sample,
            counts_then(*at),
        )));
    }
    // Descriptors and threads belong to the process, so the main thread speaks for them.
    if isolate.hello.thread == 0 {
        for (at, fds, threads) in record.outside.descriptors_and_threads(isolate.hello.pid) {
            let jobs = counts_then(at);
            readings.push(Reading::Sample(Sample {
                at_seconds: at - start,
                fds,
                threads: Some(threads),
                jobs,
                ..Sample::default()
            }));
        }
    }
    for (at, event) in isolate.collections.points() {
        readings.extend(gc_reading(start, *at, event).map(Reading::Gc));
    }
    for (at, floor) in isolate.floors.points() {
        readings.push(Reading::Floor(floor_reading(
            start,
            *at,
            floor,
            Some(counts_then(*at)),
        )));
    }
    readings.sort_by(|a, b| a.at_seconds().total_cmp(&b.at_seconds()));
    readings
}

/// Counts over time from both sources that know them. A floor's are exact; a message that contradicts
/// the floors around it (its clock is a little off) is left out, so that counts never fall.
fn own_counts(isolate: &Isolate) -> Vec<(f64, JobCounts)> {
    let floors = isolate.floors.points().iter();
    let floors = floors.filter_map(|(at, floor)| Some((*at, floor.jobs.clone()?, true)));
    let told = isolate
        .job_counts
        .points()
        .iter()
        .map(|(at, counts)| (*at, counts.clone(), false));
    let mut series: Vec<(f64, JobCounts, bool)> = floors.chain(told).collect();
    series.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total = |counts: &JobCounts| counts.values().sum::<u64>();
    let mut ceiling = u64::MAX;
    let mut kept: Vec<(f64, JobCounts)> = Vec::new();
    for (at, counts, exact) in series.into_iter().rev() {
        if total(&counts) <= ceiling {
            ceiling = total(&counts);
            kept.push((at, counts));
        } else if exact {
            kept.retain(|(_, later)| total(later) >= total(&counts));
            ceiling = total(&counts);
            kept.push((at, counts));
        }
    }
    kept.reverse();
    kept
}

/// The counts at an instant, in a straight line between those that were told.
pub fn counts_at(series: &[(f64, JobCounts)], at: f64) -> JobCounts {
    let after = series.partition_point(|(then, _)| *then <= at);
    let Some((before_at, before)) = after.checked_sub(1).map(|last| &series[last]) else {
        return JobCounts::new();
    };
    let Some((after_at, later)) = series.get(after) else {
        return before.clone();
    };
    let share = ((at - before_at) / (after_at - before_at)).clamp(0.0, 1.0);
    let between = |(class, count): (&String, &u64)| {
        let earlier = before.get(class).copied().unwrap_or(0);
        (
            class.clone(),
            earlier + (count.saturating_sub(earlier) as f64 * share) as u64,
        )
    };
    later.iter().map(between).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lie_on_a_line() {
        let counts = |n| JobCounts::from([("a".to_owned(), n)]);
        let series = [(1.0, counts(10)), (2.0, counts(20))];
        assert_eq!(counts_at(&series, 0.5), JobCounts::new());
        assert_eq!(counts_at(&series, 1.5), counts(15));
        assert_eq!(counts_at(&series, 3.0), counts(20));
    }
}
