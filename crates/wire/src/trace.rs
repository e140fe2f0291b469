//! `plimsoll.trace/1`: the recorded series of one worker, NDJSON.
//!
//! The first line is a header, every other line one reading. A line that is no JSON is an error with
//! its number; a value that cannot be right (negative, not a number) costs that value or that reading
//! and is told as a gap, since one bad counter must not make a day's record unreadable. Reading is
//! streamed: a record of any length takes the memory of its longest line, and lines are bounded.

use std::io::{BufRead, Read, Write};

use plimsoll_model::{Floor, Gap, GcEvent, GcKind, JobCounts, Reading, Sample};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The schema that this module reads and writes.
pub const SCHEMA: &str = "plimsoll.trace/1";
/// A line with thousands of job classes fits; nothing sane is longer.
const LINE_MAX_BYTES: u64 = 1 << 20;
/// Gaps kept apart; later ones lengthen the last.
const GAPS_MAX: usize = 64;

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The source failed.
    #[error("cannot read line {line}")]
    Io {
        /// Line, from 1.
        line: u64,
        /// What the source said.
        #[source]
        source: std::io::Error,
    },
    /// There is not even a header.
    #[error("the record is empty: its first line must be a `{SCHEMA}` header")]
    Empty,
    /// The first line is something else.
    #[error("line 1 is no `{SCHEMA}` header: {reason}")]
    Header {
        /// What is wrong with it.
        reason: String,
    },
    /// A line is no JSON object.
    #[error("line {line} is no JSON object: {reason}")]
    Line {
        /// Line, from 1.
        line: u64,
        /// What the parser said.
        reason: String,
    },
    /// A line does not end.
    #[error("line {line} is longer than {LINE_MAX_BYTES} bytes")]
    TooLong {
        /// Line, from 1.
        line: u64,
    },
}

/// The first line of a record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TraceHeader {
    /// Name of the worker.
    pub worker: Option<String>,
    /// Its service.
    pub service: Option<String>,
    /// Its release.
    pub release: Option<String>,
    /// Memory that it may use.
    pub budget_bytes: Option<u64>,
    /// Size to which its caches may grow.
    pub cap_bytes: Option<u64>,
    /// Growth below which nothing is a leak.
    pub min_growth: Option<MinimumGrowth>,
}

/// Declared growth below which nothing is a leak; one of the two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MinimumGrowth {
    /// Per day at the pace of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_day: Option<f64>,
    /// Per completed job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_job: Option<f64>,
}

/// A whole record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// What it is about.
    pub header: TraceHeader,
    /// In the order of the file.
    pub readings: Vec<Reading>,
    /// What could not be used.
    pub gaps: Vec<Gap>,
}

/// Reads a record into memory. [`TraceReader`] does it one reading at a time.
pub fn read_trace(source: impl BufRead) -> Result<Trace, TraceError> {
    let mut reader = TraceReader::new(source)?;
    let mut readings = Vec::new();
    while let Some(reading) = reader.next_reading()? {
        readings.push(reading);
    }
    Ok(Trace {
        header: reader.header.clone(),
        readings,
        gaps: reader.into_gaps(),
    })
}

/// Writes a header line.
pub fn write_header(out: &mut impl Write, header: &TraceHeader) -> std::io::Result<()> {
    let mut value = serde_json::to_value(header)?;
    if let Value::Object(fields) = &mut value {
        fields.insert("schema".to_owned(), Value::from(SCHEMA));
    }
    writeln!(out, "{value}")
}

/// Writes one reading as a line.
pub fn write_reading(out: &mut impl Write, reading: &Reading) -> std::io::Result<()> {
    match reading {
        Reading::Sample(sample) => serde_json::to_writer(&mut *out, sample)?,
        Reading::Gc(event) => serde_json::to_writer(&mut *out, event)?,
        Reading::Floor(floor) => serde_json::to_writer(&mut *out, floor)?,
    }
    out.write_all(b"\n")
}

/// Reads a record one reading at a time.
#[derive(Debug)]
pub struct TraceReader<R> {
    source: R,
    header: TraceHeader,
    line: u64,
    buffer: Vec<u8>,
    last_seconds: f64,
    gaps: Vec<Gap>,
}

impl<R: BufRead> TraceReader<R> {
    /// Reads the header.
    pub fn new(source: R) -> Result<Self, TraceError> {
        let header = TraceHeader::default();
        let mut reader = TraceReader {
            source,
            header,
            line: 0,
            buffer: Vec::new(),
            last_seconds: 0.0,
            gaps: Vec::new(),
        };
        if !reader.fill()? {
            return Err(TraceError::Empty);
        }
        reader.header = parse_header(&reader.buffer)?;
        Ok(reader)
    }

