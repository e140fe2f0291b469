//! What is known of every worker right now: in memory, bounded, rebuilt from the store at the start.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use plimsoll_detect::{Assessment, ClassGrowth, Detector, MinimumEffect, Settings, Watch};
use plimsoll_model::{Reading, Report, Verdict};
use plimsoll_store::Point;
use plimsoll_wire::stream::{
    CLASSES_MAX, ISOLATES_MAX, NAME_MAX_BYTES, READINGS_MAX, StreamBatch, StreamClass, StreamIsolate,
    StreamWorker,
};

/// Workers that are kept in memory; past it new ones are refused until others have ended.
pub const WORKERS_MAX: usize = 20_000;
/// Workers that have ended or fallen silent leave memory after this; the store has them.
pub const FORGET_AFTER_MS: i64 = 24 * 3_600_000;
/// A live worker that was silent for so long is called lost.
pub const LOST_AFTER_MS: i64 = 90_000;
/// An instant further in the future than this is a clock that is wrong.
const FUTURE_MS: i64 = 300_000;

/// Where a worker's figures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `plimsoll run --server`.
    Run,
    /// OpenTelemetry.
    Otlp,
    /// Prometheus remote write.
    RemoteWrite,
    /// Its own `/metrics`.
    Scrape,
}

impl Source {
    /// The name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Source::Run => "run",
            Source::Otlp => "otlp",
            Source::RemoteWrite => "remote-write",
            Source::Scrape => "scrape",
        }
    }

    /// From a name.
    pub fn parse(name: &str) -> Self {
        [Source::Otlp, Source::RemoteWrite, Source::Scrape]
            .into_iter()
            .find(|source| source.name() == name)
            .unwrap_or(Source::Run)
    }
}

/// Latest figures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Latest {
    /// Resident memory.
    pub rss_bytes: Option<f64>,
    /// Heap in use.
    pub heap_used_bytes: Option<f64>,
    /// Live heap at the last floor or full collection.
    pub live_heap_bytes: Option<f64>,
    /// Jobs running.
    pub in_flight: Option<f64>,
    /// Jobs waiting.
    pub backlog: Option<f64>,
}

/// One isolate of a worker.
#[derive(Debug, Clone)]
pub struct Isolate {
    /// Its streaming verdict.
    pub detector: Detector,
    /// Limit that the detector was made with.
    pub limit_bytes: Option<u64>,
    /// Jobs completed.
    pub jobs: u64,
    /// Readings since the last assessment.
    pub unread: u64,
    /// What was said last.
    pub assessment: Option<Arc<Assessment>>,
}

/// One worker.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Row in the store.
    pub row: i64,
    /// Name that its sender gives it.
    pub key: String,
    /// Who it is.
    pub identity: StreamWorker,
    /// Where its figures come from.
    pub source: Source,
    /// Start of the record.
    pub began_ms: i64,
    /// Last heard of.
    pub seen_ms: i64,
    /// When it ended, if it did.
    pub ended_ms: Option<i64>,
    /// Isolates by name.
    pub isolates: BTreeMap<String, Isolate>,
    /// Isolate whose series have no suffix.
    pub first_isolate: Option<String>,
    /// Totals per class.
    pub classes: BTreeMap<String, StreamClass>,
    /// Growth per class.
    pub growth: Vec<ClassGrowth>,
    /// Latest figures.
    pub latest: Latest,
    /// What was last said of it.
    pub verdict: Option<Arc<Verdict>>,
    /// The report of its end.
    pub report: Option<Arc<Report>>,
    /// Jobs per second over the last batches.
    pub jobs_per_second: Option<f64>,
    /// Batches that it could not send.
    pub dropped: u64,
    /// Last batch taken.
    pub seq: u64,
    /// When it is to be judged next.
    pub judge_at_ms: i64,
    /// Something about it is not in the store yet.
    pub dirty: bool,
    jobs_then: (i64, u64),
}

