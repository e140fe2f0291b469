//! What one reading shares with the next: slow noise that forgets itself, and fresh noise on top.
//!
//! Slow noise is AR(1); fresh noise is independent. Together they are an ARMA(1,1), whose rows a
//! Kalman filter makes independent in one pass (Harvey, 1989, chapter 3). Either alone misleads: AR(1)
//! fitted to both takes slow noise for fast, and growth looks surer than it is.

use crate::regression::dot;

/// Autocorrelation of the slow part from row to row, and the variance of the fresh part over its.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Memory {
    pub correlation: f64,
    pub fresh: f64,
}

/// The pass that makes rows with such noise independent, for segments of up to a number of rows.
#[derive(Debug, Clone)]
pub(crate) struct Whitener {
    correlation: f64,
    /// Gain of the filter, scale of the row, and what a constant 1 becomes, by place in the segment.
    steps: Vec<(f64, f64, f64)>,
}

/// Steps after which the filter has long settled.
const SETTLED: usize = 400;

impl Whitener {
    pub fn new(memory: Memory, rows: usize) -> Self {
        let Memory { correlation, fresh } = memory;
        let settled = settled_variance(memory);
        let (mut variance, mut level) = (1.0, 0.0);
        let steps = (0..rows)
            .map(|_| {
                let total = variance + fresh;
                let (gain, scale) = (variance / total, (settled / total).sqrt());
                let surprise = 1.0 - level;
                level = correlation * (level + gain * surprise);
                variance = next_variance(memory, variance);
                (gain, scale, surprise * scale)
            })
            .collect();
        Whitener { correlation, steps }
    }

    /// Rows of independent noise, with the intercept of each segment taken out of them.
    pub fn whiten(&self, column: &[f64], starts: &[bool]) -> Vec<f64> {
        let mut out = Vec::with_capacity(column.len());
        let mut begin = 0;
        for end in 1..=column.len() {
            if end == column.len() || starts[end] {
                self.segment(&column[begin..end], &mut out);
                begin = end;
            }
        }
        out
    }

    fn segment(&self, column: &[f64], out: &mut Vec<f64>) {
        let (begin, first) = (out.len(), column[0]);
        let mut level = 0.0;
        for (value, (gain, scale, _)) in column.iter().zip(&self.steps) {
            let surprise = value - first - level;
            level = self.correlation * (level + gain * surprise);
            out.push(surprise * scale);
        }
        let rows = &mut out[begin..];
        let constant = || self.steps.iter().map(|s| s.2);
        let norm: f64 = constant().take(rows.len()).map(|c| c * c).sum();
        let along: f64 = rows.iter().zip(constant()).map(|(row, c)| row * c).sum();
        let share = along / norm;
        rows.iter_mut()
            .zip(constant())
            .for_each(|(row, c)| *row -= share * c);
    }

    /// What the scaling adds to the log-likelihood.
    pub fn jacobian(&self, starts: &[bool]) -> f64 {
        let mut sum = 0.0;
        let mut place = 0;
        for start in starts {
            place = if *start { 0 } else { place + 1 };
            sum += self.steps[place].1.ln();
        }
        sum
    }
}

fn next_variance(memory: Memory, variance: f64) -> f64 {
    let squared = memory.correlation * memory.correlation;
    let total = variance + memory.fresh;
    squared * variance * memory.fresh / total + 1.0 - squared
}

/// Variance of a row given all before it, once the filter has settled.
fn settled_variance(memory: Memory) -> f64 {
    let variance = (0..SETTLED).fold(1.0, |variance, _| next_variance(memory, variance));
    variance + memory.fresh
}

/// Length of a column, for [`crate::regression::Normal`].
pub(crate) fn length(column: &[f64]) -> f64 {
    dot(column, column).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With slow noise alone the pass is that of Prais and Winsten (1954).
    #[test]
    fn slow_noise_alone_is_differenced() {
        let memory = Memory {
            correlation: 0.6,
            fresh: 0.0,
        };
        let whitener = Whitener::new(memory, 4);
        let white = whitener.whiten(&[0.0, 1.0, 5.0, 2.0], &[true, false, false, false]);
        let plain = [0.0, 1.0, 5.0 - 0.6, 2.0 - 3.0];
        let constant = [0.8, 0.4, 0.4, 0.4];
        let share = dot(&plain, &constant) / dot(&constant, &constant);
        for (row, (plain, constant)) in white.iter().zip(plain.iter().zip(constant)) {
            assert!((row - (plain - share * constant)).abs() < 1e-9, "{white:?}");
        }
        assert!((whitener.jacobian(&[true, false]) - 0.8f64.ln()).abs() < 1e-9);
    }
}
