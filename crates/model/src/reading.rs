use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Completed jobs (failed ones included) per job class, cumulative since the worker started.
pub type JobCounts = BTreeMap<String, u64>;

/// One periodic look at a worker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// Seconds since the start of the record.
    #[serde(rename = "t")]
    pub at_seconds: f64,
    /// Resident memory of the process.
    pub rss_bytes: Option<u64>,
    /// Managed heap in use, garbage included.
    pub heap_used_bytes: Option<u64>,
    /// Managed heap that the runtime has taken from the system.
    pub heap_committed_bytes: Option<u64>,
    /// Memory outside the managed heap that managed objects own (buffers).
    pub external_bytes: Option<u64>,
    /// Open descriptors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fds: Option<u64>,
    /// Threads of the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// Jobs waiting inside the process or its queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backlog: Option<u64>,
    /// Completed jobs by class, cumulative within an incarnation.
    pub jobs: JobCounts,
    /// Jobs running at this instant.
    pub in_flight: Option<u32>,
    /// Counts restarts of the worker within one record, from 0.
    pub incarnation: u32,
}

/// Which collection a [`GcEvent`] reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GcKind {
    /// A full collection.
    Major,
    /// A collection of the young generation.
    Minor,
}

/// One garbage collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GcEvent {
    /// Seconds since the start of the record.
    #[serde(rename = "t")]
    pub at_seconds: f64,
    /// Full or young.
    #[serde(rename = "gc")]
    pub kind: GcKind,
    /// Live heap right after the collection.
    pub live_bytes: u64,
    /// Jobs running at this instant, whose objects the live heap includes.
    #[serde(default)]
    pub in_flight: Option<u32>,
    /// How long the worker stood still.
    #[serde(default)]
    pub pause_seconds: Option<f64>,
}

/// A quiescent floor: live heap right after a full collection, at best with no job in flight.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// Seconds since the start of the record.
    #[serde(rename = "t")]
    pub at_seconds: f64,
    /// Live managed heap.
    #[serde(rename = "quiescent_live_bytes")]
    pub live_bytes: u64,
    /// Memory outside the heap that live objects own (buffers), not part of `live_bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_bytes: Option<u64>,
    /// Resident memory right after the collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_bytes: Option<u64>,
    /// Jobs completed when the floor was taken; `None` where the record does not say (then the
    /// counts are those of the samples around it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<JobCounts>,
    /// Jobs that were running all the same (0 for a true floor): their objects are in the figure.
    #[serde(default)]
    pub in_flight: u32,
    /// How long the worker stood still for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_seconds: Option<f64>,
}

/// Anything that detection is fed with, in time order.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// A periodic sample.
    Sample(Sample),
    /// A garbage collection.
    Gc(GcEvent),
    /// A quiescent floor.
    Floor(Floor),
}

impl Reading {
    /// Seconds since the start of the record.
    pub fn at_seconds(&self) -> f64 {
        match self {
            Reading::Sample(sample) => sample.at_seconds,
            Reading::Gc(event) => event.at_seconds,
            Reading::Floor(floor) => floor.at_seconds,
        }
    }
}
