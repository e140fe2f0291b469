//! The loop: takes events in, keeps the state, decides when to stop. Owns the clock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use plimsoll_model::JobCounts;
use plimsoll_runtimes::{Role, recognise};
use plimsoll_wire::agent::{AgentCommand, AgentLine, AgentMessage, command_line};
use rustix::process::Signal;

use crate::allocations::Allocations;
use crate::certainty::{Certainty, StallClock};
use crate::event::{ConnectionId, Event};
use crate::isolate::{Isolate, Thinned};
use crate::limit::Ending;
use crate::outside::Outside;
use crate::picture::Pictures;
use crate::view::{LiveView, Phase};
use crate::{DaemonError, Options, worker};

const DAY_SECONDS: f64 = 86_400.0;
const TICK: Duration = Duration::from_millis(200);
/// After the worker's end its agents have said everything; a child that outlives it keeps its line open.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// A picture of tens of millions of objects is read and written in so long.
const LAST_PICTURES: Duration = Duration::from_secs(60);

/// Why the worker is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// `--jobs` is reached.
    Jobs,
    /// `--for` is over.
    Duration,
    /// Ctrl-C or a signal to us.
    Signal,
    /// No job has finished for too long.
    Stalled,
    /// The answer is certain.
    Settled,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stopping {
    No,
    /// The job library closes; SIGTERM at the deadline or when it has closed.
    Closing {
        since: Instant,
    },
    /// Told to end; SIGKILL after the grace.
    Told {
        since: Instant,
    },
    Killed,
}

/// Everything that the loop has gathered.
#[derive(Debug)]
pub struct Record {
    /// Start of the record, seconds since the Unix epoch.
    pub started_at: f64,
    /// Length.
    pub seconds: f64,
    /// What each agent told.
    pub isolates: BTreeMap<ConnectionId, Isolate>,
    /// Completed jobs by class over all isolates.
    pub job_counts: Thinned<(f64, JobCounts)>,
    /// The view from outside.
    pub outside: Outside,
    /// What the allocation sampler tells.
    pub allocations: Allocations,
    /// How the started process ended.
    pub status: Option<ExitStatus>,
    /// Why we ended it, if we did.
    pub stopped: Option<StopCause>,
    /// We had to kill it.
    pub killed: bool,
}

impl Record {
    /// Jobs completed by class, over all isolates.
    pub fn jobs(&self) -> JobCounts {
        total_jobs(&self.isolates)
    }

    /// Resident memory of the whole tree, as last seen.
    pub fn rss_bytes(&self) -> Option<u64> {
        self.outside.rss_bytes()
    }

    /// The largest live heap at a floor, over all isolates, as last seen.
    pub fn live_heap_bytes(&self) -> Option<u64> {
        let last = |isolate: &Isolate| isolate.floors.points().last().map(|(_, floor)| floor.live_bytes);
        self.isolates.values().filter_map(last).max()
    }

    /// How the worker ended, for telling whether it ran into a limit.
    pub fn ending(&self) -> Ending {
        let heap = |isolate: &Isolate| {
            let samples = isolate.samples.points().iter();
            let used = samples
                .rev()
                .take(2)
                .filter_map(|(_, sample)| sample.heap_used_bytes);
            Some((used.max()?, isolate.hello.heap_limit_bytes?))
        };
        let fullest = |(used, limit): &(u64, u64)| used * 1000 / (*limit).max(1);
        Ending {
            failed: self.stopped.is_none() && self.status.is_some_and(|status| !status.success()),
            heap: self.isolates.values().filter_map(heap).max_by_key(fullest),
            peak_rss_bytes: self.outside.peak_rss_bytes(),
        }
    }

    /// Plain growth of the live heap per job between the first and the last floor of the isolate that
    /// runs most jobs: a figure to look at while waiting, no verdict.
    pub fn growth_per_job(&self) -> Option<f64> {
        let isolate = self.isolates.values().max_by_key(|isolate| isolate.jobs_done())?;
        let (_, first) = isolate.floors.points().first()?;
        let (_, last) = isolate.floors.points().last()?;
        let count = |jobs: &Option<JobCounts>| jobs.as_ref().map(|jobs| jobs.values().sum::<u64>());
        let jobs = count(&last.jobs)?
            .checked_sub(count(&first.jobs)?)
            .filter(|jobs| *jobs >= 10)?;
        Some((last.live_bytes as f64 - first.live_bytes as f64) / jobs as f64)
    }
}

