//! Which process is the worker, and what its floors say.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_detect::{Assessment, Detector, MinimumEffect, Settings, Watch};
use plimsoll_model::{Reading, Status};

use crate::event::ConnectionId;
use crate::isolate::Isolate;
use crate::readings::readings;
use crate::watch::Record;
use crate::{GrowthLimit, Options};

/// The floors' answer.
#[derive(Debug)]
pub struct Judged {
    /// The isolate that the report is about; `None` where no agent spoke.
    pub isolate: Option<ConnectionId>,
    /// Its assessment, or that of the resident memory seen from outside.
    pub assessment: Assessment,
    /// Its readings, for the trace.
    pub readings: Vec<Reading>,
    /// Other isolates that were judged, and how.
    pub others: Vec<(ConnectionId, Status)>,
}

/// Watched for longer than this a worker is a service, and a false alarm costs more than waiting.
const SERVICE_SECONDS: f64 = 2.0 * 3600.0;

/// Judges every isolate that may be the worker and takes the one that needs attention most.
pub fn judge(record: &Record, options: &Options) -> Judged {
    let mut judged: Vec<(ConnectionId, Assessment, Vec<Reading>, Option<u64>)> = candidates(record)
        .into_iter()
        .map(|id| {
            let isolate = &record.isolates[&id];
            let limit = limit_bytes(record, options, Some(isolate));
            let readings = readings(record, isolate);
            (id, assess(&readings, limit, options), readings, limit)
        })
        .collect();
    judged.sort_by(|a, b| urgency(record, b).total_cmp(&urgency(record, a)));
    let others = judged
        .iter()
        .skip(1)
        .map(|(id, assessment, ..)| (*id, assessment.verdict.status))
        .collect();
    match judged.into_iter().next() {
        Some((id, assessment, readings, _)) => Judged {
            isolate: Some(id),
            assessment,
            readings,
            others,
        },
        None => from_outside(record, options),
    }
}

fn from_outside(record: &Record, options: &Options) -> Judged {
    let limit_bytes = limit_bytes(record, options, None);
    let readings = record.outside.readings(record.started_at);
    let assessment = assess(&readings, limit_bytes, options);
    Judged {
        isolate: None,
        assessment,
        readings,
        others: Vec::new(),
    }
}

fn assess(readings: &[Reading], limit_bytes: Option<u64>, options: &Options) -> Assessment {
    let minimum_effect = match options.growth_limit {
        Some(GrowthLimit::PerJob(bytes)) => MinimumEffect::PerJob(bytes),
        Some(GrowthLimit::PerDay(bytes)) => MinimumEffect::PerDay(bytes),
        None => MinimumEffect::Derived,
    };
    let seconds = readings.last().map_or(0.0, Reading::at_seconds);
    let watch = if seconds < SERVICE_SECONDS {
        Watch::Run
    } else {
        Watch::Service
    };
    let mut detector = Detector::new(Settings {
        limit_bytes,
        minimum_effect,
        watch,
        ..Settings::default()
    });
    for reading in readings {
        detector.observe(reading);
    }
    detector.assess()
}

/// Leaks first, the largest before the others; else the isolate that does most of the work.
fn urgency(record: &Record, judged: &(ConnectionId, Assessment, Vec<Reading>, Option<u64>)) -> f64 {
    let (id, assessment, readings, _) = judged;
    let verdict = &assessment.verdict;
    let leak = match verdict.status {
        Status::Leaking => {
            1e18 + verdict
                .bytes_per_hour
                .map_or(0.0, |estimate| estimate.estimate.clamp(0.0, 1e17))
        }
        _ => 0.0,
    };
    leak + record.isolates[id].jobs_done() as f64 * 1e3 + readings.len() as f64
}

/// Isolates that may be the worker: those in processes that run jobs, their threads and their
/// children; where nobody runs jobs, every Node process that is no wrapper.
fn candidates(record: &Record) -> Vec<ConnectionId> {
    let mut working: BTreeSet<u32> = record
        .isolates
        .values()
        .filter(|isolate| isolate.jobs_done() > 0)
        .map(|isolate| isolate.hello.pid)
        .collect();
    let parents: BTreeMap<u32, u32> = record
        .isolates
        .values()
        .map(|isolate| (isolate.hello.pid, isolate.hello.ppid))
        .collect();
    if working.is_empty() {
        let wrappers: BTreeSet<u32> = parents.values().copied().collect();
        working = parents
            .keys()
            .copied()
            .filter(|pid| !wrappers.contains(pid))
            .collect();
    } else {
        let children: Vec<u32> = parents
            .iter()
            .filter(|(_, parent)| working.contains(parent))
            .map(|(pid, _)| *pid)
            .collect();
        working.extend(children);
    }
    let mut found: Vec<ConnectionId> = record
        .isolates
        .iter()
        .filter(|(_, isolate)| working.contains(&isolate.hello.pid) && isolate.hello.protocol > 0)
        .map(|(id, _)| *id)
        .collect();
    found.sort_unstable();
    found
}

/// The least of budget, cgroup, the runtime's own heap limit and the machine.
fn limit_bytes(record: &Record, options: &Options, isolate: Option<&Isolate>) -> Option<u64> {
    let runtime = isolate.and_then(|isolate| isolate.hello.heap_limit_bytes);
    [
        options.budget_bytes,
        record.outside.cgroup_limit_bytes(),
        runtime,
        record.outside.machine_bytes(),
    ]
    .into_iter()
    .flatten()
    .min()
}
