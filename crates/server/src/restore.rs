//! The fleet as it was, from the store: after a restart verdicts go on where they were.

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll_detect::Detector;
use plimsoll_model::{Floor, JobCounts, Reading, Sample};
use plimsoll_store::{SeriesQuery, Store, StoreError, WorkerRow};
use plimsoll_wire::stream::StreamWorker;
use serde::Deserialize;

use crate::fleet::{FORGET_AFTER_MS, Fleet, Isolate, Source, WORKERS_MAX, Worker, settings};

/// Points per series that are read back for a verdict.
const POINTS_MAX: usize = 4_000;
/// Workers whose verdicts are taken up again; the others begin anew when they are heard of.
const REBUILT_MAX: usize = 500;

#[derive(Deserialize)]
struct Identity {
    worker: StreamWorker,
    source: String,
    began_ms: i64,
}

/// Workers of the last day.
///
/// # Errors
/// When the store cannot be read.
pub fn fleet(store: &Store, now_ms: i64) -> Result<Fleet, StoreError> {
    let mut fleet = Fleet::default();
    let rows = store.workers_since(now_ms - FORGET_AFTER_MS, WORKERS_MAX)?;
    for (number, row) in rows.iter().enumerate() {
        let Ok(identity) = serde_json::from_str::<Identity>(&row.identity) else {
            continue; // another version's: it is in the store all the same
        };
        let mut worker = worker(row, identity);
        if worker.report.is_none() && number < REBUILT_MAX {
            rebuild(store, &mut worker, now_ms)?;
        }
        fleet.insert(worker);
    }
    Ok(fleet)
}

fn worker(row: &WorkerRow, identity: Identity) -> Worker {
    let source = Source::parse(&identity.source);
    let mut worker = Worker::new(row.id, &row.key, identity.worker, source, identity.began_ms);
    worker.seen_ms = row.last_seen_ms;
    worker.ended_ms = row.ended_ms;
    worker.dirty = false;
    let verdict = row
        .verdict
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    worker.verdict = verdict.map(Arc::new);
    let report = row
        .report
        .as_deref()
        .and_then(|text| plimsoll_wire::report::read(text).ok());
    if let Some(report) = &report {
        for class in &report.job_classes {
            let kept = worker.classes.entry(class.class.clone()).or_default();
            kept.jobs = class.jobs;
            kept.failed = class.failed;
            kept.duration_seconds = class.duration_seconds;
            kept.peak_bytes = class.peak_bytes;
        }
    }
    worker.report = report.map(Arc::new);
    worker
}

/// Feeds the series of the first isolate to a new detector.
fn rebuild(store: &Store, worker: &mut Worker, now_ms: i64) -> Result<(), StoreError> {
    let series = store.series(&SeriesQuery {
        worker: worker.row,
        names: Vec::new(),
        from_ms: worker.began_ms,
        to_ms: now_ms,
        points_max: POINTS_MAX,
    })?;
    let readings = readings(worker.began_ms, &series);
    if readings.is_empty() {
        return Ok(());
    }
    let limit_bytes = worker.verdict.as_ref().and_then(|verdict| verdict.limit_bytes);
    let mut detector = Detector::new(settings(limit_bytes));
    readings.iter().for_each(|reading| detector.observe(reading));
    let jobs = series
        .iter()
        .filter(|(name, _)| name.starts_with("jobs{"))
        .filter_map(|(_, points)| points.last())
        .map(|(_, count)| *count as u64)
        .sum();
    let last = |name: &str| {
        series
            .get(name)
            .and_then(|points| points.last())
            .map(|(_, value)| *value)
    };
    worker.latest.rss_bytes = last("rss_bytes").or(last("process_rss_bytes"));
    worker.latest.heap_used_bytes = last("heap_used_bytes");
    worker.latest.live_heap_bytes = last("live_heap_bytes").or(last("gc_live_bytes"));
    let isolate = Isolate {
        detector,
        limit_bytes,
        jobs,
        unread: 0,
        assessment: None,
    };
    // Its name is not stored; the first batch that comes in goes on with it.
    worker.isolates.insert(RESTORED.into(), isolate);
    Ok(())
}

/// Stands for the name of the first isolate until it is heard of.
pub const RESTORED: &str = "restored";

/// Series back into readings, in time order.
fn readings(began_ms: i64, series: &BTreeMap<String, Vec<(i64, f64)>>) -> Vec<Reading> {
    let mut samples: BTreeMap<i64, Sample> = BTreeMap::new();
    let mut counts: BTreeMap<i64, JobCounts> = BTreeMap::new();
    for (name, points) in series {
        if let Some(class) = name
            .strip_prefix("jobs{class=\"")
            .and_then(|rest| rest.strip_suffix("\"}"))
        {
            for (at, count) in points {
                counts
                    .entry(*at)
                    .or_default()
                    .insert(class.to_owned(), *count as u64);
            }
        }
        let slot: fn(&mut Sample) -> &mut Option<u64> = match name.as_str() {
            "process_rss_bytes" => |sample| &mut sample.rss_bytes,
            "heap_used_bytes" => |sample| &mut sample.heap_used_bytes,
            "heap_committed_bytes" => |sample| &mut sample.heap_committed_bytes,
            "external_bytes" => |sample| &mut sample.external_bytes,
            "fds" => |sample| &mut sample.fds,
            "threads" => |sample| &mut sample.threads,
            _ => continue,
        };
        for (at, value) in points {
            *slot(samples.entry(*at).or_default()) = Some(*value as u64);
        }
    }
    let seconds = |at: i64| (at - began_ms) as f64 / 1000.0;
    let mut readings: Vec<Reading> = Vec::new();
    for (at, mut sample) in samples {
        sample.at_seconds = seconds(at);
        sample.jobs = counts_by(&counts, at);
        readings.push(Reading::Sample(sample));
    }
    for (at, live) in series.get("live_heap_bytes").into_iter().flatten() {
        readings.push(Reading::Floor(Floor {
            at_seconds: seconds(*at),
            live_bytes: *live as u64,
            jobs: counts.get(at).cloned(),
            ..Floor::default()
        }));
    }
    readings.sort_by(|a, b| a.at_seconds().total_cmp(&b.at_seconds()));
    readings
}

fn counts_by(counts: &BTreeMap<i64, JobCounts>, at: i64) -> JobCounts {
    counts
        .range(..=at)
        .next_back()
        .map(|(_, counts)| counts.clone())
        .unwrap_or_default()
}