fn total_jobs(isolates: &BTreeMap<ConnectionId, Isolate>) -> JobCounts {
    let mut total = JobCounts::new();
    for isolate in isolates.values() {
        for (class, counts) in &isolate.classes {
            *total.entry(class.clone()).or_default() += counts.done;
        }
    }
    total
}

/// Seconds since the Unix epoch.
pub fn unix_now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// What the loop watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A process that we started and that ends when we want.
    Started(u32),
    /// A process that was there before us and stays.
    Attached(u32),
}

impl Target {
    fn pid(self) -> u32 {
        match self {
            Target::Started(pid) | Target::Attached(pid) => pid,
        }
    }
}

/// The loop's state.
pub struct Watch<'a> {
    options: &'a Options,
    target: Target,
    began: Instant,
    record: Record,
    commands: HashMap<ConnectionId, UnixStream>,
    stopping: Stopping,
    reached: BTreeSet<ConnectionId>,
    signals: u32,
    /// The last evidence that was asked for has come.
    answered: bool,
    pictures: Pictures,
    stall: StallClock,
    certainty: Certainty,
    view: &'a mut dyn LiveView,
}

impl<'a> Watch<'a> {
    /// A loop over `target`, which has just been started or attached to.
    pub fn new(options: &'a Options, target: Target, pictures: Pictures, view: &'a mut dyn LiveView) -> Self {
        let started_at = unix_now();
        let record = Record {
            started_at,
            seconds: 0.0,
            isolates: BTreeMap::new(),
            job_counts: Thinned::default(),
            outside: Outside::new(target.pid()),
            allocations: Allocations::default(),
            status: None,
            stopped: None,
            killed: false,
        };
        Watch {
            options,
            target,
            began: Instant::now(),
            record,
            commands: HashMap::new(),
            stopping: Stopping::No,
            reached: BTreeSet::new(),
            signals: 0,
            answered: false,
            pictures,
            stall: StallClock::new(Instant::now()),
            certainty: Certainty::default(),
            view,
        }
    }

    /// Looks at the allocation sampler's tables in `folder` as well.
    pub fn look_at_allocations(&mut self, folder: Option<&Path>) {
        self.record.allocations = Allocations::new(folder);
    }

