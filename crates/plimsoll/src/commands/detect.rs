//! `plimsoll detect`: a verdict over recorded series.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use plimsoll_detect::{Assessment, Baseline, Detector, MinimumEffect, Settings, Watch};
use plimsoll_model::{Gap, HumanBytes, Reading, Status};
use plimsoll_wire::trace::{TraceHeader, TraceReader};
use serde_json::{Value, json};

/// What the gates answer (docs: exit codes).
const LEAKING: u8 = 1;
const INCONCLUSIVE: u8 = 3;
/// A record this long without a declared effect is a service, not a run.
const SERVICE_SECONDS: f64 = 2.0 * 3600.0;

/// Tell a leak from noise in recorded series.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  plimsoll detect worker.trace.ndjson
  plimsoll detect --json *.ndjson
  plimsoll detect --baseline last-good.ndjson canary.ndjson")]
pub struct DetectArgs {
    /// Records to judge (`plimsoll.trace/1`).
    #[arg(required = true, value_name = "TRACE")]
    pub traces: Vec<PathBuf>,
    /// A record of the same service that is known to be sound.
    #[arg(long, value_name = "TRACE")]
    pub baseline: Option<PathBuf>,
    /// One JSON object a record.
    #[arg(long)]
    pub json: bool,
}

/// Judges every record; the worst verdict decides the exit code.
pub fn run(args: &DetectArgs) -> anyhow::Result<ExitCode> {
    let baseline = args.baseline.as_deref().map(read_baseline).transpose()?;
    let mut out = std::io::stdout().lock();
    let mut worst = 0;
    for path in &args.traces {
        let judged = judge(path, baseline.clone())?;
        let text = if args.json {
            format!("{}\n", to_json(path, &judged))
        } else {
            to_text(path, &judged)
        };
        out.write_all(text.as_bytes())
            .context("cannot write the verdict")?;
        worst = worse(worst, exit_code(judged.assessment.verdict.status));
    }
    Ok(ExitCode::from(worst))
}

struct Judged {
    assessment: Assessment,
    gaps: Vec<Gap>,
}

fn exit_code(status: Status) -> u8 {
    match status {
        Status::Stable | Status::Bounded => 0,
        Status::Leaking => LEAKING,
        Status::Inconclusive => INCONCLUSIVE,
    }
}

/// A leak outweighs what could not be told.
fn worse(a: u8, b: u8) -> u8 {
    match (a, b) {
        (LEAKING, _) | (_, LEAKING) => LEAKING,
        (a, b) => a.max(b),
    }
}

fn open(path: &Path) -> anyhow::Result<TraceReader<BufReader<File>>> {
    let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?;
    TraceReader::new(BufReader::new(file)).with_context(|| format!("cannot read `{}`", path.display()))
}

fn settings(header: &TraceHeader, baseline: Option<Baseline>, seconds: f64) -> Settings {
    let declared = header.min_growth.as_ref();
    let per_job = declared.and_then(|m| m.bytes_per_job).map(MinimumEffect::PerJob);
    let per_day = declared.and_then(|m| m.bytes_per_day).map(MinimumEffect::PerDay);
    let is_service = per_day.is_some() || seconds >= SERVICE_SECONDS;
    Settings {
        limit_bytes: header.budget_bytes,
        cap_bytes: header.cap_bytes,
        minimum_effect: per_job.or(per_day).unwrap_or(MinimumEffect::Derived),
        watch: if is_service { Watch::Service } else { Watch::Run },
        baseline,
        ..Settings::default()
    }
}

/// Reads a record to its end, in bounded memory. The first pass only learns how long it is.
fn judge(path: &Path, baseline: Option<Baseline>) -> anyhow::Result<Judged> {
    let settings = settings(open(path)?.header(), baseline, length_seconds(path)?);
    let mut reader = open(path)?;
    let mut detector = Detector::new(settings);
    feed(path, &mut reader, &mut detector)?;
    Ok(Judged {
        assessment: detector.assess(),
        gaps: reader.into_gaps(),
    })
}

fn length_seconds(path: &Path) -> anyhow::Result<f64> {
    let mut reader = open(path)?;
    let (mut first, mut last) = (None, 0.0);
    while let Some(reading) = next(path, &mut reader)? {
        first.get_or_insert(reading.at_seconds());
        last = reading.at_seconds();
    }
    Ok(last - first.unwrap_or(last))
}

fn next(path: &Path, reader: &mut TraceReader<BufReader<File>>) -> anyhow::Result<Option<Reading>> {
    reader
        .next_reading()
        .with_context(|| format!("cannot read `{}`", path.display()))
}

fn feed(
    path: &Path,
    reader: &mut TraceReader<BufReader<File>>,
    detector: &mut Detector,
) -> anyhow::Result<()> {
    while let Some(reading) = next(path, reader)? {
        detector.observe(&reading);
    }
    Ok(())
}

fn read_baseline(path: &Path) -> anyhow::Result<Baseline> {
    let mut reader = open(path)?;
    let mut detector = Detector::new(settings(reader.header(), None, 0.0));
    feed(path, &mut reader, &mut detector)?;
    Ok(detector.baseline())
}

fn to_json(path: &Path, judged: &Judged) -> Value {
    let assessment = &judged.assessment;
    let classes: Vec<Value> = assessment
        .classes
        .iter()
        .map(|c| json!({"class": c.class, "jobs": c.jobs, "bytes_per_job": c.bytes_per_job, "status": c.status}))
        .collect();
    let gaps: Vec<&Gap> = judged.gaps.iter().chain(&assessment.gaps).collect();
    json!({
        "trace": path.display().to_string(),
        "verdict": assessment.verdict,
        "job_classes": classes,
        "first_leaking_at_seconds": assessment.first_leaking_at_seconds,
        "gaps": gaps,
    })
}

fn to_text(path: &Path, judged: &Judged) -> String {
    let verdict = &judged.assessment.verdict;
    let mut text = format!("{}: {}", path.display(), verdict.status);
    if let Some(growth) = verdict.bytes_per_job {
        let [estimate, low, high] = [growth.estimate, growth.low, growth.high].map(HumanBytes);
        text += &format!(", {estimate} a job ({low} to {high})");
    }
    text.push('\n');
    verdict
        .reasons
        .iter()
        .for_each(|reason| text += &format!("  {reason}\n"));
    verdict
        .next
        .iter()
        .for_each(|next| text += &format!("  next: {next}\n"));
    for class in judged
        .assessment
        .classes
        .iter()
        .filter(|_| verdict.status == Status::Leaking)
    {
        let growth = class
            .bytes_per_job
            .map_or("cannot be told from others".to_owned(), |e| {
                format!(
                    "{} a job ({} to {})",
                    HumanBytes(e.estimate),
                    HumanBytes(e.low),
                    HumanBytes(e.high)
                )
            });
        text += &format!("  class {}: {} jobs, {growth}\n", class.class, class.jobs);
    }
    for gap in judged.gaps.iter().chain(&judged.assessment.gaps) {
        text += &format!(
            "  gap at {:.0} s to {:.0} s: {}\n",
            gap.from_seconds, gap.to_seconds, gap.reason
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_outweighs_what_could_not_be_told() {
        for (codes, expected) in [(&[0, 3, 1][..], 1), (&[0, 3, 0], 3), (&[0, 0], 0), (&[1, 3], 1)] {
            assert_eq!(codes.iter().copied().fold(0, worse), expected);
        }
    }
}
