//! Paths and what they answer.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use plimsoll_store::{AuditEntry, IncidentState, SeriesQuery, Silence, StoreError};
use plimsoll_wire::stream::{StreamBatch, StreamEnd};
use serde_json::{Value, json};

use crate::clock::now_ms;
use crate::fleet::Source;
use crate::guard::{Caller, guard};
use crate::incidents::Step;
use crate::serve::Shared;
use crate::sources::RefusedError;
use crate::{metrics, openapi, otlp, pages, prometheus, sources, views};

/// Bodies larger than this are refused.
const BODY_MAX: usize = 16 << 20;
/// And so are those that unpack to more.
pub const UNPACKED_MAX: usize = 64 << 20;
const LIST_MOST: usize = 1_000;
const POINTS_DEFAULT: usize = 1_500;
const POINTS_MOST: usize = 100_000;
const WEEK_MS: i64 = 7 * 86_400_000;

type Params = Query<HashMap<String, String>>;
type Answer = Result<Json<Value>, Refusal>;
type Held = State<Arc<Shared>>;

/// Why a request was not served: a status and a sentence.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    text: String,
}

impl Refusal {
    /// With this status.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Refusal {
            status,
            text: text.into(),
        }
    }

    /// The request itself is wrong.
    pub fn bad(text: impl Into<String>) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, text)
    }

    fn missing(what: &str, id: i64) -> Self {
        Refusal::new(StatusCode::NOT_FOUND, format!("there is no {what} `{id}`"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.text }))).into_response();
        if matches!(
            self.status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        ) {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl From<RefusedError> for Refusal {
    fn from(error: RefusedError) -> Self {
        let status = match &error {
            RefusedError::Unknown(_) => StatusCode::NOT_FOUND,
            RefusedError::Full(_) => StatusCode::TOO_MANY_REQUESTS,
            RefusedError::Store(_) | RefusedError::Closed => StatusCode::SERVICE_UNAVAILABLE,
        };
        Refusal::new(status, error.to_string())
    }
}

/// All of it, behind the guard.
pub fn router(shared: Arc<Shared>) -> Router {
    let api = Router::new()
        .route("/status", get(status))
        .route("/workers", get(workers))
        .route("/workers/{id}", get(worker))
        .route("/workers/{id}/series", get(worker_series))
        .route("/workers/{id}/report", get(worker_report))
        .route("/series", get(series))
        .route("/services", get(services))
        .route("/services/{name}", get(service))
        .route("/job-classes", get(job_classes))
        .route("/incidents", get(incidents))
        .route("/incidents/{id}", get(incident))
        .route("/incidents/{id}/acknowledge", post(acknowledge))
        .route("/incidents/{id}/resolve", post(resolve))
        .route("/incidents/{id}/silence", post(silence_incident))
        .route("/silences", get(silences).post(silence))
        .route("/baselines", get(baselines))
        .route("/audit", get(audit))
        .route("/audit/verify", get(audit_verify))
        .route("/events", get(events))
        .route("/openapi.json", get(async || Json(openapi::document())))
        .route("/stream", post(stream))
        .route("/reports", post(report))
        .route("/write", post(prometheus::remote_write))
        .fallback(async || {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "there is no such path; see /api/v1/openapi.json",
            )
        });
    Router::new()
        .nest("/api/v1", api)
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/v1/metrics", post(otlp::metrics))
        .route("/v1/traces", post(otlp::traces))
        .fallback(pages::page)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

fn number(params: &HashMap<String, String>, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(text) = params.get(name) else {
        return Ok(None);
    };
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.map(|number| Some(number as i64)).ok_or_else(|| {
        Refusal::bad(format!(
            "`{name}` is `{}`, expected a number",
            crate::fleet::bounded(text)
        ))
    })
}

fn most(params: &HashMap<String, String>) -> Result<usize, Refusal> {
    let limit = number(params, "limit")?.unwrap_or(LIST_MOST as i64);
    Ok(limit.clamp(1, 10 * LIST_MOST as i64) as usize)
}

async fn blocking<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refusal> {
    let shared = Arc::clone(shared);
    let result = tokio::task::spawn_blocking(move || work(&shared)).await;
    let result = result.map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed"))?;
    Ok(result?)
}

async fn status(State(shared): Held) -> Answer {
    let counts = blocking(&shared, |shared| shared.store.counts()).await?;
    let fleet = shared.fleet.lock().unwrap_or_else(PoisonError::into_inner);
    let failures = shared.failures.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": shared.started.elapsed().as_secs_f64(),
        "workers": fleet.workers.len(),
        "workers_stored": counts.workers,
        "workers_refused": fleet.refused,
        "points": fleet.points,
        "points_refused": counts.refused_points,
        "store_bytes": counts.bytes,
        "failures": failures.0,
        "last_failure": failures.1,
    })))
}