    /// The first line.
    pub fn header(&self) -> &TraceHeader {
        &self.header
    }

    /// What could not be used so far.
    pub fn into_gaps(self) -> Vec<Gap> {
        self.gaps
    }

    /// The next reading; `None` at the end.
    pub fn next_reading(&mut self) -> Result<Option<Reading>, TraceError> {
        while self.fill()? {
            if self.buffer.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let fields = match parse_object(&self.buffer) {
                Ok((fields, mended)) => {
                    if mended {
                        self.gap(self.last_seconds, "values that are no numbers".to_owned());
                    }
                    fields
                }
                Err(reason) if self.buffer.last() == Some(&b'\n') => {
                    return Err(TraceError::Line {
                        line: self.line,
                        reason,
                    });
                }
                // A worker or recorder that was killed leaves half a line.
                Err(_) => {
                    self.gap(
                        self.last_seconds,
                        format!("line {} ends in the middle", self.line),
                    );
                    return Ok(None);
                }
            };
            if let Some(reading) = self.reading(&fields) {
                return Ok(Some(reading));
            }
        }
        Ok(None)
    }

    fn fill(&mut self) -> Result<bool, TraceError> {
        self.buffer.clear();
        self.line += 1;
        let line = self.line;
        let read = self
            .source
            .by_ref()
            .take(LINE_MAX_BYTES + 1)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|source| TraceError::Io { line, source })?;
        if read as u64 > LINE_MAX_BYTES {
            return Err(TraceError::TooLong { line });
        }
        Ok(read > 0)
    }

    fn reading(&mut self, fields: &Map<String, Value>) -> Option<Reading> {
        let Some(at_seconds) = fields.get("t").and_then(Value::as_f64) else {
            self.gap(self.last_seconds, "a reading without an instant".to_owned());
            return None;
        };
        self.last_seconds = at_seconds;
        let mut wrong = Vec::new();
        let reading = if fields.contains_key("quiescent_live_bytes") {
            floor(fields, at_seconds, &mut wrong).map(Reading::Floor)
        } else if fields.contains_key("gc") {
            collection(fields, at_seconds, &mut wrong).map(Reading::Gc)
        } else {
            Some(Reading::Sample(sample(fields, at_seconds, &mut wrong)))
        };
        if !wrong.is_empty() {
            self.gap(at_seconds, format!("no usable value of `{}`", wrong.join("`, `")));
        }
        reading
    }

    fn gap(&mut self, at_seconds: f64, reason: String) {
        let full = self.gaps.len() >= GAPS_MAX;
        if let Some(last) = self.gaps.last_mut()
            && (last.reason == reason || full)
        {
            last.to_seconds = last.to_seconds.max(at_seconds);
            return;
        }
        self.gaps.push(Gap {
            from_seconds: at_seconds,
            to_seconds: at_seconds,
            reason,
        });
    }
}

fn parse_header(line: &[u8]) -> Result<TraceHeader, TraceError> {
    let wrong = |reason: String| TraceError::Header { reason };
    let (fields, _) = parse_object(line).map_err(wrong)?;
    match fields.get("schema").and_then(Value::as_str) {
        Some(SCHEMA) => {}
        Some(other) => return Err(wrong(format!("its schema is `{other}`"))),
        None => return Err(wrong("it has no `schema`".to_owned())),
    }
    serde_json::from_value(Value::Object(fields)).map_err(|e| wrong(e.to_string()))
}

