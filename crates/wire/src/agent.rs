//! The agent line protocol, version 1: `docs/formats/agent.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The longest line that either side accepts.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// Name of the environment variable that configures an agent.
pub const CONFIG_VARIABLE: &str = "PLIMSOLL_AGENT";

/// What the environment tells an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentConfig {
    /// Path of the Unix socket.
    pub socket: String,
    /// Folder for captured files.
    pub evidence_dir: String,
    /// When to capture.
    pub capture: CapturePlan,
    /// Job count after which the worker is to stop.
    pub jobs: Option<u64>,
    /// Share of time for forced collections and captures together.
    pub pause_budget: f64,
    /// May job starts be held back to reach a floor.
    pub hold_job_starts: bool,
    /// Mean distance of allocation samples; `None` for no profile.
    pub profile_interval_bytes: Option<u64>,
    /// May collections be forced.
    pub floors: bool,
}

/// When to capture evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CapturePlan {
    /// `"auto"` or `"never"`.
    Mode(CaptureMode),
    /// At these job counts.
    At(Vec<u64>),
}

/// The two plans that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaptureMode {
    /// The agent chooses well-spaced job counts.
    Auto,
    /// No captures.
    Never,
}

/// One line from an agent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AgentLine {
    /// When, seconds since the Unix epoch.
    #[serde(default)]
    pub t: f64,
    /// What.
    #[serde(flatten)]
    pub message: AgentMessage,
}

/// What an agent says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum AgentMessage {
    /// First line of every connection.
    Hello(Hello),
    /// Periodic sample.
    Sample(Box<AgentSample>),
    /// A full collection.
    Gc(AgentGc),
    /// A quiescent floor.
    Floor(AgentFloor),
    /// Cumulative job counts.
    Jobs(AgentJobs),
    /// Details of one job.
    Job(Box<AgentJob>),
    /// A captured file.
    Evidence(AgentEvidence),
    /// A captured file that the agent has deleted again to keep its number bounded.
    EvidenceDropped {
        /// Its name.
        file: String,
    },
    /// The process stands still between two jobs and waits for a picture of it.
    PictureReady(PictureReady),
    /// A capture that did not happen.
    EvidenceSkipped {
        /// Why.
        reason: String,
        /// At which job count.
        #[serde(default)]
        jobs: Option<u64>,
    },
    /// Surviving allocations by stack.
    Profile(AgentProfile),
    /// A peak caught in the act.
    Spike(AgentSpike),
    /// A warning of the runtime.
    Warning(AgentWarning),
    /// Scripts, for naming sources.
    Scripts {
        /// The scripts.
        scripts: Vec<AgentScript>,
    },
    /// The agent had an error of its own and has turned itself off.
    Failed {
        /// What went wrong.
        message: String,
    },
    /// The configured job count is reached.
    Reached {
        /// Jobs completed.
        jobs: u64,
        /// A job library is closing.
        #[serde(default)]
        closing: bool,
    },
    /// The job library has closed.
    Closed {},
    /// Last line.
    Bye {
        /// `exit`, `signal` or `detach`.
        reason: String,
        /// Exit code, if known.
        #[serde(default)]
        code: Option<i32>,
    },
    /// A type that this version does not know.
    #[serde(other)]
    Unknown,
}

/// First line of a connection: who speaks.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// Protocol version.
    pub protocol: u32,
    /// `node`, `python`, …
    pub runtime: String,
    /// Its version.
    pub runtime_version: String,
    /// Process id as the process sees it.
    pub pid: u32,
    /// Parent's.
    pub ppid: u32,
    /// 0 is the main thread.
    pub thread: u32,
    /// Command line.
    pub argv: Vec<String>,
    /// Working folder.
    pub cwd: String,
    /// Entry script.
    pub main: Option<String>,
    /// Largest heap that the runtime allows itself.
    pub heap_limit_bytes: Option<u64>,
    /// Start of the process.
    pub started_at: Option<f64>,
    /// Injected into a running process.
    pub attached: bool,
}

/// Periodic sample of one isolate.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // the fields are those of docs/formats/agent.md
pub struct AgentSample {
    pub rss_bytes: Option<u64>,
    pub heap_total_bytes: Option<u64>,
    pub heap_used_bytes: Option<u64>,
    pub external_bytes: Option<u64>,
    pub array_buffers_bytes: Option<u64>,
    pub spaces: BTreeMap<String, u64>,
    pub event_loop_delay: Option<LoopDelay>,
    pub resources: BTreeMap<String, u64>,
    pub listeners: Vec<ListenerCount>,
    pub in_flight: Option<u32>,
    pub gc: Option<GcTotals>,
    pub agent_cpu_seconds: Option<f64>,
    pub agent_bytes: Option<u64>,
    pub dropped: Option<u64>,
}

/// Event-loop delay in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct LoopDelay {
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

/// Listeners of all crowded emitters of one class for one event.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct ListenerCount {
    pub emitter: String,
    pub event: String,
    pub count: u64,
}

/// Cumulative collections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct GcTotals {
    pub major: u64,
    pub minor: u64,
    pub pause_seconds: f64,
}

/// One full collection.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct AgentGc {
    pub kind: String,
    pub pause_seconds: Option<f64>,
    pub used_before_bytes: Option<u64>,
    pub live_bytes: Option<u64>,
    pub in_flight: Option<u32>,
}

/// One quiescent floor.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct AgentFloor {
    pub live_bytes: u64,
    pub external_bytes: Option<u64>,
    pub array_buffers_bytes: Option<u64>,
    pub rss_bytes: Option<u64>,
    /// Resident memory that no file backs, right after free pages were given back.
    pub resident_bytes: Option<u64>,
    pub in_flight: u32,
    pub pause_seconds: Option<f64>,
    pub jobs: Option<BTreeMap<String, u64>>,
    /// Taken on the way out.
    #[serde(rename = "final")]
    pub is_final: bool,
}

