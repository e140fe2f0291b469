//! The one door through which figures of workers come in, whatever they came by.

use std::sync::{Arc, PoisonError};

use plimsoll_model::Report;
use plimsoll_store::{Done, Point, StoreError};
use plimsoll_wire::stream::StreamBatch;

use crate::clock::now_ms;
use crate::fleet::{Source, Worker, bounded};
use crate::incidents::Finding;
use crate::judge::worker_name;
use crate::serve::Shared;

/// Why figures were not taken.
#[derive(Debug, thiserror::Error)]
pub enum RefusedError {
    /// Too many workers at once.
    #[error("{0} workers are watched already, which is the most")]
    Full(usize),
    /// The store cannot.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A run that nobody has heard of.
    #[error("no run has the session `{0}`")]
    Unknown(String),
    /// The writer went away.
    #[error("the store is closed")]
    Closed,
}

/// Takes a batch in; comes back once its points are on disk.
///
/// # Errors
/// When there is no room, or the store cannot.
pub async fn take(shared: &Arc<Shared>, batch: StreamBatch, source: Source) -> Result<(), RefusedError> {
    let points = points_of(shared, batch, source).await?;
    if points.is_empty() {
        return Ok(());
    }
    store(shared, points).await
}

async fn points_of(
    shared: &Arc<Shared>,
    mut batch: StreamBatch,
    source: Source,
) -> Result<Vec<Point>, RefusedError> {
    let key = bounded(&batch.session);
    tidy(&mut batch);
    if let Some(points) = known(shared, &key, &batch) {
        return Ok(points);
    }
    // A new worker, or one that has become known better: its row is written first.
    let row = row_of(shared, &key, &batch, source).await?;
    let now = now_ms();
    let mut fleet = shared.fleet.lock().unwrap_or_else(PoisonError::into_inner);
    if fleet.by_key(&key).is_none() {
        if !fleet.has_room() {
            fleet.refused += 1;
            return Err(RefusedError::Full(crate::fleet::WORKERS_MAX));
        }
        let began_ms = (batch.began_at.clamp(0.0, now as f64 / 1000.0) * 1000.0) as i64;
        fleet.insert(Worker::new(row, &key, batch.worker.clone(), source, began_ms));
    }
    let worker = fleet.by_key(&key).ok_or(RefusedError::Closed)?;
    worker.identity = batch.worker.clone();
    let points = worker.take(&batch, now);
    fleet.points += points.len() as u64;
    drop(fleet);
    shared.crier.cry("worker", row);
    Ok(points)
}

/// The points of a batch of a worker that is known as it is; `None` if its row is to be written.
fn known(shared: &Shared, key: &str, batch: &StreamBatch) -> Option<Vec<Point>> {
    let mut fleet = shared.fleet.lock().unwrap_or_else(PoisonError::into_inner);
    let worker = fleet.by_key(key)?;
    if batch.seq != 0 && batch.seq <= worker.seq {
        return Some(Vec::new()); // sent again because our answer was lost
    }
    if worker.identity != batch.worker || worker.ended_ms.is_some() {
        return None;
    }
    let (points, row) = (worker.take(batch, now_ms()), worker.row);
    fleet.points += points.len() as u64;
    drop(fleet);
    shared.crier.cry("worker", row);
    Some(points)
}

fn tidy(batch: &mut StreamBatch) {
    let worker = &mut batch.worker;
    worker.service = match bounded(&worker.service) {
        name if name.is_empty() => "unnamed".into(),
        name => name,
    };
    for text in [
        &mut worker.release,
        &mut worker.env,
        &mut worker.runtime,
        &mut worker.runtime_version,
        &mut worker.host,
    ] {
        *text = text.as_deref().map(bounded);
    }
    worker.command.truncate(64);
    worker.command.iter_mut().for_each(|word| *word = bounded(word));
    if !batch.began_at.is_finite() {
        batch.began_at = 0.0;
    }
}

async fn row_of(
    shared: &Arc<Shared>,
    key: &str,
    batch: &StreamBatch,
    source: Source,
) -> Result<i64, RefusedError> {
    let identity = serde_json::json!({
        "worker": batch.worker,
        "source": source.name(),
        "began_ms": (batch.began_at * 1000.0) as i64,
    });
    let (key, service) = (key.to_owned(), batch.worker.service.clone());
    let shared = Arc::clone(shared);
    let row = tokio::task::spawn_blocking(move || {
        shared
            .store
            .worker(&key, &service, &identity.to_string(), now_ms())
    });
    Ok(row.await.map_err(|_| RefusedError::Closed)??)
}

async fn store(shared: &Shared, points: Vec<Point>) -> Result<(), RefusedError> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    let done: Done = Box::new(move |result| {
        let _ = answer.send(result);
    });
    shared.store.append(points, done);
    Ok(answered.await.map_err(|_| RefusedError::Closed)??)
}

/// Takes the report of a run's end in: it knows more than the stream did, so it has the last word.
///
/// # Errors
/// When nobody has heard of the run, or the store cannot.
pub async fn end(shared: &Arc<Shared>, session: &str, report: Report) -> Result<(), RefusedError> {
    let report = Arc::new(report);
    let now = now_ms();
    let finding = {
        let mut fleet = shared.fleet.lock().unwrap_or_else(PoisonError::into_inner);
        let worker = fleet
            .by_key(&bounded(session))
            .ok_or_else(|| RefusedError::Unknown(bounded(session)))?;
        worker.ended_ms = Some(now);
        worker.seen_ms = now;
        worker.verdict = Some(Arc::new(report.verdict.clone()));
        worker.report = Some(Arc::clone(&report));
        Finding {
            service: worker.identity.service.clone(),
            env: worker.identity.env.clone(),
            release: worker.identity.release.clone(),
            worker: worker.row,
            worker_name: worker_name(worker),
            began_ms: worker.began_ms,
            at_ms: now,
            jobs: report.window.jobs,
            job_class: report
                .suspects
                .iter()
                .find_map(|suspect| suspect.job_class.clone()),
            verdict: Arc::new(report.verdict.clone()),
            suspects: report.suspects.clone(),
        }
    };
    let shared = Arc::clone(shared);
    let written = tokio::task::spawn_blocking(move || {
        let verdict = serde_json::to_string(&report.verdict).ok();
        shared.store.note_workers(vec![(finding.worker, now, verdict)])?;
        let text = plimsoll_report::json(&report);
        shared.store.end_worker(finding.worker, now, Some(text))?;
        shared.crier.cry("verdict", finding.worker);
        shared.found(&finding);
        Ok::<_, StoreError>(())
    });
    Ok(written.await.map_err(|_| RefusedError::Closed)??)
}
