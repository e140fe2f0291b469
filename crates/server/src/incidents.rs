//! When an incident is opened, refined, escalated and resolved: one per service and cause.

use plimsoll_model::{Channel, HumanBytes, Pattern, Status, Suspect, Verdict};
use plimsoll_store::{Incident, IncidentEvent, IncidentState, Store, StoreError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Workers that an incident names; more are counted.
const WORKERS_MAX: usize = 50;
/// Suspects that an incident keeps.
const SUSPECTS_MAX: usize = 8;
/// Nothing new but figures: written down this often.
const REFRESH_MS: i64 = 60_000;
/// Less time than this until memory is full, and somebody has to get up.
const CRITICAL_SECONDS: f64 = 24.0 * 3600.0;

/// What was found out about a worker.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Its service.
    pub service: String,
    /// Its environment.
    pub env: Option<String>,
    /// Its release.
    pub release: Option<String>,
    /// Its row.
    pub worker: i64,
    /// What people call it.
    pub worker_name: String,
    /// When it began.
    pub began_ms: i64,
    /// When this was found.
    pub at_ms: i64,
    /// Jobs that it rests on.
    pub jobs: u64,
    /// Job class that leaks.
    pub job_class: Option<String>,
    /// The verdict.
    pub verdict: Arc<Verdict>,
    /// Who holds the memory, where that is known.
    pub suspects: Vec<Suspect>,
}

/// What makes two leaks the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Memory that grows.
    pub channel: Option<Channel>,
    /// Holder, where it is known.
    pub holder: Option<String>,
    /// Where it is declared.
    pub source: Option<String>,
    /// How it leaks.
    pub pattern: Option<Pattern>,
    /// Job class that leaves it behind.
    pub job_class: Option<String>,
}

/// A worker in an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Involved {
    /// Row.
    pub id: i64,
    /// What people call it.
    pub name: String,
    /// Its release.
    pub release: Option<String>,
}

/// What is known of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Environment.
    pub env: Option<String>,
    /// What makes it this incident and no other.
    pub cause: Cause,
    /// `warning`, or `critical` with less than a day left.
    pub severity: String,
    /// One line.
    pub title: String,
    /// The latest verdict.
    pub verdict: Verdict,
    /// Who holds the memory.
    pub suspects: Vec<Suspect>,
    /// Workers that leak.
    pub workers: Vec<Involved>,
    /// Workers that leak, those not named included.
    pub worker_count: u64,
    /// When a worker was last seen to leak.
    pub leaking_ms: i64,
}

/// An incident that is not over.
#[derive(Debug, Clone)]
pub struct Open {
    /// As stored.
    pub incident: Incident,
    /// What is known.
    pub body: Body,
}

/// What is to be written down.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Kind of the event and its text; `None` for figures alone.
    pub event: Option<(&'static str, String)>,
    /// Whether receivers are told.
    pub tell: bool,
}

fn cause(finding: &Finding) -> Cause {
    let first = finding.suspects.first();
    Cause {
        channel: finding.verdict.channel,
        holder: first.and_then(|suspect| suspect.holder.clone()),
        source: first.and_then(|suspect| suspect.source.clone()),
        pattern: first.map(|suspect| suspect.pattern),
        job_class: first
            .and_then(|suspect| suspect.job_class.clone())
            .or_else(|| finding.job_class.clone()),
    }
}

/// The same service, environment and kind of memory; and the same holder where both are known.
/// Lines move between releases, so a holder is known by its name and file.
fn same(open: &Open, finding: &Finding, cause: &Cause) -> bool {
    let known = &open.body.cause;
    let file = |source: &Option<String>| {
        source
            .as_deref()
            .map(|text| text.split(':').next().map(str::to_owned))
    };
    open.incident.service == finding.service
        && open.body.env == finding.env
        && managed(known.channel) == managed(cause.channel)
        && (known.holder.is_none()
            || cause.holder.is_none()
            || (known.holder == cause.holder && file(&known.source) == file(&cause.source)))
}

/// Buffers that objects hold are the same leak as the objects.
fn managed(channel: Option<Channel>) -> Option<Channel> {
    match channel {
        Some(Channel::External | Channel::Rss | Channel::Native) => Some(Channel::Heap),
        other => other,
    }
}

fn severity(verdict: &Verdict) -> &'static str {
    let soon = verdict
        .exhaustion_in_seconds
        .is_some_and(|left| left.estimate < CRITICAL_SECONDS);
    if soon { "critical" } else { "warning" }
}

fn title(service: &str, cause: &Cause, verdict: &Verdict) -> String {
    let growth = match (verdict.bytes_per_job, verdict.bytes_per_hour) {
        (Some(growth), _) => format!("{} per job", HumanBytes(growth.estimate)),
        (None, Some(growth)) => format!("{} per hour", HumanBytes(growth.estimate)),
        (None, None) => match cause.channel {
            Some(channel) => channel.to_string(),
            None => "memory".into(),
        },
    };
    let whose = match (&cause.holder, &cause.source) {
        (Some(holder), Some(source)) => format!(", held by {holder} at {source}"),
        (Some(holder), None) => format!(", held by {holder}"),
        (None, _) => String::new(),
    };
    format!("{service} leaks {growth}{whose}")
}

