//! `plimsoll heap`: questions about heap dumps, answered on stdout.

mod diff;
mod input;
mod retainers;
mod summary;
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
  plimsoll heap diff before.heapsnapshot after.heapsnapshot
  plimsoll heap retainers --type Job worker.heapsnapshot.gz")]
pub struct HeapArgs {
    /// What to ask
    #[command(subcommand)]
    pub question: Question,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub enum Question {
    /// What a dump holds, by type.
    Summary(SummaryArgs),
    /// What came and what went between two dumps of one process.
    Diff(DiffArgs),
    /// Who holds an object, or the largest objects of a type.
    Retainers(RetainersArgs),
}

/// Options of `heap summary`.
#[derive(Debug, Args)]
pub struct SummaryArgs {
    /// The dump; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
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
    let answer = match &args.question {
        Question::Summary(args) => summary::answer(args),
        Question::Diff(args) => diff::answer(args),
        Question::Retainers(args) => retainers::answer(args),
    }?;
    print(&answer)?;
    Ok(ExitCode::SUCCESS)
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
