//! The streaming state of one worker.

use std::collections::VecDeque;

use plimsoll_model::{Floor, Gap, GcEvent, GcKind, JobCounts, Reading, Sample};

use crate::assessment::Assessment;
use crate::baseline::Baseline;
use crate::channels::{Part, fit_level};
use crate::classes::ClassRows;
use crate::counts::{Counts, Told};
use crate::intake::Intake;
use crate::judge::{Effect, Window, capped, grows, waits};
use crate::kept::{Fits, Kept, Purpose};
use crate::looks::{LOOKED_AT, Looks};
use crate::settings::Settings;
use crate::track::Point;

/// Floors that wait for the next sample to learn their job counts.
const PENDING_MAX: usize = 4;

/// Watches one worker: fed with readings in time order, asked for an [`Assessment`] at any time.
///
/// State stays below 8 KiB with up to four job classes, and below 10.5 KiB with the 24 that are told
/// apart, whatever the length of the record (pinned by `state_is_bounded`).
#[derive(Debug, Clone)]
pub struct Detector {
    settings: Settings,
    intake: Intake,
    counts: Counts,
    kept: Kept,
    looks: Looks,
    pending: VecDeque<Floor>,
    first_seconds: Option<f64>,
    last_seconds: f64,
    incarnation: u32,
    /// Counts restarts, told or not.
    segment: u32,
    backlog: f64,
}

