//! The figures of a run by which releases are compared.

use plimsoll_heap::Growth;
use plimsoll_model::{Collections, MemoryProfile, TypeProfile};

use crate::isolate::Isolate;
use crate::watch::Record;

/// Types kept: a release is told apart by its large and its growing types.
const TYPES: usize = 40;

/// The memory of the judged isolate; resident memory alone where no agent spoke.
pub fn memory(record: &Record, isolate: Option<&Isolate>, types: Vec<TypeProfile>) -> MemoryProfile {
    let mut profile = MemoryProfile {
        peak_rss_bytes: record.outside.peak_rss_bytes(),
        types,
        ..MemoryProfile::default()
    };
    if let Some(isolate) = isolate {
        let live = |at: Option<&(f64, plimsoll_wire::agent::AgentFloor)>| {
            at.map(|(_, floor)| floor.live_bytes + floor.external_bytes.unwrap_or(0))
        };
        profile.idle_bytes = live(isolate.floors.points().first());
        profile.floor_bytes = live(isolate.floors.points().last());
        profile.collections = collections(isolate);
    }
    let totals = record
        .isolates
        .values()
        .flat_map(|isolate| isolate.classes.values());
    let (jobs, bytes) = totals.fold((0, 0.0), |(jobs, bytes), class| {
        (jobs + class.allocated_jobs, bytes + class.allocated_bytes)
    });
    profile.allocated_bytes_per_job = (jobs > 0).then(|| bytes / jobs as f64);
    profile
}

fn collections(isolate: &Isolate) -> Option<Collections> {
    let (_, sample) = isolate.samples.points().last()?;
    let totals = sample.gc?;
    let pauses = isolate
        .collections
        .points()
        .iter()
        .filter_map(|(_, event)| event.pause_seconds);
    Some(Collections {
        full: totals.major,
        young: totals.minor,
        pause_seconds: totals.pause_seconds,
        longest_pause_seconds: pauses.reduce(f64::max),
    })
}

/// The types of the dumps: those that hold most and those that gain most.
pub fn types(growth: &Growth) -> Vec<TypeProfile> {
    if growth.points.is_empty() {
        return Vec::new();
    }
    let mut all: Vec<TypeProfile> = growth
        .types
        .iter()
        .map(|of| TypeProfile {
            type_name: of.type_name.clone(),
            counts: of.counts.clone(),
            self_bytes: of.self_bytes.last().copied().unwrap_or(0),
            count_per_job: of.count_per_job,
            bytes_per_job: of.bytes_per_job,
            proportional: of.is_proportional(),
        })
        .collect();
    // They come with the fastest-growing first.
    let mut kept: Vec<TypeProfile> = all.drain(..all.len().min(TYPES / 2)).collect();
    all.sort_by_key(|of| std::cmp::Reverse(of.self_bytes));
    kept.extend(all.into_iter().take(TYPES / 2));
    kept.retain(|of| of.self_bytes > 0 || of.counts.iter().any(|count| *count > 0));
    kept.sort_by_key(|of| std::cmp::Reverse(of.self_bytes));
    kept
}