/// A leak: opens an incident or brings a known one up to date.
pub fn leaking(open: &mut Vec<Open>, finding: &Finding) -> Option<(usize, Step)> {
    let cause = cause(finding);
    match open.iter().position(|known| same(known, finding, &cause)) {
        Some(index) => Some((index, update(&mut open[index], finding, cause)?)),
        None => {
            open.push(opened(finding, cause));
            let text = open
                .last()
                .map(|open| open.body.title.clone())
                .unwrap_or_default();
            let step = Step {
                event: Some(("opened", text)),
                tell: true,
            };
            Some((open.len() - 1, step))
        }
    }
}

fn opened(finding: &Finding, cause: Cause) -> Open {
    let body = Body {
        env: finding.env.clone(),
        severity: severity(&finding.verdict).into(),
        title: title(&finding.service, &cause, &finding.verdict),
        cause,
        verdict: (*finding.verdict).clone(),
        suspects: finding.suspects.iter().take(SUSPECTS_MAX).cloned().collect(),
        workers: vec![involved(finding)],
        worker_count: 1,
        leaking_ms: finding.at_ms,
    };
    Open {
        incident: Incident {
            id: 0,
            service: finding.service.clone(),
            state: IncidentState::Open,
            opened_ms: finding.at_ms,
            updated_ms: finding.at_ms,
            resolved_ms: None,
            body: String::new(),
        },
        body,
    }
}

fn involved(finding: &Finding) -> Involved {
    Involved {
        id: finding.worker,
        name: finding.worker_name.clone(),
        release: finding.release.clone(),
    }
}

fn update(open: &mut Open, finding: &Finding, cause: Cause) -> Option<Step> {
    let body = &mut open.body;
    body.leaking_ms = finding.at_ms;
    let mut event = None;
    let mut tell = false;
    if !body.workers.iter().any(|worker| worker.id == finding.worker) {
        body.worker_count += 1;
        if body.workers.len() < WORKERS_MAX {
            body.workers.push(involved(finding));
        }
        event = Some(("joined", format!("{} leaks as well", finding.worker_name)));
    }
    if !finding.suspects.is_empty() {
        let refined = body.cause.holder.is_none() && cause.holder.is_some();
        body.suspects = finding.suspects.iter().take(SUSPECTS_MAX).cloned().collect();
        if refined {
            body.cause = cause;
            let text = title(&finding.service, &body.cause, &finding.verdict);
            event = Some(("refined", text));
        }
    }
    body.verdict = (*finding.verdict).clone();
    body.title = title(&finding.service, &body.cause, &finding.verdict);
    if body.severity == "warning" && severity(&finding.verdict) == "critical" {
        "critical".clone_into(&mut body.severity);
        event = Some(("escalated", body.title.clone()));
        tell = open.incident.state == IncidentState::Open;
    }
    let due = finding.at_ms - open.incident.updated_ms >= REFRESH_MS;
    if event.is_none() && !due {
        return None;
    }
    open.incident.updated_ms = finding.at_ms;
    Some(Step { event, tell })
}

/// A worker that is sound ends the incidents of its service, if it began after the leak was last seen
/// and is of another release, or nobody says which. The same release may leak again: that is for people to close.
pub fn sound(open: &mut [Open], finding: &Finding) -> Vec<(usize, Step)> {
    let mut steps = Vec::new();
    for (index, known) in open.iter_mut().enumerate() {
        let body = &known.body;
        let another = finding.release.is_none()
            || !body
                .workers
                .iter()
                .any(|worker| worker.release == finding.release);
        let answers = known.incident.service == finding.service
            && body.env == finding.env
            && finding.began_ms > body.leaking_ms
            && managed(finding.verdict.channel) == managed(body.cause.channel)
            && another;
        if !answers {
            continue;
        }
        known.incident.state = IncidentState::Resolved;
        known.incident.updated_ms = finding.at_ms;
        known.incident.resolved_ms = Some(finding.at_ms);
        let release = finding.release.as_deref().map(|r| format!(" (release {r})"));
        let text = format!(
            "{}{} is {} over {} jobs",
            finding.worker_name,
            release.unwrap_or_default(),
            finding.verdict.status,
            finding.jobs
        );
        steps.push((
            index,
            Step {
                event: Some(("resolved", text)),
                tell: true,
            },
        ));
    }
    steps
}

/// Writes a step down; gives the incident's row.
///
/// # Errors
/// When the store cannot.
pub fn write_down(
    store: &Store,
    open: &mut Open,
    step: Step,
    receivers: &[String],
    actor: &str,
) -> Result<i64, StoreError> {
    open.incident.body = serde_json::to_string(&open.body).unwrap_or_default();
    let at_ms = open.incident.updated_ms;
    let event = step.event.map(|(kind, text)| IncidentEvent {
        at_ms,
        kind: kind.into(),
        actor: actor.into(),
        text,
    });
    let told = if step.tell { receivers.to_vec() } else { Vec::new() };
    open.incident.id = store.put_incident(open.incident.clone(), event, told)?;
    Ok(open.incident.id)
}

