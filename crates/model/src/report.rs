use serde::{Deserialize, Serialize};

use crate::{AllocationStack, Estimate, Evidence, MemoryProfile, Verdict, Verification};

/// Everything that a run found out: the body of `plimsoll.report/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Who was watched.
    pub worker: Worker,
    /// For how long, and how well.
    pub window: Window,
    /// Is it leaking.
    pub verdict: Verdict,
    /// Per job class, the largest growth first.
    pub job_classes: Vec<JobClass>,
    /// Who holds the memory, most bytes per job first.
    pub suspects: Vec<Suspect>,
    /// Peaks that are no leak.
    pub spikes: Vec<Spike>,
    /// Captured files.
    pub evidence: Vec<Evidence>,
    /// What watching cost the worker.
    pub cost: Cost,
    /// Figures by which releases are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryProfile>,
    /// What `verify` made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verification>,
}

/// The worker process that the report speaks of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Name of the service, given or derived from the command.
    pub service: String,
    /// Release, as given.
    pub release: Option<String>,
    /// Environment, as given.
    pub env: Option<String>,
    /// `node`, `python`, …; `None` where it was not recognised.
    pub runtime: Option<String>,
    /// Version of the runtime.
    pub runtime_version: Option<String>,
    /// Process id.
    pub pid: u32,
    /// Start of the process, RFC 3339.
    pub started_at: String,
    /// The command as started.
    pub command: Vec<String>,
    /// How it ended; `None` while it runs.
    pub exit: Option<Exit>,
}

/// How a process ended: exactly one of the two is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit code.
    pub code: Option<i32>,
    /// The signal that ended it, such as `SIGKILL`.
    pub signal: Option<String>,
}

/// What was watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Length.
    pub seconds: f64,
    /// Jobs completed in it, failed ones included.
    pub jobs: u64,
    /// Periodic samples taken.
    pub samples: u64,
    /// Stretches without data, and why.
    pub gaps: Vec<Gap>,
}

/// A stretch without data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Start, seconds since the start of the window.
    pub from_seconds: f64,
    /// End, seconds since the start of the window.
    pub to_seconds: f64,
    /// Why there is none.
    pub reason: String,
}

/// Verdict on one job class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassStatus {
    /// Jobs of this class leave memory behind.
    Leaking,
    /// They do not.
    Stable,
    /// It cannot be told.
    Inconclusive,
}

/// What is known of one job class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobClass {
    /// Its name.
    pub class: String,
    /// Jobs completed, failed ones included.
    pub jobs: u64,
    /// Jobs that failed.
    pub failed: u64,
    /// Growth per completed job of this class.
    pub bytes_per_job: Option<Estimate>,
    /// Largest memory above the start of the job that one job reached.
    pub peak_bytes: Option<u64>,
    /// Mean allocation per job, garbage included.
    pub allocated_bytes_per_job: Option<f64>,
    /// Run time.
    pub duration_seconds: Option<Quantiles>,
    /// Its verdict.
    pub status: ClassStatus,
}

/// Quantiles of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99.9th percentile.
    pub p999: f64,
}

/// Named ways to leak, as in `plimsoll.report/1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // the names are the documentation: docs/patterns.md tells each at length
pub enum Pattern {
    GrowingCollection,
    ListenerPerJob,
    TimerPerJob,
    UnsettledPromise,
    Closure,
    ClientPerJob,
    UnclosedHandle,
    UnboundedCache,
    Interning,
    ReferenceCycle,
    Refcount,
    SessionIdentityMap,
    Native,
    RetryBuffer,
    Backlog,
    Unknown,
}

/// Something that grows with jobs, and who holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    /// 1 is the first to look at.
    pub rank: u32,
    /// How it leaks.
    pub pattern: Pattern,
    /// Type of the objects that pile up.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The container at the point of growth, by variable or path (`failedPayloads`, `cache.entries`).
    pub holder: Option<String>,
    /// Type of the container.
    pub holder_type: Option<String>,
    /// Module that declares it.
    pub module: Option<String>,
    /// `file:line:column` of the declaration.
    pub source: Option<String>,
    /// Objects that stay behind per job.
    pub count_per_job: Option<f64>,
    /// Bytes that stay behind per job.
    pub bytes_per_job: Option<f64>,
    /// Retained size of what piled up, in the last picture.
    pub retained_bytes: Option<u64>,
    /// From the roots to one of the objects.
    pub retainer_path: Vec<String>,
    /// Where such objects were allocated.
    pub allocation_stacks: Vec<AllocationStack>,
    /// Job class that leaves them behind.
    pub job_class: Option<String>,
    /// One plain sentence.
    pub explanation: String,
    /// What to do, the best first.
    pub remedies: Vec<String>,
}

/// A job that needed much memory and gave it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spike {
    /// Class of the job.
    pub job_class: String,
    /// Id of the job.
    pub job_id: Option<String>,
    /// Size of its payload.
    pub payload_bytes: Option<u64>,
    /// Memory above the start of the job.
    pub peak_bytes: u64,
    /// When, RFC 3339.
    pub at: String,
    /// Code that allocated at the peak.
    pub allocation_stacks: Vec<AllocationStack>,
}

/// What watching cost the worker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Share of the worker's CPU time spent in the agent.
    pub agent_cpu_share: Option<f64>,
    /// Memory that the agent holds.
    pub agent_bytes: Option<u64>,
    /// Time that the worker stood still for floors and evidence.
    pub pauses_seconds: f64,
    /// Records that the agent could not deliver.
    pub dropped_records: u64,
}
