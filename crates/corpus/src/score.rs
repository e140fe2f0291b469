//! Runs the detector over a record and notes what it said beside what is true.

use plimsoll_detect::{Assessment, Baseline, Detector, MinimumEffect, Pace, Settings, Watch};
use plimsoll_model::{Channel, ClassStatus, Estimate, Status};

use crate::kinds::{Kind, Length, Truth};
use crate::labelled::Labelled;
use crate::rules::RULES;

/// What became of one record.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The kind's name.
    pub kind: &'static str,
    /// The truth about it.
    pub truth: Truth,
    /// Its clock.
    pub length: Length,
    /// The verdict at the end.
    pub status: Status,
    /// The channel that decided.
    pub channel: Option<Channel>,
    /// Whether `leaking` was said anywhere on the way, and when.
    pub alarm_at_seconds: Option<f64>,
    /// The true growth over the minimum effect; 0 for sound workers.
    pub effect: f64,
    /// True managed growth per job, where the leak is one per job from the start.
    pub true_bytes_per_job: Option<f64>,
    /// What was said of it.
    pub bytes_per_job: Option<Estimate>,
    /// The class that truly leaks came first, and was called leaking; `None` where no class leaks.
    pub class_right: Option<(bool, bool)>,
    /// A class that does not leak was called leaking.
    pub class_wrong: bool,
    /// When the leak began.
    pub leak_from_seconds: f64,
    /// Which of the naive rules raised an alarm, where they were asked ([`naive_rules`]).
    pub rules: Vec<bool>,
    /// Why, in its own words.
    pub reasons: Vec<String>,
}

/// Judges the worker of a kind and seed on its own.
pub fn examine(kind: &Kind, seed: u64) -> Outcome {
    outcome(kind, &kind.record(seed), None)
}

/// The same against one run of the worker without its leak.
pub fn with_baseline(kind: &Kind, seed: u64) -> Outcome {
    let sound = kind.sound_record(seed);
    let mut detector = Detector::new(settings(&sound, None));
    sound.readings.iter().for_each(|r| detector.observe(r));
    outcome(kind, &kind.record(seed), Some(detector.baseline()))
}

/// What the naive rules say of the same record.
pub fn naive_rules(kind: &Kind, seed: u64) -> Vec<bool> {
    let record = kind.record(seed);
    RULES
        .iter()
        .map(|rule| (rule.alarm)(&record.readings, record.budget_bytes))
        .collect()
}

fn settings(record: &Labelled, baseline: Option<Baseline>) -> Settings {
    let is_day = record.minimum_bytes_per_day.is_some();
    Settings {
        limit_bytes: Some(record.budget_bytes as u64),
        cap_bytes: record.cap_bytes.map(|c| c as u64),
        minimum_effect: record
            .minimum_bytes_per_day
            .map_or(MinimumEffect::Derived, MinimumEffect::PerDay),
        pace: if is_day { Pace::Real } else { Pace::Test },
        watch: if is_day { Watch::Service } else { Watch::Run },
        baseline,
        ..Settings::default()
    }
}

fn outcome(kind: &Kind, record: &Labelled, baseline: Option<Baseline>) -> Outcome {
    let mut detector = Detector::new(settings(record, baseline));
    record.readings.iter().for_each(|r| detector.observe(r));
    let assessment = detector.assess();
    let (class_right, class_wrong) = classes(record, &assessment);
    Outcome {
        kind: kind.name,
        truth: kind.truth,
        length: kind.length,
        status: assessment.verdict.status,
        channel: assessment.verdict.channel,
        alarm_at_seconds: assessment.first_leaking_at_seconds,
        effect: effect(record, &assessment),
        true_bytes_per_job: record.growth_bytes_per_job.filter(|_| kind.truth == Truth::Leaks),
        bytes_per_job: assessment.verdict.bytes_per_job,
        class_right,
        class_wrong,
        leak_from_seconds: record.leak_from_seconds,
        rules: Vec::new(),
        reasons: assessment.verdict.reasons,
    }
}

fn effect(record: &Labelled, assessment: &Assessment) -> f64 {
    let minimum = match record.minimum_bytes_per_day {
        Some(per_day) => per_day / 86_400.0,
        None => assessment.verdict.minimum_effect_bytes_per_job.unwrap_or(50.0) * record.pace,
    };
    record.growth_bytes_per_second / minimum
}

fn classes(record: &Labelled, assessment: &Assessment) -> (Option<(bool, bool)>, bool) {
    let leaks = |name: &str| record.leaky_classes.iter().any(|c| c == name);
    let wrong = assessment
        .classes
        .iter()
        .any(|c| c.status == ClassStatus::Leaking && !leaks(&c.class));
    let any = !record.leaky_classes.is_empty();
    let first = assessment.classes.first().is_some_and(|c| leaks(&c.class));
    let named = assessment
        .classes
        .iter()
        .filter(|c| leaks(&c.class))
        .all(|c| c.status == ClassStatus::Leaking);
    (any.then_some((first, named)), wrong)
}