/// What is not over, from the store.
///
/// # Errors
/// When the store cannot be read.
pub fn load_open(store: &Store) -> Result<Vec<Open>, StoreError> {
    let mut open = Vec::new();
    for state in [IncidentState::Open, IncidentState::Acknowledged] {
        for incident in store.incidents(Some(state), 10_000)? {
            // A body of another version is left to people.
            if let Ok(body) = serde_json::from_str(&incident.body) {
                open.push(Open { incident, body });
            }
        }
    }
    Ok(open)
}

/// Whether a status ends incidents.
pub fn is_sound(status: Status) -> bool {
    matches!(status, Status::Stable | Status::Bounded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::{Estimate, Interval};

    fn verdict(status: Status, left_seconds: f64) -> Arc<Verdict> {
        Arc::new(Verdict {
            status,
            channel: Some(Channel::Heap),
            bytes_per_job: Some(Estimate {
                estimate: 948.0,
                low: 900.0,
                high: 1000.0,
                confidence: 0.95,
            }),
            bytes_per_hour: None,
            exhaustion_in_seconds: Some(Interval {
                estimate: left_seconds,
                low: left_seconds,
                high: None,
            }),
            limit_bytes: Some(1 << 30),
            minimum_effect_bytes_per_job: None,
            reasons: Vec::new(),
            next: Vec::new(),
        })
    }

    fn finding(worker: i64, at_ms: i64, holder: Option<&str>, status: Status) -> Finding {
        let suspects = holder.map(|holder| Suspect {
            rank: 1,
            pattern: Pattern::RetryBuffer,
            type_name: "Object".into(),
            holder: Some(holder.into()),
            holder_type: None,
            module: None,
            source: Some("mailer.js:173:7".into()),
            count_per_job: None,
            bytes_per_job: None,
            retained_bytes: None,
            retainer_path: Vec::new(),
            allocation_stacks: Vec::new(),
            job_class: None,
            explanation: String::new(),
            remedies: Vec::new(),
        });
        Finding {
            service: "mailer".into(),
            env: None,
            release: Some(if worker < 10 { "1" } else { "2" }.into()),
            worker,
            worker_name: format!("pid {worker}"),
            began_ms: at_ms - 10,
            at_ms,
            jobs: 100,
            job_class: None,
            verdict: verdict(status, 1e9),
            suspects: suspects.into_iter().collect(),
        }
    }

    fn kinds(open: &mut Vec<Open>, finding: &Finding) -> Vec<&'static str> {
        let steps: Vec<(usize, Step)> = match finding.verdict.status {
            Status::Leaking => leaking(open, finding).into_iter().collect(),
            _ => sound(open, finding),
        };
        steps
            .iter()
            .map(|(_, step)| step.event.as_ref().map_or("figures", |event| event.0))
            .collect()
    }

    #[test]
    fn one_incident_per_service_and_cause() {
        let mut open = Vec::new();
        let leak = |worker, at, holder| finding(worker, at, holder, Status::Leaking);
        assert_eq!(kinds(&mut open, &leak(1, 1_000, None)), ["opened"]);
        assert!(kinds(&mut open, &leak(1, 2_000, None)).is_empty());
        assert_eq!(kinds(&mut open, &leak(2, 3_000, None)), ["joined"]);
        assert_eq!(
            kinds(&mut open, &leak(1, 4_000, Some("deferredMails"))),
            ["refined"]
        );
        assert!(kinds(&mut open, &leak(2, 5_000, Some("deferredMails"))).is_empty());
        assert_eq!(kinds(&mut open, &leak(2, 90_000, None)), ["figures"]);
        assert_eq!(kinds(&mut open, &leak(3, 90_001, Some("another"))), ["opened"]);
        assert_eq!(open.len(), 2);
        assert_eq!(
            open[0].body.title,
            "mailer leaks 948 B per job, held by deferredMails at mailer.js:173:7"
        );
    }

    #[test]
    fn only_a_later_worker_of_another_release_resolves() {
        let mut open = Vec::new();
        kinds(&mut open, &finding(1, 100_000, None, Status::Leaking));
        assert!(
            kinds(&mut open, &finding(2, 200_000, None, Status::Stable)).is_empty(),
            "same release"
        );
        assert!(
            kinds(&mut open, &finding(11, 50_000, None, Status::Stable)).is_empty(),
            "before the leak"
        );
        assert_eq!(
            kinds(&mut open, &finding(12, 300_000, None, Status::Bounded)),
            ["resolved"]
        );
        assert_eq!(open[0].incident.state, IncidentState::Resolved);
    }

    #[test]
    fn little_time_left_escalates_once() {
        let mut open = Vec::new();
        kinds(&mut open, &finding(1, 1_000, None, Status::Leaking));
        let mut soon = finding(1, 2_000, None, Status::Leaking);
        soon.verdict = verdict(Status::Leaking, 3_600.0);
        assert_eq!(kinds(&mut open, &soon), ["escalated"]);
        assert!(kinds(&mut open, &soon).is_empty());
    }
}
