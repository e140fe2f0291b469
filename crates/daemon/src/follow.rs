//! What is new since the last look, for a collector elsewhere.
//!
//! A look costs in proportion to what is new. Counts that readings carry never fall, whatever the
//! order in which agents tell things.

use std::collections::BTreeMap;

use plimsoll_model::{JobCounts, Reading, Sample};
use plimsoll_wire::stream::{StreamBatch, StreamClass, StreamIsolate, StreamWorker};

use crate::Options;
use crate::compose::service_name;
use crate::event::ConnectionId;
use crate::histogram::quantiles;
use crate::isolate::{Isolate, floor_reading, gc_reading, sample_reading};
use crate::judge::{candidates, limit_bytes};
use crate::readings::counts_at;
use crate::watch::Record;

/// Agents tell a floor a moment after its instant; a look leaves this much for the next one.
const SETTLE_SECONDS: f64 = 0.5;

#[derive(Debug, Default)]
struct Marks {
    /// Everything up to here was given.
    until: f64,
    counts: JobCounts,
}

/// Follows a record.
#[derive(Debug, Default)]
pub struct Follower {
    marks: BTreeMap<Option<ConnectionId>, Marks>,
    rss_until: f64,
}

impl Follower {
    /// What came in since the last look. `last` takes what has only just come as well.
    pub fn look(&mut self, record: &Record, options: &Options, seconds: f64, last: bool) -> StreamBatch {
        let end = record.started_at + seconds - if last { -1.0 } else { SETTLE_SECONDS };
        let ids = candidates(record);
        let mut isolates: Vec<StreamIsolate> = Vec::new();
        for id in &ids {
            isolates.push(self.isolate(record, options, *id, end));
        }
        if ids.is_empty() {
            isolates.push(self.outside(record, options, end));
        }
        let rss = record.outside.rss_series(record.started_at);
        let fresh = rss.partition_point(|(at, _)| *at <= self.rss_until);
        self.rss_until = rss.last().map_or(self.rss_until, |(at, _)| *at);
        StreamBatch {
            schema: plimsoll_wire::stream::SCHEMA.to_owned(),
            began_at: record.started_at,
            seconds,
            isolates,
            rss_bytes: rss[fresh..]
                .iter()
                .map(|(at, bytes)| (*at, *bytes as u64))
                .collect(),
            classes: classes(record),
            ..StreamBatch::default()
        }
    }

    fn isolate(&mut self, record: &Record, options: &Options, id: ConnectionId, end: f64) -> StreamIsolate {
        let isolate = &record.isolates[&id];
        let marks = self.marks.entry(Some(id)).or_default();
        let from = marks.until;
        let counts = if isolate.jobs_done() > 0 {
            isolate.job_counts.points()
        } else {
            record.job_counts.points()
        };
        let mut readings = fresh_readings(record, isolate, counts, from, end);
        readings.sort_by(|a, b| a.at_seconds().total_cmp(&b.at_seconds()));
        for reading in &mut readings {
            never_fall(&mut marks.counts, reading);
        }
        marks.until = end;
        StreamIsolate {
            id: format!("{}.{}", isolate.hello.pid, isolate.hello.thread),
            limit_bytes: limit_bytes(record, options, Some(isolate)),
            jobs: isolate.jobs_done(),
            readings: readings.into_iter().map(Into::into).collect(),
            points: fresh_points(record.started_at, isolate, from, end),
        }
    }

    fn outside(&mut self, record: &Record, options: &Options, end: f64) -> StreamIsolate {
        let marks = self.marks.entry(None).or_default();
        let fresh = (marks.until - record.started_at)..(end - record.started_at);
        let readings = record.outside.readings(record.started_at);
        let readings = readings
            .into_iter()
            .filter(|reading| fresh.contains(&reading.at_seconds()));
        marks.until = end;
        StreamIsolate {
            id: "outside".into(),
            limit_bytes: limit_bytes(record, options, None),
            readings: readings.map(Into::into).collect(),
            ..StreamIsolate::default()
        }
    }
}

fn between<T>(points: &[(f64, T)], from: f64, end: f64) -> &[(f64, T)] {
    // Agents' clocks may be a little out of order; a binary search is right for all but those.
    let first = points.partition_point(|(at, _)| *at < from);
    let past = points.partition_point(|(at, _)| *at < end);
    points.get(first..past).unwrap_or_default()
}

