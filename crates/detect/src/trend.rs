//! Growth of one series, with everything profiled that could pass for growth.

use crate::regression::{Normal, Solution, dot, whiten};
use crate::shape::{Height, Shape};

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
}

/// What the fit found; growth is per unit of `x`.
#[derive(Debug, Clone)]
pub(crate) struct Trend {
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
    /// Lower end of growth that holds at every look at once.
    pub guarded_low: f64,
    /// The shapes of the best fit.
    pub shapes: Vec<Shape>,
    /// Log-likelihood of the best fit, to compare axes.
    pub likelihood: f64,
    pub correlation: f64,
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
/// Rows from which two shapes at once are considered.
const PAIR_ROWS: usize = 20;
/// Fits whose log-likelihood is this close to the best explain the series nearly as well: 1.92 is the
/// 95 % point for one parameter (Wilks, 1938).
const NEARLY_AS_WELL: f64 = 1.92;
/// Strength of the prior on the noise, in rows: five floors alone do not tell how noisy floors are.
const NOISE_PRIOR_ROWS: f64 = 3.0;
/// Autocorrelations that are tried.
const CORRELATIONS: [f64; 8] = [0.0, 0.25, 0.45, 0.6, 0.72, 0.82, 0.9, 0.96];
/// Chance of ever calling a sound worker leaking over all looks, before the second look.
const FALSE_ALARM: f64 = 0.002;

struct Candidate {
    growth: f64,
    error: f64,
    /// Log-likelihood less the price of each shape.
    score: f64,
    freedom: f64,
    shapes: Vec<(usize, f64)>,
    restricted: f64,
}

struct Frame {
    shapes: Vec<Shape>,
    columns: Vec<Vec<f64>>,
    /// Column 0 is growth; covariates follow; then shapes.
    shape_offset: usize,
    segments: usize,
    span: f64,
    /// From the least to the greatest value.
    range: f64,
}

/// Fits `series`; `None` where there are too few rows or nothing varies.
pub(crate) fn fit(series: &Series, confidence: f64) -> Option<Trend> {
    let rows = series.x.len();
    if rows < LEAST_ROWS || series.y.len() != rows || series.starts.len() != rows {
        return None;
    }
    let frame = frame(series)?;
    let mut fits: Vec<(f64, Vec<Candidate>)> = Vec::new();
    for &correlation in correlations(rows) {
        let normal = normal(series, &frame, correlation);
        let candidates = candidates(&normal, &frame, rows, series.noise_floor, correlation);
        if !candidates.is_empty() {
            fits.push((correlation, candidates));
        }
    }
    let kept = likely_correlations(fits);
    summarize(series, &frame, &kept, confidence)
}

fn correlations(rows: usize) -> &'static [f64] {
    match rows {
        0..8 => &CORRELATIONS[..1],
        8..12 => &CORRELATIONS[..5],
        _ => &CORRELATIONS,
    }
}

fn frame(series: &Series) -> Option<Frame> {
    let segments = series.starts.iter().filter(|s| **s).count().max(1);
    let span = series.x.iter().copied().fold(0.0, f64::max);
    if span.is_nan() || span <= 0.0 {
        return None;
    }
    let scaled: Vec<f64> = series.x.iter().map(|x| x / span).collect();
    let mut columns = vec![scaled.clone()];
    columns.extend(series.covariates.iter().cloned());
    let shape_offset = columns.len();
    let shapes = Shape::all(&jumps(series, &scaled));
    columns.extend(
        shapes
            .iter()
            .map(|shape| scaled.iter().map(|x| shape.at(*x)).collect::<Vec<f64>>()),
    );
    let least = series.y.iter().copied().fold(f64::INFINITY, f64::min);
    let range = series.y.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least;
    Some(Frame {
        shapes,
        columns,
        shape_offset,
        segments,
        span,
        range,
    })
}

/// Jumps that are tried as steps.
const JUMPS: usize = 3;

