//! `plimsoll.report/1`: the document that `run`, `attach`, `verify` and `report --json` print.
//!
//! The body is [`plimsoll_model::Report`]; this module adds the schema name and refuses every other
//! document. JSON has no NaN and no infinity: an optional figure that is not finite, or an interval
//! without both ends, is written as `null`, so whatever was written reads back.

use plimsoll_model::{Estimate, Interval, JobClass, Quantiles, Report, Suspect, Verdict};
use serde::{Deserialize, Serialize};

/// Name and version of the schema that this module writes and reads.
pub const SCHEMA: &str = "plimsoll.report/1";

const FAMILY: &str = "plimsoll.report/";
const VERSION: u32 = 1;
/// Most of a foreign schema name that an error repeats.
const QUOTED_CHARS: usize = 60;

/// Why a text is not a report that this version can read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No JSON at all, or cut off.
    #[error("not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// JSON without a schema name.
    #[error("no `schema` field, expected `{SCHEMA}`")]
    NoSchema,
    /// Another document than a report.
    #[error("schema is `{found}`, expected `{SCHEMA}`")]
    Foreign {
        /// The schema name found, shortened.
        found: String,
    },
    /// A report, but of a version that is unknown here; the hint is to update plimsoll.
    #[error("schema is `plimsoll.report/{version}`, this plimsoll reads `{SCHEMA}`")]
    OtherVersion {
        /// The version found.
        version: u32,
    },
    /// The right schema name over a body that does not fit it.
    #[error("not a valid `{SCHEMA}`: {0}")]
    Body(#[source] serde_json::Error),
}

#[derive(Serialize)]
struct Envelope<'a> {
    schema: &'static str,
    #[serde(flatten)]
    report: &'a Report,
}

#[derive(Deserialize)]
struct Head {
    schema: Option<serde_json::Value>,
}

/// Writes a report as pretty-printed JSON, without a newline at the end.
pub fn write(report: &Report) -> String {
    let finite = with_finite_figures(report);
    let envelope = Envelope {
        schema: SCHEMA,
        report: &finite,
    };
    serde_json::to_string_pretty(&envelope).expect("maps with string keys and numbers always serialize")
}

/// Reads a report. Unknown fields are ignored: a version may grow.
///
/// # Errors
/// See [`ReportError`]: no JSON, another schema, another version, or a body that does not fit.
pub fn read(text: &str) -> Result<Report, ReportError> {
    let head: Head = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => ReportError::NoSchema,
        _ => ReportError::NotJson(error),
    })?;
    check_schema(head.schema.as_ref().and_then(serde_json::Value::as_str))?;
    serde_json::from_str(text).map_err(ReportError::Body)
}

fn check_schema(schema: Option<&str>) -> Result<(), ReportError> {
    let name = schema.ok_or(ReportError::NoSchema)?;
    match name.strip_prefix(FAMILY).and_then(|version| version.parse().ok()) {
        Some(VERSION) => Ok(()),
        Some(version) => Err(ReportError::OtherVersion { version }),
        None => Err(ReportError::Foreign {
            found: name.chars().take(QUOTED_CHARS).collect(),
        }),
    }
}

fn with_finite_figures(report: &Report) -> Report {
    let mut report = report.clone();
    clean_verdict(&mut report.verdict);
    report.job_classes.iter_mut().for_each(clean_class);
    report.suspects.iter_mut().for_each(clean_suspect);
    report
        .evidence
        .iter_mut()
        .for_each(|evidence| drop_unless_finite(&mut evidence.pause_seconds));
    drop_unless_finite(&mut report.cost.agent_cpu_share);
    report
}

fn clean_verdict(verdict: &mut Verdict) {
    verdict.bytes_per_job = verdict.bytes_per_job.filter(is_finite_estimate);
    verdict.bytes_per_hour = verdict.bytes_per_hour.filter(is_finite_estimate);
    verdict.exhaustion_in_seconds = verdict.exhaustion_in_seconds.and_then(finite_interval);
    drop_unless_finite(&mut verdict.minimum_effect_bytes_per_job);
}

fn clean_class(class: &mut JobClass) {
    class.bytes_per_job = class.bytes_per_job.filter(is_finite_estimate);
    class.duration_seconds = class.duration_seconds.filter(are_finite_quantiles);
    drop_unless_finite(&mut class.allocated_bytes_per_job);
}

fn clean_suspect(suspect: &mut Suspect) {
    drop_unless_finite(&mut suspect.count_per_job);
    drop_unless_finite(&mut suspect.bytes_per_job);
}

fn is_finite_estimate(estimate: &Estimate) -> bool {
    [
        estimate.estimate,
        estimate.low,
        estimate.high,
        estimate.confidence,
    ]
    .iter()
    .all(|part| part.is_finite())
}

fn are_finite_quantiles(quantiles: &Quantiles) -> bool {
    [quantiles.p50, quantiles.p95, quantiles.p999]
        .iter()
        .all(|part| part.is_finite())
}

fn finite_interval(interval: Interval) -> Option<Interval> {
    let both = interval.estimate.is_finite() && interval.low.is_finite();
    both.then_some(Interval {
        high: interval.high.filter(|high| high.is_finite()),
        ..interval
    })
}

fn drop_unless_finite(figure: &mut Option<f64>) {
    *figure = figure.filter(|figure| figure.is_finite());
}
