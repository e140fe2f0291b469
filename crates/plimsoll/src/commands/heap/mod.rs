//! `plimsoll heap`: questions about heap dumps, answered on stdout.

mod capture;
mod diff;
mod growth;
mod input;
mod query;
mod retainers;
mod summary;
mod suspects;
mod table;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Options of `heap`.
#[derive(Debug, Args)]
#[command(before_help = "\
Examples:
  plimsoll heap summary worker.heapsnapshot
  plimsoll heap summary --shallow worker.hprof
  plimsoll heap diff before.heapsnapshot after.heapsnapshot
  plimsoll heap growth a.heapsnapshot@100 b.heapsnapshot@550 c.heapsnapshot@1000
  plimsoll heap query worker.heapsnapshot 'type = \"Array\" and retained > 10MB limit 5'
  plimsoll heap retainers --type Job worker.heapsnapshot.gz
  plimsoll heap capture 4711 -o worker.pypicture")]
pub struct HeapArgs {
    /// What to ask
    #[command(subcommand)]
    pub question: Question,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub enum Question {
    /// Take a picture of a running Python worker, which stands still for milliseconds.
    Capture(CaptureArgs),
    /// What a dump holds, by type.
    Summary(SummaryArgs),
    /// What came and what went between two dumps of one process.
    Diff(DiffArgs),
    /// What grows with jobs over two or more dumps of one process, and who holds it.
    Growth(GrowthArgs),
    /// Objects that match, such as 'type = "Array" and retained > 10MB order by retained desc limit 20'.
    Query(QueryArgs),
    /// Who holds an object, or the largest objects of a type.
    Retainers(RetainersArgs),
}

/// Options of `heap capture`.
#[derive(Debug, Args)]
#[command(after_help = "\
CPython 3.9 to 3.13 on Linux. Nothing is loaded into the worker. Garbage that waits for its collection is
in the picture as well: three pictures at growing job counts tell a leak.")]
pub struct CaptureArgs {
    /// The process
    #[arg(value_name = "PID")]
    pub pid: u32,
    /// The file to write, which must not exist yet; default PID.pypicture
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `heap summary`.
#[derive(Debug, Args)]
pub struct SummaryArgs {
    /// The dump; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Counts and shallow sizes only: faster, no retained sizes
    #[arg(long)]
    pub shallow: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputArgs,
}

/// Options of `heap diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The earlier dump; `-` is standard input
    #[arg(value_name = "BEFORE")]
    pub before: PathBuf,
    /// The later dump
    #[arg(value_name = "AFTER")]
    pub after: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputArgs,
}

/// Options of `heap growth`.
#[derive(Debug, Args)]
pub struct GrowthArgs {
    /// Dumps with the jobs done by then, in order
    #[arg(value_name = "FILE@JOBS", required = true)]
    pub dumps: Vec<String>,
    /// Exit with 1 if anything grows in proportion to jobs, 3 if that cannot be told
    #[arg(long)]
    pub fail_on_growth: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputArgs,
}

/// Options of `heap retainers`.
#[derive(Debug, Args)]
pub struct RetainersArgs {
    /// The dump; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The object with this id
    #[arg(
        long,
        value_name = "N",
        required_unless_present = "type_name",
        conflicts_with = "type_name"
    )]
    pub id: Option<u64>,
    /// The largest objects of this type
    #[arg(long = "type", value_name = "NAME")]
    pub type_name: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputArgs,
}

/// Options of `heap query`.
#[derive(Debug, Args)]
#[command(after_help = "\
Fields: type, name, id, self, retained, edges. Comparisons: = != < <= > >=, ~ (contains); and, or, not, ( ).
Then: order by FIELD [asc|desc], limit N.")]
pub struct QueryArgs {
    /// The dump; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What to look for
    #[arg(value_name = "QUERY")]
    pub query: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How answers are given.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Rows to print (JSON: default all)
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// Answers a question.
///
/// # Errors
/// If a dump cannot be read or the answer not be written: the caller exits with 2.
pub fn run(args: &HeapArgs) -> anyhow::Result<ExitCode> {
    let (answer, code) = match &args.question {
        Question::Capture(args) => (capture::answer(args)?, ExitCode::SUCCESS),
        Question::Summary(args) => (summary::answer(args)?, ExitCode::SUCCESS),
        Question::Diff(args) => (diff::answer(args)?, ExitCode::SUCCESS),
        Question::Growth(args) => growth::answer(args)?,
        Question::Query(args) => (query::answer(args)?, ExitCode::SUCCESS),
        Question::Retainers(args) => (retainers::answer(args)?, ExitCode::SUCCESS),
    };
    print(&answer)?;
    Ok(code)
}

fn print(answer: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(answer.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn to_json(answer: &serde_json::Value) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(answer)?))
}
