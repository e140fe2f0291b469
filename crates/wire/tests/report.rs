//! `plimsoll.report/1` field by field, and the documents that are refused.

use plimsoll_model::{Estimate, Interval};
use plimsoll_wire::report::{ReportError, read, write};
use serde_json::{Value, json};

/// Every field of the schema once.
fn document() -> Value {
    let estimate = json!({"estimate": 12650.0, "low": 12100.0, "high": 13200.0, "confidence": 0.95});
    let stacks = json!([{"bytes": 1, "frames": ["handleEmail worker.js:40:11"]}]);
    json!({
        "schema": "plimsoll.report/1",
        "worker": {
            "service": "mailer", "release": "1.4.2", "env": "ci", "runtime": "node", "runtime_version": "20.20.2",
            "pid": 4711, "started_at": "2026-03-02T10:15:00Z", "command": ["node", "worker.js"],
            "exit": {"code": 0, "signal": null}
        },
        "window": {
            "seconds": 61.2, "jobs": 1000, "samples": 61,
            "gaps": [{"from_seconds": 1.0, "to_seconds": 2.5, "reason": "heap snapshot"}]
        },
        "verdict": {
            "status": "leaking", "channel": "heap", "bytes_per_job": estimate, "bytes_per_hour": estimate,
            "exhaustion_in_seconds": {"estimate": 8100.0, "low": 7000.0, "high": 9500.0}, "limit_bytes": 536870912,
            "minimum_effect_bytes_per_job": 50.0, "reasons": ["a reason"], "next": ["a step"]
        },
        "job_classes": [{
            "class": "email", "jobs": 500, "failed": 3, "bytes_per_job": estimate, "peak_bytes": 9000000,
            "allocated_bytes_per_job": 410000.0, "duration_seconds": {"p50": 0.01, "p95": 0.03, "p999": 0.2},
            "status": "leaking"
        }],
        "suspects": [{
            "rank": 1, "pattern": "growing-collection", "type": "Object", "holder": "failedPayloads",
            "holder_type": "Array", "module": "worker.js", "source": "worker.js:12:7", "count_per_job": 0.5,
            "bytes_per_job": 12650.0, "retained_bytes": 6325000, "retainer_path": ["(GC roots)", "failedPayloads :: Array"],
            "allocation_stacks": stacks, "job_class": "email", "explanation": "one plain sentence", "remedies": ["drain it"]
        }],
        "spikes": [{
            "job_class": "report", "job_id": "17", "payload_bytes": 1, "peak_bytes": 180000000,
            "at": "2026-03-02T10:15:31Z", "allocation_stacks": stacks
        }],
        "evidence": [{
            "kind": "heap-snapshot", "path": "a.heapsnapshot", "jobs": 100, "taken_at": "2026-03-02T10:15:07Z",
            "pause_seconds": 0.2, "bytes": 1
        }],
        "cost": {"agent_cpu_share": 0.004, "agent_bytes": 2000000, "pauses_seconds": 0.4, "dropped_records": 0}
    })
}

fn rewritten(document: &Value) -> Value {
    let report = read(&document.to_string()).expect("the document is valid");
    serde_json::from_str(&write(&report)).expect("what is written is JSON")
}

#[test]
fn every_field_survives_reading_and_writing() {
    assert_eq!(rewritten(&document()), document());
}

#[test]
fn every_enumerated_word_of_the_schema_is_known() {
    let words: [(&str, &[&str]); 5] = [
        (
            "/verdict/status",
            &["stable", "bounded", "leaking", "inconclusive"],
        ),
        (
            "/verdict/channel",
            &["heap", "external", "native", "rss", "fds", "threads", "backlog"],
        ),
        ("/job_classes/0/status", &["leaking", "stable", "inconclusive"]),
        (
            "/evidence/0/kind",
            &[
                "heap-snapshot",
                "class-histogram",
                "allocation-profile",
                "handle-census",
            ],
        ),
        (
            "/suspects/0/pattern",
            &[
                "growing-collection",
                "listener-per-job",
                "timer-per-job",
                "unsettled-promise",
                "closure",
                "client-per-job",
                "unclosed-handle",
                "unbounded-cache",
                "interning",
                "reference-cycle",
                "refcount",
                "session-identity-map",
                "native",
                "retry-buffer",
                "backlog",
                "unknown",
            ],
        ),
    ];
    for (pointer, words) in words {
        for word in words {
            let mut changed = document();
            *changed
                .pointer_mut(pointer)
                .expect("the pointer is in the document") = json!(word);
            assert_eq!(rewritten(&changed), changed, "{pointer} {word}");
        }
    }
}

