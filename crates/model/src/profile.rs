use serde::{Deserialize, Serialize};

/// What a worker's memory was like: the figures that releases are compared by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryProfile {
    /// Live memory (heap and buffers) at the first floor: the worker before most of its work.
    pub idle_bytes: Option<u64>,
    /// Live memory at the last floor.
    pub floor_bytes: Option<u64>,
    /// Largest resident memory of the whole process tree.
    pub peak_rss_bytes: Option<u64>,
    /// Mean allocation per job, garbage included.
    pub allocated_bytes_per_job: Option<f64>,
    /// Collections and how long they stopped the worker; those that Plimsoll forced are not among them.
    pub collections: Option<Collections>,
    /// Types of the last heap dump, the largest first.
    pub types: Vec<TypeProfile>,
}

/// Garbage collections of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Collections {
    /// Full collections.
    pub full: u64,
    /// Collections of the young generation.
    pub young: u64,
    /// Time that the worker stood still for them.
    pub pause_seconds: f64,
    /// The longest pause of a full collection, where they were seen one by one.
    pub longest_pause_seconds: Option<f64>,
}

/// One type over the heap dumps of a run. Objects that are in a later dump and not in an earlier one were
/// made by jobs in between and outlived them and a full collection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TypeProfile {
    /// Named as the runtime's own tools do.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Objects at each dump.
    pub counts: Vec<u64>,
    /// Their shallow size in the last dump.
    pub self_bytes: u64,
    /// Objects gained per job, first to last dump.
    pub count_per_job: f64,
    /// Bytes gained per job, first to last dump.
    pub bytes_per_job: f64,
    /// Whether the growth goes on in proportion to jobs over all dumps.
    pub proportional: bool,
}
