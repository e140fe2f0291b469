//! Every way to explain a series: each autocorrelation with no shape, one shape, and the best with another.

use crate::noise::{Memory, Whitener, length};
use crate::regression::{Normal, Solution};
use crate::shape::{Height, Shape};
use crate::trend::Series;

/// Rows from which two shapes at once are considered.
const PAIR_ROWS: usize = 20;
/// Strength of the prior on the noise, in rows: five floors alone do not tell how noisy floors are.
const NOISE_PRIOR_ROWS: f64 = 3.0;
/// Autocorrelations that are tried, and variances of fresh noise over that of slow noise.
const CORRELATIONS: [f64; 9] = [0.0, 0.25, 0.45, 0.6, 0.72, 0.82, 0.9, 0.96, 0.985];
const FRESH: [f64; 3] = [0.0, 0.6, 3.0];
/// The memory of the noise under which shapes are looked over first, and how many are taken on.
const PILOT: Memory = Memory {
    correlation: 0.6,
    fresh: 0.6,
};
const LIKED: usize = 5;
/// Memories whose log-likelihood is this far below the likeliest count for less than a twentieth of it.
const UNLIKELY: f64 = 3.0;
/// Golden sections of a place between its neighbours on the grid: to a thousandth of their distance.
const SECTIONS: usize = 14;
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

/// All explanations under one memory of the noise.
pub(crate) struct Explained {
    pub memory: Memory,
    pub candidates: Vec<Candidate>,
    /// How likely this memory is, relative to the likeliest.
    pub weight: f64,
}

impl Explained {
    pub fn best(&self) -> Option<&Candidate> {
        self.candidates.iter().max_by(|a, b| a.score.total_cmp(&b.score))
    }
}

/// The explanations under the likely memories of the noise, the likeliest first. They are compared by
/// restricted likelihood, which does not take slow noise for trend as plain likelihood does, and over
/// the shapes that a pilot fit likes best: the others would not change their order.
pub(crate) fn explain(series: &Series, frame: &mut Frame) -> Vec<Explained> {
    let mut liked = liked(series, frame);
    if series.x.len() >= PAIR_ROWS {
        liked.splice(0..0, refine(series, frame, &liked));
    }
    let (frame, every): (&Frame, Vec<usize>) = (frame, (0..frame.shapes.len()).collect());
    let mut fits: Vec<(Memory, f64)> = memories(series.x.len())
        .into_iter()
        .filter_map(|memory| {
            let singles = Explanation::new(series, frame, memory, &liked).singles();
            let best = singles.iter().max_by(|a, b| a.1.score.total_cmp(&b.1.score))?;
            Some((memory, best.1.restricted))
        })
        .collect();
    fits.sort_by(|a, b| b.1.total_cmp(&a.1));
    let likeliest = fits.first().map_or(0.0, |fit| fit.1);
    fits.into_iter()
        .take_while(|(_, restricted)| *restricted >= likeliest - UNLIKELY)
        .map(|(memory, restricted)| Explained {
            memory,
            candidates: Explanation::new(series, frame, memory, &every).candidates(),
            weight: (restricted - likeliest).exp(),
        })
        .collect()
}

/// The shapes that explain the series best by themselves under the pilot's noise, the best first.
fn liked(series: &Series, frame: &Frame) -> Vec<usize> {
    let every: Vec<usize> = (0..frame.shapes.len()).collect();
    let mut singles = Explanation::new(series, frame, PILOT, &every).singles();
    singles.sort_by(|a, b| b.1.score.total_cmp(&a.1.score));
    singles.iter().filter_map(|single| single.0).take(LIKED).collect()
}

/// Adds the best ramp and the best saturation at the place between those of the grid that fits best; gives
/// the shapes that were added. A large fill that ends between two places of the grid is explained by neither.
fn refine(series: &Series, frame: &mut Frame, liked: &[usize]) -> Vec<usize> {
    let mut added = Vec::new();
    for is_kind in [Shape::is_ramp, Shape::is_saturating] {
        let Some(coarse) = liked.iter().map(|&s| frame.shapes[s]).find(|s| is_kind(*s)) else {
            continue;
        };
        let place = best_place(coarse.neighbourhood(), |place| {
            frame.score_alone(series, coarse.moved_to(place))
        });
        let fine = coarse.moved_to(place);
        if frame.score_alone(series, fine) > frame.score_alone(series, coarse) {
            added.push(frame.shapes.len());
            frame.push(fine);
        }
    }
    added
}

/// Where in a range a score is highest, by golden sections (Kiefer, 1953).
fn best_place((mut low, mut high): (f64, f64), mut score: impl FnMut(f64) -> f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    let mut inner = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)];
    let mut scores = inner.map(&mut score);
    for _ in 0..SECTIONS {
        if scores[0] > scores[1] {
            high = inner[1];
            inner = [high - GOLDEN * (high - low), inner[0]];
            scores = [score(inner[0]), scores[0]];
        } else {
            low = inner[0];
            inner = [inner[1], low + GOLDEN * (high - low)];
            scores = [scores[1], score(inner[1])];
        }
    }
    0.5 * (low + high)
}

/// A candidate and its shape, if it has one.
type Single = (Option<usize>, Candidate);

