use std::collections::BTreeMap;

use plimsoll_model::{AllocationStack, Report};

/// All that the readable forms of a report are made of.
#[derive(Debug, Clone, Copy)]
pub struct Story<'a> {
    /// What was found out.
    pub report: &'a Report,
    /// The curves behind it; empty where nothing was recorded.
    pub series: &'a Series,
    /// Surviving allocations of the whole run, for the flame graph.
    pub flame: &'a [AllocationStack],
    /// What the reader should know besides: evidence that was skipped, warnings of the runtime.
    pub notes: &'a [String],
    /// Path of the HTML form, for the forms that point to it.
    pub html_path: Option<&'a str>,
}

/// The curves of a run. Times are seconds since its start; each list is in time order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Resident memory.
    pub rss_bytes: Vec<(f64, f64)>,
    /// Managed heap in use, garbage included.
    pub heap_used_bytes: Vec<(f64, f64)>,
    /// Buffers outside the heap.
    pub external_bytes: Vec<(f64, f64)>,
    /// Live heap after each full collection.
    pub live_after_gc_bytes: Vec<(f64, f64)>,
    /// Quiescent floors.
    pub floors: Vec<FloorPoint>,
    /// Completed jobs by class, cumulative.
    pub jobs: BTreeMap<String, Vec<(f64, u64)>>,
    /// Full collections: when, and for how long the worker stood still.
    pub gc_pauses_seconds: Vec<(f64, f64)>,
    /// Event-loop delay, the worst of each sample.
    pub event_loop_delay_seconds: Vec<(f64, f64)>,
    /// Evidence: when, and after how many jobs.
    pub captures: Vec<(f64, u64)>,
}

/// One quiescent floor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FloorPoint {
    /// Seconds since the start of the run.
    pub at_seconds: f64,
    /// Jobs completed so far, over all classes.
    pub jobs: u64,
    /// Live managed heap.
    pub live_bytes: f64,
    /// Buffers outside the heap that live objects own.
    pub external_bytes: Option<f64>,
    /// Jobs that were running all the same; 0 for a true floor.
    pub in_flight: u32,
}
