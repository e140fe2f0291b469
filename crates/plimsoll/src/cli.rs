//! The command line, as in the contract.

use std::path::PathBuf;
use std::time::Duration;

use crate::commands::audit::{AuditArgs, TokenArgs};
use crate::commands::detect::DetectArgs;
use crate::commands::heap::HeapArgs;
use crate::commands::incident::IncidentArgs;
use crate::commands::report::ReportArgs;
use crate::commands::serve::ServeArgs;
use crate::commands::verify::VerifyArgs;
use clap::{Args, Parser, Subcommand, ValueEnum};
use plimsoll_daemon::{AllocSampler, GrowthLimit};
use plimsoll_model::parse_size;
use plimsoll_wire::agent::{CaptureMode, CapturePlan};

/// Finds memory leaks in background workers: how much per job, which job class, who holds it.
#[derive(Debug, Parser)]
#[command(
    name = "plimsoll",
    version,
    before_help = "\
Examples:
  plimsoll demo                                      see it find a leak, in about a minute
  plimsoll run -- node worker.js                     watch a worker, explain its memory
  plimsoll run --jobs 1000 --fail-on leaking -- npm run worker
  plimsoll verify --jobs 1000 -- node worker.js      the same as a gate: exit 0 if memory is bounded
  plimsoll attach 4711                               a Node process that already runs
  plimsoll heap growth A.heapsnapshot@100 B.heapsnapshot@550 C.heapsnapshot@1000",
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a worker, watch it, explain its memory.
    Run(RunArgs),
    /// The same for a process that already runs.
    Attach(AttachArgs),
    /// Prove that memory is bounded over N jobs: exit 0, 1 (leak), 2 (could not), 3 (inconclusive).
    Verify(VerifyArgs),
    /// Tell from two reports whether a fix works.
    Report(ReportArgs),
    /// Watch a mailer that leaks, to see what Plimsoll says.
    Demo(DemoArgs),
    /// Read heap dumps: what is in them, what changed, what grows, who holds it.
    Heap(HeapArgs),
    /// Tell a leak from noise in recorded series.
    Detect(DetectArgs),
    /// Collect from many workers: dashboard, API, alerts.
    Serve(ServeArgs),
    /// Incidents of a collector.
    Incident(IncidentArgs),
    /// The audit log of a collector.
    Audit(AuditArgs),
    /// Tokens that a collector takes.
    Token(TokenArgs),
}

/// What `run` and `attach` share.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Name of the service (default: from the command)
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Release of the worker
    #[arg(long, value_name = "VER")]
    pub release: Option<String>,
    /// Environment, such as production or ci
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// Memory that the worker may use, such as 512M
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub budget: Option<u64>,
    /// Growth that counts as a leak, such as 1KB/job or 50MB/day (default: derived, and stated)
    #[arg(long, value_name = "SIZE/job|SIZE/day", value_parser = growth_limit)]
    pub growth_limit: Option<GrowthLimit>,
    /// Stop after this long, such as 90s or 10m
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Write the report here; may be given several times
    #[arg(long, value_name = "FILE.{json,html,md}", value_parser = report_path)]
    pub report: Vec<PathBuf>,
    /// Folder for reports and evidence (default: below the XDG state folder)
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// When to take heap snapshots: auto, never, or job counts
    #[arg(long, value_name = "auto|never|N,M,…", default_value = "auto", value_parser = capture_plan)]
    pub capture: CapturePlan,
    /// Most of the time that forced collections and snapshots together may take
    #[arg(long, value_name = "PERCENT", default_value = "2%", value_parser = share)]
    pub pause_budget: f64,
    /// Exit with 1 if leaking, 3 if inconclusive
    #[arg(long, value_name = "VERDICT", value_enum)]
    pub fail_on: Option<FailOn>,
    /// Send what happens to a collector, as it happens (default: $PLIMSOLL_SERVER)
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// Print the report as JSON on stdout (the worker's own output goes to stderr)
    #[arg(long)]
    pub json: bool,
}

/// Options of `run`.
#[derive(Debug, Args)]
#[command(before_help = "\
Examples:
  plimsoll run -- node worker.js
  plimsoll run --jobs 1000 --report leak.html -- npx tsx worker.ts
  plimsoll run --for 10m --budget 512M --fail-on leaking -- npm run worker")]
