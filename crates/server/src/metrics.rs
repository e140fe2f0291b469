//! `/metrics` in the Prometheus text format 0.0.4.

use std::fmt::Write;
use std::sync::{Arc, PoisonError};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::clock::now_ms;
use crate::fleet::Worker;
use crate::serve::Shared;

/// Workers that are shown one by one.
const WORKERS_MAX: usize = 10_000;

/// The page.
pub async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let text = render(&shared);
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}

type Figure = fn(&Worker) -> Option<f64>;

const PER_WORKER: &[(&str, &str, &str, Figure)] = &[
    (
        "plimsoll_worker_resident_memory_bytes",
        "gauge",
        "Resident memory of the worker's processes.",
        |w| w.latest.rss_bytes,
    ),
    (
        "plimsoll_worker_heap_used_bytes",
        "gauge",
        "Managed heap in use, garbage included.",
        |w| w.latest.heap_used_bytes,
    ),
    (
        "plimsoll_worker_live_heap_bytes",
        "gauge",
        "Live heap right after the last full collection.",
        |w| w.latest.live_heap_bytes,
    ),
    (
        "plimsoll_worker_memory_limit_bytes",
        "gauge",
        "The least memory limit in force.",
        |w| w.limit_bytes().map(|bytes| bytes as f64),
    ),
    (
        "plimsoll_worker_jobs_total",
        "counter",
        "Jobs completed, failed ones included.",
        |w| Some(w.jobs() as f64),
    ),
    ("plimsoll_worker_jobs_in_flight", "gauge", "Jobs running.", |w| {
        w.latest.in_flight
    }),
    (
        "plimsoll_worker_growth_bytes_per_job",
        "gauge",
        "Estimated growth per job.",
        |w| Some(w.verdict.as_ref()?.bytes_per_job?.estimate),
    ),
    (
        "plimsoll_worker_growth_bytes_per_job_low",
        "gauge",
        "Lower end of its 95 % interval.",
        |w| Some(w.verdict.as_ref()?.bytes_per_job?.low),
    ),
    (
        "plimsoll_worker_growth_bytes_per_job_high",
        "gauge",
        "Upper end of its 95 % interval.",
        |w| Some(w.verdict.as_ref()?.bytes_per_job?.high),
    ),
    (
        "plimsoll_worker_exhaustion_seconds",
        "gauge",
        "Time until the memory limit at this growth.",
        |w| Some(w.verdict.as_ref()?.exhaustion_in_seconds?.estimate),
    ),
    (
        "plimsoll_worker_dropped_batches_total",
        "counter",
        "Batches that the worker could not send.",
        |w| Some(w.dropped as f64),
    ),
];

fn render(shared: &Shared) -> String {
    let mut out = String::new();
    let open = shared.open.lock().unwrap_or_else(PoisonError::into_inner).len();
    let failures = shared.failures.lock().unwrap_or_else(PoisonError::into_inner).0;
    let now = now_ms();
    let fleet = shared.fleet.lock().unwrap_or_else(PoisonError::into_inner);
    let mut one = |name: &str, kind: &str, help: &str, value: f64| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    };
    one(
        "plimsoll_up_seconds",
        "gauge",
        "Time since the collector started.",
        shared.started.elapsed().as_secs_f64(),
    );
    one(
        "plimsoll_points_total",
        "counter",
        "Points taken in.",
        fleet.points as f64,
    );
    one(
        "plimsoll_workers",
        "gauge",
        "Workers in memory.",
        fleet.workers.len() as f64,
    );
    one(
        "plimsoll_workers_refused_total",
        "counter",
        "Workers refused because there were too many.",
        fleet.refused as f64,
    );
    one(
        "plimsoll_failures_total",
        "counter",
        "Writes and alerts that failed.",
        failures as f64,
    );
    one(
        "plimsoll_incidents_open",
        "gauge",
        "Incidents that are not over.",
        open as f64,
    );
    let shown: Vec<(&Worker, String)> = fleet
        .workers
        .values()
        .rev()
        .filter(|worker| worker.state(now) == "live")
        .take(WORKERS_MAX)
        .map(|worker| (worker, labels(worker)))
        .collect();
    for (name, kind, help, figure) in PER_WORKER {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (worker, labels) in &shown {
            if let Some(value) = figure(worker).filter(|value| value.is_finite()) {
                let _ = writeln!(out, "{name}{{{labels}}} {value}");
            }
        }
    }
    status(&mut out, &shown);
    out
}

fn status(out: &mut String, shown: &[(&Worker, String)]) {
    let name = "plimsoll_worker_verdict";
    let _ = writeln!(
        out,
        "# HELP {name} 1 for the verdict that holds.\n# TYPE {name} gauge"
    );
    for (worker, labels) in shown {
        let Some(verdict) = &worker.verdict else { continue };
        for status in ["stable", "bounded", "leaking", "inconclusive"] {
            let holds = u8::from(verdict.status.to_string() == status);
            let _ = writeln!(out, "{name}{{{labels},verdict=\"{status}\"}} {holds}");
        }
    }
}

fn labels(worker: &Worker) -> String {
    let identity = &worker.identity;
    let mut labels = format!(
        "worker=\"{}\",service=\"{}\"",
        worker.row,
        escape(&identity.service)
    );
    let pid = identity.pid.map(|pid| pid.to_string());
    for (name, value) in [
        ("release", &identity.release),
        ("env", &identity.env),
        ("runtime", &identity.runtime),
        ("host", &identity.host),
        ("pid", &pid),
    ] {
        if let Some(value) = value {
            let _ = write!(labels, ",{name}=\"{}\"", escape(value));
        }
    }
    labels
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
