//! `plimsoll.stream/1`: what `run --server` sends to a collector while the worker runs, about once a
//! second. docs/formats/stream.md tells it for people.

use std::collections::BTreeMap;

use plimsoll_model::{Floor, GcEvent, Quantiles, Reading, Sample};
use serde::{Deserialize, Serialize};

/// Name and version of the schema.
pub const SCHEMA: &str = "plimsoll.stream/1";
/// Isolates in one batch at most.
pub const ISOLATES_MAX: usize = 256;
/// Readings and points of one isolate in one batch at most.
pub const READINGS_MAX: usize = 20_000;
/// Job classes that a collector tells apart per worker.
pub const CLASSES_MAX: usize = 256;
/// Longest name (service, class, series) that is kept.
pub const NAME_MAX_BYTES: usize = 200;

/// One batch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamBatch {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Drawn at random at the start of the run; names the worker for its whole life.
    pub session: String,
    /// Number of the batch, from 1: one that was sent twice counts once.
    pub seq: u64,
    /// Who it is.
    pub worker: StreamWorker,
    /// Start of the record, seconds since the Unix epoch; instants of readings count from here.
    pub began_at: f64,
    /// Length of the record so far.
    pub seconds: f64,
    /// What each isolate (the main thread of a process, or one of its worker threads) told.
    pub isolates: Vec<StreamIsolate>,
    /// Resident memory of the whole process tree: instants and bytes.
    pub rss_bytes: Vec<(f64, u64)>,
    /// Totals per job class, over all isolates.
    pub classes: BTreeMap<String, StreamClass>,
    /// Batches that could not be sent since the start.
    pub dropped: u64,
}

/// Who is watched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamWorker {
    /// Name of the service.
    pub service: String,
    /// Release, as given.
    pub release: Option<String>,
    /// Environment, as given.
    pub env: Option<String>,
    /// `node`, `python`, …
    pub runtime: Option<String>,
    /// Version of the runtime.
    pub runtime_version: Option<String>,
    /// Process id on its machine.
    pub pid: Option<u32>,
    /// Name of its machine.
    pub host: Option<String>,
    /// The command as started.
    pub command: Vec<String>,
}

/// One isolate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamIsolate {
    /// `PID.THREAD`, thread 0 for the main one; `outside` for what the kernel tells of the tree.
    pub id: String,
    /// The least of budget, cgroup, runtime and machine limit.
    pub limit_bytes: Option<u64>,
    /// Jobs that it has completed.
    pub jobs: u64,
    /// Readings since the last batch, in time order.
    pub readings: Vec<StreamReading>,
    /// Other series: name, instant, value.
    pub points: Vec<(String, f64, f64)>,
}

/// One reading, in the form of `plimsoll.trace/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StreamReading {
    /// A quiescent floor.
    Floor(Floor),
    /// A collection.
    Gc(GcEvent),
    /// A sample.
    Sample(Sample),
}

/// Totals of one job class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamClass {
    /// Jobs completed, failed ones included.
    pub jobs: u64,
    /// Jobs failed.
    pub failed: u64,
    /// Run time.
    pub duration_seconds: Option<Quantiles>,
    /// Largest memory above the start of a job.
    pub peak_bytes: Option<u64>,
}

/// The end of a run, for the collector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamEnd {
    /// The run.
    pub session: String,
    /// `plimsoll.report/1`.
    pub report: serde_json::Value,
}

impl From<Reading> for StreamReading {
    fn from(reading: Reading) -> Self {
        match reading {
            Reading::Sample(sample) => StreamReading::Sample(sample),
            Reading::Gc(event) => StreamReading::Gc(event),
            Reading::Floor(floor) => StreamReading::Floor(floor),
        }
    }
}

impl From<StreamReading> for Reading {
    fn from(reading: StreamReading) -> Self {
        match reading {
            StreamReading::Sample(sample) => Reading::Sample(sample),
            StreamReading::Gc(event) => Reading::Gc(event),
            StreamReading::Floor(floor) => Reading::Floor(floor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_keep_their_kind() {
        let line = r#"[{"t":1.0,"quiescent_live_bytes":5,"in_flight":0},
            {"t":2.0,"gc":"major","live_bytes":6},{"t":3.0,"rss_bytes":7,"jobs":{"a":1}}]"#;
        let readings: Vec<StreamReading> = serde_json::from_str(line).expect("reads");
        assert!(matches!(readings[0], StreamReading::Floor(_)));
        assert!(matches!(readings[1], StreamReading::Gc(_)));
        assert!(matches!(readings[2], StreamReading::Sample(_)));
        let again = serde_json::to_string(&readings).expect("writes");
        assert_eq!(
            serde_json::from_str::<Vec<StreamReading>>(&again).expect("reads"),
            readings
        );
    }
}
