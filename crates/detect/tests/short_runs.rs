//! Records of seconds to minutes, as `run` and `verify` see them on a Node worker.

use std::collections::BTreeMap;

use plimsoll_detect::{Assessment, Detector, MinimumEffect, Pace, Settings};
use plimsoll_model::{ClassStatus, Floor, Reading, Sample, Status};

/// A deterministic noise in [-1, 1].
fn noise(i: u64, salt: u64) -> f64 {
    let mut x = (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ salt.wrapping_mul(0xD1B5_4A32_D192_ED03);
    x ^= x >> 31;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 29;
    (x >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

struct Run {
    floors: u64,
    jobs: u64,
    noise_bytes: f64,
    warm_up_bytes: f64,
}

const RUN: Run = Run {
    floors: 40,
    jobs: 4000,
    noise_bytes: 6_000.0,
    warm_up_bytes: 200_000.0,
};

fn settings() -> Settings {
    Settings {
        minimum_effect: MinimumEffect::Derived,
        pace: Pace::Test,
        ..Settings::default()
    }
}

/// Floors of a worker with two classes, three to one, whose mix varies; `extra(a, b)` are the bytes that
/// the jobs of both classes so far left behind.
fn assess(run: &Run, extra: impl Fn(f64, f64) -> f64) -> Assessment {
    let mut detector = Detector::new(settings());
    let mut a = 0u64;
    for i in 0..run.floors {
        let total = run.jobs * (i + 1) / run.floors;
        let share = 0.25 + 0.1 * noise(i, 7);
        let step = run.jobs / run.floors;
        a = (a + (step as f64 * share) as u64).min(total);
        let b = total - a;
        let warm_up = run.warm_up_bytes * (1.0 - (-(total as f64) / 600.0).exp());
        let live = 5e6 + warm_up + run.noise_bytes * noise(i, 3) + extra(a as f64, b as f64);
        let jobs = BTreeMap::from([("audit".to_owned(), a), ("email".to_owned(), b)]);
        detector.observe(&Reading::Floor(Floor {
            at_seconds: 0.5 * (i + 1) as f64,
            live_bytes: live as u64,
            external_bytes: Some(1_000_000),
            jobs: Some(jobs),
            ..Floor::default()
        }));
    }
    detector.assess()
}

fn status_of(assessment: &Assessment, class: &str) -> ClassStatus {
    assessment
        .classes
        .iter()
        .find(|c| c.class == class)
        .expect("class was counted")
        .status
}

#[test]
fn growth_of_a_runtime_is_no_leak() {
    let sound = assess(&RUN, |_, _| 0.0);
    assert!(
        matches!(sound.verdict.status, Status::Stable | Status::Bounded),
        "{:#?}",
        sound.verdict
    );
    let drifting = assess(&RUN, |a, b| 57.0 * (a + b));
    assert_ne!(
        drifting.verdict.status,
        Status::Leaking,
        "{:#?}",
        drifting.verdict
    );
}

#[test]
fn a_leak_of_one_class_is_told_from_the_other() {
    let leaking = assess(&RUN, |a, _| 8_000.0 * a);
    assert_eq!(leaking.verdict.status, Status::Leaking, "{:#?}", leaking.verdict);
    assert_eq!(
        status_of(&leaking, "audit"),
        ClassStatus::Leaking,
        "{:#?}",
        leaking.classes
    );
    assert_ne!(
        status_of(&leaking, "email"),
        ClassStatus::Leaking,
        "{:#?}",
        leaking.classes
    );
    let interval = leaking.classes[0].bytes_per_job.expect("an interval");
    assert!(
        interval.low <= 8_000.0 && 8_000.0 <= interval.high,
        "{interval:?}"
    );
}

#[test]
fn two_leaking_classes_are_both_named() {
    let leaking = assess(&RUN, |a, b| 8_000.0 * a + 2_000.0 * b);
    assert_eq!(
        status_of(&leaking, "audit"),
        ClassStatus::Leaking,
        "{:#?}",
        leaking.classes
    );
    assert_eq!(
        status_of(&leaking, "email"),
        ClassStatus::Leaking,
        "{:#?}",
        leaking.classes
    );
}

#[test]
fn five_floors_are_enough_for_a_clear_leak() {
    let run = Run {
        floors: 5,
        jobs: 1000,
        ..RUN
    };
    let leaking = assess(&run, |a, b| 12_650.0 * (a + b));
    assert_eq!(leaking.verdict.status, Status::Leaking, "{:#?}", leaking.verdict);
    let sound = assess(&run, |_, _| 0.0);
    assert_ne!(sound.verdict.status, Status::Leaking, "{:#?}", sound.verdict);
}

#[test]
fn small_real_leaks_show_over_many_jobs() {
    let run = Run {
        jobs: 30_000,
        floors: 100,
        ..RUN
    };
    let leaking = assess(&run, |a, b| 120.0 * (a + b));
    assert_eq!(leaking.verdict.status, Status::Leaking, "{:#?}", leaking.verdict);
}

#[test]
fn a_cache_that_is_full_is_bounded_and_one_that_still_fills_is_not_told() {
    let full = assess(&RUN, |a, b| 5_000.0 * (a + b).min(1_600.0));
    assert_eq!(full.verdict.status, Status::Bounded, "{:#?}", full.verdict);
    assert!(full.bent);
}

#[test]
fn a_noisy_worker_is_not_leaking() {
    for salt in 0..40 {
        let run = Run {
            floors: 4 + salt % 20 * 3,
            jobs: 600 + salt,
            noise_bytes: 5e6,
            ..RUN
        };
        let sound = assess(&run, |a, _| 1e5 * noise(a as u64, salt));
        assert_ne!(sound.verdict.status, Status::Leaking, "{:#?}", sound.verdict);
    }
}

/// Steady descriptors say nothing of memory.
#[test]
fn counts_alone_do_not_clear_a_worker() {
    let mut detector = Detector::new(settings());
    for i in 0..120u32 {
        detector.observe(&Reading::Sample(Sample {
            at_seconds: f64::from(i),
            rss_bytes: Some(100 << 20),
            fds: Some(20),
            threads: Some(4),
            ..Sample::default()
        }));
    }
    let verdict = detector.assess().verdict;
    assert_eq!(verdict.status, Status::Inconclusive, "{verdict:#?}");
}
