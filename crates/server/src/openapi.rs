//! The API described (OpenAPI 3.1): one row a path, so that the document cannot be forgotten.

use serde_json::{Map, Value, json};

/// Method, path, summary, query parameters, whether there is a JSON body.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    bool,
);

const ROWS: &[Row] = &[
    ("get", "/api/v1/status", "The collector itself", &[], false),
    (
        "get",
        "/api/v1/workers",
        "Workers, the latest first",
        &["service", "state", "status", "limit", "offset"],
        false,
    ),
    (
        "get",
        "/api/v1/workers/{id}",
        "One worker with its job classes, isolates and report",
        &[],
        false,
    ),
    (
        "get",
        "/api/v1/workers/{id}/series",
        "Series of a worker: instants in ms and values",
        &["names", "from", "to", "points"],
        false,
    ),
    (
        "get",
        "/api/v1/workers/{id}/report",
        "The report of its run (plimsoll.report/1)",
        &[],
        false,
    ),
    (
        "get",
        "/api/v1/series",
        "The same as workers/{id}/series",
        &["worker", "names", "from", "to", "points"],
        false,
    ),
    (
        "get",
        "/api/v1/services",
        "Services with the worst verdict of their workers",
        &[],
        false,
    ),
    (
        "get",
        "/api/v1/services/{name}",
        "One service with its workers and job classes",
        &[],
        false,
    ),
    ("get", "/api/v1/job-classes", "Job classes", &["service"], false),
    (
        "get",
        "/api/v1/incidents",
        "Incidents, the latest first",
        &["state", "service", "limit"],
        false,
    ),
    (
        "get",
        "/api/v1/incidents/{id}",
        "One incident with its timeline",
        &[],
        false,
    ),
    (
        "post",
        "/api/v1/incidents/{id}/acknowledge",
        "Somebody works on it: {note}",
        &[],
        true,
    ),
    (
        "post",
        "/api/v1/incidents/{id}/resolve",
        "It is over: {note}",
        &[],
        true,
    ),
    (
        "post",
        "/api/v1/incidents/{id}/silence",
        "No alerts for its service: {for, reason}",
        &[],
        true,
    ),
    ("get", "/api/v1/silences", "Silences that hold", &[], false),
    (
        "post",
        "/api/v1/silences",
        "No alerts for a service: {service, for, reason}",
        &[],
        true,
    ),
    (
        "get",
        "/api/v1/baselines",
        "Memory profiles per release",
        &[],
        false,
    ),
    (
        "get",
        "/api/v1/audit",
        "The audit log in order",
        &["after", "limit"],
        false,
    ),
    (
        "get",
        "/api/v1/audit/verify",
        "Whether the audit log's chain of hashes holds",
        &[],
        false,
    ),
    (
        "get",
        "/api/v1/events",
        "News as server-sent events: worker, verdict, incident",
        &[],
        false,
    ),
    ("get", "/api/v1/openapi.json", "This document", &[], false),
    (
        "post",
        "/api/v1/stream",
        "A batch of a run (plimsoll.stream/1)",
        &[],
        true,
    ),
    (
        "post",
        "/api/v1/reports",
        "The report of a run's end: {session, report}",
        &[],
        true,
    ),
    (
        "post",
        "/api/v1/write",
        "Prometheus remote write 1.0 (snappy, protobuf)",
        &[],
        false,
    ),
    (
        "post",
        "/v1/metrics",
        "OTLP metrics (protobuf or JSON)",
        &[],
        false,
    ),
    (
        "post",
        "/v1/traces",
        "OTLP spans of jobs (protobuf or JSON)",
        &[],
        false,
    ),
    ("get", "/metrics", "Prometheus text format", &[], false),
    ("get", "/healthz", "Whether the collector runs", &[], false),
];

/// The document.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (method, path, summary, query, has_body) in ROWS {
        let mut parameters: Vec<Value> = query
            .iter()
            .map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string" } }))
            .collect();
        for name in path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        {
            parameters.push(
                json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }),
            );
        }
        let mut operation = json!({
            "summary": summary,
            "operationId": format!("{method}{}", path.replace(['/', '{', '}', '.'], "_")),
            "parameters": parameters,
            "responses": {
                "200": { "description": "Done" },
                "default": {
                    "description": "Refused",
                    "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
                },
            },
        });
        if *has_body {
            operation["requestBody"] =
                json!({ "content": { "application/json": { "schema": { "type": "object" } } } });
        }
        let entry = paths.entry((*path).to_owned()).or_insert_with(|| json!({}));
        entry[*method] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Plimsoll collector",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Sizes are bytes, times are seconds, instants RFC 3339 UTC; series have instants in milliseconds since the Unix epoch. An unknown is null.",
        },
        "paths": paths,
        "components": {
            "schemas": { "Error": { "type": "object", "properties": { "error": { "type": "string" } } } },
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        "security": [{ "token": [] }, {}],
    })
}
