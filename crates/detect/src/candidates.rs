//! Every way to explain a series: each autocorrelation with no shape, one shape, and the best with another.

use crate::regression::{Normal, Solution, dot, whiten};
use crate::shape::{Height, Shape};
use crate::trend::{NEARLY_AS_WELL, Series};

/// Rows from which two shapes at once are considered.
const PAIR_ROWS: usize = 20;
/// Strength of the prior on the noise, in rows: five floors alone do not tell how noisy floors are.
const NOISE_PRIOR_ROWS: f64 = 3.0;
/// Autocorrelations that are tried.
const CORRELATIONS: [f64; 8] = [0.0, 0.25, 0.45, 0.6, 0.72, 0.82, 0.9, 0.96];
/// Jumps that are tried as steps.
const JUMPS: usize = 3;

/// One explanation; growth is per span.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub growth: f64,
    pub error: f64,
    /// Log-likelihood less the price of each shape.
    pub score: f64,
    pub freedom: f64,
    /// Standard deviation of the whitened noise.
    pub noise: f64,
    /// Shape and its height.
    pub shapes: Vec<(Shape, f64)>,
    /// Column and coefficient of each covariate.
    pub covariates: Vec<(usize, f64)>,
    /// Restricted log-likelihood, to compare autocorrelations.
    restricted: f64,
}

/// The columns of a series.
pub(crate) struct Frame {
    shapes: Vec<Shape>,
    /// Column 0 is growth; covariates follow; then shapes.
    pub columns: Vec<Vec<f64>>,
    shape_offset: usize,
    segments: usize,
    /// Length of the longest segment.
    pub span: f64,
    /// From the least to the greatest value.
    range: f64,
}

/// All explanations under one autocorrelation.
pub(crate) struct Explained {
    pub correlation: f64,
    pub candidates: Vec<Candidate>,
}

impl Explained {
    pub fn best(&self) -> Option<&Candidate> {
        self.candidates.iter().max_by(|a, b| a.score.total_cmp(&b.score))
    }

    fn restricted(&self) -> f64 {
        self.best().map_or(f64::NEG_INFINITY, |c| c.restricted)
    }
}

/// The explanations under the likeliest autocorrelations, the best of them first.
pub(crate) fn explain(series: &Series, frame: &Frame) -> Vec<Explained> {
    let fits: Vec<Explained> = correlations(series.x.len())
        .iter()
        .map(|&correlation| Explanation::new(series, frame, correlation).explained())
        .filter(|explained| !explained.candidates.is_empty())
        .collect();
    likely(fits)
}

/// Few rows cannot tell noise that lasts from growth.
fn correlations(rows: usize) -> &'static [f64] {
    match rows {
        0..8 => &CORRELATIONS[..1],
        8..12 => &CORRELATIONS[..5],
        _ => &CORRELATIONS,
    }
}

/// The autocorrelation is chosen by restricted likelihood, which does not take slow noise for trend as
/// plain likelihood does; higher ones that fit nearly as well stay in.
fn likely(fits: Vec<Explained>) -> Vec<Explained> {
    let best = fits
        .iter()
        .map(Explained::restricted)
        .fold(f64::NEG_INFINITY, f64::max);
    let place = fits.iter().position(|e| e.restricted() == best).unwrap_or(0);
    fits.into_iter()
        .skip(place)
        .filter(|explained| explained.restricted() >= best - NEARLY_AS_WELL / 2.0)
        .collect()
}

impl Frame {
    pub fn new(series: &Series) -> Option<Frame> {
        let span = series.x.iter().copied().fold(0.0, f64::max);
        if span.is_nan() || span <= 0.0 {
            return None;
        }
        let scaled: Vec<f64> = series.x.iter().map(|x| x / span).collect();
        let jumps = jumps(series, &scaled);
        let shapes = if series.is_difference {
            Shape::of_differences(&jumps)
        } else {
            Shape::all(&jumps)
        };
        let mut columns = vec![scaled.clone()];
        columns.extend(series.covariates.iter().cloned());
        let shape_offset = columns.len();
        columns.extend(
            shapes
                .iter()
                .map(|shape| scaled.iter().map(|x| shape.at(*x)).collect::<Vec<f64>>()),
        );
        let least = series.y.iter().copied().fold(f64::INFINITY, f64::min);
        let range = series.y.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least;
        let segments = series.starts.iter().filter(|s| **s).count().max(1);
        Some(Frame {
            shapes,
            columns,
            shape_offset,
            segments,
            span,
            range,
        })
    }
}

/// Places just below the rows at which the series rises most.
fn jumps(series: &Series, scaled: &[f64]) -> Vec<f64> {
    let mut rises: Vec<(f64, f64)> = (1..series.y.len())
        .filter(|&i| !series.starts[i] && scaled[i] > scaled[i - 1])
        .map(|i| (series.y[i] - series.y[i - 1], 0.5 * (scaled[i] + scaled[i - 1])))
        .collect();
    rises.sort_by(|a, b| b.0.total_cmp(&a.0));
    rises.into_iter().take(JUMPS).map(|(_, place)| place).collect()
}

/// The normal equations under one autocorrelation, and what all candidates share.
struct Explanation<'a> {
    frame: &'a Frame,
    normal: Normal,
    correlation: f64,
    /// Growth and the covariates that vary.
    base: Vec<usize>,
    rows: f64,
    noise_floor: f64,
    /// Noise variance, roughly, for the prior on heights.
    variance: f64,
}

