//! Looks at workers in turn: those with news, the young ones more often.

use std::sync::{Arc, PoisonError};

use plimsoll_daemon::temper;
use plimsoll_detect::{Assessment, Detector};
use plimsoll_model::{ClassStatus, Status, Verdict};

use crate::clock::now_ms;
use crate::fleet::{JUDGE_LEAST_MS, OUTSIDE, Worker};
use crate::incidents::Finding;
use crate::serve::Shared;

/// A worker is judged again at the latest after this.
const JUDGE_MOST_MS: i64 = 60_000;
/// Verdicts between two looks at the clock: the lock is never held for long.
const TURN: usize = 64;

/// One turn over the workers that are due. Gives how many were judged.
pub fn turn(shared: &Shared) -> usize {
    let now = now_ms();
    let due = due_workers(shared, now);
    for (row, detectors) in &due {
        let assessed: Vec<(String, Assessment)> = detectors
            .iter()
            .map(|(id, detector)| (id.clone(), detector.assess()))
            .collect();
        settle(shared, *row, assessed, now);
    }
    due.len()
}

type Due = Vec<(i64, Vec<(String, Detector)>)>;

fn due_workers(shared: &Shared, now: i64) -> Due {
    let mut fleet = shared.fleet.lock().unwrap_or_else(PoisonError::into_inner);
    let mut due = Due::new();
    for worker in fleet.workers.values_mut() {
        let unread = worker.isolates.values().any(|isolate| isolate.unread > 0);
        if !unread || worker.judge_at_ms > now || worker.report.is_some() {
            continue;
        }
        worker.judge_at_ms = now + ((now - worker.began_ms) / 20).clamp(JUDGE_LEAST_MS, JUDGE_MOST_MS);
        let mut detectors = Vec::new();
        for (id, isolate) in &mut worker.isolates {
            if isolate.unread > 0 {
                isolate.unread = 0;
                detectors.push((id.clone(), isolate.detector.clone()));
            }
        }
        due.push((worker.row, detectors));
        if due.len() >= TURN {
            break;
        }
    }
    due
}

fn settle(shared: &Shared, row: i64, assessed: Vec<(String, Assessment)>, now: i64) {
    let finding = {
        let mut fleet = shared.fleet.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(worker) = fleet.workers.get_mut(&row) else {
            return;
        };
        for (id, mut assessment) in assessed {
            assessment.verdict = temper(assessment.verdict);
            if let Some(isolate) = worker.isolates.get_mut(&id) {
                isolate.assessment = Some(Arc::new(assessment));
            }
        }
        conclude(worker, now)
    };
    if let Some(finding) = finding {
        shared.crier.cry("verdict", row);
        shared.found(&finding);
    }
}

/// The worker's verdict from those of its isolates; a finding where it is one to act upon.
fn conclude(worker: &mut Worker, now: i64) -> Option<Finding> {
    if worker.report.is_some() {
        return None;
    }
    let inside = worker.isolates.keys().any(|id| id != OUTSIDE);
    let assessment = worker
        .isolates
        .iter()
        .filter(|(id, _)| !inside || *id != OUTSIDE)
        .filter_map(|(_, isolate)| Some((isolate.jobs, isolate.assessment.as_ref()?)))
        .max_by(|a, b| urgency(a.0, &a.1.verdict).total_cmp(&urgency(b.0, &b.1.verdict)))
        .map(|(_, assessment)| Arc::clone(assessment))?;
    let before = worker.verdict.as_ref().map(|verdict| verdict.status);
    let verdict = Arc::new(assessment.verdict.clone());
    worker.growth.clone_from(&assessment.classes);
    worker.verdict = Some(Arc::clone(&verdict));
    worker.dirty = true;
    let news = before != Some(verdict.status) || verdict.status == Status::Leaking;
    news.then(|| Finding {
        service: worker.identity.service.clone(),
        env: worker.identity.env.clone(),
        release: worker.identity.release.clone(),
        worker: worker.row,
        worker_name: worker_name(worker),
        began_ms: worker.began_ms,
        at_ms: now,
        jobs: worker.jobs(),
        job_class: leaking_class(&assessment),
        verdict,
        suspects: Vec::new(),
    })
}

/// What people call it: process and machine.
pub fn worker_name(worker: &Worker) -> String {
    match (&worker.identity.host, worker.identity.pid) {
        (Some(host), Some(pid)) => format!("pid {pid} on {host}"),
        (None, Some(pid)) => format!("pid {pid}"),
        (Some(host), None) => host.clone(),
        (None, None) => worker.key.clone(),
    }
}

fn leaking_class(assessment: &Assessment) -> Option<String> {
    let leaking = |class: &&plimsoll_detect::ClassGrowth| class.status == ClassStatus::Leaking;
    let class = assessment.classes.iter().find(leaking)?;
    Some(class.class.clone())
}

fn urgency(jobs: u64, verdict: &Verdict) -> f64 {
    let leak = match verdict.status {
        Status::Leaking => {
            1e18 + verdict
                .bytes_per_hour
                .map_or(0.0, |growth| growth.estimate.clamp(0.0, 1e17))
        }
        _ => 0.0,
    };
    leak + jobs as f64
}