/// One JSON object; the tokens `NaN` and `Infinity`, which some recorders write, are read as null, and
/// the second value says so.
fn parse_object(line: &[u8]) -> Result<(Map<String, Value>, bool), String> {
    let text = std::str::from_utf8(line).map_err(|e| e.to_string())?;
    let mut mended = false;
    let value = serde_json::from_str(text).or_else(|error| {
        let without = without_non_numbers(text);
        mended = without != text;
        if mended {
            serde_json::from_str(&without)
        } else {
            Err(error)
        }
    });
    match value {
        Ok(Value::Object(fields)) => Ok((fields, mended)),
        Ok(_) => Err("it is another kind of value".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn without_non_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Even pieces are outside of strings; an escaped quote only makes the mended text fail to parse.
    for (i, piece) in text.split('"').enumerate() {
        if i > 0 {
            out.push('"');
        }
        if i % 2 == 1 {
            out.push_str(piece);
            continue;
        }
        let piece = ["-Infinity", "Infinity", "-NaN", "NaN"]
            .iter()
            .fold(piece.to_owned(), |piece, token| piece.replace(token, "null"));
        out.push_str(&piece);
    }
    out
}

/// A nonnegative whole number; a field that is absent or null is unknown, anything else is noted.
fn number(fields: &Map<String, Value>, name: &'static str, wrong: &mut Vec<&'static str>) -> Option<u64> {
    let value = fields.get(name).filter(|v| !v.is_null())?;
    let whole = value.as_u64().or_else(|| {
        let float = value
            .as_f64()
            .filter(|f| f.is_finite() && *f >= 0.0 && *f < 2f64.powi(63))?;
        Some(float.round() as u64)
    });
    if whole.is_none() {
        wrong.push(name);
    }
    whole
}

fn job_counts(fields: &Map<String, Value>, wrong: &mut Vec<&'static str>) -> JobCounts {
    let Some(Value::Object(jobs)) = fields.get("jobs") else {
        return JobCounts::new();
    };
    let counts: Option<JobCounts> = jobs
        .iter()
        .map(|(class, count)| Some((class.clone(), count.as_u64()?)))
        .collect();
    // Half of the classes would look like a restart.
    counts.unwrap_or_else(|| {
        wrong.push("jobs");
        JobCounts::new()
    })
}

fn sample(fields: &Map<String, Value>, at_seconds: f64, wrong: &mut Vec<&'static str>) -> Sample {
    let mut get = |name| number(fields, name, wrong);
    Sample {
        at_seconds,
        rss_bytes: get("rss_bytes"),
        heap_used_bytes: get("heap_used_bytes"),
        heap_committed_bytes: get("heap_committed_bytes"),
        external_bytes: get("external_bytes"),
        fds: get("fds"),
        threads: get("threads"),
        backlog: get("backlog"),
        in_flight: get("in_flight").and_then(|n| u32::try_from(n).ok()),
        incarnation: get("incarnation")
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0),
        jobs: job_counts(fields, wrong),
    }
}

fn collection(
    fields: &Map<String, Value>,
    at_seconds: f64,
    wrong: &mut Vec<&'static str>,
) -> Option<GcEvent> {
    let kind = match fields.get("gc").and_then(Value::as_str) {
        Some("major") => GcKind::Major,
        Some("minor") => GcKind::Minor,
        _ => {
            wrong.push("gc");
            return None;
        }
    };
    let Some(live_bytes) = number(fields, "live_bytes", wrong) else {
        if kind == GcKind::Major && !wrong.contains(&"live_bytes") {
            wrong.push("live_bytes");
        }
        return None;
    };
    let in_flight = number(fields, "in_flight", wrong).and_then(|n| u32::try_from(n).ok());
    let pause_seconds = fields.get("pause_seconds").and_then(Value::as_f64);
    Some(GcEvent {
        at_seconds,
        kind,
        live_bytes,
        in_flight,
        pause_seconds,
    })
}

fn floor(fields: &Map<String, Value>, at_seconds: f64, wrong: &mut Vec<&'static str>) -> Option<Floor> {
    let Some(live_bytes) = number(fields, "quiescent_live_bytes", wrong) else {
        if !wrong.contains(&"quiescent_live_bytes") {
            wrong.push("quiescent_live_bytes");
        }
        return None;
    };
    let has_jobs = fields.get("jobs").is_some_and(Value::is_object);
    let bad_before = wrong.len();
    let jobs = has_jobs.then(|| job_counts(fields, wrong));
    Some(Floor {
        at_seconds,
        live_bytes,
        external_bytes: number(fields, "external_bytes", wrong),
        rss_bytes: number(fields, "rss_bytes", wrong),
        jobs: jobs.filter(|_| wrong.len() == bad_before),
        in_flight: number(fields, "in_flight", wrong)
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0),
        pause_seconds: fields.get("pause_seconds").and_then(Value::as_f64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"schema":"plimsoll.trace/1","worker":"w1","service":"mailer","release":"1.4.2","budget_bytes":536870912,"cap_bytes":null,"min_growth":{"bytes_per_day":1000000}}"#;

    fn read(lines: &[&str]) -> Result<Trace, TraceError> {
        read_trace(format!("{HEADER}\n{}", lines.join("\n")).as_bytes())
    }

    #[test]
    fn the_three_kinds_of_lines_read() {
        let trace = read(&[
            r#"{"t":30.0,"rss_bytes":9,"heap_used_bytes":5,"heap_committed_bytes":6,"external_bytes":1,"jobs":{"email":120},"in_flight":2,"incarnation":1}"#,
            r#"{"t":31.2,"gc":"major","live_bytes":4,"in_flight":1,"pause_seconds":0.02}"#,
            r#"{"t":300.0,"quiescent_live_bytes":3}"#,
            "",
        ])
        .expect("a good record");
        assert_eq!(trace.header.budget_bytes, Some(536_870_912));
        assert_eq!(trace.header.min_growth.and_then(|m| m.bytes_per_day), Some(1e6));
        assert_eq!(trace.gaps, []);
        let [Reading::Sample(sample), Reading::Gc(event), Reading::Floor(floor)] = &trace.readings[..] else {
            panic!("{:?}", trace.readings)
        };
        assert_eq!(
            (sample.rss_bytes, sample.jobs["email"], sample.incarnation),
            (Some(9), 120, 1)
        );
        assert_eq!((event.live_bytes, event.in_flight), (4, Some(1)));
        assert_eq!((floor.live_bytes, &floor.jobs), (3, &None));
    }

    #[test]
    fn bad_values_are_gaps() {
        for (line, readings, reason) in [
            (r#"{"t":1,"rss_bytes":-5,"heap_used_bytes":7}"#, 1, "`rss_bytes`"),
            (
                r#"{"t":1,"rss_bytes":NaN,"heap_used_bytes":-Infinity}"#,
                1,
                "no numbers",
            ),
            (r#"{"t":NaN,"rss_bytes":5}"#, 0, "instant"),
            (
                r#"{"t":1,"quiescent_live_bytes":NaN}"#,
                0,
                "`quiescent_live_bytes`",
            ),
            (
                r#"{"t":1,"quiescent_live_bytes":-1}"#,
                0,
                "`quiescent_live_bytes`",
            ),
            (r#"{"t":1,"gc":"sideways","live_bytes":1}"#, 0, "`gc`"),
            (r#"{"t":1,"rss_bytes":"many"}"#, 1, "`rss_bytes`"),
            (r#"{"t":1,"jobs":{"a":-1,"b":2}}"#, 1, "`jobs`"),
            (r#"{"t":1,"gc":"minor"}"#, 0, ""),
        ] {
            let trace = read(&[line, ""]).unwrap_or_else(|e| panic!("{line}: {e}"));
            assert_eq!(trace.readings.len(), readings, "{line}");
            let said = trace.gaps.iter().map(|g| g.reason.as_str()).collect::<String>();
            assert!(said.contains(reason), "{line}: {said}");
            assert_eq!(said.is_empty(), reason.is_empty(), "{line}: {said}");
        }
    }

    #[test]
    fn broken_records_say_where() {
        for (text, expected) in [
            (
                String::new(),
                "the record is empty: its first line must be a `plimsoll.trace/1` header",
            ),
            (
                "{}\n".into(),
                "line 1 is no `plimsoll.trace/1` header: it has no `schema`",
            ),
            (
                "{\"schema\":\"plimsoll.report/1\"}\n".into(),
                "line 1 is no `plimsoll.trace/1` header: its schema is `plimsoll.report/1`",
            ),
            (
                format!("{HEADER}\n[1]\n"),
                "line 2 is no JSON object: it is another kind of value",
            ),
            (
                format!("{HEADER}\n{}", "x".repeat(1 << 21)),
                "line 2 is longer than 1048576 bytes",
            ),
        ] {
            let error = read_trace(text.as_bytes()).expect_err("must not read");
            assert_eq!(error.to_string(), expected);
        }
        let error = read(&["{\"t\":1}", "nonsense", "{\"t\":2}"]).expect_err("must not read");
        assert!(
            error.to_string().starts_with("line 3 is no JSON object"),
            "{error}"
        );
    }

    #[test]
    fn a_record_cut_anywhere_reads_up_to_there() {
        let text = format!(
            "{HEADER}\n{}\n{}\n",
            r#"{"t":1,"rss_bytes":5,"jobs":{}}"#, r#"{"t":2,"quiescent_live_bytes":3}"#
        );
        for cut in HEADER.len() + 1..text.len() {
            let trace = read_trace(&text.as_bytes()[..cut]).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
            assert!(trace.readings.len() <= 2);
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let trace = read(&[
            r#"{"t":30.0,"rss_bytes":9,"jobs":{"email":120},"in_flight":2,"incarnation":1}"#,
            r#"{"t":31.2,"gc":"major","live_bytes":4}"#,
            r#"{"t":300.0,"quiescent_live_bytes":3,"jobs":{"email":130},"in_flight":1}"#,
        ])
        .expect("a good record");
        let mut out = Vec::new();
        write_header(&mut out, &trace.header).expect("memory");
        trace
            .readings
            .iter()
            .for_each(|r| write_reading(&mut out, r).expect("memory"));
        assert_eq!(read_trace(&out[..]).expect("what was written"), trace);
    }
}
