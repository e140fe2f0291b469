//! From a fitted trend to a status.

use plimsoll_model::Status;

use crate::assessment::Axis;
use crate::channels::{Fitted, RUNTIME_ALLOWANCE_BYTES, Rules, rules};
use crate::settings::{MinimumEffect, Pace, Settings, Watch};
use crate::trend::{Slope, Trend};

/// How fast the worker went over the record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    pub seconds: f64,
    pub jobs: f64,
}

impl Window {
    pub fn jobs_per_second(self) -> Option<f64> {
        (self.jobs > 0.0 && self.seconds > 0.0).then(|| self.jobs / self.seconds)
    }
}

/// Days that a limit has to last when nothing is declared (docs: minimum effect).
const DAYS_TO_LIMIT: f64 = 30.0;
const DAY_SECONDS: f64 = 86_400.0;
/// Without a limit or a pace that means anything: a leak of a real package went down to about 120 bytes
/// a job, drift of sound ones stayed around 50 once they had warmed up.
const TEST_BYTES_PER_JOB: f64 = 50.0;
/// Growth has bent when the last third grows at less than this share of the first third's pace.
const BENT_SHARE: f64 = 0.5;
/// At its own pace a worker must have gained this share of what the minimum effect is in a day before
/// it is called leaking: an hour of a rising morning looks like a leak, and there is no hurry, since
/// such growth is more than two months away from the limit.
const MATERIAL_DAYS: f64 = 0.4;
/// A service is watched for this long before it is called leaking …
const PATIENCE_SECONDS: f64 = 8.0 * 3600.0;
/// … or for this share of the time that is left until its limit, whichever is less.
const PATIENCE_SHARE: f64 = 1.5;
/// The guarded lower bound of growth must be above this share of the minimum effect (and of what a
/// sound process gains by itself), the estimate above all of it.
const REAL_SHARE: f64 = 0.5;
/// Growth that was established stays so while its estimate is above this share of the effect.
const HELD_SHARE: f64 = 0.75;
/// A cache may overshoot its declared cap by its own bookkeeping.
const CAP_SLACK: f64 = 1.1;

/// The growth below which nothing is a leak, per second and per job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Effect {
    pub per_second: Option<f64>,
    pub per_job: Option<f64>,
    /// Whether the record's own resolution may raise it.
    derived: bool,
    watch: Watch,
}

impl Effect {
    pub fn new(settings: &Settings, window: Window) -> Effect {
        let pace = window.jobs_per_second();
        let from_day = |bytes_per_day: f64| Effect {
            per_second: Some(bytes_per_day / DAY_SECONDS),
            per_job: pace.map(|p| bytes_per_day / DAY_SECONDS / p),
            derived: false,
            watch: settings.watch,
        };
        let from_job = |bytes: f64| Effect {
            per_second: pace.map(|p| bytes * p),
            per_job: Some(bytes),
            derived: false,
            watch: settings.watch,
        };
        match (settings.minimum_effect, settings.limit_bytes, settings.pace) {
            (MinimumEffect::PerJob(bytes), _, _) => from_job(bytes.max(0.0)),
            (MinimumEffect::PerDay(bytes), _, _) => from_day(bytes.max(0.0)),
            (MinimumEffect::Derived, Some(limit), Pace::Real) => Effect {
                derived: true,
                ..from_day(limit as f64 / DAYS_TO_LIMIT)
            },
            (MinimumEffect::Derived, _, _) => Effect {
                derived: true,
                ..from_job(TEST_BYTES_PER_JOB)
            },
        }
    }

    /// The effect per job for a record of `span` jobs, raised to what the record can resolve if derived.
    pub fn per_job_resolved(&self, span: f64) -> f64 {
        let resolved = if self.derived && span > 0.0 {
            RUNTIME_ALLOWANCE_BYTES / span
        } else {
            0.0
        };
        self.per_job.unwrap_or(0.0).max(resolved)
    }

    /// Growth that must have been gained before it matters.
    fn material(&self, fitted: &Fitted) -> f64 {
        let is_bytes = rules(fitted.channel, fitted.source).is_bytes;
        if !is_bytes || self.watch == Watch::Run {
            return 0.0;
        }
        self.per_second.unwrap_or(0.0) * MATERIAL_DAYS * DAY_SECONDS
    }

    /// The effect on the axis of a trend, in its units; counts have no declared effect.
    pub fn on(&self, fitted: &Fitted) -> f64 {
        let rules = rules(fitted.channel, fitted.source);
        let resolved = rules.allowance / fitted.trend.span;
        if !rules.is_bytes {
            return resolved;
        }
        let declared = match fitted.axis {
            Axis::Jobs => self.per_job,
            Axis::Time => self.per_second,
        };
        match declared {
            Some(declared) if !self.derived => declared,
            declared => declared.unwrap_or(0.0).max(resolved),
        }
    }
}