/// Places just below the rows at which the series rises most.
fn jumps(series: &Series, scaled: &[f64]) -> Vec<f64> {
    let mut rises: Vec<(f64, f64)> = (1..series.y.len())
        .filter(|&i| !series.starts[i] && scaled[i] > scaled[i - 1])
        .map(|i| (series.y[i] - series.y[i - 1], 0.5 * (scaled[i] + scaled[i - 1])))
        .collect();
    rises.sort_by(|a, b| b.0.total_cmp(&a.0));
    rises.into_iter().take(JUMPS).map(|(_, place)| place).collect()
}

fn normal(series: &Series, frame: &Frame, correlation: f64) -> Normal {
    let whitened: Vec<Vec<f64>> = frame
        .columns
        .iter()
        .map(|column| whiten(column, &series.starts, correlation))
        .collect();
    let raw: Vec<f64> = frame
        .columns
        .iter()
        .map(|column| dot(column, column).sqrt())
        .collect();
    Normal::new(&whitened, &whiten(&series.y, &series.starts, correlation), &raw)
}

/// Every fit with no shape, one shape, and the best shape with a second one.
fn candidates(
    normal: &Normal,
    frame: &Frame,
    rows: usize,
    noise_floor: f64,
    correlation: f64,
) -> Vec<Candidate> {
    let base: Vec<usize> = (0..frame.shape_offset).filter(|&c| normal.varies(c)).collect();
    if base.first() != Some(&0) {
        return Vec::new();
    }
    let scale = prior_scale(normal, frame, &base, rows, noise_floor);
    let jacobian = frame.segments as f64 * 0.5 * (1.0 - correlation * correlation).ln();
    let try_shapes = |shapes: &[usize]| {
        let chosen: Vec<usize> = base
            .iter()
            .copied()
            .chain(shapes.iter().map(|s| s + frame.shape_offset))
            .collect();
        let freedom = rows as f64 - frame.segments as f64 - chosen.len() as f64;
        if freedom < 1.0 {
            return None;
        }
        let precision: Vec<f64> = shapes.iter().map(|&s| scale.precision(frame.shapes[s])).collect();
        let solution = normal.solve_with_priors(&chosen, &precision)?;
        let heights = &solution.coefficient[base.len()..];
        let sensible = shapes
            .iter()
            .zip(heights)
            .all(|(&s, height)| frame.shapes[s].height() == Height::Either || *height >= 0.0);
        let pairs = shapes.iter().copied().zip(heights.iter().copied()).collect();
        let price = shapes.iter().map(|&s| frame.shapes[s].price()).sum();
        sensible.then(|| candidate(&solution, pairs, rows, freedom, noise_floor, jacobian, price))
    };
    let mut all: Vec<Candidate> = try_shapes(&[]).into_iter().collect();
    all.extend((0..frame.shapes.len()).filter_map(|s| try_shapes(&[s])));
    if rows >= PAIR_ROWS {
        let best = all
            .iter()
            .max_by(|a, b| a.score.total_cmp(&b.score))
            .and_then(|c| c.shapes.first())
            .map(|s| s.0);
        if let Some(best) = best {
            all.extend(
                (0..frame.shapes.len())
                    .filter(|&s| s != best)
                    .filter_map(|s| try_shapes(&[best, s])),
            );
        }
    }
    all
}

/// What a shape may plausibly add: about as much as the series was seen to range. Without that, a flat
/// series would be explained as well by a huge slow fill and an equal loss.
struct PriorScale {
    variance: f64,
    range: f64,
}

impl PriorScale {
    fn precision(&self, shape: Shape) -> f64 {
        let reach = (shape.at(1.0) - shape.at(0.0)).abs().max(f64::MIN_POSITIVE);
        self.variance * (reach / self.range).powi(2)
    }
}

fn prior_scale(normal: &Normal, frame: &Frame, base: &[usize], rows: usize, noise_floor: f64) -> PriorScale {
    let square = (0..frame.shapes.len())
        .filter_map(|s| {
            let chosen: Vec<usize> = base.iter().copied().chain([s + frame.shape_offset]).collect();
            normal.solve(&chosen).map(|solution| solution.residual_square)
        })
        .fold(f64::INFINITY, f64::min);
    let freedom = (rows as f64 - frame.segments as f64 - base.len() as f64 - 1.0).max(1.0);
    let square = if square.is_finite() { square } else { 0.0 };
    let variance = (square + NOISE_PRIOR_ROWS * noise_floor.powi(2)) / (freedom + NOISE_PRIOR_ROWS);
    PriorScale {
        variance,
        range: frame.range.max(noise_floor).max(f64::MIN_POSITIVE),
    }
}