/// Cumulative job counts of one isolate.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AgentJobs {
    /// By class.
    pub classes: BTreeMap<String, ClassTotals>,
}

/// Totals of one job class; sums over the jobs for which the figure is known.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct ClassTotals {
    pub done: u64,
    pub failed: u64,
    pub started: u64,
    pub peak_bytes: Option<u64>,
    pub allocated_bytes: f64,
    pub allocated_jobs: u64,
    pub payload_bytes: f64,
    pub payload_jobs: u64,
    pub wait_seconds: f64,
    pub wait_jobs: u64,
    /// Count by bucket; bucket `b` holds durations in [1.1^b, 1.1^(b+1)) microseconds.
    pub durations: BTreeMap<String, u64>,
}

/// Details of one job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct AgentJob {
    pub class: String,
    pub id: Option<String>,
    pub attempt: Option<u32>,
    pub queue: Option<String>,
    pub tenant: Option<String>,
    pub traceparent: Option<String>,
    pub payload_bytes: Option<u64>,
    pub enqueued_at: Option<f64>,
    pub started_at: Option<f64>,
    pub ended_at: Option<f64>,
    pub outcome: Option<String>,
    pub memory_before_bytes: Option<u64>,
    pub memory_after_bytes: Option<u64>,
    pub allocated_bytes: Option<u64>,
    pub peak_bytes: Option<u64>,
}

/// A captured file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct AgentEvidence {
    pub kind: String,
    pub file: String,
    pub jobs: u64,
    pub jobs_by_class: BTreeMap<String, u64>,
    pub in_flight: u32,
    pub pause_seconds: Option<f64>,
    pub bytes: Option<u64>,
    pub reason: Option<String>,
}

/// The process waits, for a moment, for a picture that is taken from outside.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct PictureReady {
    pub jobs: u64,
    pub jobs_by_class: BTreeMap<String, u64>,
    pub in_flight: u32,
    pub reason: Option<String>,
}

/// Surviving allocations by stack.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct AgentProfile {
    pub jobs: Option<u64>,
    pub interval_bytes: Option<u64>,
    pub stacks: Vec<AgentStack>,
}

/// One stack, innermost frame first.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct AgentStack {
    pub bytes: f64,
    pub count: u64,
    pub frames: Vec<String>,
}

/// A peak caught in the act.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct AgentSpike {
    pub class: Option<String>,
    pub id: Option<String>,
    pub payload_bytes: Option<u64>,
    pub peak_bytes: u64,
    pub stacks: Vec<AgentStack>,
}

/// A warning of the runtime.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct AgentWarning {
    pub name: String,
    pub message: Option<String>,
    pub emitter: Option<String>,
    pub event: Option<String>,
    pub count: Option<u64>,
}

/// A script of the worker.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct AgentScript {
    pub id: u64,
    pub url: String,
    pub source_map_url: Option<String>,
}

/// One line to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum AgentCommand {
    /// Take a floor as soon as the budget allows.
    Floor,
    /// Take evidence as soon as the budget allows.
    Capture,
    /// Close the job library and stop taking jobs.
    Stop,
    /// Undo every patch and go silent.
    Detach,
    /// The picture that was waited for is taken, or there will be none.
    PictureTaken {
        /// Whether there will be none, so that the agent may write one itself.
        refused: bool,
    },
}

/// Reads one line.
pub fn parse_line(line: &[u8]) -> Result<AgentLine, serde_json::Error> {
    serde_json::from_slice(line)
}

/// Writes one command, newline included.
pub fn command_line(command: AgentCommand) -> Vec<u8> {
    let mut line = serde_json::to_vec(&command).expect("a unit variant always serialises");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_unknown_types_read() {
        let floor =
            parse_line(br#"{"type":"floor","t":1.5,"live_bytes":10,"in_flight":0,"jobs":{"a":3},"new":1}"#);
        let AgentMessage::Floor(floor) = floor.expect("a floor").message else {
            panic!("not a floor")
        };
        assert_eq!(
            (floor.live_bytes, floor.jobs.as_ref().map(|jobs| jobs["a"])),
            (10, Some(3))
        );
        let scripts = parse_line(
            br#"{"type":"scripts","t":2,"scripts":[{"id":145,"url":"/a.js","source_map_url":null}]}"#,
        );
        let AgentMessage::Scripts { scripts } = scripts.expect("a real line").message else {
            panic!("not scripts")
        };
        assert_eq!((scripts[0].id, scripts[0].url.as_str()), (145, "/a.js"));
        let other = parse_line(br#"{"type":"from-the-future","t":2,"x":[1]}"#).expect("tolerated");
        assert_eq!(other.message, AgentMessage::Unknown);
        let dropped = parse_line(br#"{"type":"evidence-dropped","t":2,"file":"a"}"#).expect("a kebab type");
        assert_eq!(
            dropped.message,
            AgentMessage::EvidenceDropped { file: "a".into() }
        );
        assert!(parse_line(b"{\"type\":\"floor\",\"live_bytes\":-1}").is_err());
    }

    #[test]
    fn commands_are_lines() {
        assert_eq!(command_line(AgentCommand::Capture), b"{\"type\":\"capture\"}\n");
        assert_eq!(
            command_line(AgentCommand::PictureTaken { refused: false }),
            b"{\"type\":\"picture-taken\",\"refused\":false}\n"
        );
    }
}