/// Whether growth slowed down clearly.
pub(crate) fn bent(trend: &Trend) -> bool {
    let Slope { estimate, low, .. } = trend.first;
    low > 0.0 && trend.late.high < BENT_SHARE * estimate
}

/// Whether this look, for itself, sees a leak.
pub(crate) fn grows(fitted: &Fitted, effect: &Effect, window: Window, room_bytes: Option<f64>) -> bool {
    let trend = &fitted.trend;
    let rules = rules(fitted.channel, fitted.source);
    let least = effect.on(fitted);
    // Growth is sure to be real, and its best estimate is above the effect: asking that the whole
    // interval be above it would miss most leaks of up to twice the effect.
    trend.guarded_low > REAL_SHARE * least
        && trend.estimate > least
        && trend.guarded_low * trend.span > REAL_SHARE * rules.allowance
        && trend.estimate * trend.span > rules.allowance
        && trend.guarded_low * trend.covered > REAL_SHARE * effect.material(fitted)
        && trend.late.estimate > REAL_SHARE * least
        && trend.late.high > least
        && (!bent(trend) || trend.late.low > least)
        && window.seconds >= rules.least_seconds
        && !hasty(fitted, effect, window, room_bytes)
}

/// Whether growth that was established before still goes on, as far as can be told: an interval that
/// reaches down to no growth tells it no longer.
pub(crate) fn still_grows(fitted: &Fitted, effect: &Effect) -> bool {
    let trend = &fitted.trend;
    let least = effect.on(fitted);
    !bent(trend)
        && trend.low > 0.0
        && trend.estimate > HELD_SHARE * least
        && trend.late.high > least
        && trend.late.estimate > REAL_SHARE * least
}

/// Whether a service can wait: a cache that fills within a working day looks like a leak for its first
/// hours, and only when the limit is near is that a reason to hurry.
fn hasty(fitted: &Fitted, effect: &Effect, window: Window, room_bytes: Option<f64>) -> bool {
    if effect.watch == Watch::Run {
        return false;
    }
    let growth = fitted.trend.estimate;
    let per_second = match fitted.axis {
        Axis::Jobs => growth * window.jobs_per_second().unwrap_or(0.0),
        Axis::Time => growth,
    };
    let left = room_bytes
        .filter(|_| per_second > 0.0)
        .map_or(f64::INFINITY, |room| room / per_second);
    window.seconds < PATIENCE_SECONDS.min(PATIENCE_SHARE * left)
}

/// Whether no growth that a record of this length can hold would end the waiting: [`hasty`] before any
/// fit. Descriptors and threads wait with it.
pub(crate) fn waits(settings: &Settings, window: Window, room_bytes: Option<f64>, gained_bytes: f64) -> bool {
    let enough_for_limit = room_bytes.is_some_and(|room| 2.0 * gained_bytes >= PATIENCE_SHARE * room);
    settings.watch == Watch::Service && window.seconds < PATIENCE_SECONDS && !enough_for_limit
}

/// The status of a channel, given whether two looks in a row saw it grow.
pub(crate) fn status(fitted: &Fitted, effect: &Effect, settings: &Settings, twice: bool) -> Status {
    let trend = &fitted.trend;
    let rules = rules(fitted.channel, fitted.source);
    let least = effect.on(fitted);
    let grew = trend.total_growth > rules.allowance.max(least * trend.span).max(3.0 * trend.noise);
    if within_cap(trend, &rules, settings, grew) {
        return Status::Bounded;
    }
    match () {
        () if twice => Status::Leaking,
        () if trend.guarded_high < least && grew => Status::Bounded,
        () if trend.guarded_high < least => Status::Stable,
        () => Status::Inconclusive,
    }
}

/// Growth that a declared cap explains so far.
fn within_cap(trend: &Trend, rules: &Rules, settings: &Settings, grew: bool) -> bool {
    let Some(cap) = settings.cap_bytes else {
        return false;
    };
    rules.is_bytes && grew && trend.total_growth <= cap as f64 * CAP_SLACK
}

/// Whether a declared cap explains what a channel gained.
pub(crate) fn capped(fitted: &Fitted, settings: &Settings) -> bool {
    let rules = rules(fitted.channel, fitted.source);
    within_cap(&fitted.trend, &rules, settings, fitted.trend.total_growth > 0.0)
}