async fn workers(State(shared): Held, Query(params): Params) -> Answer {
    let (limit, offset) = (
        most(&params)?,
        number(&params, "offset")?.unwrap_or(0).max(0) as usize,
    );
    let now = now_ms();
    let fleet = shared.fleet.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = |worker: &&crate::fleet::Worker| {
        let is = |name: &str, value: &str| params.get(name).is_none_or(|wanted| wanted == value);
        is("service", &worker.identity.service)
            && is("state", worker.state(now))
            && params.get("status").is_none_or(|wanted| {
                worker
                    .verdict
                    .as_ref()
                    .is_some_and(|verdict| verdict.status.to_string() == *wanted)
            })
    };
    // The latest first: rows only grow.
    let found: Vec<&crate::fleet::Worker> = fleet.workers.values().rev().filter(wanted).collect();
    let shown: Vec<Value> = found
        .iter()
        .skip(offset)
        .take(limit)
        .map(|worker| views::worker(worker, now))
        .collect();
    Ok(Json(json!({ "workers": shown, "total": found.len() })))
}

async fn worker(State(shared): Held, Path(id): Path<i64>) -> Answer {
    {
        let fleet = shared.fleet.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = fleet.workers.get(&id) {
            return Ok(Json(views::worker_detail(worker, now_ms())));
        }
    }
    let row = blocking(&shared, move |shared| shared.store.worker_row(id)).await?;
    let row = row.ok_or_else(|| Refusal::missing("worker", id))?;
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
    let identity = json(&row.identity);
    let mut value = identity["worker"].clone();
    value["id"] = json!(row.id);
    value["key"] = json!(row.key);
    value["state"] = json!("ended");
    value["source"] = identity["source"].clone();
    value["last_seen_at"] = json!(crate::clock::rfc3339(row.last_seen_ms));
    value["verdict"] = row.verdict.as_deref().map_or(Value::Null, json);
    value["report"] = row.report.as_deref().map_or(Value::Null, json);
    Ok(Json(value))
}

async fn worker_report(State(shared): Held, Path(id): Path<i64>) -> Result<Response, Refusal> {
    let row = blocking(&shared, move |shared| shared.store.worker_row(id)).await?;
    let report = row
        .and_then(|row| row.report)
        .ok_or_else(|| Refusal::missing("report of worker", id))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], report).into_response())
}

async fn series(held: Held, Query(params): Params) -> Answer {
    let worker =
        number(&params, "worker")?.ok_or_else(|| Refusal::bad("`worker` is missing: the id of a worker"))?;
    worker_series(held, Path(worker), Query(params)).await
}

