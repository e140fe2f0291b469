//! The streaming state of one worker.

use std::collections::VecDeque;

use plimsoll_model::{Channel, Floor, GcEvent, GcKind, JobCounts, Reading, Sample};

use crate::assessment::Assessment;
use crate::baseline::Baseline;
use crate::channels::{Fitted, Part, Source, fit_against, fit_level, fit_lows};
use crate::classes::ClassRows;
use crate::envelope::Envelope;
use crate::intake::{Intake, Refusal};
use crate::judge::{Effect, Window, grows};
use crate::looks::{LOOKED_AT, Looks};
use crate::settings::Settings;
use crate::track::{CLASSES_MAX, Merge, Point, Track};
use crate::trend::LEAST_ROWS;
use crate::words;

/// Floors that wait for the next sample to learn their job counts.
const PENDING_MAX: usize = 8;
/// Live heap after ordinary collections decides alone only from this many on.
const LEAST_COLLECTIONS: u64 = 12;
/// A total that falls below this share of itself is a restart that nobody told.
const RESTART_SHARE: f64 = 0.5;

/// Watches one worker: fed with readings in time order, asked for an [`Assessment`] at any time.
///
/// State stays below 8 KiB whatever the length of the record.
#[derive(Debug, Clone)]
pub struct Detector {
    settings: Settings,
    intake: Intake,
    classes: Vec<String>,
    /// Jobs per class in this incarnation, and those of finished ones.
    counts: Vec<f64>,
    finished: Vec<f64>,
    jobs: f64,
    /// Whether samples carry job counts that move.
    counted_at_seconds: f64,
    first_jobs: Option<f64>,
    first_seconds: Option<f64>,
    last_seconds: f64,
    incarnation: u32,
    segment: u32,
    pending: VecDeque<Floor>,
    floors: Track,
    collections: Track,
    used: Envelope,
    native: Envelope,
    resident: Envelope,
    fds: Envelope,
    threads: Envelope,
    backlog: f64,
    samples: u64,
    jobs_before: f64,
    looks: Looks,
}

/// Everything that was fitted at one look.
pub(crate) struct Fits {
    pub heap: Option<Fitted>,
    pub external: Option<Fitted>,
    pub managed: Option<Fitted>,
    pub resident: Option<Fitted>,
    pub fds: Option<Fitted>,
    pub threads: Option<Fitted>,
}

impl Fits {
    /// In the order of [`Looks`].
    pub fn looked_at(&self) -> [Option<&Fitted>; LOOKED_AT] {
        [
            &self.heap,
            &self.external,
            &self.managed,
            &self.resident,
            &self.fds,
            &self.threads,
        ]
        .map(Option::as_ref)
    }
}