#[test]
fn the_unknown_is_null_and_reads_back() {
    let optional = [
        "/worker/release",
        "/worker/env",
        "/worker/runtime",
        "/worker/runtime_version",
        "/worker/exit",
        "/verdict/channel",
        "/verdict/bytes_per_job",
        "/verdict/bytes_per_hour",
        "/verdict/exhaustion_in_seconds",
        "/verdict/exhaustion_in_seconds/high",
        "/verdict/limit_bytes",
        "/verdict/minimum_effect_bytes_per_job",
        "/job_classes/0/bytes_per_job",
        "/job_classes/0/peak_bytes",
        "/job_classes/0/allocated_bytes_per_job",
        "/job_classes/0/duration_seconds",
        "/suspects/0/holder",
        "/suspects/0/holder_type",
        "/suspects/0/module",
        "/suspects/0/source",
        "/suspects/0/count_per_job",
        "/suspects/0/bytes_per_job",
        "/suspects/0/retained_bytes",
        "/suspects/0/job_class",
        "/spikes/0/job_id",
        "/spikes/0/payload_bytes",
        "/evidence/0/jobs",
        "/evidence/0/pause_seconds",
        "/evidence/0/bytes",
        "/cost/agent_cpu_share",
        "/cost/agent_bytes",
    ];
    for pointer in optional {
        let mut changed = document();
        *changed
            .pointer_mut(pointer)
            .expect("the pointer is in the document") = Value::Null;
        assert_eq!(rewritten(&changed), changed, "{pointer}");
    }
}

#[test]
fn figures_that_are_not_finite_become_null_and_the_text_still_reads_back() {
    let mut report = read(&document().to_string()).expect("the document is valid");
    let broken = Estimate {
        estimate: f64::NAN,
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
        confidence: 0.95,
    };
    report.verdict.bytes_per_job = Some(broken);
    report.verdict.exhaustion_in_seconds = Some(Interval {
        estimate: 5.0,
        low: 4.0,
        high: Some(f64::INFINITY),
    });
    report.job_classes[0].bytes_per_job = Some(broken);
    report.job_classes[0].allocated_bytes_per_job = Some(f64::INFINITY);
    report.suspects[0].count_per_job = Some(f64::NAN);
    report.cost.agent_cpu_share = Some(f64::NAN);
    let text = write(&report);
    let value: Value = serde_json::from_str(&text).expect("what is written is JSON");
    for pointer in [
        "/verdict/bytes_per_job",
        "/verdict/exhaustion_in_seconds/high",
        "/job_classes/0/bytes_per_job",
        "/job_classes/0/allocated_bytes_per_job",
        "/suspects/0/count_per_job",
        "/cost/agent_cpu_share",
    ] {
        assert_eq!(value.pointer(pointer), Some(&Value::Null), "{pointer}");
    }
    assert_eq!(write(&read(&text).expect("what was written reads back")), text);
}

#[test]
fn fields_of_a_later_minor_change_are_ignored() {
    let mut grown = document();
    grown["tomorrow"] = json!({"a": 1});
    grown["worker"]["tomorrow"] = json!(1);
    assert_eq!(rewritten(&grown), document());
}

#[test]
fn other_documents_are_refused_with_the_reason() {
    let with_schema = |schema: Value| {
        let mut changed = document();
        changed["schema"] = schema;
        changed.to_string()
    };
    let mut incomplete = document();
    incomplete.as_object_mut().expect("an object").remove("verdict");
    for (text, expected) in [
        (
            with_schema(json!("plimsoll.report/2")),
            "schema is `plimsoll.report/2`, this plimsoll reads `plimsoll.report/1`",
        ),
        (
            with_schema(json!("plimsoll.trace/1")),
            "schema is `plimsoll.trace/1`, expected `plimsoll.report/1`",
        ),
        (
            with_schema(json!("plimsoll.report/x")),
            "schema is `plimsoll.report/x`, expected `plimsoll.report/1`",
        ),
        (
            with_schema(json!(1)),
            "no `schema` field, expected `plimsoll.report/1`",
        ),
        ("{}".into(), "no `schema` field, expected `plimsoll.report/1`"),
        ("[1]".into(), "no `schema` field, expected `plimsoll.report/1`"),
        (
            "{\"schema\"".into(),
            "not JSON: EOF while parsing an object at line 1 column 9",
        ),
        (
            String::new(),
            "not JSON: EOF while parsing a value at line 1 column 0",
        ),
        (
            incomplete.to_string(),
            "not a valid `plimsoll.report/1`: missing field `verdict`",
        ),
    ] {
        let error = read(&text).expect_err("the document is refused").to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let long = with_schema(json!("x".repeat(10_000)));
    let Err(ReportError::Foreign { found }) = read(&long) else {
        panic!("a foreign schema is told as such")
    };
    assert_eq!(found.len(), 60);
}

#[test]
fn a_report_cut_anywhere_is_refused() {
    let text = document().to_string();
    for end in 0..text.len() {
        assert!(read(&text[..end]).is_err(), "cut at {end}");
    }
}