async fn worker_series(State(shared): Held, Path(id): Path<i64>, Query(params): Params) -> Answer {
    let now = now_ms();
    let to_ms = number(&params, "to")?.unwrap_or(now + 1);
    let from_ms = number(&params, "from")?.unwrap_or(to_ms - WEEK_MS);
    let points = number(&params, "points")?.unwrap_or(POINTS_DEFAULT as i64);
    let names = params.get("names").map_or("", String::as_str);
    let query = SeriesQuery {
        worker: id,
        names: names
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        from_ms,
        to_ms,
        points_max: points.clamp(10, POINTS_MOST as i64) as usize,
    };
    let found = blocking(&shared, move |shared| shared.store.series(&query)).await?;
    Ok(Json(
        json!({ "worker": id, "from": from_ms, "to": to_ms, "series": found }),
    ))
}

fn open_incidents(shared: &Shared) -> Vec<(String, i64)> {
    let open = shared.open.lock().unwrap_or_else(PoisonError::into_inner);
    open.iter()
        .map(|open| (open.incident.service.clone(), open.incident.id))
        .collect()
}

async fn services(State(shared): Held) -> Answer {
    let incidents = open_incidents(&shared);
    let fleet = shared.fleet.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Json(
        json!({ "services": views::services(&fleet, &incidents, now_ms()) }),
    ))
}

async fn service(State(shared): Held, Path(name): Path<String>) -> Answer {
    let incidents = open_incidents(&shared);
    let now = now_ms();
    let fleet = shared.fleet.lock().unwrap_or_else(PoisonError::into_inner);
    let services = views::services(&fleet, &incidents, now);
    let mut found = services
        .into_iter()
        .find(|service| service["service"] == name.as_str())
        .ok_or_else(|| {
            Refusal::new(
                StatusCode::NOT_FOUND,
                format!("there is no service `{}`", crate::fleet::bounded(&name)),
            )
        })?;
    let own = || {
        fleet
            .workers
            .values()
            .filter(|worker| worker.identity.service == name)
    };
    found["job_classes"] = views::job_classes(own()).into();
    found["workers"] = own()
        .rev()
        .take(LIST_MOST)
        .map(|worker| views::worker(worker, now))
        .collect();
    Ok(Json(found))
}

async fn job_classes(State(shared): Held, Query(params): Params) -> Answer {
    let fleet = shared.fleet.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = params.get("service");
    let workers = fleet
        .workers
        .values()
        .filter(|worker| wanted.is_none_or(|name| *name == worker.identity.service));
    Ok(Json(json!({ "job_classes": views::job_classes(workers) })))
}

async fn incidents(State(shared): Held, Query(params): Params) -> Answer {
    let state = match params.get("state").map(String::as_str) {
        None | Some("all") => None,
        Some(name) => Some(
            IncidentState::parse(name)
                .ok_or_else(|| Refusal::bad("`state` is one of open, acknowledged, resolved, all"))?,
        ),
    };
    let limit = most(&params)?;
    let found = blocking(&shared, move |shared| shared.store.incidents(state, limit)).await?;
    let service = params.get("service");
    let shown: Vec<Value> = found
        .iter()
        .filter(|incident| service.is_none_or(|name| *name == incident.service))
        .map(views::incident)
        .collect();
    Ok(Json(json!({ "incidents": shown })))
}

async fn incident(State(shared): Held, Path(id): Path<i64>) -> Answer {
    let (found, events) = blocking(&shared, move |shared| {
        Ok((shared.store.incident(id)?, shared.store.incident_events(id)?))
    })
    .await?;
    let found = found.ok_or_else(|| Refusal::missing("incident", id))?;
    let mut value = views::incident(&found);
    value["timeline"] = views::timeline(&events);
    Ok(Json(value))
}

async fn acknowledge(held: Held, caller: Extension<Caller>, path: Path<i64>, body: Bytes) -> Answer {
    change(
        held,
        caller,
        path,
        body,
        IncidentState::Acknowledged,
        "acknowledged",
    )
    .await
}

async fn resolve(held: Held, caller: Extension<Caller>, path: Path<i64>, body: Bytes) -> Answer {
    change(held, caller, path, body, IncidentState::Resolved, "resolved").await
}