pub struct RunArgs {
    /// Stop the worker after this many jobs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub jobs: Option<u64>,
    /// Sample native allocations: auto (all but Node), on, off
    #[arg(long, value_name = "auto|on|off", value_enum, default_value = "auto")]
    pub alloc_sampler: SamplerChoice,
    /// Watch from outside only
    #[arg(long, conflicts_with = "jobs")]
    pub no_agent: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub watch: WatchArgs,
    /// The worker's command
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// Options of `attach`.
#[derive(Debug, Args)]
#[command(before_help = "\
Example:
  plimsoll attach --for 2m 4711")]
pub struct AttachArgs {
    /// The process
    #[arg(value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: u32,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub watch: WatchArgs,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How long the mailer works
    #[arg(long = "for", value_name = "DURATION", default_value = "40s", value_parser = duration)]
    pub duration: Duration,
    /// Folder for reports and evidence (default: below the XDG state folder)
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// What `--alloc-sampler` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SamplerChoice {
    /// Where the runtime has no sampler of its own.
    Auto,
    /// Wherever it can be loaded.
    On,
    /// Nowhere.
    Off,
}

impl From<SamplerChoice> for AllocSampler {
    fn from(choice: SamplerChoice) -> Self {
        match choice {
            SamplerChoice::Auto => AllocSampler::Auto,
            SamplerChoice::On => AllocSampler::On,
            SamplerChoice::Off => AllocSampler::Off,
        }
    }
}

/// What `--fail-on` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A leak, or a verdict that could not be reached.
    Leaking,
}

/// Reads the value of an option.
pub fn size(text: &str) -> Result<u64, String> {
    parse_size(text)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "expected a size such as 512M or 2GiB".into())
}

/// Reads the value of an option.
pub fn growth_limit(text: &str) -> Result<GrowthLimit, String> {
    let expected = || "expected a size per job or per day, such as 1KB/job or 50MB/day".to_owned();
    let (bytes, unit) = text.split_once('/').ok_or_else(expected)?;
    let bytes = size(bytes).map_err(|_| expected())? as f64;
    match unit {
        "job" => Ok(GrowthLimit::PerJob(bytes)),
        "day" => Ok(GrowthLimit::PerDay(bytes)),
        _ => Err(expected()),
    }
}

/// Reads the value of an option.
pub fn duration(text: &str) -> Result<Duration, String> {
    // A bare number is seconds, as in sleep(1) and timeout(1).
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
    }
    humantime::parse_duration(text).map_err(|_| "expected a duration such as 90s, 10m or 2h".into())
}

/// Reads the value of an option.
pub fn share(text: &str) -> Result<f64, String> {
    let percent: f64 = text
        .trim_end_matches('%')
        .trim()
        .parse()
        .map_err(|_| "expected a share such as 2%".to_owned())?;
    if (0.0..=100.0).contains(&percent) {
        Ok(percent / 100.0)
    } else {
        Err("expected 0% to 100%".into())
    }
}

/// Reads the value of an option.
pub fn report_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json" | "html" | "md") => Ok(path),
        _ => Err("expected a file ending in .json, .html or .md".into()),
    }
}

/// Reads the value of an option.
pub fn capture_plan(text: &str) -> Result<CapturePlan, String> {
    match text {
        "auto" => return Ok(CapturePlan::Mode(CaptureMode::Auto)),
        "never" => return Ok(CapturePlan::Mode(CaptureMode::Never)),
        _ => {}
    }
    let mut counts = Vec::new();
    for part in text.split(',') {
        let count: u64 = part
            .trim()
            .parse()
            .map_err(|_| "expected auto, never, or job counts such as 100,550,1000")?;
        counts.push(count);
    }
    if counts.len() > 16 {
        return Err("at most 16 captures".into());
    }
    counts.sort_unstable();
    counts.dedup();
    Ok(CapturePlan::At(counts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn values_are_read() {
        assert_eq!(growth_limit("1KB/job"), Ok(GrowthLimit::PerJob(1024.0)));
        assert_eq!(growth_limit("1M/day"), Ok(GrowthLimit::PerDay(1_048_576.0)));
        assert!(growth_limit("1M").is_err() && growth_limit("x/job").is_err());
        assert_eq!(capture_plan("300,100, 100"), Ok(CapturePlan::At(vec![100, 300])));
        assert!(capture_plan("soon").is_err());
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(share("2%"), Ok(0.02));
        assert!(share("-1").is_err());
        assert!(report_path("a.txt").is_err());
    }
}
