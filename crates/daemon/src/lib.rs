//! The loop behind `run` and `attach`: one event enum; owns clock, order and budgets.
//!
//! Order of one run: put the agent in place, start the worker, gather what agents and the kernel
//! tell until the worker ends, then judge the floors, read the dumps, name the suspects and compose
//! the report. Nothing here can stop or slow the worker but the stop that the user asked for: if we
//! die, the agents fall silent and the worker runs on.

mod allocations;
mod census;
mod certainty;
mod classes;
mod compose;
mod error;
mod event;
mod folder;
mod follow;
mod footprint;
mod histogram;
mod isolate;
mod judge;
mod limit;
mod native;
mod options;
mod outcome;
mod outside;
mod picture;
mod profile;
mod readings;
mod sources;
mod study;
mod temper;
mod view;
mod watch;
mod worker;

use plimsoll_model::Status;
use plimsoll_runtimes::node::AttachError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};

pub use error::DaemonError;
pub use folder::write_private;
pub use follow::{Follower, identity};
pub use options::{AllocSampler, GrowthLimit, Options, WorkerOutput};
pub use outcome::Outcome;
pub use plimsoll_detect::{Baseline, Pace};
pub use sources::FileSources;
pub use temper::temper;
pub use view::{LiveView, NoView, Phase};
pub use watch::{Record, StopCause};

use event::Event;
use folder::Folder;
use limit::Limit;
use picture::Pictures;
use watch::{Target, Watch};

/// Events that may wait; past it the agents' sockets fill up and the agents drop and count.
const EVENT_QUEUE: usize = 4096;

/// Starts `command`, watches it until it ends, and explains its memory.
///
/// # Errors
/// When the run could not start, or the second signal cut it short.
pub fn run(command: &[String], options: &Options, view: &mut dyn LiveView) -> Result<Outcome, DaemonError> {
    let folder = Folder::create(&options.out)?;
    let ears = open_ears(&folder)?;
    let limit = options
        .memory_limit_bytes
        .map(|bytes| Limit::prepare(bytes, command));
    let child = worker::spawn(command, options, &folder, limit.as_ref())?;
    let target = Target::Started(child.id());
    event::wait_for(child, ears.sender.clone());
    let mut outcome = conclude(command, options, &folder, target, &ears, view)?;
    outcome.limit = limit.map(|limit| limit.result(&outcome.ending));
    Ok(outcome)
}

/// Watches a process that already runs, until it ends, `--for` is over or a signal comes.
///
/// # Errors
/// When the process could not be attached to.
pub fn attach(pid: u32, options: &Options, view: &mut dyn LiveView) -> Result<Outcome, DaemonError> {
    let folder = Folder::create(&options.out)?;
    let ears = open_ears(&folder)?;
    let command = match worker::inject_into(pid, options, &folder) {
        Ok(command) => command,
        Err(DaemonError::Attach(error @ AttachError::NotNode { .. })) => {
            view.note(&format!("{error}: watching from outside only"));
            worker::command_of(pid)
        }
        Err(error) => return Err(error),
    };
    conclude(&command, options, &folder, Target::Attached(pid), &ears, view)
}

/// Where events come in.
struct Ears {
    sender: SyncSender<Event>,
    events: Receiver<Event>,
    /// Signals are events while this is set.
    watching: Arc<AtomicBool>,
}

fn open_ears(folder: &Folder) -> Result<Ears, DaemonError> {
    let (sender, events) = mpsc::sync_channel(EVENT_QUEUE);
    event::listen(folder.listen()?, sender.clone());
    let watching = Arc::new(AtomicBool::new(true));
    event::catch_signals(sender.clone(), Arc::clone(&watching)).map_err(DaemonError::Signals)?;
    Ok(Ears {
        sender,
        events,
        watching,
    })
}

fn conclude(
    command: &[String],
    options: &Options,
    folder: &Folder,
    target: Target,
    ears: &Ears,
    view: &mut dyn LiveView,
) -> Result<Outcome, DaemonError> {
    let pictures = Pictures::new(ears.sender.clone(), folder.evidence());
    let mut watch = Watch::new(options, target, pictures, view);
    watch.look_at_allocations(folder.tables());
    let mut record = watch.run(&ears.events)?;
    ears.watching.store(false, Ordering::Relaxed);
    view.ended(&record);
    let farewells = record
        .isolates
        .values_mut()
        .filter_map(|isolate| isolate.forget_farewell().then_some(()))
        .count();
    let (judged, mut study) = explain(&record, options, folder, view);
    if farewells > 0 {
        study
            .notes
            .push("the worker let go of its state on its way out; the last look before that counts".into());
    }
    let outcome = compose::compose(command, options, folder, &record, judged, study);
    outcome.write_all(folder)?;
    Ok(outcome)
}

/// Isolates whose dumps are read at most: each takes seconds, and a pool of equals tells the same.
const STUDIED: usize = 4;

/// The isolate that leaks, or else the one that does most of the work. Where the floors of several do
/// not settle it, their dumps do.
fn explain(
    record: &Record,
    options: &Options,
    folder: &Folder,
    view: &mut dyn LiveView,
) -> (judge::Judged, study::Study) {
    let mut judged = judge::judge(record, options).into_iter();
    let first = judged
        .next()
        .expect("there is always one: the process as seen from outside");
    let effect = match options.growth_limit {
        Some(_) => plimsoll_attribute::Effect::Declared,
        None => plimsoll_attribute::Effect::Derived,
    };
    let studied = study::study(record, &first, effect, folder, view);
    if studied.verdict.status == Status::Leaking {
        return (first, studied);
    }
    let unsettled = |judged: &judge::Judged| {
        matches!(
            judged.assessment.verdict.status,
            Status::Leaking | Status::Inconclusive
        )
    };
    for other in judged.filter(unsettled).take(STUDIED - 1) {
        let study = study::study(record, &other, effect, folder, view);
        if study.verdict.status == Status::Leaking {
            return (other, study);
        }
    }
    (first, studied)
}