async fn change(
    State(shared): Held,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
    body: Bytes,
    state: IncidentState,
    kind: &'static str,
) -> Answer {
    let note = options(&body)?["note"]
        .as_str()
        .map(crate::fleet::bounded)
        .unwrap_or_default();
    let changed = blocking(&shared, move |shared| {
        let mut open = shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = open.iter_mut().find(|open| open.incident.id == id) else {
            return shared.store.incident(id);
        };
        let now = now_ms();
        known.incident.state = state;
        known.incident.updated_ms = now;
        known.incident.resolved_ms = (state == IncidentState::Resolved).then_some(now);
        let step = Step {
            event: Some((kind, note)),
            tell: state == IncidentState::Resolved,
        };
        let receivers = shared.alerts.names();
        crate::incidents::write_down(&shared.store, known, step, &receivers, &caller.name)?;
        let changed = known.incident.clone();
        open.retain(|open| open.incident.resolved_ms.is_none());
        drop(open);
        shared.alerts.wake();
        shared.crier.cry("incident", id);
        Ok(Some(changed))
    })
    .await?;
    let changed = changed.ok_or_else(|| Refusal::missing("incident", id))?;
    if changed.state != state {
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            format!("the incident is {}", changed.state.name()),
        ));
    }
    Ok(Json(views::incident(&changed)))
}

/// A body that may be empty.
fn options(body: &Bytes) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(body).map_err(|error| Refusal::bad(format!("the body is no JSON: {error}")))
}

async fn silence_incident(held: Held, caller: Extension<Caller>, Path(id): Path<i64>, body: Bytes) -> Answer {
    let found = blocking(&held.0, move |shared| shared.store.incident(id)).await?;
    let found = found.ok_or_else(|| Refusal::missing("incident", id))?;
    let mut wanted = options(&body)?;
    wanted["service"] = json!(found.service);
    silence(held, caller, Bytes::from(wanted.to_string())).await
}

async fn silence(State(shared): Held, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let wanted = options(&body)?;
    let service = wanted["service"]
        .as_str()
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Refusal::bad("`service` is missing: a service, or `*` for all"))?;
    let text = wanted["for"].as_str().unwrap_or("2h");
    let length = humantime::parse_duration(text)
        .ok()
        .filter(|length| !length.is_zero() && length.as_secs() <= 400 * 86_400)
        .ok_or_else(|| Refusal::bad("`for` is a duration such as 30m, 2h or 7d"))?;
    let now = now_ms();
    let silence = Silence {
        id: 0,
        service: crate::fleet::bounded(service),
        until_ms: now + length.as_millis() as i64,
        made_ms: now,
        actor: caller.name,
        reason: wanted["reason"]
            .as_str()
            .map(crate::fleet::bounded)
            .unwrap_or_default(),
    };
    let shown = views::silence(&silence);
    blocking(&shared, move |shared| shared.store.add_silence(silence)).await?;
    Ok(Json(shown))
}

async fn silences(State(shared): Held) -> Answer {
    let found = blocking(&shared, |shared| shared.store.silences(now_ms())).await?;
    Ok(Json(
        json!({ "silences": found.iter().map(views::silence).collect::<Vec<_>>() }),
    ))
}

async fn baselines() -> Answer {
    Ok(Json(json!({ "baselines": [] })))
}

async fn audit(State(shared): Held, Query(params): Params) -> Answer {
    let (after, limit) = (number(&params, "after")?.unwrap_or(0), most(&params)?);
    let found = blocking(&shared, move |shared| shared.store.audit_after(after, limit)).await?;
    Ok(Json(
        json!({ "audit": found.iter().map(views::audit).collect::<Vec<_>>() }),
    ))
}

async fn audit_verify(State(shared): Held) -> Answer {
    let (entries, fault) = blocking(&shared, |shared| shared.store.verify_audit()).await?;
    Ok(Json(json!({
        "entries": entries,
        "intact": fault.is_none(),
        "fault": fault.map(|fault| json!({ "seq": fault.seq, "reason": fault.reason })),
    })))
}

