//! Growth of one series, with everything profiled that could pass for growth.

use crate::candidates::{Candidate, Explained, Frame, explain};
use crate::mixture::{Mixture, Part};
use crate::noise::{Memory, Whitener, length};
use crate::quantile::quantile;
use crate::regression::Normal;
use crate::shape::Shape;

/// What is fitted: `y` against `x`, both of one worker, by segment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    /// Jobs (or seconds) since the start of the segment.
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    /// Row `i` begins a segment.
    pub starts: Vec<bool>,
    /// What else moves the level: jobs in flight, load, backlog.
    pub covariates: Vec<Vec<f64>>,
    /// Smallest believable noise of one row, as a standard deviation.
    pub noise_floor: f64,
    /// A baseline was taken off already, and with it warm-ups and fills.
    pub is_difference: bool,
}

/// What the fit found; growth is per unit of `x`.
#[derive(Debug, Clone)]
pub(crate) struct Trend {
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
    /// Lower end of growth that holds at every look at once.
    pub guarded_low: f64,
    /// Upper end that a leak is hardly ever above.
    pub guarded_high: f64,
    /// The shapes of the best fit.
    pub shapes: Vec<Shape>,
    /// Log-likelihood of the best fit, to compare axes.
    pub likelihood: f64,
    pub memory: Memory,
    pub noise: f64,
    /// Length of the longest segment on `x`.
    pub span: f64,
    /// The lengths of all segments together.
    pub covered: f64,
    /// Fitted growth from the first to the last row of the longest segment, shapes included.
    pub total_growth: f64,
    pub first: Slope,
    pub late: Slope,
}

/// Growth over a part of the record, no shape taken out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slope {
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
    /// Length of the part on `x`.
    pub span: f64,
}

/// Rows below which nothing is fitted: a line and one residual degree of freedom, and one to spare.
pub(crate) const LEAST_ROWS: usize = 4;
/// Explanations that count for less than this together do not lower the guarded bound.
const FAINT: f64 = 0.025;
/// Chance that growth is above the bound that `stable` and `bounded` rest on.
const HARDLY: f64 = 0.005;
/// Stated intervals are this much wider than the fit alone makes them: payloads differ from job to job
/// and the choice of shape and axis costs something too. Measured on the tuning seeds of the corpus
/// (docs/detection.md, "intervals"); the guarded bound has margin of its own.
pub(crate) const WIDENING: f64 = 1.4;
/// Chance of ever calling a sound worker leaking over all looks, before the second look.
const FALSE_ALARM: f64 = 0.002;

/// Fits `series`; `None` where there are too few rows or nothing varies.
pub(crate) fn fit(series: &Series, confidence: f64) -> Option<Trend> {
    let rows = series.x.len();
    if rows < LEAST_ROWS || series.y.len() != rows || series.starts.len() != rows {
        return None;
    }
    let mut frame = Frame::new(series)?;
    let explained = explain(series, &mut frame);
    let (memory, best) = explained.first().and_then(|e| Some((e.memory, e.best()?)))?;
    let z = WIDENING * quantile(confidence);
    let growth = Growth::over(&explained, confidence, guard(rows))?;
    let start = start_of_longest(series, frame.span);
    let shape_growth: f64 = best
        .shapes
        .iter()
        .map(|(s, height)| height * (s.at(1.0) - s.at(start)))
        .sum();
    let level = Series {
        y: without_covariates(series, &frame, best),
        ..series.clone()
    };
    let part = |from, to| part(&level, from, to, memory, best.noise, z);
    Some(Trend {
        estimate: growth.estimate / frame.span,
        low: growth.low / frame.span,
        high: growth.high / frame.span,
        guarded_low: growth.guarded_low / frame.span,
        guarded_high: growth.guarded_high / frame.span,
        shapes: best.shapes.iter().map(|(shape, _)| *shape).collect(),
        likelihood: best.score,
        memory,
        noise: best.noise,
        span: frame.span,
        covered: covered(series),
        total_growth: best.growth * (1.0 - start) + shape_growth,
        first: part(0.0, 1.0 / 3.0),
        late: part(2.0 / 3.0, 1.0),
    })
}

/// Growth per span over everything that explains the series, each by how well it does.
struct Growth {
    estimate: f64,
    low: f64,
    high: f64,
    guarded_low: f64,
    guarded_high: f64,
}

