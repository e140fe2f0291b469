//! Options of `verify`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use plimsoll_daemon::GrowthLimit;
use plimsoll_wire::agent::CapturePlan;

use crate::cli;

/// Options of `verify`.
#[derive(Debug, Args)]
#[command(before_help = "\
Examples:
  plimsoll verify --jobs 1000 -- node worker.js
  plimsoll verify --jobs 1000 --junit leak.xml --sarif leak.sarif -- npm run worker
  plimsoll verify --jobs 5000 --until stable --memory-limit 256M -- node worker.js")]
pub struct VerifyArgs {
    /// Stop the worker after this many jobs and judge it by them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(required_unless_present_any = ["duration", "until"])]
    pub jobs: Option<u64>,
    /// Stop the worker after this long, such as 90s or 10m
    #[arg(long = "for", id = "duration", value_name = "DURATION", value_parser = cli::duration)]
    pub duration: Option<Duration>,
    /// Stop as soon as the answer is certain either way
    #[arg(long, value_name = "ANSWER", value_enum)]
    pub until: Option<Until>,
    /// Give up when no job finishes for this long
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = cli::duration)]
    pub stall: Duration,
    /// Growth that counts as a leak, such as 1KB/job or 50MB/day (default: 50 bytes per job, or what the run can resolve)
    #[arg(long, value_name = "SIZE/job|SIZE/day", value_parser = cli::growth_limit)]
    pub growth_limit: Option<GrowthLimit>,
    /// Hold the worker to this much memory, such as 256M; running into it fails the test
    #[arg(long, value_name = "SIZE", value_parser = cli::size)]
    pub memory_limit: Option<u64>,
    /// Job counts at which to take heap snapshots (default: 10 %, 55 % and 100 % of the jobs)
    #[arg(long, value_name = "N,M,…|never", value_parser = cli::capture_plan)]
    pub snapshots: Option<CapturePlan>,
    /// Run the worker so many times and judge all runs together
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub repeat: u32,
    /// Most of the time that forced collections and snapshots together may take
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = cli::share)]
    pub pause_budget: f64,
    /// Name of the service (default: from the command)
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Release of the worker
    #[arg(long, value_name = "VER")]
    pub release: Option<String>,
    /// Environment, such as ci
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// Write a JUnit report here
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub junit: Option<PathBuf>,
    /// Write findings at source lines here, as SARIF 2.1.0
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub sarif: Option<PathBuf>,
    /// Write a summary here, as Markdown
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub markdown: Option<PathBuf>,
    /// Write the report here; may be given several times
    #[arg(long, value_name = "FILE.{json,html,md}", value_parser = cli::report_path, help_heading = "Output")]
    pub report: Vec<PathBuf>,
    /// Folder for reports and evidence (default: below the XDG state folder)
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Print the report as JSON on stdout (the worker's own output goes to stderr)
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Print annotations for GitHub Actions, and add the summary to $GITHUB_STEP_SUMMARY
    #[arg(long, help_heading = "Output")]
    pub github: bool,
    /// The worker's command
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// What `--until` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// Memory is known to be bounded, or known to leak.
    Stable,
}