fn candidate(
    solution: &Solution,
    shapes: Vec<(usize, f64)>,
    rows: usize,
    freedom: f64,
    noise_floor: f64,
    jacobian: f64,
    price: f64,
) -> Candidate {
    let square = solution.residual_square + NOISE_PRIOR_ROWS * noise_floor * noise_floor;
    let variance = square / (freedom + NOISE_PRIOR_ROWS);
    let likelihood = jacobian - 0.5 * rows as f64 * square.max(f64::MIN_POSITIVE).ln();
    let restricted =
        jacobian - 0.5 * freedom * square.max(f64::MIN_POSITIVE).ln() - 0.5 * solution.log_determinant;
    Candidate {
        growth: solution.coefficient[0],
        error: (variance * solution.spread[0]).sqrt(),
        score: likelihood - price,
        freedom: freedom + NOISE_PRIOR_ROWS,
        shapes,
        restricted,
    }
}

/// The autocorrelation is chosen by restricted likelihood, which does not take slow noise for trend as
/// plain likelihood does; higher ones that fit nearly as well stay in.
fn likely_correlations(fits: Vec<(f64, Vec<Candidate>)>) -> Vec<(f64, Vec<Candidate>)> {
    let restricted = |candidates: &[Candidate]| {
        candidates
            .iter()
            .max_by(|a, b| a.score.total_cmp(&b.score))
            .map_or(f64::NEG_INFINITY, |c| c.restricted)
    };
    let best = fits
        .iter()
        .map(|(_, c)| restricted(c))
        .fold(f64::NEG_INFINITY, f64::max);
    let place = fits.iter().position(|(_, c)| restricted(c) == best).unwrap_or(0);
    fits.into_iter()
        .enumerate()
        .filter(|(i, (_, c))| *i >= place && restricted(c) >= best - NEARLY_AS_WELL / 2.0)
        .map(|(_, fit)| fit)
        .collect()
}

fn summarize(
    series: &Series,
    frame: &Frame,
    kept: &[(f64, Vec<Candidate>)],
    confidence: f64,
) -> Option<Trend> {
    let every = || {
        kept.iter()
            .flat_map(|(correlation, c)| c.iter().map(move |c| (*correlation, c)))
    };
    // Scores of different autocorrelations were compared already; here each is compared to its own best.
    let own_best = |correlation: f64| {
        every()
            .filter(|(r, _)| *r == correlation)
            .map(|(_, c)| c.score)
            .fold(f64::NEG_INFINITY, f64::max)
    };
    let (correlation, best) = every()
        .filter(|(r, _)| *r == kept[0].0)
        .max_by(|a, b| a.1.score.total_cmp(&b.1.score))?;
    let z = quantile(confidence);
    let guard = guard(series.x.len());
    let mut low = f64::INFINITY;
    let mut high = f64::NEG_INFINITY;
    let mut guarded_low = f64::INFINITY;
    let (mut weight_sum, mut growth_sum) = (0.0, 0.0);
    for (r, candidate) in every() {
        let behind = own_best(r) - candidate.score;
        if behind > NEARLY_AS_WELL {
            continue;
        }
        low = low.min(candidate.growth - student(z, candidate.freedom) * candidate.error);
        high = high.max(candidate.growth + student(z, candidate.freedom) * candidate.error);
        guarded_low = guarded_low.min(candidate.growth - student(guard, candidate.freedom) * candidate.error);
        let weight = (-behind).exp() / candidate.error.max(f64::MIN_POSITIVE).powi(2);
        weight_sum += weight;
        growth_sum += weight * candidate.growth;
    }
    if std::env::var_os("DBG").is_some() {
        eprintln!(
            "--- rows {} span {:.0} best r {correlation} {:?} growth {:.3} err {:.3} score {:.1}",
            series.x.len(),
            frame.span,
            best.shapes
                .iter()
                .map(|s| (frame.shapes[s.0], s.1))
                .collect::<Vec<_>>(),
            best.growth / frame.span,
            best.error / frame.span,
            best.score
        );
        for (r, c) in every() {
            let b = own_best(r) - c.score;
            if b < NEARLY_AS_WELL {
                eprintln!(
                    "   {r} -{b:.2} {:?} growth {:.3} err {:.3}",
                    c.shapes
                        .iter()
                        .map(|s| (frame.shapes[s.0], s.1))
                        .collect::<Vec<_>>(),
                    c.growth / frame.span,
                    c.error / frame.span
                );
            }
        }
    }
    let noise = noise_of(series, frame, correlation, best);
    let end = Series::len_of_longest(series);
    let shape_growth: f64 = best
        .shapes
        .iter()
        .map(|(s, height)| height * (frame.shapes[*s].at(1.0) - frame.shapes[*s].at(end.0)))
        .sum();
    let estimate = if weight_sum > 0.0 {
        growth_sum / weight_sum
    } else {
        best.growth
    };
    Some(Trend {
        estimate: estimate / frame.span,
        low: low / frame.span,
        high: high / frame.span,
        guarded_low: guarded_low / frame.span,
        shapes: best.shapes.iter().map(|(s, _)| frame.shapes[*s]).collect(),
        likelihood: best.score,
        correlation,
        noise,
        span: frame.span,
        covered: covered(series),
        total_growth: best.growth * (1.0 - end.0) + shape_growth,
        first: part(series, 0.0, 1.0 / 3.0, correlation, noise, z),
        late: part(series, 2.0 / 3.0, 1.0, correlation, noise, z),
    })
}

