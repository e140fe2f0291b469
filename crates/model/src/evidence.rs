use serde::{Deserialize, Serialize};

/// What kind of thing was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceKind {
    /// A full picture of the heap.
    HeapSnapshot,
    /// Counts and sizes per class.
    ClassHistogram,
    /// Sampled stacks of allocations.
    AllocationProfile,
    /// Open handles by kind.
    HandleCensus,
}

/// One captured file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is.
    pub kind: EvidenceKind,
    /// Where it is.
    pub path: String,
    /// Jobs completed when it was taken.
    pub jobs: Option<u64>,
    /// When it was taken, RFC 3339.
    pub taken_at: String,
    /// How long the worker stood still for it.
    pub pause_seconds: Option<f64>,
    /// Size of the file.
    pub bytes: Option<u64>,
}

/// A sampled stack and the bytes allocated there, innermost frame first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AllocationStack {
    /// Bytes that the samples stand for.
    pub bytes: u64,
    /// `function file:line:column`, innermost first.
    pub frames: Vec<String>,
}
