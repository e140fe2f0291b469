use std::fmt;

use serde::{Deserialize, Serialize};

/// A figure with the interval that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Best single value.
    pub estimate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// How often such an interval holds the true value, 0.95 where nothing else is said.
    pub confidence: f64,
}

/// A figure with a range and no stated confidence (it follows from another estimate's interval).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Best single value.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end; `None` where it has no end.
    pub high: Option<f64>,
}

/// The four verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The whole interval of growth is inside ± the minimum effect.
    Stable,
    /// Memory grew and levelled off, or will level off inside the budget.
    Bounded,
    /// Growth goes on and its lower bound exceeds the minimum effect.
    Leaking,
    /// The signals do not settle it; the verdict says what would.
    Inconclusive,
}

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Status::Stable => "stable",
            Status::Bounded => "bounded",
            Status::Leaking => "leaking",
            Status::Inconclusive => "inconclusive",
        })
    }
}

/// Which memory a verdict speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Managed heap.
    Heap,
    /// Buffers owned by managed objects.
    External,
    /// Resident memory that neither the heap nor the buffers explain.
    Native,
    /// Resident memory as a whole.
    Rss,
    /// Open descriptors.
    Fds,
    /// Threads.
    Threads,
    /// Jobs held in memory that have not run.
    Backlog,
}

impl fmt::Display for Channel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Channel::Heap => "heap",
            Channel::External => "external",
            Channel::Native => "native",
            Channel::Rss => "rss",
            Channel::Fds => "fds",
            Channel::Threads => "threads",
            Channel::Backlog => "backlog",
        })
    }
}

/// Is it leaking, by how much, how sure, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// One of the four.
    pub status: Status,
    /// The memory that decided it; `None` where nothing could be measured.
    pub channel: Option<Channel>,
    /// Growth per completed job.
    pub bytes_per_job: Option<Estimate>,
    /// Growth per hour at the pace seen.
    pub bytes_per_hour: Option<Estimate>,
    /// Time until `limit_bytes` is reached at this growth.
    pub exhaustion_in_seconds: Option<Interval>,
    /// The limit in force: the least of budget, cgroup, runtime and machine.
    pub limit_bytes: Option<u64>,
    /// Growth per job below which nothing is called a leak, as declared or derived.
    #[serde(default)]
    pub minimum_effect_bytes_per_job: Option<f64>,
    /// Plain sentences with the figures that the verdict rests on.
    pub reasons: Vec<String>,
    /// What would settle an inconclusive verdict, or what to do next.
    pub next: Vec<String>,
}