impl Detector {
    /// A detector that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Detector {
            settings,
            intake: Intake::default(),
            counts: Counts::default(),
            kept: Kept::default(),
            looks: Looks::default(),
            pending: VecDeque::new(),
            first_seconds: None,
            last_seconds: f64::NEG_INFINITY,
            incarnation: 0,
            segment: 0,
            backlog: 0.0,
        }
    }

    /// Takes one reading. What cannot be used becomes a gap of the assessment.
    pub fn observe(&mut self, reading: &Reading) {
        let kind = match reading {
            Reading::Sample(_) => 0,
            Reading::Gc(_) => 1,
            Reading::Floor(_) => 2,
        };
        if !self.intake.admit_instant(reading.at_seconds(), kind) {
            return;
        }
        self.first_seconds.get_or_insert(reading.at_seconds());
        match reading {
            Reading::Sample(sample) => self.sample(sample),
            Reading::Gc(event) => self.collection(event),
            Reading::Floor(floor) => self.floor(floor),
        }
        self.last_seconds = reading.at_seconds();
        self.look();
    }

    fn sample(&mut self, sample: &Sample) {
        if sample.incarnation != self.incarnation {
            self.settle_pending(None);
            self.restart();
            self.incarnation = sample.incarnation;
        }
        if !sample.jobs.is_empty() {
            match self
                .counts
                .check(&sample.jobs, sample.at_seconds, &mut self.intake)
            {
                Told::Refused => return,
                Told::Goes => self.settle_pending(Some((&sample.jobs, sample.at_seconds))),
                Told::Restarted => {
                    self.settle_pending(None);
                    self.restart();
                }
            }
            self.counts.take(&sample.jobs, sample.at_seconds);
        }
        if let Some(backlog) = sample.backlog {
            self.backlog = backlog as f64;
        }
        self.sizes(sample);
    }

    fn sizes(&mut self, sample: &Sample) {
        let at = sample.at_seconds;
        let mut size = |bytes: Option<u64>| {
            bytes
                .and_then(|b| self.intake.admit_size(b, at))
                .filter(|b| *b > 0.0)
        };
        let rss = size(sample.rss_bytes);
        let used = size(sample.heap_used_bytes);
        let committed = size(sample.heap_committed_bytes);
        let external = size(sample.external_bytes).unwrap_or(0.0);
        let (jobs, segment, kept) = (self.counts.jobs(), self.segment, &mut self.kept);
        if let Some(rss) = rss {
            self.intake.resident(rss);
            kept.rss_bytes = Some(rss);
            match committed {
                Some(committed) => kept.native.push(at, jobs, rss - committed - external, segment),
                None => kept.resident.push(at, jobs, rss, segment),
            }
        }
        if let Some(used) = used.filter(|_| !kept.has_floors()) {
            kept.used.push(at, jobs, used, segment);
        }
        for (envelope, value) in [(&mut kept.fds, sample.fds), (&mut kept.threads, sample.threads)] {
            if let Some(value) = value {
                envelope.push(at, jobs, value as f64, segment);
            }
        }
    }

    fn restart(&mut self) {
        self.counts.restart();
        self.segment = self.segment.saturating_add(1);
    }

    fn collection(&mut self, event: &GcEvent) {
        if event.kind != GcKind::Major || self.kept.has_floors() {
            return;
        }
        let Some(live) = self.intake.admit_live(event.live_bytes, event.at_seconds) else {
            return;
        };
        let in_flight = f64::from(event.in_flight.unwrap_or(0));
        let point = self.point(&self.counts, event.at_seconds, live, f64::NAN, in_flight);
        self.kept.collections.push(&point);
    }

    fn floor(&mut self, floor: &Floor) {
        let Some(jobs) = &floor.jobs else {
            return self.wait(floor.clone());
        };
        match self.counts.check(jobs, floor.at_seconds, &mut self.intake) {
            Told::Refused => return,
            Told::Restarted => self.restart(),
            Told::Goes => {}
        }
        self.counts.take(jobs, floor.at_seconds);
        let counts = std::mem::take(&mut self.counts);
        self.take_floor(floor, &counts);
        self.counts = counts;
    }

    fn wait(&mut self, floor: Floor) {
        if self.pending.len() >= PENDING_MAX {
            self.settle_pending(None);
        }
        self.pending.push_back(floor);
    }

    /// Gives waiting floors the counts between the last sample and the next, where there is one.
    fn settle_pending(&mut self, next: Option<(&JobCounts, f64)>) {
        while let Some(floor) = self.pending.pop_front() {
            let counts = match next {
                Some((jobs, at)) => self.counts.between(floor.at_seconds, jobs, at),
                None => self.counts.clone(),
            };
            self.take_floor(&floor, &counts);
        }
    }

    fn take_floor(&mut self, floor: &Floor, counts: &Counts) {
        let at = floor.at_seconds;
        let Some(live) = self.intake.admit_live(floor.live_bytes, at) else {
            return;
        };
        let external = floor
            .external_bytes
            .map_or(Some(f64::NAN), |b| self.intake.admit_size(b, at));
        let Some(external) = external else { return };
        let point = self.point(counts, at, live, external, f64::from(floor.in_flight));
        self.kept.floors.push(&point);
        self.kept.drop_stand_ins();
    }

    fn point<'a>(
        &self,
        counts: &'a Counts,
        at_seconds: f64,
        heap_bytes: f64,
        external_bytes: f64,
        in_flight: f64,
    ) -> Point<'a> {
        Point {
            at_seconds,
            jobs: counts.jobs(),
            counts: counts.current(),
            heap_bytes,
            external_bytes,
            in_flight,
            backlog: self.backlog,
            pace: counts.pace(),
            segment: self.segment,
        }
    }

    fn look(&mut self) {
        let (points, window) = (self.kept.points(), self.window());
        if !self.looks.due(points, window.seconds) || !self.kept.can_look() {
            return;
        }
        if self.must_wait(window) {
            return self
                .looks
                .note(points, window.seconds, self.last_seconds, [false; LOOKED_AT]);
        }
        let growing = self.growing(&self.fits(Purpose::Look));
        self.looks
            .note(points, window.seconds, self.last_seconds, growing);
    }

    /// Whether a service is so young, and so far from its limit, that nothing it gained could be called
    /// a leak yet: then no fit is worth its time.
    fn must_wait(&self, window: Window) -> bool {
        let gained = self.kept.gained_bytes();
        waits(&self.settings, window, self.room_bytes(), gained)
    }

    /// Which channels grow too fast at this look, for itself.
    pub(crate) fn growing(&self, fits: &Fits) -> [bool; LOOKED_AT] {
        let (window, effect) = (self.window(), self.effect());
        let grows =
            |fitted| grows(fitted, &effect, window, self.room_bytes()) && !capped(fitted, &self.settings);
        fits.looked_at().map(|fitted| fitted.is_some_and(grows))
    }

    /// What can be said now.
    pub fn assess(&self) -> Assessment {
        let mut settled = self.clone();
        settled.settle_pending(None);
        crate::assess::assessment(&settled)
    }

    /// This worker as a baseline for others: only for one that is known to be sound.
    pub fn baseline(&self) -> Baseline {
        self.kept.baseline()
    }

    /// The window since the first reading.
    pub(crate) fn window(&self) -> Window {
        let seconds = self
            .first_seconds
            .map_or(0.0, |first| (self.last_seconds - first).max(0.0));
        Window {
            seconds,
            jobs: self.counts.since_first(),
        }
    }

    pub(crate) fn effect(&self) -> Effect {
        Effect::new(&self.settings, self.window())
    }

    pub(crate) fn fits(&self, purpose: Purpose) -> Fits {
        self.kept.fits(&self.settings, purpose)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn looks(&self) -> &Looks {
        &self.looks
    }

    pub(crate) fn gaps(&self) -> Vec<Gap> {
        self.intake.gaps()
    }

    pub(crate) fn floors_used(&self) -> u64 {
        self.kept.floors.points()
    }

    /// What is left until the limit.
    pub(crate) fn room_bytes(&self) -> Option<f64> {
        let limit = self.settings.limit_bytes? as f64;
        Some((limit - self.kept.level_bytes()?).max(0.0))
    }

    pub(crate) fn class_names(&self) -> &[String] {
        self.counts.classes()
    }

    pub(crate) fn jobs_of(&self, class: &str) -> u64 {
        self.counts.of(class)
    }

    /// The rows of this worker for a regression over `names`.
    pub(crate) fn class_rows(&self, names: &[String]) -> Option<ClassRows> {
        let (track, source) = self.kept.track()?;
        let fitted = fit_level(track, Part::Managed, source, self.settings.confidence)?;
        let own = self.class_names();
        let places: Vec<Option<usize>> = names
            .iter()
            .map(|name| own.iter().position(|c| c == name))
            .collect();
        Some(ClassRows::new(track, Part::Managed, &fitted, &places))
    }

    /// The least growth per job that makes a class leak, and the confidence of its interval.
    pub(crate) fn class_threshold(&self) -> (f64, f64) {
        let last = self
            .kept
            .track()
            .and_then(|(track, _)| track.blocks().last().copied());
        (
            self.effect().per_job_resolved(last.map_or(0.0, |b| b.jobs)),
            self.settings.confidence,
        )
    }

    /// Bytes of state, the struct itself included.
    pub fn state_bytes(&self) -> usize {
        size_of::<Detector>()
            + self.kept.state_bytes()
            + self.counts.state_bytes()
            + self.intake.state_bytes()
            + self.pending.capacity() * size_of::<Floor>()
    }
}
