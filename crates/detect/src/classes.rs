//! Which job class grows: nonnegative regression of the floors on the jobs of each class.
//!
//! Counts of classes are nearly collinear (they all rise); what tells them apart is how the mix varies
//! between floors. Intervals are profiles of the likelihood under growth ≥ 0 for every class, so they
//! are as wide as the collinearity makes them: two classes that always run together both get
//! `[0, all of it]`.

use plimsoll_model::{ClassStatus, Estimate};

use crate::assessment::ClassGrowth;
use crate::channels::{Fitted, Part, covariates, fitted_axis};
use crate::detector::Detector;
use crate::noise::{Whitener, length};
use crate::quantile::{quantile, student};
use crate::regression::Normal;
use crate::track::{CLASSES_MAX, Track};
use crate::trend::{Trend, WIDENING};

/// Growth of a class counts as found when its lower end explains this share of all growth.
const SHARE_THAT_COUNTS: f64 = 0.05;
/// Halvings to find the end of an interval: to 1e-9 of the bracket.
const HALVINGS: usize = 30;

/// The rows of one worker, whitened and divided by its noise.
pub(crate) struct ClassRows {
    columns: Vec<Vec<f64>>,
    raw: Vec<f64>,
    answer: Vec<f64>,
    /// What else moves the level: shapes and covariates, each with its length before whitening.
    nuisance: Vec<(Vec<f64>, f64)>,
    segments: usize,
    /// How far growth as a whole may be off, relative to itself: shapes move all classes alike.
    relative: (f64, f64),
}

impl ClassRows {
    /// `places` says where the class of each column is in the track.
    pub fn new(track: &Track, part: Part, fitted: &Fitted, places: &[Option<usize>]) -> Self {
        let blocks = track.blocks();
        let trend = &fitted.trend;
        let (x, starts) = fitted_axis(track, fitted.axis, fitted.weights.as_deref());
        let noise = trend.noise.max(1.0);
        let whitener = Whitener::new(trend.memory, blocks.len());
        let white = |column: &[f64]| -> Vec<f64> {
            whitener
                .whiten(column, &starts)
                .iter()
                .map(|v| v / noise)
                .collect()
        };
        let counts: Vec<Vec<f64>> = places
            .iter()
            .take(CLASSES_MAX)
            .map(|place| match place.and_then(|place| track.class_counts(place)) {
                Some(counts) => counts.iter().map(|c| f64::from(*c)).collect(),
                None => vec![0.0; blocks.len()],
            })
            .collect();
        let levels: Vec<f64> = blocks.iter().map(|b| part.of(b)).collect();
        let shapes = trend
            .shapes
            .iter()
            .map(|shape| x.iter().map(|x| shape.at(x / trend.span)).collect());
        let nuisance = shapes
            .chain(covariates(blocks))
            .map(|column: Vec<f64>| (white(&column), length(&column) / noise))
            .collect();
        ClassRows {
            raw: counts.iter().map(|c| length(c) / noise).collect(),
            columns: counts.iter().map(|c| white(c)).collect(),
            answer: white(&levels),
            nuisance,
            segments: starts.iter().filter(|s| **s).count(),
            relative: relative_widths(trend),
        }
    }
}

fn relative_widths(trend: &Trend) -> (f64, f64) {
    let width = |bytes: f64| {
        if trend.estimate > 0.0 {
            (bytes / trend.estimate).clamp(0.0, 1.0)
        } else {
            0.0
        }
    };
    (
        width(trend.estimate - trend.low),
        width(trend.high - trend.estimate),
    )
}

/// An interval widened, in quadrature, by what is uncertain about growth as a whole.
fn widened(e: Estimate, workers: &[ClassRows]) -> Estimate {
    let share = 1.0 / (workers.len() as f64).powf(1.5);
    let below = e.estimate * share * workers.iter().map(|w| w.relative.0).sum::<f64>();
    let above = e.estimate * share * workers.iter().map(|w| w.relative.1).sum::<f64>();
    let low = (e.estimate - (e.estimate - e.low).hypot(below)).max(0.0);
    Estimate {
        low,
        high: e.estimate + (e.high - e.estimate).hypot(above),
        ..e
    }
}

