//! Which process is the worker, and what its floors say.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_detect::{Assessment, Detector, MinimumEffect, Settings, Watch};
use plimsoll_model::{Channel, Estimate, Reading, Status, Verdict};

use crate::event::ConnectionId;
use crate::isolate::Isolate;
use crate::readings::readings;
use crate::temper::{classes_of_descriptors, unknown};
use crate::watch::Record;
use crate::{GrowthLimit, Options, footprint};

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

/// An isolate with its assessment, the readings it rests on and the limit in force.
type JudgedIsolate = (ConnectionId, Assessment, Vec<Reading>, Option<u64>);

/// Judges every isolate that may be the worker; the one that needs attention most comes first.
pub fn judge(record: &Record, options: &Options) -> Vec<Judged> {
    let mut judged: Vec<JudgedIsolate> = candidates(record)
        .into_iter()
        .map(|id| {
            let isolate = &record.isolates[&id];
            let limit = limit_bytes(record, options, Some(isolate));
            let readings = readings(record, isolate);
            let mut assessment = assess(&readings, limit, options);
            footprint::weigh(&mut assessment, isolate, record.started_at);
            (id, assessment, readings, limit)
        })
        .collect();
    if judged.is_empty() {
        return vec![from_outside(record, options)];
    }
    judged.sort_by(|a, b| urgency(record, b).total_cmp(&urgency(record, a)));
    let statuses: Vec<(ConnectionId, Status)> = judged
        .iter()
        .map(|(id, assessment, ..)| (*id, assessment.verdict.status))
        .collect();
    let mut siblings = leaking_siblings(record, &judged);
    let one = |(id, mut assessment, readings, _): JudgedIsolate| {
        if record.isolates[&id].jobs_done() == 0 {
            assessment.classes = unknown(assessment.classes);
            // Only the first one speaks for its siblings.
            add_up(&mut assessment.verdict, &std::mem::take(&mut siblings));
        }
        if assessment.verdict.channel == Some(Channel::Fds) {
            assessment.classes = classes_of_descriptors(&readings);
        }
        let others = statuses
            .iter()
            .copied()
            .filter(|(other, _)| *other != id)
            .collect();
        Judged {
            isolate: Some(id),
            assessment,
            readings,
            others,
        }
    };
    judged.into_iter().map(one).collect()
}

/// Verdicts of other threads of the same process that leak as well and run no jobs of their own, so
/// that the same jobs fill them all.
fn leaking_siblings(record: &Record, judged: &[JudgedIsolate]) -> Vec<Verdict> {
    let Some((first, rest)) = judged.split_first() else {
        return Vec::new();
    };
    let pid = record.isolates[&first.0].hello.pid;
    rest.iter()
        .filter(|(id, assessment, ..)| {
            let isolate = &record.isolates[id];
            isolate.hello.pid == pid
                && isolate.jobs_done() == 0
                && assessment.verdict.status == Status::Leaking
        })
        .map(|(_, assessment, ..)| assessment.verdict.clone())
        .collect()
}

/// What several threads gain per job is the sum.
fn add_up(verdict: &mut Verdict, siblings: &[Verdict]) {
    if verdict.status != Status::Leaking || siblings.is_empty() {
        return;
    }
    let add = |to: &mut Option<Estimate>, more: Option<Estimate>| {
        if let (Some(to), Some(more)) = (to.as_mut(), more) {
            to.estimate += more.estimate;
            to.low += more.low;
            to.high += more.high;
        }
    };
    for sibling in siblings {
        add(&mut verdict.bytes_per_job, sibling.bytes_per_job);
        add(&mut verdict.bytes_per_hour, sibling.bytes_per_hour);
    }
    // Each thread has a heap limit of its own, so the first one's time to exhaustion stands.
    verdict.reasons.push(format!(
        "{} more threads of the process leak as well; growth is that of all",
        siblings.len()
    ));
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
        pace: options.pace,
        baseline: options.baseline.clone(),
        ..Settings::default()
    });
    for reading in readings {
        detector.observe(reading);
    }
    detector.assess()
}

/// Leaks first, the largest before the others; else the isolate that does most of the work.
fn urgency(record: &Record, judged: &JudgedIsolate) -> f64 {
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
pub(crate) fn candidates(record: &Record) -> Vec<ConnectionId> {
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
pub(crate) fn limit_bytes(record: &Record, options: &Options, isolate: Option<&Isolate>) -> Option<u64> {
    let runtime = isolate.and_then(|isolate| isolate.hello.heap_limit_bytes);
    [
        options.budget_bytes,
        options.memory_limit_bytes,
        record.outside.cgroup_limit_bytes(),
        runtime,
        record.outside.machine_bytes(),
    ]
    .into_iter()
    .flatten()
    .min()
}