    /// Runs until the worker has ended (or, attached, until we are to end).
    ///
    /// # Errors
    /// [`DaemonError::Interrupted`] on the second signal.
    pub fn run(mut self, events: &Receiver<Event>) -> Result<Record, DaemonError> {
        let mut next_tick = Instant::now();
        while !self.ended() {
            let wait = next_tick.saturating_duration_since(Instant::now());
            match events.recv_timeout(wait) {
                Ok(event) => self.take(event)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if Instant::now() >= next_tick {
                next_tick = Instant::now() + TICK;
                self.tick();
            }
        }
        if matches!(self.target, Target::Attached(_)) {
            self.tell_all(AgentCommand::Detach);
        }
        self.hear_last_words(events);
        self.record.outside.finish();
        self.record.allocations.finish(unix_now());
        self.record.seconds = self.began.elapsed().as_secs_f64();
        self.tell_all(AgentCommand::Detach);
        Ok(self.record)
    }

    fn ended(&self) -> bool {
        match self.target {
            Target::Started(_) => self.record.status.is_some(),
            Target::Attached(_) => {
                self.record.outside.root_is_gone()
                    || matches!(self.stopping, Stopping::Told { since } if self.answered || since.elapsed() > LAST_WORDS)
            }
        }
    }

    fn hear_last_words(&mut self, events: &Receiver<Event>) {
        let deadline = Instant::now() + LAST_WORDS;
        // Connections that were never accepted before the worker's end arrive here as well.
        let mut quiet_until = Instant::now() + Duration::from_millis(50);
        loop {
            let is_open = self.record.isolates.values().any(|isolate| isolate.open);
            let until = match is_open {
                _ if self.pictures.are_pending() => deadline + LAST_PICTURES,
                true => deadline,
                false => quiet_until,
            };
            if Instant::now() >= until {
                break;
            }
            // Pictures end without an event where nobody is left to hear it.
            let wait = until.saturating_duration_since(Instant::now()).min(TICK);
            match events.recv_timeout(wait) {
                Ok(Event::Signal { .. } | Event::Exited(_)) => {}
                Err(RecvTimeoutError::Timeout) => {}
                Ok(event) => {
                    quiet_until = Instant::now() + Duration::from_millis(50);
                    self.take(event).unwrap_or_default();
                }
                Err(_) => break,
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<(), DaemonError> {
        match event {
            Event::Opened(id, stream) => self.open(id, stream),
            Event::Said(id, line) => self.hear(id, line),
            Event::Garbled(id) => self.isolate(id).garbled += 1,
            Event::Closed(id) => self.close(id),
            Event::Exited(status) => self.record.status = Some(status.unwrap_or_default()),
            Event::Signal {
                signal,
                from_terminal,
            } => return self.signalled(signal, from_terminal),
        }
        Ok(())
    }

    fn open(&mut self, id: ConnectionId, stream: UnixStream) {
        // A worker that does not read its commands must not hold us up.
        let _ = stream.set_write_timeout(Some(Duration::from_millis(100)));
        self.commands.insert(id, stream);
        self.isolate(id).open = true;
    }

    fn close(&mut self, id: ConnectionId) {
        self.commands.remove(&id);
        self.isolate(id).open = false;
    }

    fn isolate(&mut self, id: ConnectionId) -> &mut Isolate {
        self.record.isolates.entry(id).or_default()
    }

    fn hear(&mut self, id: ConnectionId, mut line: AgentLine) {
        // An instant that cannot be is an agent's mistake; what it says still counts, as of now.
        if !(self.record.started_at - DAY_SECONDS..self.record.started_at + 3650.0 * DAY_SECONDS)
            .contains(&line.t)
        {
            line.t = unix_now();
        }
        let at = line.t;
        if let AgentMessage::PictureReady(ready) = &line.message
            && let Some(stream) = self.commands.get(&id).and_then(|stream| stream.try_clone().ok())
        {
            return self.pictures.take(id, at, ready.clone(), stream);
        }
        let (counts, reached, closed) = match &line.message {
            AgentMessage::Jobs(_) => (true, None, false),
            AgentMessage::Reached { closing, .. } => (false, Some(*closing), false),
            AgentMessage::Closed {} => (false, None, true),
            _ => (false, None, false),
        };
        let answered = match &line.message {
            AgentMessage::Evidence(evidence) => evidence.reason.as_deref() == Some("asked"),
            AgentMessage::EvidenceSkipped { .. } => self.stopping != Stopping::No,
            _ => false,
        };
        self.isolate(id).take(line);
        if counts {
            self.record
                .job_counts
                .push((at, total_jobs(&self.record.isolates)));
        }
        self.answered |= answered;
        if let Some(closing) = reached {
            self.reached.insert(id);
            self.stop(StopCause::Jobs, closing);
        }
        if closed && matches!(self.stopping, Stopping::Closing { .. }) {
            self.terminate();
        }
    }

    fn tick(&mut self) {
        self.record.outside.tick(unix_now());
        self.record.allocations.tick(unix_now());
        if self
            .options
            .duration
            .is_some_and(|limit| self.began.elapsed() >= limit)
        {
            self.stop(StopCause::Duration, false);
        }
        if self
            .options
            .jobs
            .is_some_and(|jobs| self.record.jobs().values().sum::<u64>() >= jobs)
        {
            // Several processes may share the work, so that none of them reaches the count alone.
            let several = self
                .record
                .isolates
                .values()
                .filter(|isolate| isolate.jobs_done() > 0)
                .count()
                > 1;
            if several {
                self.stop(StopCause::Jobs, false);
            }
        }
        if self.stopping == Stopping::No {
            self.look_for_an_end();
        }
        self.press_on();
        let phase = if self.stopping == Stopping::No {
            Phase::Watching
        } else {
            Phase::Stopping
        };
        self.view.update(&self.record, phase, self.began.elapsed());
    }

    /// Reasons to stop that lie in the worker: it hangs, or all is said.
    fn look_for_an_end(&mut self) {
        let jobs = self.record.jobs().values().sum();
        let evidence = self.options.out.join("evidence");
        if let Some(limit) = self.options.stall
            && self.stall.stalled(jobs, limit, &evidence)
        {
            self.stop(StopCause::Stalled, false);
        }
        if self.options.until_settled && self.certainty.reached(jobs, &self.record, self.options) {
            self.stop(StopCause::Settled, false);
        }
    }

    /// Moves a stop that is under way on to its next step.
    fn press_on(&mut self) {
        match self.stopping {
            Stopping::Closing { since } if since.elapsed() > self.options.grace / 2 => self.terminate(),
            Stopping::Told { since } if since.elapsed() > self.options.grace => self.kill(),
            _ => {}
        }
    }

    fn stop(&mut self, cause: StopCause, closing: bool) {
        if self.stopping != Stopping::No {
            return;
        }
        self.record.stopped = Some(cause);
        match self.target {
            Target::Started(_) if closing => {
                self.stopping = Stopping::Closing {
                    since: Instant::now(),
                }
            }
            Target::Started(_) => self.terminate(),
            Target::Attached(_) => {
                self.tell_all(AgentCommand::Capture);
                self.stopping = Stopping::Told {
                    since: Instant::now(),
                };
            }
        }
    }

    fn terminate(&mut self) {
        self.stopping = Stopping::Told {
            since: Instant::now(),
        };
        self.signal_workers(Signal::TERM);
    }

    fn kill(&mut self) {
        if matches!(self.target, Target::Attached(_)) {
            return;
        }
        self.stopping = Stopping::Killed;
        self.record.killed = true;
        for pid in self.record.outside.pids() {
            worker::signal(pid, Signal::KILL);
        }
        worker::signal(self.target.pid(), Signal::KILL);
    }

    /// To those that run jobs, since wrappers such as `sh -c` do not pass signals on; to the process
    /// that we started where nobody does.
    fn signal_workers(&mut self, signal: Signal) {
        // A pid that came over the socket is believed only if the process is one of ours.
        let ours: BTreeSet<u32> = self.record.outside.pids().into_iter().collect();
        let open = || {
            self.record
                .isolates
                .values()
                .filter(|isolate| isolate.open && ours.contains(&isolate.hello.pid))
        };
        let mut working: BTreeSet<u32> = open()
            .filter(|isolate| isolate.jobs_done() > 0)
            .map(|isolate| isolate.hello.pid)
            .collect();
        // The primary of a cluster would fork anew what we end, so it is told as well; wrappers wait by themselves.
        let parents: BTreeSet<u32> = open()
            .filter(|isolate| working.contains(&isolate.hello.pid))
            .map(|isolate| isolate.hello.ppid)
            .collect();
        let is_primary = |isolate: &&Isolate| {
            parents.contains(&isolate.hello.pid)
                && matches!(recognise(&isolate.hello.argv, None), Role::Program(_))
        };
        let primaries: Vec<u32> = open()
            .filter(is_primary)
            .map(|isolate| isolate.hello.pid)
            .collect();
        working.extend(primaries);
        if working.is_empty() {
            for pid in self.record.outside.leaves() {
                worker::signal(pid, signal);
            }
            worker::signal(self.target.pid(), signal);
        }
        for pid in working {
            worker::signal(pid, signal);
        }
    }

    fn signalled(&mut self, signal: i32, from_terminal: bool) -> Result<(), DaemonError> {
        self.signals += 1;
        if self.signals > 1 {
            self.kill();
            return Err(DaemonError::Interrupted);
        }
        self.record.stopped.get_or_insert(StopCause::Signal);
        match self.target {
            Target::Attached(_) => self.stop_attached(),
            Target::Started(_) => {
                if !from_terminal {
                    let passed = if signal == signal_hook::consts::SIGINT {
                        Signal::INT
                    } else {
                        Signal::TERM
                    };
                    self.signal_workers(passed);
                }
                self.stopping = Stopping::Told {
                    since: Instant::now(),
                };
            }
        }
        Ok(())
    }

    fn stop_attached(&mut self) {
        self.stopping = Stopping::No;
        self.stop(StopCause::Signal, false);
    }

    fn tell_all(&mut self, command: AgentCommand) {
        let line = command_line(command);
        for stream in self.commands.values_mut() {
            // An agent that is gone needs no command.
            let _ = stream.write_all(&line);
        }
    }
}
