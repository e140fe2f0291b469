//! Start, threads, end.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use plimsoll_model::Status;
use plimsoll_store::{Store, StoreOptions};

use crate::alerts::Alerts;
use crate::clock::now_ms;
use crate::events::Crier;
use crate::external::External;
use crate::fleet::Fleet;
use crate::incidents::{Finding, Open, is_sound, leaking, load_open, sound, write_down};
use crate::{ServeError, ServeOptions, api, judge, listen, restore, scrape};

/// What all parts share.
#[derive(Debug)]
pub struct Shared {
    /// What is kept.
    pub store: Store,
    /// What is known right now.
    pub fleet: Mutex<Fleet>,
    /// Figures of workers without our agent that wait to be whole.
    pub external: Mutex<External>,
    /// What is not over.
    pub open: Mutex<Vec<Open>>,
    /// News for those who look on.
    pub crier: Crier,
    /// Who hears of incidents.
    pub alerts: Alerts,
    /// How to serve.
    pub options: ServeOptions,
    /// Writes that failed since the start, and the last reason.
    pub failures: Mutex<(u64, Option<String>)>,
    /// When we started.
    pub started: Instant,
    /// Set at the end.
    pub stop: AtomicBool,
}

impl Shared {
    /// Acts upon what was found out about a worker.
    pub fn found(&self, finding: &Finding) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let steps = match finding.verdict.status {
            Status::Leaking => leaking(&mut open, finding).into_iter().collect(),
            status if is_sound(status) => sound(&mut open, finding),
            _ => Vec::new(),
        };
        for (index, step) in steps {
            let receivers = self.alerts.names();
            match write_down(&self.store, &mut open[index], step, &receivers, "plimsoll") {
                Ok(id) => self.crier.cry("incident", id),
                Err(error) => self.failed(&error),
            }
        }
        open.retain(|open| open.incident.resolved_ms.is_none());
        drop(open);
        self.alerts.wake();
    }

    /// Counts a write that failed, and says so on stderr when it is a new reason.
    pub fn failed(&self, error: &dyn std::fmt::Display) {
        let text = error.to_string();
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.0 += 1;
        if failures.1.as_ref() != Some(&text) {
            eprintln!("plimsoll: {text}");
            failures.1 = Some(text);
        }
    }
}

/// A collector that runs.
#[derive(Debug)]
pub struct Serving {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
    threads: Vec<JoinHandle<()>>,
}

impl Serving {
    /// Ends everything and seals the store.
    pub fn stop(mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.alerts.wake();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(2));
        }
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Starts to serve.
///
/// # Errors
/// When it may not listen there, or the store cannot be opened.
pub fn serve(options: ServeOptions) -> Result<Serving, ServeError> {
    let store = Store::open(&options.data, &StoreOptions::default())?;
    listen::check_exposure(&options, &store)?;
    let open = load_open(&store)?;
    let fleet = restore::fleet(&store, now_ms())?;
    let alerts = Alerts::new(&options.receivers);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .enable_all()
        .build()?;
    let listener = runtime.block_on(listen::bind(&options))?;
    let address = listener.address();
    let shared = Arc::new(Shared {
        store,
        fleet: Mutex::new(fleet),
        external: Mutex::new(External::default()),
        open: Mutex::new(open),
        crier: Crier::default(),
        alerts,
        options,
        failures: Mutex::new((0, None)),
        started: Instant::now(),
        stop: AtomicBool::new(false),
    });
    runtime.spawn(listener.serve(api::router(Arc::clone(&shared)), Arc::clone(&shared)));
    let mut threads = vec![
        spawn("judge", &shared, judge_loop)?,
        spawn("alerts", &shared, crate::alerts::run)?,
    ];
    if !shared.options.scrapes.is_empty() {
        let handle = runtime.handle().clone();
        threads.push(spawn("scrape", &shared, move |shared| {
            scrape::run(shared, &handle)
        })?);
    }
    Ok(Serving {
        address,
        shared,
        runtime: Some(runtime),
        threads,
    })
}

fn spawn(
    name: &str,
    shared: &Arc<Shared>,
    work: impl FnOnce(&Arc<Shared>) + Send + 'static,
) -> Result<JoinHandle<()>, ServeError> {
    let shared = Arc::clone(shared);
    let builder = std::thread::Builder::new().name(name.into());
    Ok(builder.spawn(move || work(&shared))?)
}

/// Verdicts are noted in the store this often.
const NOTE_EVERY: Duration = Duration::from_secs(10);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const IDLE: Duration = Duration::from_millis(250);

fn judge_loop(shared: &Arc<Shared>) {
    let (mut noted, mut swept) = (Instant::now(), Instant::now());
    while !shared.stop.load(Ordering::Relaxed) {
        let judged = judge::turn(shared);
        if noted.elapsed() > NOTE_EVERY {
            note(shared);
            noted = Instant::now();
        }
        if swept.elapsed() > SWEEP_EVERY {
            sweep(shared);
            swept = Instant::now();
        }
        if judged == 0 {
            std::thread::sleep(IDLE);
        }
    }
    note(shared);
}

fn note(shared: &Shared) {
    let now = now_ms();
    let mut notes = Vec::new();
    {
        let mut fleet = shared.fleet.lock().unwrap_or_else(PoisonError::into_inner);
        fleet.forget(now);
        for worker in fleet.workers.values_mut().filter(|worker| worker.dirty) {
            worker.dirty = false;
            let verdict = worker
                .verdict
                .as_deref()
                .and_then(|verdict| serde_json::to_string(verdict).ok());
            notes.push((worker.row, worker.seen_ms, verdict));
        }
    }
    if !notes.is_empty()
        && let Err(error) = shared.store.note_workers(notes)
    {
        shared.failed(&error);
    }
}

fn sweep(shared: &Shared) {
    // Bounded, so that a large backlog does not keep verdicts waiting.
    for _ in 0..20 {
        match shared.store.sweep(shared.options.limits, now_ms()) {
            Ok(swept) if swept == plimsoll_store::Swept::default() => return,
            Ok(_) => {}
            Err(error) => return shared.failed(&error),
        }
    }
}
