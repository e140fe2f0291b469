use std::path::PathBuf;
use std::time::Duration;

use plimsoll_detect::{Baseline, Pace};
use plimsoll_wire::agent::{CaptureMode, CapturePlan};

/// What to watch and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the service; derived from the command when absent.
    pub service: Option<String>,
    /// Release, as given.
    pub release: Option<String>,
    /// Environment, as given.
    pub env: Option<String>,
    /// Memory that the worker may use.
    pub budget_bytes: Option<u64>,
    /// Growth per job that counts as a leak; derived when absent.
    pub growth_limit: Option<GrowthLimit>,
    /// Stop the worker after so many jobs.
    pub jobs: Option<u64>,
    /// Stop the worker after so long.
    pub duration: Option<Duration>,
    /// Folder of this run; must be writable.
    pub out: PathBuf,
    /// Put an agent into the worker.
    pub agent: bool,
    /// Put the allocation sampler into the worker.
    pub alloc_sampler: AllocSampler,
    /// When to capture evidence.
    pub capture: CapturePlan,
    /// Share of time for forced collections and captures together.
    pub pause_budget: f64,
    /// How long a worker may take to end after it was asked to.
    pub grace: Duration,
    /// Where the worker's own output goes.
    pub output: WorkerOutput,
    /// More variables for the worker's environment.
    pub environment: Vec<(String, String)>,
    /// Whether the worker's pace is production's.
    pub pace: Pace,
    /// Hold the worker to this much memory.
    pub memory_limit_bytes: Option<u64>,
    /// Stop the worker when no job has finished for so long.
    pub stall: Option<Duration>,
    /// Stop the worker as soon as the answer is certain either way.
    pub until_settled: bool,
    /// A sound run of the same service to compare with.
    pub baseline: Option<Baseline>,
}

/// Whether allocations are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllocSampler {
    /// Where the worker's runtime has no sampler of its own.
    Auto,
    /// Wherever it can be loaded.
    On,
    /// Nowhere.
    Off,
}

/// The growth that counts as a leak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GrowthLimit {
    /// Bytes per completed job.
    PerJob(f64),
    /// Bytes per day.
    PerDay(f64),
}

/// Where the worker's own output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerOutput {
    /// Straight to our own: we never stand between a worker and its output.
    Inherit,
    /// Its stdout to our stderr, where our own stdout is for data.
    Stderr,
    /// Into a file of the run's folder.
    File(PathBuf),
}

impl Options {
    /// Defaults of `run` with everything written below `out`.
    pub fn new(out: PathBuf) -> Self {
        Options {
            service: None,
            release: None,
            env: None,
            budget_bytes: None,
            growth_limit: None,
            jobs: None,
            duration: None,
            out,
            agent: true,
            alloc_sampler: AllocSampler::Auto,
            capture: CapturePlan::Mode(CaptureMode::Auto),
            pause_budget: 0.02,
            grace: Duration::from_secs(10),
            output: WorkerOutput::Inherit,
            environment: Vec::new(),
            pace: Pace::Real,
            memory_limit_bytes: None,
            stall: None,
            until_settled: false,
            baseline: None,
        }
    }
}