/// News as server-sent events (WHATWG HTML, 9.2).
async fn events(State(shared): Held) -> Response {
    const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(15);
    let mut news = shared.crier.listen();
    let (mut sender, body) = http_body_util::channel::Channel::<Bytes, std::convert::Infallible>::new(16);
    tokio::spawn(async move {
        let hello = Bytes::from_static(b"retry: 2000\n\n");
        if sender.send_data(hello).await.is_err() {
            return;
        }
        loop {
            use tokio::sync::broadcast::error::RecvError;
            let text = match tokio::time::timeout(KEEP_ALIVE, news.recv()).await {
                Ok(Ok(news)) => format!("event: {}\ndata: {{\"id\":{}}}\n\n", news.kind, news.id),
                Ok(Err(RecvError::Lagged(_))) => "event: behind\ndata: {}\n\n".to_owned(),
                Ok(Err(RecvError::Closed)) => return,
                Err(_) => ": still here\n\n".to_owned(),
            };
            if sender.send_data(Bytes::from(text)).await.is_err() {
                return;
            }
        }
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::new(body)).into_response()
}

/// The body as it was before `Content-Encoding`.
pub fn unpacked(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Refusal> {
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .and_then(|value| value.to_str().ok());
    match encoding {
        None | Some("identity") => Ok(body),
        Some("gzip") => {
            use std::io::Read;
            let mut unpacked = Vec::new();
            let mut reader = flate2::read::MultiGzDecoder::new(&body[..]).take(UNPACKED_MAX as u64 + 1);
            reader
                .read_to_end(&mut unpacked)
                .map_err(|error| Refusal::bad(format!("the body is no gzip: {error}")))?;
            if unpacked.len() > UNPACKED_MAX {
                return Err(Refusal::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("the body unpacks to more than {UNPACKED_MAX} bytes"),
                ));
            }
            Ok(unpacked.into())
        }
        Some(other) => Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!(
                "the encoding `{}` is not known, send gzip or none",
                crate::fleet::bounded(other)
            ),
        )),
    }
}

/// JSON only: what a form of another site can send has another type.
fn expect_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with("application/json")) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "send `Content-Type: application/json`",
    ))
}

async fn stream(State(shared): Held, headers: HeaderMap, body: Bytes) -> Answer {
    expect_json(&headers)?;
    let body = unpacked(&headers, body)?;
    let batch: StreamBatch = serde_json::from_slice(&body).map_err(|error| {
        Refusal::bad(format!(
            "the body is no `{}`: {error}",
            plimsoll_wire::stream::SCHEMA
        ))
    })?;
    if batch.schema != plimsoll_wire::stream::SCHEMA {
        return Err(Refusal::bad(format!(
            "schema is `{}`, expected `{}`",
            crate::fleet::bounded(&batch.schema),
            plimsoll_wire::stream::SCHEMA
        )));
    }
    if batch.session.is_empty() {
        return Err(Refusal::bad("`session` is missing"));
    }
    sources::take(&shared, batch, Source::Run).await?;
    Ok(Json(json!({})))
}

async fn report(State(shared): Held, caller: Extension<Caller>, headers: HeaderMap, body: Bytes) -> Answer {
    expect_json(&headers)?;
    let body = unpacked(&headers, body)?;
    let end: StreamEnd = serde_json::from_slice(&body)
        .map_err(|error| Refusal::bad(format!("the body is no report: {error}")))?;
    let report = plimsoll_wire::report::read(&end.report.to_string())
        .map_err(|error| Refusal::bad(error.to_string()))?;
    sources::end(&shared, &end.session, report).await?;
    let entry = AuditEntry {
        at_ms: now_ms(),
        actor: caller.name.clone(),
        action: "report.receive".into(),
        object: crate::fleet::bounded(&end.session),
        detail: String::new(),
    };
    blocking(&shared, move |shared| shared.store.audit(entry)).await?;
    Ok(Json(json!({})))
}
