//! From fits to the assessment: which channel decides, and what to do next.

use plimsoll_model::{Channel, ClassStatus, Estimate, Interval, Status, Verdict};

use crate::assessment::{Assessment, Axis, ChannelAssessment, ClassGrowth, Late};
use crate::channels::{Fitted, RUNTIME_ALLOWANCE_BYTES, Source, rules};
use crate::classes::class_growth;
use crate::detector::Detector;
use crate::judge::{Effect, Window, bent, status, still_grows};
use crate::kept::{Fits, Purpose};
use crate::settings::Settings;
use crate::trend::Trend;
use crate::words::{duration, reasons, round_up};

/// Places in the order of [`Fits::looked_at`].
const HEAP: usize = 0;
const EXTERNAL: usize = 1;
const MANAGED: usize = 2;

/// Growth of the other managed part above this share means that both are told together.
const BOTH_GROW_SHARE: f64 = 0.1;

pub(crate) fn assessment(detector: &Detector) -> Assessment {
    let window = detector.window();
    let effect = detector.effect();
    let fits = detector.fits(Purpose::Assessment);
    let channels = channels(detector, &fits, &effect, window);
    let managed = fits.managed.as_ref().or(fits.heap.as_ref());
    let verdict = Decision {
        detector,
        fits: &fits,
        effect: &effect,
        window,
        channels: &channels,
    }
    .verdict();
    let classes = classes(detector, verdict.status);
    let span = managed.map(|f| f.trend.span).filter(|s| *s > 0.0);
    let first = detector.looks().first_leaking_at_seconds();
    Assessment {
        first_leaking_at_seconds: first,
        classes,
        bent: managed.is_some_and(|f| bent(&f.trend)),
        late: managed.and_then(|f| late(f, window, detector.settings().confidence)),
        total_growth_bytes: managed.map_or(0.0, |f| f.trend.total_growth),
        resolution_bytes_per_job: span
            .filter(|_| managed.is_some_and(|f| f.axis == Axis::Jobs))
            .map(|span| RUNTIME_ALLOWANCE_BYTES / span),
        gaps: detector.gaps(),
        floors: detector.floors_used(),
        channels,
        verdict,
    }
}

fn channels(detector: &Detector, fits: &Fits, effect: &Effect, window: Window) -> Vec<ChannelAssessment> {
    let growing = detector.growing(fits);
    let mut all = Vec::new();
    for (place, fitted) in fits.looked_at().into_iter().enumerate() {
        let Some(fitted) = fitted.filter(|_| place != MANAGED) else {
            continue;
        };
        let looks = detector.looks();
        let twice =
            growing[place] && looks.seen_before(place) || looks.held(place) && still_grows(fitted, effect);
        let judged = window.seconds >= rules(fitted.channel, fitted.source).least_seconds;
        let status = if judged {
            status(fitted, effect, detector.settings(), twice)
        } else {
            Status::Inconclusive
        };
        all.push(channel(
            fitted,
            status,
            judged,
            effect,
            window,
            detector.settings(),
        ));
    }
    all
}

fn channel(
    fitted: &Fitted,
    status: Status,
    judged: bool,
    effect: &Effect,
    window: Window,
    settings: &Settings,
) -> ChannelAssessment {
    let per = |axis: Axis| per_axis(fitted, axis, window, settings.confidence);
    ChannelAssessment {
        channel: fitted.channel,
        status,
        judged,
        axis: fitted.axis,
        growth_per_job: per(Axis::Jobs),
        growth_per_hour: per(Axis::Time),
        total_growth: fitted.trend.total_growth,
        bent: bent(&fitted.trend),
        late: late(fitted, window, settings.confidence),
        reasons: reasons(fitted, status, judged, effect, settings),
    }
}

fn growth(trend: &Trend, factor: f64, confidence: f64) -> Estimate {
    let estimate = trend.estimate.clamp(trend.low, trend.high);
    Estimate {
        estimate: estimate * factor,
        low: trend.low * factor,
        high: trend.high * factor,
        confidence,
    }
}

/// Growth per job (`Axis::Jobs`) or per hour (`Axis::Time`), whatever the axis it was fitted on.
fn per_axis(fitted: &Fitted, axis: Axis, window: Window, confidence: f64) -> Option<Estimate> {
    let pace = window.jobs_per_second();
    let factor = match (fitted.axis, axis) {
        (Axis::Jobs, Axis::Jobs) => 1.0,
        (Axis::Jobs, Axis::Time) => 3600.0 * pace?,
        (Axis::Time, Axis::Jobs) => 1.0 / pace?,
        (Axis::Time, Axis::Time) => 3600.0,
    };
    Some(growth(&fitted.trend, factor, confidence))
}

