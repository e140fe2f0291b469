//! What must not change a verdict, and what must never break the detector.

use plimsoll_corpus::{Random, kind};
use plimsoll_detect::{Assessment, Detector, MinimumEffect, Settings, Watch};
use plimsoll_model::{Floor, GcEvent, GcKind, Reading, Sample, Status};

const SEED: u64 = 11;

fn record(name: &str) -> Vec<Reading> {
    let kind = kind(name).expect("the kind is in the corpus");
    kind.record(SEED).readings
}

fn settings(scale: f64) -> Settings {
    Settings {
        limit_bytes: Some((scale * 512.0 * 1024.0 * 1024.0) as u64),
        minimum_effect: MinimumEffect::PerDay(scale * 17e6),
        watch: Watch::Service,
        ..Settings::default()
    }
}

fn assess(readings: &[Reading], scale: f64) -> Assessment {
    let mut detector = Detector::new(settings(scale));
    readings.iter().for_each(|r| detector.observe(r));
    detector.assess()
}

fn map(
    readings: &[Reading],
    change: impl Fn(&mut Sample),
    floor: impl Fn(&mut Floor),
    gc: impl Fn(&mut GcEvent),
) -> Vec<Reading> {
    let mut changed = readings.to_vec();
    for reading in &mut changed {
        match reading {
            Reading::Sample(s) => change(s),
            Reading::Floor(f) => floor(f),
            Reading::Gc(g) => gc(g),
        }
    }
    changed
}

fn growth(assessment: &Assessment) -> f64 {
    assessment.verdict.bytes_per_job.map_or(0.0, |e| e.estimate)
}

const KINDS: [&str; 4] = ["flat", "leak-linear", "cache-saturating", "leak-across-restarts"];

#[test]
fn a_shift_in_time_changes_nothing() {
    for name in KINDS {
        let readings = record(name);
        let shift = 1.7e9;
        let later = map(
            &readings,
            |s| s.at_seconds += shift,
            |f| f.at_seconds += shift,
            |g| g.at_seconds += shift,
        );
        let (a, b) = (assess(&readings, 1.0), assess(&later, 1.0));
        assert_eq!(a.verdict.status, b.verdict.status, "{name}");
        assert!(
            (growth(&a) - growth(&b)).abs() <= 1e-3 * growth(&a).abs() + 1.0,
            "{name}"
        );
    }
}

#[test]
fn a_worker_four_times_as_large_grows_four_times_as_fast() {
    for name in ["leak-linear", "flat"] {
        let readings = record(name);
        let times = |bytes: &mut Option<u64>| *bytes = bytes.map(|b| b * 4);
        let large = map(
            &readings,
            |s| {
                times(&mut s.rss_bytes);
                times(&mut s.heap_used_bytes);
                times(&mut s.heap_committed_bytes);
                times(&mut s.external_bytes);
            },
            |f| {
                f.live_bytes *= 4;
                times(&mut f.external_bytes);
            },
            |g| g.live_bytes *= 4,
        );
        let (a, b) = (assess(&readings, 1.0), assess(&large, 4.0));
        assert_eq!(a.verdict.status, b.verdict.status, "{name}");
        assert!(
            (4.0 * growth(&a) - growth(&b)).abs() < 0.02 * growth(&b).abs() + 1.0,
            "{name}"
        );
    }
}

#[test]
fn the_names_of_classes_change_nothing_but_names() {
    let readings = record("leak-linear");
    let renamed = map(
        &readings,
        |s| {
            // Reversed letters reverse their order too.
            s.jobs = std::mem::take(&mut s.jobs)
                .into_iter()
                .map(|(name, n)| {
                    (
                        name.bytes().map(|b| char::from(219 - b.clamp(97, 122))).collect(),
                        n,
                    )
                })
                .collect();
        },
        |_| {},
        |_| {},
    );
    let (a, b) = (assess(&readings, 1.0), assess(&renamed, 1.0));
    assert_eq!(a.verdict.status, b.verdict.status);
    assert!((growth(&a) - growth(&b)).abs() < 1e-3 * growth(&a).abs());
    let classes = |x: &Assessment| {
        let mut classes: Vec<_> = x.classes.iter().map(|c| (c.jobs, c.status)).collect();
        classes.sort_by_key(|c| c.0);
        classes
    };
    assert_eq!(classes(&a), classes(&b));
}

