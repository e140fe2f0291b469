//! What the API shows: values of ours as JSON documents.

use plimsoll_model::{ClassStatus, Status};
use plimsoll_store::{AuditRow, Incident, IncidentEvent, Silence};
use serde_json::{Map, Value, json};

use crate::clock::rfc3339;
use crate::fleet::{Fleet, Worker};
use crate::incidents::Body;

/// A worker in a list.
pub fn worker(worker: &Worker, now_ms: i64) -> Value {
    let latest = &worker.latest;
    json!({
        "id": worker.row,
        "key": worker.key,
        "service": worker.identity.service,
        "release": worker.identity.release,
        "env": worker.identity.env,
        "runtime": worker.identity.runtime,
        "runtime_version": worker.identity.runtime_version,
        "pid": worker.identity.pid,
        "host": worker.identity.host,
        "source": worker.source.name(),
        "state": worker.state(now_ms),
        "began_at": rfc3339(worker.began_ms),
        "last_seen_at": rfc3339(worker.seen_ms),
        "rss_bytes": latest.rss_bytes,
        "heap_used_bytes": latest.heap_used_bytes,
        "live_heap_bytes": latest.live_heap_bytes,
        "limit_bytes": worker.limit_bytes(),
        "in_flight": latest.in_flight,
        "backlog": latest.backlog,
        "jobs": worker.jobs(),
        "jobs_per_second": worker.jobs_per_second,
        "dropped_batches": worker.dropped,
        "verdict": worker.verdict.as_deref(),
    })
}

/// A worker by itself.
pub fn worker_detail(one: &Worker, now_ms: i64) -> Value {
    let mut value = worker(one, now_ms);
    value["command"] = json!(one.identity.command);
    value["isolates"] = one
        .isolates
        .iter()
        .map(|(id, isolate)| {
            json!({
                "id": id,
                "jobs": isolate.jobs,
                "limit_bytes": isolate.limit_bytes,
                "verdict": isolate.assessment.as_ref().map(|assessment| &assessment.verdict),
            })
        })
        .collect();
    value["job_classes"] = job_classes(std::iter::once(one)).into();
    value["report"] = match &one.report {
        Some(report) => serde_json::from_str(&plimsoll_report::json(report)).unwrap_or(Value::Null),
        None => Value::Null,
    };
    value
}

/// Job classes of some workers, by service and class.
pub fn job_classes<'a>(workers: impl Iterator<Item = &'a Worker>) -> Vec<Value> {
    let mut classes: std::collections::BTreeMap<(String, String), Map<String, Value>> = Default::default();
    for worker in workers {
        let names = worker
            .classes
            .keys()
            .chain(worker.growth.iter().map(|growth| &growth.class));
        let names: std::collections::BTreeSet<&String> = names.collect();
        for name in names {
            let key = (worker.identity.service.clone(), name.clone());
            let told = worker.classes.get(name).copied().unwrap_or_default();
            let class = classes.entry(key).or_insert_with(|| {
                let value = json!({
                    "service": worker.identity.service, "class": name, "jobs": 0, "failed": 0, "workers": 0,
                    "status": "inconclusive", "bytes_per_job": null, "duration_seconds": null, "peak_bytes": null,
                });
                match value {
                    Value::Object(map) => map,
                    _ => Map::new(),
                }
            });
            let add = |class: &mut Map<String, Value>, field: &str, more: u64| {
                let sum = class[field].as_u64().unwrap_or(0) + more;
                class.insert(field.into(), json!(sum));
            };
            add(class, "jobs", told.jobs);
            add(class, "failed", told.failed);
            add(class, "workers", 1);
            if let Some(duration) = told.duration_seconds {
                class.insert("duration_seconds".into(), json!(duration));
            }
            let peak = class["peak_bytes"].as_u64().max(told.peak_bytes);
            class.insert("peak_bytes".into(), json!(peak));
            note_growth(class, worker, name);
        }
    }
    classes.into_values().map(Value::Object).collect()
}

/// The worst that any worker says of a class stands: `leaking` before `stable` before `inconclusive`.
fn note_growth(class: &mut Map<String, Value>, worker: &Worker, name: &str) {
    let reported = worker
        .report
        .iter()
        .flat_map(|report| &report.job_classes)
        .find(|class| class.class == name)
        .map(|class| (class.status, class.bytes_per_job));
    let live = worker.growth.iter().find(|growth| growth.class == name);
    let Some((status, growth)) = reported.or(live.map(|growth| (growth.status, growth.bytes_per_job))) else {
        return;
    };
    let rank = |status: &str| {
        ["inconclusive", "stable", "leaking"]
            .iter()
            .position(|s| *s == status)
    };
    let name = match status {
        ClassStatus::Leaking => "leaking",
        ClassStatus::Stable => "stable",
        ClassStatus::Inconclusive => "inconclusive",
    };
    if rank(name) >= class["status"].as_str().and_then(rank) {
        class.insert("status".into(), json!(name));
        class.insert("bytes_per_job".into(), json!(growth));
    }
}