fn covered(series: &Series) -> f64 {
    (1..series.x.len())
        .filter(|&i| !series.starts[i])
        .map(|i| (series.x[i] - series.x[i - 1]).max(0.0))
        .sum()
}

impl Series {
    /// Where the longest segment begins and ends, relative to the span.
    fn len_of_longest(series: &Series) -> (f64, f64) {
        let span = series.x.iter().copied().fold(0.0, f64::max);
        let last = series.x.iter().position(|x| *x == span).unwrap_or(0);
        let first = (0..=last).rev().find(|&i| series.starts[i]).unwrap_or(0);
        (series.x[first] / span, 1.0)
    }
}

fn noise_of(series: &Series, frame: &Frame, correlation: f64, best: &Candidate) -> f64 {
    let normal = normal(series, frame, correlation);
    let chosen: Vec<usize> = (0..frame.shape_offset)
        .filter(|&c| normal.varies(c))
        .chain(best.shapes.iter().map(|(s, _)| s + frame.shape_offset))
        .collect();
    let square = normal.solve(&chosen).map_or(0.0, |s| s.residual_square);
    ((square + NOISE_PRIOR_ROWS * series.noise_floor.powi(2)) / best.freedom).sqrt()
}

/// A straight line through the rows between two places, with the noise known from the whole.
fn part(series: &Series, from: f64, to: f64, correlation: f64, noise: f64, z: f64) -> Slope {
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
    let raw = dot(&x, &x).sqrt();
    let normal = Normal::new(
        &[whiten(&x, &starts, correlation)],
        &whiten(&y, &starts, correlation),
        &[raw],
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

/// Two-sided normal quantile (Acklam's rational form is more than is needed: a table of the usual ones
/// and Newton steps on the error function would do; this is the Beasley-Springer central part).
pub(crate) fn quantile(confidence: f64) -> f64 {
    let tail = (1.0 - confidence.clamp(0.5, 0.9999)) / 2.0;
    // Abramowitz and Stegun 26.2.23, |error| < 4.5e-4.
    let t = (-2.0 * tail.ln()).sqrt();
    t - (2.515_517 + 0.802_853 * t + 0.010_328 * t * t)
        / (1.0 + 1.432_788 * t + 0.189_269 * t * t + 0.001_308 * t * t * t)
}

/// Student's quantile from the normal one (Cornish and Fisher).
pub(crate) fn student(z: f64, freedom: f64) -> f64 {
    z + (z.powi(3) + z) / (4.0 * freedom)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * freedom * freedom)
}
