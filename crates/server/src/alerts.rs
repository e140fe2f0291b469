//! Alerts on their way out.
//!
//! Webhooks and Slack get one message per event, from an outbox in the store, so that a crash loses
//! none; many at once become one message. An Alertmanager gets the present state of every incident
//! that is not over, at once when something changes and then once a minute, which is how its API
//! wants it: grouping, repeating and silencing are its business.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plimsoll_store::{Incident, IncidentEvent, Notification};
use serde_json::{Value, json};

use crate::Receiver;
use crate::clock::{now_ms, rfc3339};
use crate::incidents::Body;
use crate::serve::Shared;

/// More events than this for one receiver at once become one message.
const APART_MAX: usize = 3;
const ATTEMPTS_MAX: u32 = 12;
const FIRST_RETRY_MS: i64 = 5_000;
const LAST_RETRY_MS: i64 = 600_000;
const REFRESH: Duration = Duration::from_secs(60);
/// An alert that is not refreshed for so long resolves itself: longer than a few lost refreshes.
const ALERT_LASTS_MS: i64 = 300_000;
const TIMEOUT: Duration = Duration::from_secs(10);
const BATCH: usize = 200;

/// Who hears of incidents, and how to wake the one who tells them.
#[derive(Debug)]
pub struct Alerts {
    receivers: Vec<Receiver>,
    awake: Mutex<bool>,
    bell: Condvar,
}

impl Alerts {
    /// For these receivers.
    pub fn new(receivers: &[Receiver]) -> Self {
        Alerts {
            receivers: receivers.to_vec(),
            awake: Mutex::new(false),
            bell: Condvar::new(),
        }
    }

    /// Receivers that get messages, by number: a URL may hold a secret, so it is not stored.
    pub fn names(&self) -> Vec<String> {
        let apart = |(_, receiver): &(usize, &Receiver)| !matches!(receiver, Receiver::Alertmanager(_));
        let numbered = self.receivers.iter().enumerate();
        numbered
            .filter(apart)
            .map(|(number, _)| number.to_string())
            .collect()
    }

    /// There may be something to send.
    pub fn wake(&self) {
        *self.awake.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_all();
    }

    fn wait(&self, most: Duration) {
        let awake = self.awake.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut awake, _) = self
            .bell
            .wait_timeout_while(awake, most, |awake| !*awake)
            .unwrap_or_else(PoisonError::into_inner);
        *awake = false;
    }
}

/// Sends until the end.
pub fn run(shared: &Arc<Shared>) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .max_redirects(0)
        .build()
        .into();
    let mut refreshed: Option<Instant> = None;
    let mut told = 0_i64;
    while !shared.stop.load(Ordering::Relaxed) {
        if let Err(error) = send_due(shared, &agent) {
            shared.failed(&error);
        }
        let latest = latest_change(shared);
        if latest != told || refreshed.is_none_or(|at| at.elapsed() >= REFRESH) {
            told = latest;
            refreshed = Some(Instant::now());
            refresh(shared, &agent);
        }
        shared.alerts.wait(Duration::from_secs(2));
    }
}

fn latest_change(shared: &Shared) -> i64 {
    let recent = shared.store.incidents(None, 1).unwrap_or_default();
    recent.first().map_or(0, |incident| incident.updated_ms)
}

fn send_due(shared: &Shared, agent: &ureq::Agent) -> Result<(), plimsoll_store::StoreError> {
    let now = now_ms();
    let silences = shared.store.silences(now)?;
    let mut by_receiver: BTreeMap<String, Vec<(Notification, Incident)>> = BTreeMap::new();
    for due in shared.store.due_notifications(now, BATCH)? {
        let Some(incident) = shared.store.incident(due.incident)? else {
            shared
                .store
                .settle_notification(due.id, now, Some("the incident is gone".into()))?;
            continue;
        };
        let silent = silences
            .iter()
            .any(|s| s.service == "*" || s.service == incident.service);
        if silent {
            shared
                .store
                .settle_notification(due.id, now, Some("silenced".into()))?;
            continue;
        }
        by_receiver
            .entry(due.receiver.clone())
            .or_default()
            .push((due, incident));
    }
    for (name, due) in by_receiver {
        let receiver = name
            .parse()
            .ok()
            .and_then(|number: usize| shared.alerts.receivers.get(number));
        let size = if due.len() > APART_MAX { due.len() } else { 1 };
        for group in due.chunks(size) {
            let sent = match receiver {
                Some(receiver) => post(agent, receiver, group, shared.options.public_url.as_deref()),
                None => Ok(()), // no longer configured
            };
            settle(shared, group, &sent, now)?;
        }
    }
    Ok(())
}

fn settle(
    shared: &Shared,
    group: &[(Notification, Incident)],
    sent: &Result<(), String>,
    now: i64,
) -> Result<(), plimsoll_store::StoreError> {
    for (due, _) in group {
        match sent {
            Ok(()) => shared.store.settle_notification(due.id, now, None)?,
            Err(error) if due.attempts + 1 >= ATTEMPTS_MAX => {
                shared.failed(&format!(
                    "an alert was given up after {ATTEMPTS_MAX} tries: {error}"
                ));
                shared
                    .store
                    .settle_notification(due.id, now, Some(error.clone()))?;
            }
            Err(error) => {
                shared.failed(&format!("an alert could not be sent, trying again: {error}"));
                let wait = (FIRST_RETRY_MS << due.attempts.min(10)).min(LAST_RETRY_MS);
                shared
                    .store
                    .defer_notification(due.id, now + wait, error.clone())?;
            }
        }
    }
    Ok(())
}