/// Growth per class from the rows of one worker or of many with the same classes in the same order.
pub(crate) fn class_growth(
    workers: &[ClassRows],
    names: &[String],
    jobs: &[u64],
    minimum_bytes_per_job: f64,
    confidence: f64,
) -> Vec<ClassGrowth> {
    let Some(problem) = Problem::new(workers, names.len()) else {
        return names
            .iter()
            .zip(jobs)
            .map(|(name, jobs)| unknown(name, *jobs))
            .collect();
    };
    let z = student(WIDENING * quantile(confidence), problem.freedom);
    let intervals: Vec<Option<Estimate>> = (0..names.len())
        .map(|class| {
            problem
                .interval(class, z, confidence)
                .map(|e| widened(e, workers))
        })
        .collect();
    let all: f64 = intervals
        .iter()
        .zip(jobs)
        .map(|(e, j)| e.map_or(0.0, |e| e.estimate * *j as f64))
        .sum();
    let all_jobs: f64 = jobs.iter().map(|j| *j as f64).sum();
    let threshold = minimum_bytes_per_job * all_jobs;
    let mut growth: Vec<ClassGrowth> = names
        .iter()
        .zip(jobs)
        .zip(intervals)
        .map(|((name, jobs), interval)| match interval {
            Some(estimate) => ClassGrowth {
                class: name.clone(),
                jobs: *jobs,
                bytes_per_job: Some(estimate),
                status: status(&estimate, *jobs as f64, all, threshold, minimum_bytes_per_job),
            },
            None => unknown(name, *jobs),
        })
        .collect();
    growth.sort_by(|a, b| {
        weight(b)
            .total_cmp(&weight(a))
            .then_with(|| a.class.cmp(&b.class))
    });
    growth
}

fn weight(growth: &ClassGrowth) -> f64 {
    growth
        .bytes_per_job
        .map_or(0.0, |e| e.estimate * growth.jobs as f64)
}

fn unknown(name: &str, jobs: u64) -> ClassGrowth {
    ClassGrowth {
        class: name.to_owned(),
        jobs,
        bytes_per_job: None,
        status: ClassStatus::Inconclusive,
    }
}

/// `threshold` is the minimum effect over all jobs; `all` the growth found over all jobs.
fn status(e: &Estimate, jobs: f64, all: f64, threshold: f64, minimum_bytes_per_job: f64) -> ClassStatus {
    let matters = (SHARE_THAT_COUNTS * all).max(SHARE_THAT_COUNTS * threshold);
    if e.low * jobs > matters && all > threshold {
        ClassStatus::Leaking
    } else if e.high <= minimum_bytes_per_job || e.high * jobs <= 0.5 * threshold {
        ClassStatus::Stable
    } else {
        ClassStatus::Inconclusive
    }
}

struct Problem {
    normal: Normal,
    shapes: Vec<usize>,
    classes: Vec<usize>,
    best_square: f64,
    best: Vec<f64>,
    variance: f64,
    freedom: f64,
}