fn late(fitted: &Fitted, window: Window, confidence: f64) -> Option<Late> {
    let late = fitted.trend.late;
    let jobs_per_unit = match fitted.axis {
        Axis::Jobs => 1.0,
        Axis::Time => window.jobs_per_second()?,
    };
    let per_job = Estimate {
        estimate: late.estimate / jobs_per_unit,
        low: late.low / jobs_per_unit,
        high: late.high / jobs_per_unit,
        confidence,
    };
    (late.span > 0.0).then_some(Late {
        per_job,
        jobs: late.span * jobs_per_unit,
        growth: late.estimate * late.span,
    })
}

fn classes(detector: &Detector, status: Status) -> Vec<ClassGrowth> {
    let names = detector.class_names().to_vec();
    let jobs: Vec<u64> = names.iter().map(|name| detector.jobs_of(name)).collect();
    let rows: Vec<_> = detector.class_rows(&names).into_iter().collect();
    let (minimum, confidence) = detector.class_threshold();
    let mut classes = class_growth(&rows, &names, &jobs, minimum, confidence);
    // What the worker as a whole does not do, no class of it is said to do.
    if status != Status::Leaking {
        for class in classes.iter_mut().filter(|c| c.status == ClassStatus::Leaking) {
            class.status = if status == Status::Inconclusive {
                ClassStatus::Inconclusive
            } else {
                ClassStatus::Stable
            };
        }
    }
    classes
}

struct Decision<'a> {
    detector: &'a Detector,
    fits: &'a Fits,
    effect: &'a Effect,
    window: Window,
    channels: &'a [ChannelAssessment],
}