impl Detector {
    /// A detector that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Detector {
            settings,
            intake: Intake::default(),
            classes: Vec::new(),
            counts: Vec::new(),
            finished: Vec::new(),
            jobs: 0.0,
            counted_at_seconds: f64::NEG_INFINITY,
            first_jobs: None,
            first_seconds: None,
            last_seconds: f64::NEG_INFINITY,
            incarnation: 0,
            segment: 0,
            pending: VecDeque::new(),
            floors: Track::new(Merge::Mean),
            collections: Track::new(Merge::Least),
            used: Envelope::default(),
            native: Envelope::default(),
            resident: Envelope::default(),
            fds: Envelope::of_counts(),
            threads: Envelope::of_counts(),
            backlog: 0.0,
            samples: 0,
            jobs_before: 0.0,
            looks: Looks::default(),
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
        self.samples += 1;
        let at = sample.at_seconds;
        if sample.incarnation != self.incarnation {
            self.settle_pending(None);
            self.restart();
            self.incarnation = sample.incarnation;
        }
        if !sample.jobs.is_empty() && !self.count(&sample.jobs, at, true) {
            return;
        }
        if let Some(backlog) = sample.backlog {
            self.backlog = backlog as f64;
        }
        let mut size = |bytes: Option<u64>| bytes.and_then(|b| self.intake.admit_size(b, at));
        let (rss, used) = (size(sample.rss_bytes), size(sample.heap_used_bytes));
        let (committed, external) = (size(sample.heap_committed_bytes), size(sample.external_bytes));
        if let Some(rss) = rss.filter(|rss| *rss > 0.0) {
            self.intake.resident(rss);
            self.resident.push(at, self.jobs, rss, self.segment);
            if let Some(committed) = committed {
                self.native.push(
                    at,
                    self.jobs,
                    rss - committed - external.unwrap_or(0.0),
                    self.segment,
                );
            }
        }
        if let Some(used) = used.filter(|used| *used > 0.0) {
            self.used.push(at, self.jobs, used, self.segment);
        }
        for (envelope, value) in [(&mut self.fds, sample.fds), (&mut self.threads, sample.threads)] {
            if let Some(value) = value {
                envelope.push(at, self.jobs, value as f64, self.segment);
            }
        }
    }

    /// Takes over job counts; `false` where they cannot be right.
    fn count(&mut self, jobs: &JobCounts, at_seconds: f64, settle: bool) -> bool {
        let total: f64 = jobs.values().map(|n| *n as f64).sum();
        if total < self.jobs {
            if total > RESTART_SHARE * self.jobs {
                self.intake.refuse(Refusal::JobsFell, at_seconds);
                return false;
            }
            self.intake.refuse(Refusal::JobsFell, at_seconds);
            self.settle_pending(None);
            self.restart();
        }
        let elapsed = at_seconds - self.last_seconds.max(self.counted_at_seconds);
        if elapsed.is_finite() && !self.intake.admit_pace(total - self.jobs, elapsed, at_seconds) {
            return false;
        }
        if settle {
            self.settle_pending(Some((jobs, at_seconds)));
        }
        self.take_counts(jobs, total, at_seconds);
        true
    }

    fn take_counts(&mut self, jobs: &JobCounts, total: f64, at_seconds: f64) {
        // Nearly every reading has the classes of the one before, in the same order.
        let known = jobs.len() == self.classes.len() && jobs.keys().eq(self.classes.iter());
        if known {
            self.counts
                .iter_mut()
                .zip(jobs.values())
                .for_each(|(count, jobs)| *count = *jobs as f64);
        } else {
            for (class, jobs) in jobs {
                if let Some(place) = self.place_of(class) {
                    self.counts[place] = *jobs as f64;
                }
            }
        }
        self.jobs = total;
        self.counted_at_seconds = at_seconds;
        self.first_jobs.get_or_insert(total);
    }

    fn place_of(&mut self, class: &str) -> Option<usize> {
        if let Some(place) = self.classes.iter().position(|c| c == class) {
            return Some(place);
        }
        if self.classes.len() >= CLASSES_MAX {
            return None;
        }
        self.classes.push(class.to_owned());
        self.counts.push(0.0);
        self.finished.push(0.0);
        Some(self.classes.len() - 1)
    }

    fn restart(&mut self) {
        for (finished, count) in self.finished.iter_mut().zip(&mut self.counts) {
            *finished += std::mem::take(count);
        }
        self.jobs_before += std::mem::take(&mut self.jobs);
        self.segment = self.segment.saturating_add(1);
    }

    fn collection(&mut self, event: &GcEvent) {
        if event.kind != GcKind::Major {
            return;
        }
        let Some(live) = self.intake.admit_live(event.live_bytes, event.at_seconds) else {
            return;
        };
        let in_flight = f64::from(event.in_flight.unwrap_or(0));
        let point = self.point(event.at_seconds, live, f64::NAN, in_flight);
        self.collections.push(&point.as_point(&self.counts));
    }

    fn floor(&mut self, floor: &Floor) {
        if let Some(jobs) = &floor.jobs {
            if self.count(jobs, floor.at_seconds, false) {
                self.take_floor(floor);
            }
            return;
        }
        if self.pending.len() >= PENDING_MAX
            && let Some(oldest) = self.pending.pop_front()
        {
            self.take_floor(&oldest);
        }
        self.pending.push_back(floor.clone());
    }

    /// Gives waiting floors the counts between the last sample and this one.
    fn settle_pending(&mut self, next: Option<(&JobCounts, f64)>) {
        while let Some(floor) = self.pending.pop_front() {
            let Some((jobs, at)) = next else {
                self.take_floor(&floor);
                continue;
            };
            let from = self.counted_at_seconds;
            let share = if from.is_finite() && at > from {
                (floor.at_seconds - from) / (at - from)
            } else {
                0.0
            };
            let kept = (self.counts.clone(), self.jobs);
            for (class, count) in jobs {
                if let Some(place) = self.place_of(class) {
                    self.counts[place] += (*count as f64 - self.counts[place]) * share.clamp(0.0, 1.0);
                }
            }
            self.jobs += (jobs.values().map(|n| *n as f64).sum::<f64>() - self.jobs) * share.clamp(0.0, 1.0);
            self.take_floor(&floor);
            self.counts[..kept.0.len()].copy_from_slice(&kept.0);
            self.counts[kept.0.len()..].fill(0.0);
            self.jobs = kept.1;
        }
    }

    fn take_floor(&mut self, floor: &Floor) {
        let at = floor.at_seconds;
        let Some(live) = self.intake.admit_live(floor.live_bytes, at) else {
            return;
        };
        let external = floor
            .external_bytes
            .map_or(Some(f64::NAN), |b| self.intake.admit_size(b, at));
        let Some(external) = external else { return };
        let point = self.point(at, live, external, f64::from(floor.in_flight));
        self.floors.push(&point.as_point(&self.counts));
    }

    fn point(&self, at_seconds: f64, heap_bytes: f64, external_bytes: f64, in_flight: f64) -> Measured {
        Measured {
            at_seconds,
            jobs: self.jobs,
            heap_bytes,
            external_bytes,
            in_flight,
            backlog: self.backlog,
            segment: self.segment,
        }
    }

    fn look(&mut self) {
        let points = self.floors.points().max(self.collections.points());
        let seconds = self.window().seconds;
        let enough = points >= LEAST_ROWS as u64 || self.resident.finished().len() >= 2 * LEAST_ROWS;
        if !enough || !self.looks.due(points, seconds) {
            return;
        }
        let fits = self.fits();
        let window = self.window();
        let effect = Effect::new(&self.settings, window);
        let growing = self.growing(&fits, &effect, window);
        self.looks.note(points, seconds, self.last_seconds, growing);
    }

    fn growing(&self, fits: &Fits, effect: &Effect, window: Window) -> [bool; LOOKED_AT] {
        fits.looked_at().map(|fitted| {
            fitted.is_some_and(|f| {
                grows(f, effect, window, self.room_bytes()) && !words::capped(f, &self.settings)
            })
        })
    }

    /// The window since the first reading.
    pub(crate) fn window(&self) -> Window {
        let seconds = self
            .first_seconds
            .map_or(0.0, |first| (self.last_seconds - first).max(0.0));
        Window {
            seconds,
            jobs: self.jobs_before + self.jobs - self.first_jobs.unwrap_or(0.0),
        }
    }

    fn track(&self) -> Option<(&Track, Source)> {
        if self.floors.points() >= LEAST_ROWS as u64 {
            return Some((&self.floors, Source::Floors));
        }
        (self.collections.points() >= LEAST_COLLECTIONS).then_some((&self.collections, Source::Collections))
    }

    pub(crate) fn fits(&self) -> Fits {
        let confidence = self.settings.confidence;
        let level = |part: Part| {
            let (track, source) = self.track()?;
            match &self.settings.baseline {
                Some(baseline) => fit_against(track, part, source, confidence, baseline),
                None => fit_level(track, part, source, confidence),
            }
        };
        let external =
            level(Part::External).filter(|f| f.trend.total_growth.abs() > 0.0 || f.trend.noise > 0.0);
        let has_external = external.is_some();
        let heap =
            level(Part::Heap).or_else(|| fit_lows(self.used.finished(), Channel::Heap, confidence, None));
        let (lows, channel) = if self.native.readings() > 0 {
            (self.native.finished(), Channel::Native)
        } else {
            (self.resident.finished(), Channel::Rss)
        };
        Fits {
            heap,
            managed: if has_external { level(Part::Managed) } else { None },
            external,
            resident: fit_lows(lows, channel, confidence, self.settings.baseline.as_ref()),
            fds: fit_lows(self.fds.finished(), Channel::Fds, confidence, None),
            threads: fit_lows(self.threads.finished(), Channel::Threads, confidence, None),
        }
    }

    /// What can be said now.
    pub fn assess(&self) -> Assessment {
        let mut settled = self.clone();
        settled.settle_pending(None);
        words::assessment(&settled)
    }

    /// This worker as a baseline for others: only for one that is known to be sound.
    pub fn baseline(&self) -> Baseline {
        let blocks = self.track().map_or(&[][..], |(track, _)| track.blocks());
        let lows = if self.native.readings() > 0 {
            self.native.finished()
        } else {
            self.resident.finished()
        };
        Baseline::new(blocks, lows)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn looks(&self) -> &Looks {
        &self.looks
    }

    pub(crate) fn gaps(&self) -> Vec<plimsoll_model::Gap> {
        self.intake.gaps()
    }

    pub(crate) fn floors_used(&self) -> u64 {
        self.floors.points()
    }

    /// The newest size of the process, or of managed memory where that is all that is known.
    pub(crate) fn level_bytes(&self) -> Option<f64> {
        let managed = || self.floors.blocks().last().map(|b| Part::Managed.of(b));
        self.resident.last().or_else(managed).or(self.used.last())
    }

    /// What is left until the limit.
    pub(crate) fn room_bytes(&self) -> Option<f64> {
        let limit = self.settings.limit_bytes? as f64;
        Some((limit - self.level_bytes()?).max(0.0))
    }

    pub(crate) fn class_names(&self) -> &[String] {
        &self.classes
    }

    pub(crate) fn jobs_of(&self, class: &str) -> u64 {
        let place = self.classes.iter().position(|c| c == class);
        place.map_or(0, |p| (self.finished[p] + self.counts[p]) as u64)
    }

    /// The rows of this worker for a regression over `names`.
    pub(crate) fn class_rows(&self, names: &[String]) -> Option<ClassRows> {
        let (track, source) = self.track()?;
        let fitted = fit_level(track, Part::Managed, source, self.settings.confidence)?;
        let places: Vec<Option<usize>> = names
            .iter()
            .map(|name| self.classes.iter().position(|c| c == name))
            .collect();
        Some(ClassRows::new(track, Part::Managed, &fitted, &places))
    }

    /// The least growth per job that makes a class leak, and the confidence of its interval.
    pub(crate) fn class_threshold(&self) -> (f64, f64) {
        let effect = Effect::new(&self.settings, self.window());
        let span = self
            .track()
            .map_or(0.0, |(t, _)| t.blocks().last().map_or(0.0, |b| b.jobs));
        (effect.per_job_resolved(span), self.settings.confidence)
    }

    /// Bytes of state beyond the struct itself.
    pub fn state_bytes(&self) -> usize {
        let envelopes = [&self.used, &self.native, &self.resident, &self.fds, &self.threads];
        size_of::<Detector>()
            + self.floors.state_bytes()
            + self.collections.state_bytes()
            + envelopes.iter().map(|e| e.state_bytes()).sum::<usize>()
            + self.intake.state_bytes()
    }
}

/// A point without its counts, which the detector lends.
struct Measured {
    at_seconds: f64,
    jobs: f64,
    heap_bytes: f64,
    external_bytes: f64,
    in_flight: f64,
    backlog: f64,
    segment: u32,
}

impl Measured {
    fn as_point<'a>(&self, counts: &'a [f64]) -> Point<'a> {
        Point {
            at_seconds: self.at_seconds,
            jobs: self.jobs,
            counts,
            heap_bytes: self.heap_bytes,
            external_bytes: self.external_bytes,
            in_flight: self.in_flight,
            backlog: self.backlog,
            segment: self.segment,
        }
    }
}
