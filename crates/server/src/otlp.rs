//! OTLP over HTTP, protobuf and JSON: metrics of a process, and spans that are jobs.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use plimsoll_wire::stream::StreamWorker;
use prost::Message;

use crate::api::{Refusal, unpacked};
use crate::external::{External, Wholeness};
use crate::fleet::Source;
use crate::otlp_wire::{KeyValue, MetricsRequest, NumberPoint, Resource, Span, TracesRequest, text_of};
use crate::serve::Shared;
use crate::sources;

const NANOS_PER_MS: u64 = 1_000_000;
/// `SPAN_KIND_CONSUMER`.
const CONSUMER: i32 = 5;
/// `STATUS_CODE_ERROR`.
const ERROR: i32 = 2;

fn is_json(headers: &HeaderMap) -> Result<bool, Refusal> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    match kind.and_then(|kind| kind.split(';').next()) {
        Some("application/json") => Ok(true),
        Some("application/x-protobuf") => Ok(false),
        _ => Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send `application/x-protobuf` or `application/json`",
        )),
    }
}

fn decoded<T: Message + Default>(
    headers: &HeaderMap,
    body: Bytes,
    from_json: fn(&serde_json::Value) -> T,
) -> Result<T, Refusal> {
    let json = is_json(headers)?;
    let body = unpacked(headers, body)?;
    let wrong = |error: String| Refusal::bad(format!("the body is no OTLP request: {error}"));
    if json {
        let value = serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))?;
        return Ok(from_json(&value));
    }
    T::decode(body).map_err(|error| wrong(error.to_string()))
}

/// An empty answer in the form of the request.
fn done(headers: &HeaderMap) -> Response {
    if is_json(headers).unwrap_or(false) {
        ([(header::CONTENT_TYPE, "application/json")], "{}").into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/x-protobuf")], Vec::new()).into_response()
    }
}

/// `POST /v1/metrics`.
pub async fn metrics(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let request = decoded(&headers, body, MetricsRequest::from_json)?;
    let batches: Vec<_> = {
        let mut external = shared.external.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = BTreeSet::new();
        for resource in &request.resource_metrics {
            let (key, worker) = worker_of(resource.resource.as_ref());
            let scopes = || resource.scope_metrics.iter().flat_map(|scope| &scope.metrics);
            // One export is one look, though its instants may differ by a little.
            let at = scopes()
                .flat_map(|metric| metric.points())
                .map(|point| point.time_unix_nano)
                .max();
            let at_ms = (at.unwrap_or(0) / NANOS_PER_MS) as i64;
            let mut known = false;
            for metric in scopes() {
                known |= metric
                    .points()
                    .filter(|point| observe(&mut external, &key, &worker, &metric.plain_name(), point, at_ms))
                    .count()
                    > 0;
            }
            if known {
                keys.insert(key);
            }
        }
        keys.iter()
            .filter_map(|key| external.batch(key, Wholeness::Whole))
            .collect()
    };
    for batch in batches {
        sources::take(&shared, batch, Source::Otlp).await?;
    }
    Ok(done(&headers))
}

fn observe(
    external: &mut External,
    key: &str,
    worker: &StreamWorker,
    name: &str,
    point: &NumberPoint,
    at_ms: i64,
) -> bool {
    let labels: Vec<(String, String)> = point
        .attributes
        .iter()
        .map(|pair| (pair.key.replace('.', "_"), text_of(pair)))
        .collect();
    external.observe(key, worker, (name, &labels), at_ms, point.value)
}

/// `POST /v1/traces`.
pub async fn traces(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let request = decoded(&headers, body, TracesRequest::from_json)?;
    let batches: Vec<_> = {
        let mut external = shared.external.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = BTreeSet::new();
        for resource in &request.resource_spans {
            let (key, worker) = worker_of(resource.resource.as_ref());
            for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
                if let Some(class) = job_class(span) {
                    let at_ms = (span.end_time_unix_nano / NANOS_PER_MS) as i64;
                    let failed = span.status.as_ref().is_some_and(|status| status.code == ERROR);
                    external.count(&key, &worker, at_ms, &class, 1, u64::from(failed));
                    keys.insert(key.clone());
                }
            }
        }
        // Counts go along with the figures that come next.
        keys.iter()
            .filter_map(|key| external.batch(key, Wholeness::Parts))
            .collect()
    };
    for batch in batches {
        sources::take(&shared, batch, Source::Otlp).await?;
    }
    Ok(done(&headers))
}

/// The class of a span that is a job: a consumer's span, named by its task or queue.
fn job_class(span: &Span) -> Option<String> {
    let attribute = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| span.attributes.iter().find(|pair| pair.key == *name))
            .map(text_of)
            .filter(|text| !text.is_empty())
    };
    let operation = attribute(&["messaging.operation.type", "messaging.operation"]);
    let receives = matches!(operation.as_deref(), Some("receive" | "settle"));
    let processes = operation.as_deref() == Some("process");
    if receives || !(processes || span.kind == CONSUMER) {
        return None;
    }
    attribute(&[
        "celery.task_name",
        "messaging.bullmq.job.name",
        "bullmq.job.name",
        "messaging.sidekiq.job_class",
        "messaging.destination.name",
        "messaging.destination",
    ])
    .or_else(|| Some(span.name.clone()).filter(|name| !name.is_empty()))
}

fn worker_of(resource: Option<&Resource>) -> (String, StreamWorker) {
    let attribute = |names: &[&str]| {
        let attributes = resource.map_or(&[][..], |resource| &resource.attributes);
        let find = |name: &&str| attributes.iter().find(|pair: &&KeyValue| pair.key == *name);
        names.iter().find_map(find).map(text_of)
    };
    let pid = attribute(&["process.pid"]);
    let worker = StreamWorker {
        service: attribute(&["service.name"]).unwrap_or_else(|| "unknown_service".into()),
        release: attribute(&["service.version"]),
        env: attribute(&["deployment.environment.name", "deployment.environment"]),
        runtime: attribute(&["process.runtime.name"]).map(|name| match name.as_str() {
            "nodejs" => "node".into(),
            "cpython" => "python".into(),
            _ => name,
        }),
        runtime_version: attribute(&["process.runtime.version"]),
        pid: pid.as_ref().and_then(|pid| pid.parse().ok()),
        host: attribute(&["host.name", "k8s.pod.name", "container.id"]),
        command: attribute(&["process.command_line", "process.command"])
            .into_iter()
            .collect(),
    };
    let instance = attribute(&["service.instance.id"])
        .or_else(|| worker.host.clone())
        .unwrap_or_default();
    let key = format!("otlp:{}/{instance}/{}", worker.service, pid.unwrap_or_default());
    (key, worker)
}