impl Worker {
    /// A worker that has just been heard of.
    pub fn new(row: i64, key: &str, identity: StreamWorker, source: Source, began_ms: i64) -> Self {
        Worker {
            row,
            key: key.to_owned(),
            identity,
            source,
            began_ms,
            seen_ms: began_ms,
            ended_ms: None,
            isolates: BTreeMap::new(),
            first_isolate: None,
            classes: BTreeMap::new(),
            growth: Vec::new(),
            latest: Latest::default(),
            verdict: None,
            report: None,
            jobs_per_second: None,
            dropped: 0,
            seq: 0,
            judge_at_ms: 0,
            dirty: true,
            jobs_then: (began_ms, 0),
        }
    }

    /// Jobs completed.
    pub fn jobs(&self) -> u64 {
        let told: u64 = self.classes.values().map(|class| class.jobs).sum();
        told.max(self.isolates.values().map(|isolate| isolate.jobs).sum())
    }

    /// The least limit of its isolates.
    pub fn limit_bytes(&self) -> Option<u64> {
        self.isolates
            .values()
            .filter_map(|isolate| isolate.limit_bytes)
            .min()
    }

    /// `live`, `ended` or `lost`.
    pub fn state(&self, now_ms: i64) -> &'static str {
        match self.ended_ms {
            Some(_) => "ended",
            None if now_ms - self.seen_ms > LOST_AFTER_MS => "lost",
            None => "live",
        }
    }

    /// Takes a batch in and gives the points to be stored.
    pub fn take(&mut self, batch: &StreamBatch, now_ms: i64) -> Vec<Point> {
        self.seen_ms = now_ms;
        self.dropped = self.dropped.max(batch.dropped);
        self.seq = self.seq.max(batch.seq);
        self.judge_at_ms = self.judge_at_ms.min(now_ms + JUDGE_LEAST_MS);
        for (name, class) in &batch.classes {
            if self.classes.len() < CLASSES_MAX || self.classes.contains_key(name) {
                self.classes.insert(bounded(name), *class);
            }
        }
        let mut points = Points {
            worker: self.row,
            latest_ms: now_ms + FUTURE_MS,
            points: Vec::new(),
        };
        let shift = batch.began_at - self.began_ms as f64 / 1000.0;
        for isolate in batch.isolates.iter().take(ISOLATES_MAX) {
            self.take_isolate(isolate, shift, &mut points);
        }
        for (at, bytes) in batch.rss_bytes.iter().take(READINGS_MAX) {
            points.add(self.began_ms, at + shift, "rss_bytes", *bytes as f64);
            self.latest.rss_bytes = Some(*bytes as f64);
        }
        self.note_pace(now_ms);
        points.points
    }

    fn take_isolate(&mut self, isolate: &StreamIsolate, shift: f64, points: &mut Points) {
        let known = self.isolates.len();
        let id = bounded(&isolate.id);
        // Until an agent speaks there is only the view from outside; it is nobody's sibling.
        let first = id == OUTSIDE || self.first_isolate.get_or_insert_with(|| id.clone()) == &id;
        let suffix = if first { String::new() } else { format!("@{id}") };
        if known >= ISOLATES_MAX && !self.isolates.contains_key(&id) {
            self.dropped += 1;
            return;
        }
        if first && let Some(restored) = self.isolates.remove(crate::restore::RESTORED) {
            self.isolates.insert(id.clone(), restored);
        }
        let state = self.isolates.entry(id).or_insert_with(|| Isolate {
            detector: Detector::new(settings(isolate.limit_bytes)),
            limit_bytes: isolate.limit_bytes,
            jobs: 0,
            unread: 0,
            assessment: None,
        });
        state.jobs = state.jobs.max(isolate.jobs);
        for reading in isolate.readings.iter().take(READINGS_MAX) {
            let reading = shifted(reading.clone().into(), shift);
            state.detector.observe(&reading);
            state.unread += 1;
            points.reading(self.began_ms, &reading, &suffix);
            note_latest(&mut self.latest, &reading, !self.classes.is_empty() || first);
        }
        for (name, at, value) in isolate.points.iter().take(READINGS_MAX) {
            points.add(
                self.began_ms,
                at + shift,
                &format!("{}{suffix}", bounded(name)),
                *value,
            );
        }
    }

    fn note_pace(&mut self, now_ms: i64) {
        let jobs = self.jobs();
        let (then, before) = self.jobs_then;
        let seconds = (now_ms - then) as f64 / 1000.0;
        if seconds >= 5.0 {
            self.jobs_per_second = (jobs > 0).then(|| jobs.saturating_sub(before) as f64 / seconds);
            self.jobs_then = (now_ms, jobs);
        }
    }
}

