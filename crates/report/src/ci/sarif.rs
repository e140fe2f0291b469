//! SARIF 2.1.0 (OASIS standard): findings at source lines.

use plimsoll_model::{Gate, Report};
use serde_json::{Value, json};

use super::findings::{Finding, Level, Place, Places, findings};
use super::{outcome, sentence};
use crate::untrusted::visible;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The log, pretty-printed, without a newline at the end. `version` is that of plimsoll.
pub fn sarif(report: &Report, places: &Places, version: &str) -> String {
    let found = findings(report, places);
    let outcome = outcome(report);
    let could_not = outcome == Gate::CouldNot;
    let mut rules: Vec<&str> = found.iter().map(|finding| finding.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let notifications: Vec<Value> = found
        .iter()
        .filter(|_| could_not)
        .map(|finding| json!({"level": "error", "message": {"text": visible(&finding.message)}}))
        .collect();
    let results: Vec<Value> = found
        .iter()
        .filter(|_| !could_not)
        .map(|finding| result(finding, outcome))
        .collect();
    let described: Vec<Value> = rules.iter().map(|rule| describe(rule)).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "plimsoll", "version": version, "rules": described}},
            "invocations": [{
                "executionSuccessful": !could_not,
                "toolExecutionNotifications": notifications,
            }],
            "originalUriBaseIds": {"%SRCROOT%": {"uri": format!("file://{}/", encoded(&places.root))}},
            "columnKind": "utf16CodeUnits",
            "results": results,
            "properties": {"outcome": outcome.word(), "sentence": visible(&sentence(report))},
        }],
    });
    serde_json::to_string_pretty(&log).expect("maps with string keys always serialize")
}

fn describe(rule: &str) -> Value {
    let text = match rule.strip_prefix("leak/") {
        Some(pattern) => format!("Objects outlive their jobs: {}.", pattern.replace('-', " ")),
        None => match rule {
            "memory-limit" => "The worker ran into its memory limit.".to_owned(),
            "not-verified" => "The test itself did not work.".to_owned(),
            _ => "The signals do not settle whether memory is bounded.".to_owned(),
        },
    };
    json!({"id": rule, "shortDescription": {"text": text}})
}

fn result(finding: &Finding, outcome: Gate) -> Value {
    // A finding that is not settled is for review; such results have no level (3.27.9, 3.27.10).
    let (kind, level) = match (outcome, finding.level) {
        (Gate::Inconclusive, _) => ("review", "none"),
        (_, Level::Error) => ("fail", "error"),
        (_, Level::Warning) => ("fail", "warning"),
    };
    let related: Vec<Value> = finding
        .related
        .iter()
        .map(|place| {
            let mut at = location(place);
            at["message"] = json!({"text": "such objects are allocated here"});
            at
        })
        .collect();
    let locations: Vec<Value> = finding.place.iter().map(location).collect();
    json!({
        "ruleId": finding.rule,
        "kind": kind,
        "level": level,
        "message": {"text": visible(&finding.message)},
        "locations": locations,
        "relatedLocations": related,
    })
}

fn location(place: &Place) -> Value {
    let artifact = match place.file.starts_with('/') {
        true => json!({"uri": format!("file://{}", encoded(&place.file))}),
        false => json!({"uri": encoded(&place.file), "uriBaseId": "%SRCROOT%"}),
    };
    let mut region = json!({"startLine": place.line});
    if let Some(column) = place.column {
        region["startColumn"] = json!(column);
    }
    json!({"physicalLocation": {"artifactLocation": artifact, "region": region}})
}

/// A path as part of a URI (RFC 3986): everything but unreserved characters and slashes is encoded.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded() {
        assert_eq!(encoded("src/a b%é.js"), "src/a%20b%25%C3%A9.js");
    }
}