fn post(
    agent: &ureq::Agent,
    receiver: &Receiver,
    group: &[(Notification, Incident)],
    public_url: Option<&str>,
) -> Result<(), String> {
    let (url, body) = match receiver {
        Receiver::Webhook(url) => (url, webhook_body(group, public_url)),
        Receiver::Slack(url) => (url, slack_body(group, public_url)),
        Receiver::Alertmanager(_) => return Ok(()),
    };
    send_json(agent, url, &body)
}

fn send_json(agent: &ureq::Agent, url: &str, body: &Value) -> Result<(), String> {
    let sent = agent
        .post(url)
        .header("Content-Type", "application/json")
        .send(body.to_string());
    // The error of ureq may hold the URL, and that may be a secret: only its kind is told.
    sent.map(drop).map_err(|error| match error {
        ureq::Error::StatusCode(code) => format!("the receiver answered {code}"),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => "the receiver did not answer in time".into(),
        ureq::Error::HostNotFound => "the receiver's host is not known".into(),
        ureq::Error::ConnectionFailed => "the receiver cannot be reached".into(),
        _ => "the request could not be sent".into(),
    })
}

fn link(public_url: Option<&str>, id: i64) -> Option<String> {
    Some(format!("{}/#/incidents/{id}", public_url?.trim_end_matches('/')))
}

fn webhook_body(group: &[(Notification, Incident)], public_url: Option<&str>) -> Value {
    let events: Vec<Value> = group
        .iter()
        .map(|(due, incident)| {
            json!({
                "event": due.kind,
                "incident": crate::views::incident(incident),
                "url": link(public_url, incident.id),
            })
        })
        .collect();
    json!({ "schema": "plimsoll.alert/1", "events": events })
}

fn slack_body(group: &[(Notification, Incident)], public_url: Option<&str>) -> Value {
    const LINES_MAX: usize = 20;
    let mut lines: Vec<String> = group
        .iter()
        .take(LINES_MAX)
        .map(|(due, incident)| {
            let title = serde_json::from_str::<Body>(&incident.body)
                .map_or_else(|_| incident.service.clone(), |b| b.title);
            let link = link(public_url, incident.id).map(|url| format!(" <{url}|open>"));
            format!(
                "*{}* {}{}",
                due.kind,
                slack_escape(&title),
                link.unwrap_or_default()
            )
        })
        .collect();
    if group.len() > LINES_MAX {
        lines.push(format!("… and {} more", group.len() - LINES_MAX));
    }
    json!({ "text": lines.join("\n") })
}

/// Slack reads these three as markup; names come from workers.
fn slack_escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn refresh(shared: &Shared, agent: &ureq::Agent) {
    let urls: Vec<&String> = shared
        .alerts
        .receivers
        .iter()
        .filter_map(|receiver| match receiver {
            Receiver::Alertmanager(url) => Some(url),
            _ => None,
        })
        .collect();
    if urls.is_empty() {
        return;
    }
    let now = now_ms();
    let silences = shared.store.silences(now).unwrap_or_default();
    let incidents = shared.store.incidents(None, 1_000).unwrap_or_default();
    let alerts: Vec<Value> = incidents
        .iter()
        .filter(|incident| incident.resolved_ms.is_none_or(|at| now - at < ALERT_LASTS_MS))
        .filter(|incident| {
            !silences
                .iter()
                .any(|s| s.service == "*" || s.service == incident.service)
        })
        .filter_map(|incident| alertmanager_alert(incident, now, shared.options.public_url.as_deref()))
        .collect();
    if alerts.is_empty() {
        return;
    }
    let body = Value::Array(alerts);
    for url in urls {
        let url = format!("{}/api/v2/alerts", url.trim_end_matches('/'));
        match send_json(agent, &url, &body) {
            Ok(()) => note_told(shared, &incidents, now),
            Err(error) => shared.failed(&format!(
                "an Alertmanager could not be told, trying again: {error}"
            )),
        }
    }
}

/// Writes into an incident's history, once, that an Alertmanager has it.
fn note_told(shared: &Shared, incidents: &[Incident], now: i64) {
    for incident in incidents.iter().filter(|incident| incident.resolved_ms.is_none()) {
        let events = shared.store.incident_events(incident.id).unwrap_or_default();
        if events.iter().any(|event| event.kind == "notified") {
            continue;
        }
        let event = IncidentEvent {
            at_ms: now,
            kind: "notified".into(),
            actor: "plimsoll".into(),
            text: "Alertmanager".into(),
        };
        // The state may have changed since it was read: it is written as it is now.
        let put = shared
            .store
            .incident(incident.id)
            .and_then(|present| match present {
                Some(present) => shared
                    .store
                    .put_incident(present, Some(event), Vec::new())
                    .map(drop),
                None => Ok(()),
            });
        if let Err(error) = put {
            shared.failed(&error);
        }
    }
}

fn alertmanager_alert(incident: &Incident, now: i64, public_url: Option<&str>) -> Option<Value> {
    let body: Body = serde_json::from_str(&incident.body).ok()?;
    let mut labels = json!({
        "alertname": "PlimsollMemoryLeak",
        "service": incident.service,
        "severity": body.severity,
        "incident": incident.id.to_string(),
    });
    if let Some(env) = &body.env {
        labels["env"] = json!(env);
    }
    let mut alert = json!({
        "labels": labels,
        "annotations": {
            "summary": body.title,
            "description": body.verdict.reasons.join("; "),
        },
        "startsAt": rfc3339(incident.opened_ms),
        "endsAt": rfc3339(incident.resolved_ms.unwrap_or(now + ALERT_LASTS_MS)),
    });
    if let Some(url) = link(public_url, incident.id) {
        alert["generatorURL"] = json!(url);
    }
    Some(alert)
}
