use serde::{Deserialize, Serialize};

use crate::{Estimate, Status};

/// How a gate ended; the exit code of `verify` and `canary` says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Memory is bounded: 0.
    Passed,
    /// A leak, or a limit that was hit: 1.
    Failed,
    /// The test itself did not work: 2.
    CouldNot,
    /// The signals do not settle it: 3.
    Inconclusive,
}

impl Gate {
    /// The exit code of the command.
    pub fn exit_code(self) -> u8 {
        match self {
            Gate::Passed => 0,
            Gate::Failed => 1,
            Gate::CouldNot => 2,
            Gate::Inconclusive => 3,
        }
    }

    /// In one word, as people read it.
    pub fn word(self) -> &'static str {
        match self {
            Gate::Passed => "passed",
            Gate::Failed => "failed",
            Gate::CouldNot => "could not verify",
            Gate::Inconclusive => "inconclusive",
        }
    }
}

/// What `verify` made of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// How it ended.
    pub outcome: Gate,
    /// The exit code that goes with it.
    pub exit_code: u8,
    /// Why, in a sentence.
    pub sentence: String,
    /// What helps, the best first.
    pub hints: Vec<String>,
    /// Jobs that were asked for.
    pub jobs_asked: Option<u64>,
    /// The memory limit that was set for the test.
    pub memory_limit: Option<TestLimit>,
    /// What outlived its job, by type and by job class.
    pub retained: Retained,
    /// Every run, where there were several.
    pub runs: Vec<RunResult>,
}

/// A memory limit that was set for a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestLimit {
    /// The limit.
    pub bytes: u64,
    /// What holds the worker to it: `cgroup`, `v8` (`--max-old-space-size`) or `rlimit` (`RLIMIT_DATA`).
    pub enforced_by: String,
    /// What exactly is limited, in words.
    pub scope: String,
    /// The worker ran into it and ended.
    pub hit: bool,
}

/// Objects that jobs made and that were still reachable after those jobs and a full collection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Retained {
    /// Heap dumps that it rests on; with fewer than two nothing can be said.
    pub dumps: usize,
    /// Types that go on growing in proportion to jobs, most bytes per job first.
    pub types: Vec<RetainedType>,
    /// What the suspects leave behind, by job class; the class is null where it cannot be told.
    pub job_classes: Vec<RetainedByClass>,
}

/// A type whose objects outlive their jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetainedType {
    /// Its name.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Objects per job.
    pub count_per_job: f64,
    /// Shallow bytes per job.
    pub bytes_per_job: f64,
}

/// What one job class leaves behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetainedByClass {
    /// The class.
    pub class: Option<String>,
    /// Objects per job of the whole worker.
    pub count_per_job: f64,
    /// Bytes per job of the whole worker.
    pub bytes_per_job: f64,
}

/// One of several runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// How this run alone would have ended.
    pub outcome: Gate,
    /// Its verdict.
    pub status: Status,
    /// Jobs completed.
    pub jobs: u64,
    /// Growth per job.
    pub bytes_per_job: Option<Estimate>,
    /// Why, in a sentence.
    pub sentence: String,
}
