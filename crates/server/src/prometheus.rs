//! Prometheus: remote write 1.0 coming in, and the text format.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use plimsoll_wire::stream::StreamWorker;
use prost::Message;

use crate::api::{Refusal, UNPACKED_MAX};
use crate::external::Wholeness;
use crate::fleet::Source;
use crate::serve::Shared;
use crate::sources;

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

fn unsnapped(body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let length = snap::raw::decompress_len(body)
        .map_err(|error| Refusal::bad(format!("the body is no snappy: {error}")))?;
    if length > UNPACKED_MAX {
        return Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body unpacks to {length} bytes, {UNPACKED_MAX} at most"),
        ));
    }
    snap::raw::Decoder::new()
        .decompress_vec(body)
        .map_err(|error| Refusal::bad(format!("the body is no snappy: {error}")))
}

/// `POST /api/v1/write`.
pub async fn remote_write(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<StatusCode, Refusal> {
    let bytes = unsnapped(&body)?;
    let request = WriteRequest::decode(&bytes[..])
        .map_err(|error| Refusal::bad(format!("the body is no remote write request: {error}")))?;
    let batches: Vec<_> = {
        let mut external = shared.external.lock().unwrap_or_else(PoisonError::into_inner);
        let keys: BTreeSet<String> = request
            .timeseries
            .iter()
            .filter_map(|series| observe(&mut external, series))
            .collect();
        keys.iter()
            .filter_map(|key| external.batch(key, Wholeness::Parts))
            .collect()
    };
    for batch in batches {
        sources::take(&shared, batch, Source::RemoteWrite).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Takes one series in; the key of its worker if it means anything to us.
fn observe(external: &mut crate::external::External, series: &TimeSeries) -> Option<String> {
    let label = |name: &str| {
        series
            .labels
            .iter()
            .find(|label| label.name == name)
            .map(|label| label.value.clone())
    };
    let name = label("__name__")?;
    let instance = label("instance")?;
    let job = label("job")?;
    let rest: Vec<(String, String)> = series
        .labels
        .iter()
        .filter(|label| !["__name__", "instance", "job"].contains(&label.name.as_str()))
        .map(|label| (label.name.clone(), label.value.clone()))
        .collect();
    let worker = StreamWorker {
        service: label("service").unwrap_or_else(|| job.clone()),
        env: label("env").or_else(|| label("environment")),
        host: Some(instance.clone()),
        ..StreamWorker::default()
    };
    let key = format!("prometheus:{job}/{instance}");
    let mut known = false;
    for sample in &series.samples {
        known |= external.observe(&key, &worker, (&name, &rest), sample.timestamp, sample.value);
    }
    known.then_some(key)
}

/// One line of the text format: name, labels, value.
pub type Line = (String, Vec<(String, String)>, f64);

/// Reads the text format; lines that are none are left out.
pub fn parse_text(text: &str) -> impl Iterator<Item = Line> {
    text.lines().filter_map(parse_line)
}

fn parse_line(line: &str) -> Option<Line> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(['{', ' ', '\t'])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => parse_labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some((name.to_owned(), labels, value))
}

type LabelsAndRest<'a> = (Vec<(String, String)>, &'a str);

fn parse_labels(mut rest: &str) -> Option<LabelsAndRest<'_>> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.push((name.trim().to_owned(), value));
        rest = &after[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format_is_read() {
        let text = "# HELP a b\na 1\nb{x=\"1\",y=\"q\\\"{}\\n\"} 2.5e3 1700000000\nc{ 3\nd NaN\n\ne{x=\"";
        let lines: Vec<Line> = parse_text(text).filter(|line| !line.2.is_nan()).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0], ("a".into(), vec![], 1.0));
        assert_eq!(lines[1].1[1], ("y".into(), "q\"{}\n".into()));
        assert_eq!(lines[1].2, 2500.0);
    }

    #[test]
    fn a_small_body_cannot_unpack_to_a_large_one() {
        let bomb = snap::raw::Encoder::new()
            .compress_vec(&vec![0; UNPACKED_MAX + 1])
            .expect("packs");
        assert!(unsnapped(&bomb).is_err());
        assert!(unsnapped(b"\xff\xff\xff\xff\xff\xff").is_err());
    }
}
