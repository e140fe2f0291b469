//! Workers without our agent: their figures are gathered until an instant is whole, then they are
//! samples like any other.
//!
//! One figure may come in parts (a heap by space or pool), and the parts of one scrape in several
//! requests. So an instant is read only when later ones have come, or when its sender says that it is whole.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use plimsoll_model::{GcEvent, GcKind, Reading, Sample};
use plimsoll_wire::stream::{CLASSES_MAX, StreamBatch, StreamClass, StreamIsolate, StreamWorker};

use crate::fleet::{WORKERS_MAX, bounded};
use crate::names::{Labels, Slot, runtime, slot};

/// Instants of one worker that may wait to be whole.
const PENDING_MAX: usize = 64;
/// Parts of one figure.
const PARTS_MAX: usize = 256;
/// An instant is whole when so many later ones have come.
const LATER: usize = 2;

/// Whether more of an instant may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wholeness {
    /// All of it is here.
    Whole,
    /// Parts of it may come later.
    Parts,
}

type Figures = BTreeMap<Slot, HashMap<u64, f64>>;

#[derive(Debug, Default)]
struct Gathered {
    worker: StreamWorker,
    began_ms: i64,
    pending: BTreeMap<i64, Figures>,
    read_until_ms: i64,
    limit_bytes: Option<u64>,
    counts: BTreeMap<String, StreamClass>,
    last_live: Option<f64>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct External {
    workers: HashMap<String, Gathered>,
}

impl External {
    fn gathered(&mut self, key: &str, worker: &StreamWorker, at_ms: i64) -> Option<&mut Gathered> {
        if self.workers.len() >= WORKERS_MAX && !self.workers.contains_key(key) {
            return None;
        }
        let gathered = self.workers.entry(key.to_owned()).or_insert_with(|| Gathered {
            worker: worker.clone(),
            began_ms: at_ms,
            ..Gathered::default()
        });
        Some(gathered)
    }

    /// Takes one figure; whether it means anything to us.
    pub fn observe(
        &mut self,
        key: &str,
        worker: &StreamWorker,
        (name, labels): (&str, &Labels),
        at_ms: i64,
        value: f64,
    ) -> bool {
        let Some(slot) = slot(name, labels).filter(|_| value.is_finite() && value >= 0.0) else {
            return false;
        };
        let Some(gathered) = self.gathered(key, worker, at_ms) else {
            return false;
        };
        if gathered.worker.runtime.is_none() {
            gathered.worker.runtime = runtime(name).map(str::to_owned);
        }
        if at_ms <= gathered.read_until_ms
            || (gathered.pending.len() >= PENDING_MAX && !gathered.pending.contains_key(&at_ms))
        {
            return false;
        }
        let mut part = DefaultHasher::new();
        (name, labels).hash(&mut part);
        let parts = gathered
            .pending
            .entry(at_ms)
            .or_default()
            .entry(slot)
            .or_default();
        if parts.len() < PARTS_MAX {
            parts.insert(part.finish(), value);
        }
        true
    }

    /// Counts jobs that were told one by one.
    pub fn count(
        &mut self,
        key: &str,
        worker: &StreamWorker,
        at_ms: i64,
        class: &str,
        jobs: u64,
        failed: u64,
    ) {
        let Some(gathered) = self.gathered(key, worker, at_ms) else {
            return;
        };
        let class = bounded(class);
        if gathered.counts.len() < CLASSES_MAX || gathered.counts.contains_key(&class) {
            let counts = gathered.counts.entry(class).or_default();
            counts.jobs += jobs;
            counts.failed += failed;
        }
    }