impl Growth {
    fn over(explained: &[Explained], confidence: f64, guard: f64) -> Option<Growth> {
        let tail = 0.5 * (1.0 - confidence.clamp(0.5, 0.9999));
        let mixture = Mixture::new(explained.iter().flat_map(parts).collect())?;
        let low = mixture.quantile(tail, WIDENING);
        let high = mixture.quantile(1.0 - tail, WIDENING);
        Some(Growth {
            estimate: mixture.estimate().clamp(low, high),
            low,
            high,
            guarded_high: mixture.quantile(1.0 - HARDLY, WIDENING),
            guarded_low: mixture.quantile(FAINT, guard / quantile(1.0 - 2.0 * FAINT)),
        })
    }
}

/// Explanations under one memory of the noise count by their likelihood, the memories by theirs.
fn parts(explained: &Explained) -> Vec<Part> {
    let best = explained.best().map_or(0.0, |c| c.score);
    let likelihood = |c: &Candidate| (c.score - best).exp();
    let all: f64 = explained.candidates.iter().map(likelihood).sum();
    explained
        .candidates
        .iter()
        .map(|c| Part {
            weight: explained.weight * likelihood(c) / all,
            growth: c.growth,
            error: c.error,
            freedom: c.freedom,
        })
        .collect()
}

/// The series as it would be at one load, with nothing in flight.
fn without_covariates(series: &Series, frame: &Frame, best: &Candidate) -> Vec<f64> {
    let moved = |row: usize| {
        best.covariates
            .iter()
            .map(|(c, by)| by * frame.columns[*c][row])
            .sum::<f64>()
    };
    series
        .y
        .iter()
        .enumerate()
        .map(|(row, y)| y - moved(row))
        .collect()
}

/// The lengths of all segments together.
fn covered(series: &Series) -> f64 {
    (1..series.x.len())
        .filter(|&i| !series.starts[i])
        .map(|i| (series.x[i] - series.x[i - 1]).max(0.0))
        .sum()
}

/// Where the longest segment begins, relative to the span.
fn start_of_longest(series: &Series, span: f64) -> f64 {
    let last = series.x.iter().position(|x| *x == span).unwrap_or(0);
    let first = (0..=last).rev().find(|&i| series.starts[i]).unwrap_or(0);
    series.x[first] / span
}

/// A straight line through the rows between two places, with the noise known from the whole.
fn part(series: &Series, from: f64, to: f64, memory: Memory, noise: f64, z: f64) -> Slope {
    let span = series.x.iter().copied().fold(0.0, f64::max);
    let mut rows: Vec<usize> = (0..series.x.len())
        .filter(|&i| series.x[i] >= from * span && series.x[i] <= to * span)
        .collect();
    if rows.len() < 3 {
        let count = series.x.len();
        rows = if from > 0.0 {
            (count.saturating_sub(3)..count).collect()
        } else {
            (0..count.min(3)).collect()
        };
    }
    let starts: Vec<bool> = rows
        .iter()
        .enumerate()
        .map(|(k, &i)| k == 0 || series.starts[i] || rows[k - 1] + 1 != i)
        .collect();
    let x: Vec<f64> = rows.iter().map(|&i| series.x[i]).collect();
    let y: Vec<f64> = rows.iter().map(|&i| series.y[i]).collect();
    let whitener = Whitener::new(memory, x.len());
    let normal = Normal::new(
        &[whitener.whiten(&x, &starts)],
        &whitener.whiten(&y, &starts),
        &[length(&x)],
    );
    let Some(solution) = normal.solve(&[0]) else {
        return Slope::default();
    };
    let error = noise * solution.spread[0].sqrt();
    let estimate = solution.coefficient[0];
    let least = x.iter().copied().fold(f64::INFINITY, f64::min);
    let most = x.iter().copied().fold(0.0, f64::max);
    Slope {
        estimate,
        low: estimate - z * error,
        high: estimate + z * error,
        span: most - least,
    }
}

/// The multiple of the standard error that holds at all looks: a normal mixture boundary over the
/// information gathered since the first possible look (Robbins, 1970).
fn guard(rows: usize) -> f64 {
    let information = rows as f64 / LEAST_ROWS as f64;
    (2.0 * (1.0 / FALSE_ALARM).ln() + (1.0 + information).ln()).sqrt()
}
