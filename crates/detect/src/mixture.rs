//! Growth over every explanation at once: each counts by how well it explains the series.

use crate::quantile::student_tail;

/// What one explanation says of growth, and how much it counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub weight: f64,
    pub growth: f64,
    pub error: f64,
    pub freedom: f64,
}

/// A distribution of growth.
#[derive(Debug, Clone)]
pub(crate) struct Mixture {
    parts: Vec<Part>,
}

/// Parts that count less than this share together are left out.
const NEGLIGIBLE: f64 = 1e-3;
/// Halvings to find a quantile: to 1e-7 of the bracket.
const HALVINGS: usize = 24;
/// Errors around the parts between which a quantile is looked for.
const REACH: f64 = 12.0;

impl Mixture {
    /// `None` where nothing was told.
    pub fn new(mut parts: Vec<Part>) -> Option<Mixture> {
        parts.retain(|p| p.growth.is_finite() && p.error.is_finite() && p.weight > 0.0);
        parts.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let all: f64 = parts.iter().map(|p| p.weight).sum();
        let mut seen = 0.0;
        let kept = parts
            .iter()
            .position(|p| {
                seen += p.weight;
                seen >= (1.0 - NEGLIGIBLE) * all
            })
            .map_or(parts.len(), |place| place + 1);
        parts.truncate(kept);
        let all: f64 = parts.iter().map(|p| p.weight).sum();
        parts.iter_mut().for_each(|p| p.weight /= all);
        (!parts.is_empty() && all.is_finite()).then_some(Mixture { parts })
    }

    /// The average, where the surer parts count more.
    pub fn estimate(&self) -> f64 {
        let precision = |p: &Part| p.weight / p.error.max(f64::MIN_POSITIVE).powi(2);
        let all: f64 = self.parts.iter().map(precision).sum();
        self.parts.iter().map(|p| precision(p) * p.growth).sum::<f64>() / all
    }

    /// Below this lies a share of it, when every error is so many times as large.
    pub fn quantile(&self, share: f64, widening: f64) -> f64 {
        let reach = |p: &Part| REACH * widening * p.error;
        let fold = |f: fn(f64, f64) -> f64, start: f64, of: &dyn Fn(&Part) -> f64| {
            self.parts.iter().map(of).fold(start, f)
        };
        let mut below = fold(f64::min, f64::INFINITY, &|p| p.growth - reach(p));
        let mut above = fold(f64::max, f64::NEG_INFINITY, &|p| p.growth + reach(p));
        for _ in 0..HALVINGS {
            let middle = 0.5 * (below + above);
            if self.share_below(middle, widening) < share {
                below = middle;
            } else {
                above = middle;
            }
        }
        0.5 * (below + above)
    }

    fn share_below(&self, growth: f64, widening: f64) -> f64 {
        let below = |p: &Part| {
            let error = (widening * p.error).max(f64::MIN_POSITIVE);
            p.weight * student_tail((growth - p.growth) / error, p.freedom)
        };
        self.parts.iter().map(below).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_is_itself_and_a_faint_one_widens_one_side() {
        let sure = Part {
            weight: 1.0,
            growth: 10.0,
            error: 1.0,
            freedom: 1e6,
        };
        let one = Mixture::new(vec![sure]).expect("a part");
        assert!((one.quantile(0.025, 1.0) - 8.04).abs() < 0.01);
        let faint = Part {
            weight: 0.05,
            growth: 0.0,
            ..sure
        };
        let two = Mixture::new(vec![sure, faint]).expect("parts");
        assert!(two.quantile(0.025, 1.0) < 1.0);
        assert!((two.quantile(0.975, 1.0) - one.quantile(0.975, 1.0)).abs() < 0.1);
    }
}