    /// What is whole of a worker, as a batch.
    pub fn batch(&mut self, key: &str, wholeness: Wholeness) -> Option<StreamBatch> {
        let gathered = self.workers.get_mut(key)?;
        let keep = match wholeness {
            Wholeness::Whole => 0,
            Wholeness::Parts => LATER,
        };
        let mut readings = Vec::new();
        let mut points = Vec::new();
        while gathered.pending.len() > keep {
            let (at_ms, figures) = gathered.pending.pop_first()?;
            gathered.read_until_ms = at_ms;
            gathered.read(at_ms, &figures, &mut readings, &mut points);
        }
        let told = !readings.is_empty() || wholeness == Wholeness::Whole;
        told.then(|| StreamBatch {
            session: key.to_owned(),
            worker: gathered.worker.clone(),
            began_at: gathered.began_ms as f64 / 1000.0,
            isolates: vec![StreamIsolate {
                id: "0.0".into(),
                limit_bytes: gathered.limit_bytes,
                jobs: gathered.counts.values().map(|class| class.jobs).sum(),
                readings: readings.into_iter().map(Into::into).collect(),
                points,
            }],
            classes: gathered.counts.clone(),
            ..StreamBatch::default()
        })
    }
}

impl Gathered {
    fn read(
        &mut self,
        at_ms: i64,
        figures: &Figures,
        readings: &mut Vec<Reading>,
        points: &mut Vec<(String, f64, f64)>,
    ) {
        let at_seconds = (at_ms - self.began_ms) as f64 / 1000.0;
        for (slot, parts) in figures {
            match slot {
                // The same jobs may be told under several names, so the largest stands.
                Slot::Jobs(class) => {
                    let jobs = parts.values().copied().fold(0.0, f64::max) as u64;
                    let class = bounded(class);
                    if self.counts.len() < CLASSES_MAX || self.counts.contains_key(&class) {
                        self.counts.entry(class).or_default().jobs = jobs;
                    }
                }
                Slot::Series(name) => {
                    let most = parts.values().copied().fold(0.0, f64::max);
                    points.push(((*name).to_owned(), at_seconds, most));
                }
                _ => {}
            }
        }
        let sum = |slot: Slot| figures.get(&slot).map(|parts| parts.values().sum::<f64>());
        let whole = |slot: Slot| sum(slot).map(|value| value as u64);
        self.limit_bytes = whole(Slot::Limit).filter(|bytes| *bytes > 0).or(self.limit_bytes);
        let live = sum(Slot::Live).filter(|live| *live > 0.0);
        // It stays the same until the next collection, which is then news.
        if live.is_some() && live != self.last_live {
            self.last_live = live;
            readings.push(Reading::Gc(GcEvent {
                at_seconds,
                kind: GcKind::Major,
                live_bytes: live.unwrap_or(0.0) as u64,
                in_flight: None,
                pause_seconds: None,
            }));
        }
        readings.push(Reading::Sample(Sample {
            at_seconds,
            rss_bytes: whole(Slot::Rss),
            heap_used_bytes: whole(Slot::HeapUsed),
            heap_committed_bytes: whole(Slot::HeapCommitted),
            external_bytes: whole(Slot::External),
            fds: whole(Slot::Fds),
            threads: whole(Slot::Threads),
            jobs: self
                .counts
                .iter()
                .map(|(class, counts)| (class.clone(), counts.jobs))
                .collect(),
            ..Sample::default()
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_instant_are_added_up_once_it_is_whole() {
        let mut external = External::default();
        let worker = StreamWorker::default();
        let space = |name: &str| vec![("space".to_owned(), name.to_owned())];
        for (at, a, b) in [(1_000, 1.0, 2.0), (2_000, 3.0, 4.0), (3_000, 5.0, 6.0)] {
            // The second half of an instant comes in another request.
            external.observe("k", &worker, ("v8js_memory_heap_used", &space("old")), at, a);
            assert!(
                external
                    .batch("k", Wholeness::Parts)
                    .is_none_or(|batch| batch.isolates[0].readings.len() == 1)
            );
            external.observe("k", &worker, ("v8js_memory_heap_used", &space("new")), at, b);
        }
        let batch = external.batch("k", Wholeness::Whole).expect("figures");
        let used: Vec<Option<u64>> = batch.isolates[0]
            .readings
            .iter()
            .map(|reading| match Reading::from(reading.clone()) {
                Reading::Sample(sample) => sample.heap_used_bytes,
                _ => None,
            })
            .collect();
        assert_eq!(used, [Some(7), Some(11)], "the first instant was read before");
    }
}