/// A restart that is told by the incarnation and one that only shows in the counts are the same.
#[test]
fn a_restart_nobody_tells_is_seen() {
    let readings = record("leak-across-restarts");
    let untold = map(&readings, |s| s.incarnation = 0, |_| {}, |_| {});
    let (a, b) = (assess(&readings, 1.0), assess(&untold, 1.0));
    assert_eq!(a.verdict.status, b.verdict.status);
    assert!((growth(&a) - growth(&b)).abs() < 0.1 * growth(&a).abs().max(1.0));
    assert!(b.gaps.iter().any(|g| g.reason.contains("fell")), "{:?}", b.gaps);
}

/// The word that the gap must hold, and what to do to a sample and to a floor.
type Spoiler = (&'static str, fn(&mut Sample, u64), fn(&mut Floor, u64));

/// Each way to spoil one reading in twenty.
#[test]
fn spoiled_readings_are_gaps_and_no_verdicts() {
    let absurd = 1 << 60;
    let spoilers: [Spoiler; 6] = [
        (
            "no finite",
            |s, _| s.at_seconds = f64::NAN,
            |f, _| f.at_seconds = f64::INFINITY,
        ),
        (
            "out of order",
            |s, _| s.at_seconds -= 5000.0,
            |f, _| f.at_seconds = -1e9,
        ),
        (
            "no worker can have",
            |s, x| s.rss_bytes = Some(x),
            |f, x| f.live_bytes = x,
        ),
        ("0 bytes", |_, _| {}, |f, _| f.live_bytes = 0),
        (
            "fell",
            |s, _| s.jobs.values_mut().for_each(|n| *n = *n * 9 / 10),
            |_, _| {},
        ),
        (
            "jumped",
            |s, _| s.jobs.values_mut().for_each(|n| *n = u64::MAX / 4),
            |_, _| {},
        ),
    ];
    for (word, sample, floor) in spoilers {
        for (name, truth) in [("flat", Status::Stable), ("leak-linear", Status::Leaking)] {
            let mut random = Random::new(SEED, word);
            let mut readings = record(name);
            for reading in readings.iter_mut().filter(|_| random.chance(0.05)) {
                match reading {
                    Reading::Sample(s) => sample(s, absurd),
                    Reading::Floor(f) => floor(f, absurd),
                    Reading::Gc(g) => g.live_bytes = absurd,
                }
            }
            let assessment = assess(&readings, 1.0);
            assert!(
                assessment.gaps.iter().any(|g| g.reason.contains(word)),
                "{name} {word}: {:?}",
                assessment.gaps
            );
            let wrong = match truth {
                Status::Leaking => Status::Stable,
                _ => Status::Leaking,
            };
            assert_ne!(
                assessment.verdict.status, wrong,
                "{name} {word}: {:#?}",
                assessment.verdict
            );
        }
    }
}

/// Anything at all, in any order: no panic, every figure finite, state in bounds.
#[test]
fn nothing_breaks_it() {
    for seed in 0..60 {
        let mut random = Random::new(seed, "anything");
        let mut detector = Detector::new(settings(1.0));
        for _ in 0..400 {
            detector.observe(&anything(&mut random));
        }
        let assessment = detector.assess();
        for estimate in [
            assessment.verdict.bytes_per_job,
            assessment.verdict.bytes_per_hour,
        ]
        .into_iter()
        .flatten()
        {
            assert!(
                estimate.estimate.is_finite() && estimate.low <= estimate.high,
                "{estimate:?}"
            );
        }
        assert!(
            detector.state_bytes() <= (1 << 30) / 100_000,
            "{}",
            detector.state_bytes()
        );
    }
}

fn anything(random: &mut Random) -> Reading {
    let wild = |random: &mut Random| match random.whole(0, 5) {
        0 => 0,
        1 => u64::MAX,
        2 => random.next(),
        _ => random.whole(1, 1 << 30),
    };
    let at_seconds = match random.whole(0, 9) {
        0 => f64::NAN,
        1 => -random.unit() * 1e300,
        2 => f64::INFINITY,
        _ => random.unit() * 1e5,
    };
    let classes = random.whole(0, 60);
    let jobs = (0..classes).map(|c| (format!("c{c}"), wild(random))).collect();
    match random.whole(0, 2) {
        0 => Reading::Sample(Sample {
            at_seconds,
            rss_bytes: Some(wild(random)),
            heap_used_bytes: Some(wild(random)),
            heap_committed_bytes: Some(wild(random)),
            external_bytes: Some(wild(random)),
            fds: Some(wild(random)),
            threads: Some(wild(random)),
            backlog: Some(wild(random)),
            jobs,
            in_flight: Some(random.next() as u32),
            incarnation: random.whole(0, 3) as u32,
        }),
        1 => Reading::Gc(GcEvent {
            at_seconds,
            kind: if random.chance(0.5) {
                GcKind::Major
            } else {
                GcKind::Minor
            },
            live_bytes: wild(random),
            in_flight: Some(random.next() as u32),
            pause_seconds: Some(f64::NAN),
        }),
        _ => Reading::Floor(Floor {
            at_seconds,
            live_bytes: wild(random),
            external_bytes: random.chance(0.5).then(|| wild(random)),
            jobs: random.chance(0.5).then_some(jobs),
            in_flight: random.next() as u32,
            ..Floor::default()
        }),
    }
}

/// A month of samples at one a minute: 8 KiB with up to four classes, and with 24 still a hundred
/// thousand workers to the gibibyte.
#[test]
fn state_is_bounded() {
    for (classes, bound_bytes) in [
        (1, 8 << 10),
        (4, 8 << 10),
        (8, 9 << 10),
        (24, (1 << 30) / 100_000),
    ] {
        let most = most_state_bytes(classes);
        assert!(most <= bound_bytes, "{most} bytes with {classes} classes");
    }
}

fn most_state_bytes(classes: u64) -> usize {
    let mut detector = Detector::new(settings(1.0));
    let mut most = 0;
    for i in 0..43_200u64 {
        let at_seconds = 60.0 * i as f64;
        detector.observe(&Reading::Sample(Sample {
            at_seconds,
            rss_bytes: Some(100 << 20),
            heap_used_bytes: Some(50 << 20),
            heap_committed_bytes: Some(60 << 20),
            external_bytes: Some(1 << 20),
            fds: Some(40),
            threads: Some(11),
            jobs: (0..classes)
                .map(|c| (format!("class-{c}"), i * (c + 1)))
                .collect(),
            ..Sample::default()
        }));
        if i % 5 == 0 {
            detector.observe(&Reading::Floor(Floor {
                at_seconds,
                live_bytes: 40 << 20,
                ..Floor::default()
            }));
        }
        most = most.max(detector.state_bytes());
    }
    most
}

/// Classes that always run together cannot be told apart, and that is said.
#[test]
fn collinear_classes_are_not_told_apart() {
    let mut detector = Detector::new(Settings::default());
    for i in 1..60u64 {
        let jobs = [("a".to_owned(), 10 * i), ("b".to_owned(), 10 * i)].into();
        let live_bytes = 5_000_000 + 100_000 * i + i * 7919 % 4000;
        let floor = Floor {
            at_seconds: i as f64,
            live_bytes,
            jobs: Some(jobs),
            ..Floor::default()
        };
        detector.observe(&Reading::Floor(floor));
    }
    let assessment = detector.assess();
    assert_eq!(assessment.verdict.status, Status::Leaking);
    for class in &assessment.classes {
        assert_eq!(
            class.status,
            plimsoll_model::ClassStatus::Inconclusive,
            "{class:?}"
        );
        let interval = class.bytes_per_job.expect("an interval");
        assert!(interval.low < 500.0 && interval.high > 9_500.0, "{interval:?}");
    }
}