impl<'a> Explanation<'a> {
    fn new(series: &Series, frame: &'a Frame, correlation: f64) -> Self {
        let white = |column: &[f64]| whiten(column, &series.starts, correlation);
        let whitened: Vec<Vec<f64>> = frame.columns.iter().map(|column| white(column)).collect();
        let raw: Vec<f64> = frame
            .columns
            .iter()
            .map(|column| dot(column, column).sqrt())
            .collect();
        let normal = Normal::new(&whitened, &white(&series.y), &raw);
        let base = (0..frame.shape_offset).filter(|&c| normal.varies(c)).collect();
        let rows = series.x.len() as f64;
        let mut explanation = Explanation {
            frame,
            normal,
            correlation,
            base,
            rows,
            noise_floor: series.noise_floor,
            variance: 0.0,
        };
        explanation.variance = explanation.rough_variance();
        explanation
    }

    fn explained(self) -> Explained {
        // Without growth among the columns there is nothing to tell.
        let candidates = if self.base.first() == Some(&0) {
            self.candidates()
        } else {
            Vec::new()
        };
        Explained {
            correlation: self.correlation,
            candidates,
        }
    }

    fn candidates(&self) -> Vec<Candidate> {
        let shapes = 0..self.frame.shapes.len();
        let mut all: Vec<Candidate> = self.with(&[]).into_iter().collect();
        let singles: Vec<(usize, Candidate)> = shapes
            .clone()
            .filter_map(|s| self.with(&[s]).map(|candidate| (s, candidate)))
            .collect();
        let best = singles
            .iter()
            .max_by(|a, b| a.1.score.total_cmp(&b.1.score))
            .map(|(s, _)| *s);
        all.extend(singles.into_iter().map(|(_, candidate)| candidate));
        if let Some(best) = best.filter(|_| self.rows as usize >= PAIR_ROWS) {
            all.extend(
                shapes
                    .filter(|&s| s != best)
                    .filter_map(|s| self.with(&[best, s])),
            );
        }
        all
    }

    /// The fit with these shapes; `None` where it has no sense.
    fn with(&self, shapes: &[usize]) -> Option<Candidate> {
        let chosen: Vec<usize> = self
            .base
            .iter()
            .copied()
            .chain(shapes.iter().map(|s| s + self.frame.shape_offset))
            .collect();
        let freedom = self.rows - (self.frame.segments + chosen.len()) as f64;
        if freedom < 1.0 {
            return None;
        }
        let precision: Vec<f64> = shapes
            .iter()
            .map(|&s| self.precision(self.frame.shapes[s]))
            .collect();
        let solution = self.normal.solve_with_priors(&chosen, &precision)?;
        let heights = solution.coefficient[self.base.len()..].iter().copied();
        let shapes: Vec<(Shape, f64)> = shapes
            .iter()
            .map(|&s| self.frame.shapes[s])
            .zip(heights)
            .collect();
        let sensible = shapes
            .iter()
            .all(|(s, height)| s.height() == Height::Either || *height >= 0.0);
        sensible.then(|| self.candidate(&solution, shapes, freedom))
    }

    fn candidate(&self, solution: &Solution, shapes: Vec<(Shape, f64)>, freedom: f64) -> Candidate {
        let square = solution.residual_square + NOISE_PRIOR_ROWS * self.noise_floor.powi(2);
        let (variance, freedom_told) = self.noise(solution.residual_square, freedom);
        let segments = self.frame.segments as f64;
        let jacobian = segments * 0.5 * (1.0 - self.correlation.powi(2)).ln();
        let logarithm = square.max(f64::MIN_POSITIVE).ln();
        let price: f64 = shapes.iter().map(|(shape, _)| shape.price()).sum();
        Candidate {
            growth: solution.coefficient[0],
            error: (variance * solution.spread[0]).sqrt(),
            score: jacobian - 0.5 * self.rows * logarithm - price,
            freedom: freedom_told,
            noise: variance.sqrt(),
            shapes,
            covariates: self
                .base
                .iter()
                .copied()
                .zip(solution.coefficient.iter().copied())
                .skip(1)
                .collect(),
            restricted: jacobian - 0.5 * freedom * logarithm - 0.5 * solution.log_determinant,
        }
    }

    /// The noise variance and the degrees of freedom that it rests on. The prior lifts noise that looks too
    /// small; noise that is seen to be larger speaks for itself, or few rows of a noisy worker would
    /// look exact.
    fn noise(&self, residual_square: f64, freedom: f64) -> (f64, f64) {
        let floor = self.noise_floor.powi(2);
        let seen = residual_square / freedom;
        if seen > floor {
            return (seen, freedom);
        }
        let rows = freedom + NOISE_PRIOR_ROWS;
        ((residual_square + NOISE_PRIOR_ROWS * floor) / rows, rows)
    }

    /// What a shape may plausibly add: about as much as the series was seen to range. Without that, a
    /// flat series would be explained as well by a huge slow fill and an equal loss.
    fn precision(&self, shape: Shape) -> f64 {
        let reach = (shape.at(1.0) - shape.at(0.0)).abs().max(f64::MIN_POSITIVE);
        let range = self.frame.range.max(self.noise_floor).max(f64::MIN_POSITIVE);
        self.variance * (reach / range).powi(2)
    }

    /// The least that any one shape leaves unexplained.
    fn rough_variance(&self) -> f64 {
        let square = (self.frame.shape_offset..self.frame.columns.len())
            .filter_map(|shape| {
                let chosen: Vec<usize> = self.base.iter().copied().chain([shape]).collect();
                self.normal
                    .solve(&chosen)
                    .map(|solution| solution.residual_square)
            })
            .fold(f64::INFINITY, f64::min);
        let freedom = (self.rows - (self.frame.segments + self.base.len()) as f64 - 1.0).max(1.0);
        let square = if square.is_finite() { square } else { 0.0 };
        (square + NOISE_PRIOR_ROWS * self.noise_floor.powi(2)) / (freedom + NOISE_PRIOR_ROWS)
    }
}
