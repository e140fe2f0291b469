//! One record with the truth about it: what the scorer compares verdicts with.

use plimsoll_model::Reading;

/// A record and its truth.
#[derive(Debug, Clone)]
pub struct Labelled {
    /// All readings, in time order.
    pub readings: Vec<Reading>,
    /// Memory that the worker may use.
    pub budget_bytes: f64,
    /// Declared cap of its caches.
    pub cap_bytes: Option<f64>,
    /// Declared growth below which nothing is a leak; `None` where it is derived.
    pub minimum_bytes_per_day: Option<f64>,
    /// Growth that never ends, at the mean pace, over all kinds of memory.
    pub growth_bytes_per_second: f64,
    /// Jobs per second, on average.
    pub pace: f64,
    /// Growth per job, where the leak is one per job, of managed memory and from the start.
    pub growth_bytes_per_job: Option<f64>,
    /// Classes whose jobs leave memory behind.
    pub leaky_classes: Vec<String>,
    /// When the leak begins.
    pub leak_from_seconds: f64,
}