impl Problem {
    fn new(workers: &[ClassRows], classes: usize) -> Option<Problem> {
        let classes = classes.min(CLASSES_MAX);
        let rows: usize = workers.iter().map(|w| w.answer.len()).sum();
        let mut columns: Vec<Vec<f64>> = (0..classes)
            .map(|class| {
                workers
                    .iter()
                    .flat_map(|w| w.columns[class].iter().copied())
                    .collect()
            })
            .collect();
        let mut raw: Vec<f64> = (0..classes)
            .map(|class| workers.iter().map(|w| w.raw[class].powi(2)).sum::<f64>().sqrt())
            .collect();
        let mut offset = 0;
        for worker in workers {
            for (shape, length) in &worker.nuisance {
                let mut column = vec![0.0; rows];
                column[offset..offset + shape.len()].copy_from_slice(shape);
                columns.push(column);
                raw.push(*length);
            }
            offset += worker.answer.len();
        }
        let answer: Vec<f64> = workers.iter().flat_map(|w| w.answer.iter().copied()).collect();
        let normal = Normal::new(&columns, &answer, &raw).with_ridge();
        let shapes: Vec<usize> = (classes..columns.len()).filter(|&c| normal.varies(c)).collect();
        let present: Vec<usize> = (0..classes).filter(|&c| normal.varies(c)).collect();
        let segments: usize = workers.iter().map(|w| w.segments).sum();
        let freedom = rows as f64 - segments as f64 - (shapes.len() + present.len()) as f64;
        if present.is_empty() || rows < crate::trend::LEAST_ROWS {
            return None;
        }
        let (best_square, best) = normal.solve_nonnegative(&shapes, &present)?;
        // The rows are in units of the noise of the whole fit, which stays in as three rows of prior.
        let variance = (best_square + 3.0) / (freedom.max(0.0) + 3.0);
        Some(Problem {
            normal,
            shapes,
            classes: present,
            best_square,
            best,
            variance,
            freedom: freedom.max(0.0) + 3.0,
        })
    }

    /// Where the likelihood of growth `v` of this class falls `z` deviations below the best.
    fn interval(&self, class: usize, z: f64, confidence: f64) -> Option<Estimate> {
        let place = self.classes.iter().position(|&c| c == class)?;
        let best = self.best[place];
        let others: Vec<usize> = self.classes.iter().copied().filter(|&c| c != class).collect();
        let limit = self.best_square + z * z * self.variance;
        let fits = |value: f64| {
            self.normal
                .without(class, value)
                .solve_nonnegative(&self.shapes, &others)
                .is_some_and(|(square, _)| square <= limit)
        };
        let low = if fits(0.0) { 0.0 } else { edge(0.0, best, &fits) };
        let mut beyond = (best * 2.0).max(1.0);
        let mut tries = 0;
        while fits(beyond) {
            beyond *= 4.0;
            tries += 1;
            if tries > 40 {
                return None;
            }
        }
        Some(Estimate {
            estimate: best,
            low,
            high: edge(beyond, best, &fits),
            confidence,
        })
    }
}

/// The border between `outside`, which does not fit, and `inside`, which does.
fn edge(mut outside: f64, mut inside: f64, fits: &impl Fn(f64) -> bool) -> f64 {
    for _ in 0..HALVINGS {
        let middle = 0.5 * (outside + inside);
        if fits(middle) {
            inside = middle
        } else {
            outside = middle
        }
    }
    inside
}

/// Relative growth of the classes of one worker, nothing below 0; `None` where none grows.
pub(crate) fn direction(track: &Track, part: Part, fitted: &Fitted) -> Option<Vec<f64>> {
    let places: Vec<Option<usize>> = (0..track.classes()).map(Some).collect();
    let rows = ClassRows::new(track, part, fitted, &places);
    let problem = Problem::new(std::slice::from_ref(&rows), places.len())?;
    let mut weights = vec![0.0; places.len()];
    problem
        .classes
        .iter()
        .zip(&problem.best)
        .for_each(|(&class, &growth)| weights[class] = growth);
    weights.iter().any(|w| *w > 0.0).then_some(weights)
}

/// Growth per class over many workers of one service, which tells classes apart that no single worker
/// can: each worker has its own mix.
pub fn pooled_classes(workers: &[&Detector]) -> Vec<ClassGrowth> {
    let mut names: Vec<String> = workers
        .iter()
        .flat_map(|w| w.class_names().iter().cloned())
        .collect();
    names.sort();
    names.dedup();
    let jobs: Vec<u64> = names
        .iter()
        .map(|name| workers.iter().map(|w| w.jobs_of(name)).sum())
        .collect();
    let rows: Vec<ClassRows> = workers.iter().filter_map(|w| w.class_rows(&names)).collect();
    let Some(first) = workers.first() else {
        return Vec::new();
    };
    let (minimum, confidence) = first.class_threshold();
    class_growth(&rows, &names, &jobs, minimum, confidence)
}
