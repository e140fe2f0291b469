//! The bounded ways in which sound memory grows, as functions of the jobs (or time) of a segment.

/// One way to grow and level off, or to change level, at a place relative to the record's length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shape {
    /// `1 − exp(−x/τ)`: warm-up, a cache that fills by random keys.
    Saturating(f64),
    /// `ln(1 + x/κ)`: code, feedback and tables of a runtime that is still warming up.
    Logarithmic(f64),
    /// `min(x, κ)`: a cache that fills at a steady pace and is full at κ; with a negative height,
    /// growth that starts at κ.
    Ramp(f64),
    /// `0` before κ and `1` after it: one giant job that leaves a plateau, a table that doubles.
    Step(f64),
}

/// Which heights of a shape make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Height {
    /// Only growth that fades.
    Positive,
    /// Both ways.
    Either,
}

impl Shape {
    /// Every shape that is tried. The last quarter of the record is left to the growth term alone for
    /// ramps: a fill that ends later than that has not been seen to end.
    /// Steps are tried where the series jumps most (`jumps`), besides a grid.
    pub fn all(jumps: &[f64]) -> Vec<Shape> {
        let saturating = [0.02, 0.05, 0.1, 0.18, 0.3, 0.5, 1.0, 2.0].map(Shape::Saturating);
        let logarithmic = [0.001, 0.01, 0.08].map(Shape::Logarithmic);
        let ramps = [
            0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7,
        ]
        .map(Shape::Ramp);
        let steps = [0.12, 0.28, 0.44, 0.6, 0.76, 0.92].map(Shape::Step);
        let jumps = jumps.iter().map(|x| Shape::Step(*x));
        saturating
            .into_iter()
            .chain(logarithmic)
            .chain(ramps)
            .chain(steps)
            .chain(jumps)
            .collect()
    }

    /// What two runs of the same service may differ by: a start, a fill that took another pace, a step.
    pub fn of_differences(jumps: &[f64]) -> Vec<Shape> {
        let starts = [0.05, 0.1].map(Shape::Saturating);
        let ramps = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6].map(Shape::Ramp);
        starts
            .into_iter()
            .chain(ramps)
            .chain(jumps.iter().map(|x| Shape::Step(*x)))
            .collect()
    }

    pub fn is_ramp(self) -> bool {
        matches!(self, Shape::Ramp(_))
    }

    pub fn is_saturating(self) -> bool {
        matches!(self, Shape::Saturating(_))
    }

    /// The same shape at another place.
    pub fn moved_to(self, place: f64) -> Shape {
        match self {
            Shape::Saturating(_) => Shape::Saturating(place),
            Shape::Logarithmic(_) => Shape::Logarithmic(place),
            Shape::Ramp(_) => Shape::Ramp(place),
            Shape::Step(_) => Shape::Step(place),
        }
    }

    /// The places around it up to about those of its neighbours on the grid.
    pub fn neighbourhood(self) -> (f64, f64) {
        match self {
            Shape::Saturating(place) => (0.6 * place, 1.7 * place),
            Shape::Logarithmic(place) => (0.3 * place, 3.0 * place),
            Shape::Ramp(place) => ((place - 0.05).max(0.01), (place + 0.05).min(0.7)),
            Shape::Step(place) => (place, place),
        }
    }

    /// The value at `x`, where 1 is the length of the longest segment.
    pub fn at(self, x: f64) -> f64 {
        match self {
            Shape::Saturating(tau) => 1.0 - (-x / tau).exp(),
            Shape::Logarithmic(kappa) => (x / kappa).ln_1p(),
            Shape::Ramp(kappa) => x.min(kappa) / kappa,
            Shape::Step(kappa) => f64::from(u8::from(x > kappa)),
        }
    }

    /// What a fit pays in log-likelihood for using the shape: one for its height (Akaike, 1974), and more
    /// the more places it was tried at, since some place always fits the noise. A fill that would take
    /// longer than the record pays most: it is nearly a straight line.
    pub fn price(self) -> f64 {
        match self {
            Shape::Saturating(tau) if tau > 1.5 => 2.5,
            Shape::Saturating(tau) if tau > 0.7 => 1.5,
            Shape::Saturating(_) | Shape::Logarithmic(_) => 1.0,
            Shape::Ramp(_) => 2.0,
            Shape::Step(_) => 3.0,
        }
    }

    pub fn height(self) -> Height {
        match self {
            Shape::Saturating(_) | Shape::Logarithmic(_) => Height::Positive,
            Shape::Ramp(_) | Shape::Step(_) => Height::Either,
        }
    }
}