/// Few rows cannot tell noise that lasts from growth.
fn memories(rows: usize) -> Vec<Memory> {
    let (correlations, fresh) = match rows {
        0..8 => (&CORRELATIONS[..1], &FRESH[..1]),
        8..12 => (&CORRELATIONS[..5], &FRESH[..1]),
        12..20 => (&CORRELATIONS[..], &FRESH[..1]),
        _ => (&CORRELATIONS[..], &FRESH[..]),
    };
    let mut all = Vec::new();
    for &correlation in correlations {
        // Independent noise is the same whatever is fresh of it.
        let fresh = if correlation == 0.0 { &FRESH[..1] } else { fresh };
        all.extend(fresh.iter().map(|&fresh| Memory { correlation, fresh }));
    }
    all
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

impl Frame {
    fn push(&mut self, shape: Shape) {
        let column = self.columns[0].iter().map(|x| shape.at(*x)).collect();
        self.columns.push(column);
        self.shapes.push(shape);
    }

    /// How well one shape alone explains the series under the pilot's noise.
    fn score_alone(&mut self, series: &Series, shape: Shape) -> f64 {
        self.push(shape);
        let last = [self.shapes.len() - 1];
        let alone = Explanation::new(series, self, PILOT, &last).with(&[0]);
        let score = alone.map_or(f64::NEG_INFINITY, |candidate| candidate.score);
        self.columns.pop();
        self.shapes.pop();
        score
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

/// The normal equations under one memory of the noise, and what all candidates share.
struct Explanation<'a> {
    frame: &'a Frame,
    /// Which shapes of the frame are tried here; their columns follow the base.
    tried: &'a [usize],
    normal: Normal,
    jacobian: f64,
    /// Growth and the covariates that vary.
    base: Vec<usize>,
    rows: f64,
    noise_floor: f64,
    /// Noise variance, roughly, for the prior on heights.
    variance: f64,
}

impl<'a> Explanation<'a> {
    fn new(series: &Series, frame: &'a Frame, memory: Memory, tried: &'a [usize]) -> Self {
        let whitener = Whitener::new(memory, series.x.len());
        let white = |column: &[f64]| whitener.whiten(column, &series.starts);
        let columns = || {
            let shapes = tried
                .iter()
                .map(|shape| &frame.columns[frame.shape_offset + shape]);
            frame.columns[..frame.shape_offset].iter().chain(shapes)
        };
        let whitened: Vec<Vec<f64>> = columns().map(|column| white(column)).collect();
        let raw: Vec<f64> = columns().map(|column| length(column)).collect();
        let normal = Normal::new(&whitened, &white(&series.y), &raw);
        let base = (0..frame.shape_offset).filter(|&c| normal.varies(c)).collect();
        let mut explanation = Explanation {
            frame,
            tried,
            normal,
            jacobian: whitener.jacobian(&series.starts),
            base,
            rows: series.x.len() as f64,
            noise_floor: series.noise_floor,
            variance: 0.0,
        };
        explanation.variance = explanation.rough_variance();
        explanation
    }

    /// No shape, and each shape for itself. Without growth among the columns there is nothing to tell.
    fn singles(&self) -> Vec<Single> {
        if self.base.first() != Some(&0) {
            return Vec::new();
        }
        let one = |shape: usize| {
            self.with(&[shape])
                .map(|candidate| (Some(self.tried[shape]), candidate))
        };
        let none = self.with(&[]).map(|candidate| (None, candidate));
        none.into_iter()
            .chain((0..self.tried.len()).filter_map(one))
            .collect()
    }

    /// The same, and the best shape with each other one; here every shape is tried.
    fn candidates(&self) -> Vec<Candidate> {
        let singles = self.singles();
        let shaped = singles.iter().filter(|s| s.0.is_some());
        let best = shaped
            .max_by(|a, b| a.1.score.total_cmp(&b.1.score))
            .and_then(|s| s.0);
        let mut pairs = Vec::new();
        if let Some(best) = best.filter(|_| self.rows as usize >= PAIR_ROWS) {
            let others = (0..self.tried.len()).filter(|&s| s != best);
            pairs.extend(others.filter_map(|s| self.with(&[best, s])));
        }
        singles.into_iter().map(|s| s.1).chain(pairs).collect()
    }

    fn shape(&self, tried: usize) -> Shape {
        self.frame.shapes[self.tried[tried]]
    }

    /// The fit with these of the shapes tried; `None` where it has no sense.
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
        let precision: Vec<f64> = shapes.iter().map(|&s| self.precision(self.shape(s))).collect();
        let solution = self.normal.solve_with_priors(&chosen, &precision)?;
        let heights = solution.coefficient[self.base.len()..].iter().copied();
        let shapes: Vec<(Shape, f64)> = shapes.iter().map(|&s| self.shape(s)).zip(heights).collect();
        let sensible = shapes
            .iter()
            .all(|(s, height)| s.height() == Height::Either || *height >= 0.0);
        sensible.then(|| self.candidate(&solution, shapes, freedom))
    }

    fn candidate(&self, solution: &Solution, shapes: Vec<(Shape, f64)>, freedom: f64) -> Candidate {
        let square = solution.residual_square + NOISE_PRIOR_ROWS * self.noise_floor.powi(2);
        let (variance, freedom_told) = self.noise(solution.residual_square, freedom);
        let jacobian = self.jacobian;
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
        let offset = self.frame.shape_offset;
        let square = (offset..offset + self.tried.len())
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