/// The isolate that stands for what the kernel tells.
pub const OUTSIDE: &str = "outside";

/// A worker is judged again at the earliest after this.
pub const JUDGE_LEAST_MS: i64 = 2_000;

/// How workers are judged here: as services, where a false alarm at night costs more than waiting.
pub fn settings(limit_bytes: Option<u64>) -> Settings {
    Settings {
        limit_bytes,
        minimum_effect: MinimumEffect::Derived,
        watch: Watch::Service,
        ..Settings::default()
    }
}

fn shifted(mut reading: Reading, shift: f64) -> Reading {
    match &mut reading {
        Reading::Sample(sample) => sample.at_seconds += shift,
        Reading::Gc(event) => event.at_seconds += shift,
        Reading::Floor(floor) => floor.at_seconds += shift,
    }
    reading
}

fn note_latest(latest: &mut Latest, reading: &Reading, counts: bool) {
    if !counts {
        return;
    }
    let set = |slot: &mut Option<f64>, value: Option<u64>| *slot = value.map(|v| v as f64).or(*slot);
    match reading {
        Reading::Sample(sample) => {
            set(&mut latest.rss_bytes, sample.rss_bytes);
            set(&mut latest.heap_used_bytes, sample.heap_used_bytes);
            set(&mut latest.in_flight, sample.in_flight.map(u64::from));
            set(&mut latest.backlog, sample.backlog);
        }
        Reading::Gc(event) => set(&mut latest.live_heap_bytes, Some(event.live_bytes)),
        Reading::Floor(floor) => set(&mut latest.live_heap_bytes, Some(floor.live_bytes)),
    }
}