impl Decision<'_> {
    fn verdict(&self) -> Verdict {
        let settings = self.detector.settings();
        let Some(deciding) = self.deciding() else {
            return self.nothing_measured();
        };
        let fitted = self.fitted(deciding.channel);
        let told = fitted.map(|f| self.told(f));
        let per = |axis| told.and_then(|f| per_axis(f, axis, self.window, settings.confidence));
        let is_bytes = told.is_some_and(|f| rules(f.channel, f.source).is_bytes);
        let hourly = per(Axis::Time).filter(|_| is_bytes);
        let mut reasons = deciding.reasons.clone();
        for other in self.channels.iter().filter(|c| c.channel != deciding.channel) {
            if !other.judged || matches!(other.status, Status::Leaking | Status::Inconclusive) {
                reasons.extend(other.reasons.first().cloned());
            }
        }
        Verdict {
            status: if deciding.judged {
                deciding.status
            } else {
                Status::Inconclusive
            },
            channel: Some(deciding.channel),
            bytes_per_job: per(Axis::Jobs).filter(|_| is_bytes),
            exhaustion_in_seconds: hourly.and_then(|e| self.exhaustion(deciding.status, &e)),
            bytes_per_hour: hourly,
            limit_bytes: settings.limit_bytes,
            minimum_effect_bytes_per_job: told.filter(|_| is_bytes).and_then(|f| self.effect_per_job(f)),
            reasons,
            next: self.next(deciding, told),
        }
    }

    /// A leak first, then what cannot be told, then growth that levelled off; memory before counts and
    /// the heap before the rest.
    fn deciding(&self) -> Option<&ChannelAssessment> {
        let counts = |c: &ChannelAssessment| matches!(c.channel, Channel::Fds | Channel::Threads);
        let judged = |status: Status| {
            self.channels
                .iter()
                .filter(move |c| c.judged && c.status == status)
        };
        // Short of a leak, descriptors and threads neither clear memory nor put it in doubt.
        let memory = |status: Status| judged(status).filter(move |c| !counts(c));
        judged(Status::Leaking)
            .max_by(|a, b| hourly_low(a).total_cmp(&hourly_low(b)))
            .or_else(|| memory(Status::Inconclusive).next())
            .or_else(|| memory(Status::Bounded).max_by(|a, b| a.total_growth.total_cmp(&b.total_growth)))
            .or_else(|| memory(Status::Stable).next())
            .or_else(|| self.channels.iter().find(|c| !counts(c)))
    }

    fn fitted(&self, channel: Channel) -> Option<&Fitted> {
        self.fits
            .looked_at()
            .into_iter()
            .enumerate()
            .filter(|(i, _)| *i != MANAGED)
            .find_map(|(_, f)| f.filter(|f| f.channel == channel))
    }

    /// Heap and external are told together when both grow.
    fn told<'f>(&'f self, fitted: &'f Fitted) -> &'f Fitted {
        let all = self.fits.looked_at();
        let (Some(heap), Some(external), Some(managed)) = (all[HEAP], all[EXTERNAL], all[MANAGED]) else {
            return fitted;
        };
        let (a, b) = (
            heap.trend.estimate * heap.trend.span,
            external.trend.estimate * external.trend.span,
        );
        let both = a.abs().min(b.abs()) > BOTH_GROW_SHARE * a.abs().max(b.abs());
        let is_managed = matches!(fitted.channel, Channel::Heap | Channel::External);
        if is_managed && both { managed } else { fitted }
    }

    fn effect_per_job(&self, fitted: &Fitted) -> Option<f64> {
        let effect = self.effect.on(fitted);
        match fitted.axis {
            Axis::Jobs => Some(effect),
            Axis::Time => self.window.jobs_per_second().map(|pace| effect / pace),
        }
    }

    fn exhaustion(&self, status: Status, hourly: &Estimate) -> Option<Interval> {
        let room = self.detector.room_bytes()?;
        let seconds = |bytes_per_hour: f64| room / bytes_per_hour * 3600.0;
        let forecast = matches!(status, Status::Leaking | Status::Inconclusive) && hourly.estimate > 0.0;
        forecast.then(|| Interval {
            estimate: seconds(hourly.estimate),
            low: seconds(hourly.high.max(hourly.estimate)),
            high: (hourly.low > 0.0).then(|| seconds(hourly.low)),
        })
    }

    fn nothing_measured(&self) -> Verdict {
        Verdict {
            status: Status::Inconclusive,
            channel: None,
            bytes_per_job: None,
            bytes_per_hour: None,
            exhaustion_in_seconds: None,
            limit_bytes: self.detector.settings().limit_bytes,
            minimum_effect_bytes_per_job: self.effect.per_job,
            reasons: vec![format!(
                "only {} floors and no long enough series of samples: growth cannot be told from noise",
                self.detector.floors_used()
            )],
            next: vec![
                "let it run for at least 5 floors, some before and some after the first minute".to_owned(),
            ],
        }
    }

    fn next(&self, deciding: &ChannelAssessment, told: Option<&Fitted>) -> Vec<String> {
        if deciding.status != Status::Inconclusive && deciding.judged {
            return Vec::new();
        }
        let mut next = Vec::new();
        if let Some(fitted) = told {
            next.extend(self.longer(fitted));
            if fitted.trend.total_growth > rules(fitted.channel, fitted.source).allowance {
                next.push(
                    "compare heap snapshots at three job counts: what piles up tells a leak from a cache"
                        .into(),
                );
                if self.detector.settings().baseline.is_none() {
                    next.push("run a release that is known to be sound beside it, as a baseline".into());
                }
                if self.detector.settings().cap_bytes.is_none() {
                    next.push("if a cache is filling, declare its cap".into());
                }
            }
            if fitted.source != Source::Floors {
                next.push(
                    "let the agent take quiescent floors: nothing separates a leak from noise as well".into(),
                );
            }
        }
        next
    }

    /// How much longer the record must be for the interval to shrink below the minimum effect: the
    /// error of a slope falls with the length to the power of 1.5, the warm-up's share with the length.
    fn longer(&self, fitted: &Fitted) -> Option<String> {
        let least = self.effect.on(fitted);
        let half = 0.5 * (fitted.trend.high - fitted.trend.low);
        let by_noise = (half / least.max(f64::MIN_POSITIVE)).powf(2.0 / 3.0);
        let allowance = rules(fitted.channel, fitted.source).allowance;
        let by_warm_up =
            allowance / (fitted.trend.span * fitted.trend.estimate.max(least)).max(f64::MIN_POSITIVE);
        let factor = (1.2 * by_noise.max(by_warm_up)).clamp(2.0, 50.0);
        match fitted.axis {
            Axis::Jobs => Some(format!(
                "run about {:.0} jobs in all",
                round_up(self.window.jobs * factor)
            )),
            Axis::Time => Some(format!(
                "watch for about {}",
                duration(self.window.seconds * factor)
            )),
        }
    }
}

fn hourly_low(channel: &ChannelAssessment) -> f64 {
    let counts = matches!(channel.channel, Channel::Fds | Channel::Threads);
    match channel.growth_per_hour {
        // A descriptor or a thread weighs as a page or a stack would; memory is told first.
        Some(e) if counts => e.low.max(0.0),
        Some(e) => e.low.max(0.0) + 1e6,
        None => 0.0,
    }
}