fn fresh_readings(
    record: &Record,
    isolate: &Isolate,
    counts: &[(f64, JobCounts)],
    from: f64,
    end: f64,
) -> Vec<Reading> {
    let start = record.started_at;
    let mut readings: Vec<Reading> = Vec::new();
    for (at, sample) in between(isolate.samples.points(), from, end) {
        let sample = sample_reading(start, *at, sample, counts_at(counts, *at));
        readings.push(Reading::Sample(sample));
    }
    if isolate.hello.thread == 0 {
        let looks = record.outside.descriptors_and_threads(isolate.hello.pid);
        for (at, fds, threads) in looks.filter(|(at, ..)| (from..end).contains(at)) {
            readings.push(Reading::Sample(Sample {
                at_seconds: at - start,
                fds,
                threads: Some(threads),
                jobs: counts_at(counts, at),
                ..Sample::default()
            }));
        }
    }
    for (at, event) in between(isolate.collections.points(), from, end) {
        readings.extend(gc_reading(start, *at, event).map(Reading::Gc));
    }
    for (at, floor) in between(isolate.floors.points(), from, end) {
        let counts = counts_at(counts, *at);
        readings.push(Reading::Floor(floor_reading(start, *at, floor, Some(counts))));
    }
    readings
}

/// Counts told at different instants by different messages are made to agree.
fn never_fall(before: &mut JobCounts, reading: &mut Reading) {
    let counts = match reading {
        Reading::Sample(sample) => Some(&mut sample.jobs),
        Reading::Floor(floor) => floor.jobs.as_mut(),
        Reading::Gc(_) => None,
    };
    let Some(counts) = counts else { return };
    for (class, count) in before.iter() {
        let now = counts.entry(class.clone()).or_default();
        *now = (*now).max(*count);
    }
    before.clone_from(counts);
}

fn fresh_points(start: f64, isolate: &Isolate, from: f64, end: f64) -> Vec<(String, f64, f64)> {
    let mut points = Vec::new();
    for (at, sample) in between(isolate.samples.points(), from, end) {
        let mut add = |name: &str, value: Option<f64>| {
            points.extend(value.map(|value| (name.to_owned(), at - start, value)));
        };
        let delay = sample.event_loop_delay.unwrap_or_default();
        add("event_loop_p50_seconds", delay.p50);
        add("event_loop_p99_seconds", delay.p99);
        let gc = sample.gc.as_ref();
        add("gc_major_total", gc.map(|gc| gc.major as f64));
        add("gc_minor_total", gc.map(|gc| gc.minor as f64));
        add("gc_pause_seconds_total", gc.map(|gc| gc.pause_seconds));
        for (space, bytes) in sample.spaces.iter().take(16) {
            add(
                &format!("heap_space_bytes{{space=\"{space}\"}}"),
                Some(*bytes as f64),
            );
        }
    }
    points
}

fn classes(record: &Record) -> BTreeMap<String, StreamClass> {
    let mut classes: BTreeMap<String, StreamClass> = BTreeMap::new();
    let mut buckets: BTreeMap<String, BTreeMap<i32, u64>> = BTreeMap::new();
    for (name, totals) in record.isolates.values().flat_map(|isolate| &isolate.classes) {
        let class = classes.entry(name.clone()).or_default();
        class.jobs += totals.done;
        class.failed += totals.failed;
        class.peak_bytes = class.peak_bytes.max(totals.peak_bytes);
        let buckets = buckets.entry(name.clone()).or_default();
        for (bucket, count) in &totals.durations {
            if let Ok(bucket) = bucket.parse() {
                *buckets.entry(bucket).or_default() += count;
            }
        }
    }
    for (name, class) in &mut classes {
        class.duration_seconds = buckets.get(name).and_then(quantiles);
    }
    classes
}

/// Who the worker is, as far as the record tells by now.
pub fn identity(record: &Record, command: &[String], options: &Options) -> StreamWorker {
    let busiest = candidates(record)
        .into_iter()
        .max_by_key(|id| record.isolates[id].jobs_done())
        .map(|id| &record.isolates[&id]);
    let known = |text: &String| (!text.is_empty()).then(|| text.clone());
    StreamWorker {
        service: options.service.clone().unwrap_or_else(|| service_name(command)),
        release: options.release.clone(),
        env: options.env.clone(),
        runtime: busiest.and_then(|isolate| known(&isolate.hello.runtime)),
        runtime_version: busiest.and_then(|isolate| known(&isolate.hello.runtime_version)),
        pid: Some(busiest.map_or(record.outside.root_pid(), |isolate| isolate.hello.pid)),
        host: None,
        command: command.to_vec(),
    }
}