/// A name that came over the wire, cut to what is kept.
pub fn bounded(name: &str) -> String {
    let mut end = name.len().min(NAME_MAX_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}

struct Points {
    worker: i64,
    latest_ms: i64,
    points: Vec<Point>,
}

impl Points {
    fn add(&mut self, began_ms: i64, at_seconds: f64, name: &str, value: f64) {
        let at_ms = began_ms as f64 + at_seconds * 1000.0;
        if !at_ms.is_finite() || !(0.0..=self.latest_ms as f64).contains(&at_ms) {
            return;
        }
        self.points.push(Point {
            worker: self.worker,
            series: name.into(),
            at_ms: at_ms as i64,
            value,
        });
    }

    fn reading(&mut self, began_ms: i64, reading: &Reading, suffix: &str) {
        let at = reading.at_seconds();
        let mut add = |name: &str, value: Option<u64>| {
            if let Some(value) = value {
                self.add(began_ms, at, &format!("{name}{suffix}"), value as f64);
            }
        };
        match reading {
            Reading::Sample(sample) => {
                // The tree's resident memory comes by itself; this is one process of it.
                add("process_rss_bytes", sample.rss_bytes);
                add("heap_used_bytes", sample.heap_used_bytes);
                add("heap_committed_bytes", sample.heap_committed_bytes);
                add("external_bytes", sample.external_bytes);
                add("fds", sample.fds);
                add("threads", sample.threads);
                add("backlog", sample.backlog);
                add("in_flight", sample.in_flight.map(u64::from));
                for (class, count) in sample.jobs.iter().take(CLASSES_MAX) {
                    add(&format!("jobs{{class=\"{}\"}}", bounded(class)), Some(*count));
                }
            }
            Reading::Gc(event) => add("gc_live_bytes", Some(event.live_bytes)),
            Reading::Floor(floor) => {
                add("live_heap_bytes", Some(floor.live_bytes));
                add("live_external_bytes", floor.external_bytes);
                add("floor_in_flight", Some(u64::from(floor.in_flight)));
                for (class, count) in floor.jobs.iter().flatten().take(CLASSES_MAX) {
                    add(&format!("jobs{{class=\"{}\"}}", bounded(class)), Some(*count));
                }
            }
        }
    }
}

/// Every worker that is kept in memory.
#[derive(Debug, Default)]
pub struct Fleet {
    /// By row.
    pub workers: BTreeMap<i64, Worker>,
    rows: HashMap<String, i64>,
    /// Workers refused because there were too many.
    pub refused: u64,
    /// Points taken in since the start.
    pub points: u64,
}

impl Fleet {
    /// The worker called `key`.
    pub fn by_key(&mut self, key: &str) -> Option<&mut Worker> {
        self.workers.get_mut(self.rows.get(key)?)
    }

    /// Whether another worker may come in.
    pub fn has_room(&self) -> bool {
        self.workers.len() < WORKERS_MAX
    }

    /// Takes a worker in.
    pub fn insert(&mut self, worker: Worker) -> &mut Worker {
        self.rows.insert(worker.key.clone(), worker.row);
        self.workers.entry(worker.row).or_insert(worker)
    }

    /// Lets go of those that have been silent for a day.
    pub fn forget(&mut self, now_ms: i64) {
        self.workers
            .retain(|_, worker| now_ms - worker.seen_ms < FORGET_AFTER_MS);
        let workers = &self.workers;
        self.rows.retain(|_, row| workers.contains_key(row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::{Floor, Sample};

    fn batch() -> StreamBatch {
        let sample = |t: f64, jobs: u64| {
            Reading::Sample(Sample {
                at_seconds: t,
                heap_used_bytes: Some(5_000_000),
                jobs: BTreeMap::from([("email".to_owned(), jobs)]),
                ..Sample::default()
            })
            .into()
        };
        let floor = Reading::Floor(Floor {
            at_seconds: 1.5,
            live_bytes: 4_000_000,
            ..Floor::default()
        });
        StreamBatch {
            began_at: 100.0,
            isolates: vec![StreamIsolate {
                id: "1.0".into(),
                jobs: 2,
                readings: vec![sample(1.0, 1), floor.into(), sample(2.0, 2)],
                ..StreamIsolate::default()
            }],
            rss_bytes: vec![(1.0, 9_000_000), (1e12, 1), (f64::NAN, 1)],
            ..StreamBatch::default()
        }
    }

    #[test]
    fn a_batch_becomes_points_and_readings() {
        let mut worker = Worker::new(7, "k", StreamWorker::default(), Source::Run, 100_000);
        let points = worker.take(&batch(), 103_000);
        let names: Vec<String> = points
            .iter()
            .map(|p| format!("{}@{}", p.series, p.at_ms))
            .collect();
        assert_eq!(
            names,
            [
                "heap_used_bytes@101000",
                "jobs{class=\"email\"}@101000",
                "live_heap_bytes@101500",
                "floor_in_flight@101500",
                "heap_used_bytes@102000",
                "jobs{class=\"email\"}@102000",
                "rss_bytes@101000",
            ]
        );
        assert_eq!(worker.jobs(), 2);
        assert_eq!(worker.latest.live_heap_bytes, Some(4e6));
        assert_eq!(worker.state(103_000), "live");
        assert_eq!(worker.state(103_000 + LOST_AFTER_MS + 1), "lost");
    }

    #[test]
    fn a_sender_cannot_grow_a_worker_for_ever() {
        let mut worker = Worker::new(7, "k", StreamWorker::default(), Source::Run, 0);
        for n in 0..2_000 {
            let mut batch = batch();
            batch.isolates[0].id = format!("{n}.0");
            batch.classes.insert(format!("class-{n}"), StreamClass::default());
            worker.take(&batch, 1_000);
        }
        assert_eq!(worker.isolates.len(), ISOLATES_MAX);
        assert_eq!(worker.classes.len(), CLASSES_MAX);
    }
}