/// Services with the worst verdict of their workers.
pub fn services(fleet: &Fleet, incidents: &[(String, i64)], now_ms: i64) -> Vec<Value> {
    let mut services: std::collections::BTreeMap<&str, Vec<&Worker>> = Default::default();
    for worker in fleet.workers.values() {
        services.entry(&worker.identity.service).or_default().push(worker);
    }
    let view = |(name, workers): (&str, Vec<&Worker>)| {
        let live = || workers.iter().filter(|worker| worker.state(now_ms) == "live");
        let sum = |of: fn(&Worker) -> Option<f64>| {
            let known: Vec<f64> = live().filter_map(|worker| of(worker)).collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>())
        };
        let mut statuses = json!({"leaking": 0, "bounded": 0, "stable": 0, "inconclusive": 0});
        for status in workers
            .iter()
            .filter_map(|worker| worker.verdict.as_ref())
            .map(|v| v.status)
        {
            let name = status.to_string();
            statuses[&name] = json!(statuses[&name].as_u64().unwrap_or(0) + 1);
        }
        let releases: std::collections::BTreeSet<&String> = workers
            .iter()
            .filter_map(|worker| worker.identity.release.as_ref())
            .collect();
        json!({
            "service": name,
            "workers": workers.len(),
            "live": live().count(),
            "rss_bytes": sum(|worker| worker.latest.rss_bytes),
            "jobs": workers.iter().map(|worker| worker.jobs()).sum::<u64>(),
            "jobs_per_second": sum(|worker| worker.jobs_per_second),
            "status": worst(&workers).map(|status| status.to_string()),
            "statuses": statuses,
            "releases": releases,
            "incidents": incidents.iter().filter(|(service, _)| service == name).map(|(_, id)| id).collect::<Vec<_>>(),
        })
    };
    services.into_iter().map(view).collect()
}

fn worst(workers: &[&Worker]) -> Option<Status> {
    let rank = |status: &Status| match status {
        Status::Leaking => 3,
        Status::Inconclusive => 2,
        Status::Bounded => 1,
        Status::Stable => 0,
    };
    let statuses = workers.iter().filter_map(|worker| worker.verdict.as_ref());
    statuses.map(|verdict| verdict.status).max_by_key(rank)
}

/// An incident in a list.
pub fn incident(incident: &Incident) -> Value {
    let body: Option<Body> = serde_json::from_str(&incident.body).ok();
    let mut value = match &body {
        Some(body) => json!({
            "title": body.title,
            "severity": body.severity,
            "env": body.env,
            "cause": body.cause,
            "verdict": body.verdict,
            "suspects": body.suspects,
            "workers": body.workers,
            "worker_count": body.worker_count,
            "last_leaking_at": rfc3339(body.leaking_ms),
        }),
        None => json!({ "title": incident.service }),
    };
    value["id"] = json!(incident.id);
    value["service"] = json!(incident.service);
    value["state"] = json!(incident.state.name());
    value["opened_at"] = json!(rfc3339(incident.opened_ms));
    value["updated_at"] = json!(rfc3339(incident.updated_ms));
    value["resolved_at"] = json!(incident.resolved_ms.map(rfc3339));
    value
}

/// What happened to an incident.
pub fn timeline(events: &[IncidentEvent]) -> Value {
    let view = |event: &IncidentEvent| json!({ "at": rfc3339(event.at_ms), "kind": event.kind, "actor": event.actor, "text": event.text });
    events.iter().map(view).collect()
}

/// A silence.
pub fn silence(silence: &Silence) -> Value {
    json!({
        "id": silence.id,
        "service": silence.service,
        "until": rfc3339(silence.until_ms),
        "made_at": rfc3339(silence.made_ms),
        "actor": silence.actor,
        "reason": silence.reason,
    })
}

/// An entry of the audit log.
pub fn audit(row: &AuditRow) -> Value {
    json!({
        "seq": row.seq,
        "at": rfc3339(row.entry.at_ms),
        "actor": row.entry.actor,
        "action": row.entry.action,
        "object": row.entry.object,
        "detail": row.entry.detail,
        "hash": row.hash,
    })
}
