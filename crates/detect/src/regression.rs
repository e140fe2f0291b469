//! Least squares by normal equations over a handful of columns.
//!
//! Columns are scaled to length one before they meet, so that counts in the millions and shapes
//! between 0 and 1 share a matrix; a column without variation is left out of every solution.

/// `XᵀX`, `Xᵀy` and `yᵀy` of scaled columns.
#[derive(Debug, Clone)]
pub(crate) struct Normal {
    width: usize,
    gram: Vec<f64>,
    moment: Vec<f64>,
    square: f64,
    /// Length of each column before it was scaled; 0 marks one without variation.
    length: Vec<f64>,
}

/// The solution over some of the columns, in the columns' own units.
#[derive(Debug, Clone)]
pub(crate) struct Solution {
    pub coefficient: Vec<f64>,
    /// Diagonal of `(XᵀX)⁻¹`: times the noise variance, the variance of each coefficient.
    pub spread: Vec<f64>,
    pub residual_square: f64,
    /// `ln det XᵀX` in the columns' own units.
    pub log_determinant: f64,
}

/// A column this much shorter than its raw self after projection says nothing.
const FLAT: f64 = 1e-7;
/// A pivot below this (columns have length one) means that the column follows from the others.
const COLLINEAR: f64 = 1e-9;
/// Ten times that.
const RIDGE: f64 = 1e-8;

impl Normal {
    /// From columns and the answer, all of one length. `raw_length` are the lengths before the
    /// intercepts were projected out.
    pub fn new(columns: &[Vec<f64>], answer: &[f64], raw_length: &[f64]) -> Self {
        let width = columns.len();
        let length: Vec<f64> = columns
            .iter()
            .zip(raw_length)
            .map(|(column, raw)| {
                let length = dot(column, column).sqrt();
                if length > FLAT * raw && length.is_finite() {
                    length
                } else {
                    0.0
                }
            })
            .collect();
        let scale = |i: usize| if length[i] > 0.0 { 1.0 / length[i] } else { 0.0 };
        let mut gram = vec![0.0; width * width];
        for i in 0..width {
            for j in 0..=i {
                let value = dot(&columns[i], &columns[j]) * scale(i) * scale(j);
                gram[i * width + j] = value;
                gram[j * width + i] = value;
            }
        }
        let moment = (0..width).map(|i| dot(&columns[i], answer) * scale(i)).collect();
        Normal {
            width,
            gram,
            moment,
            square: dot(answer, answer),
            length,
        }
    }

    /// Solves over the columns named; `None` if they are not independent.
    pub fn solve(&self, chosen: &[usize]) -> Option<Solution> {
        self.solve_with_priors(chosen, &[])
    }

    /// The same where the last columns have a prior around 0: `precision` is the noise variance over the
    /// prior variance of the coefficient, one for each of the last columns.
    pub fn solve_with_priors(&self, chosen: &[usize], precision: &[f64]) -> Option<Solution> {
        let lower = self.factor(chosen, precision)?;
        let size = chosen.len();
        let right: Vec<f64> = chosen.iter().map(|&c| self.moment[c]).collect();
        let scaled = back(&lower, &forward(&lower, &right));
        let explained: f64 = scaled.iter().zip(&right).map(|(b, m)| b * m).sum();
        let mut spread = vec![0.0; size];
        for (i, spread) in spread.iter_mut().enumerate() {
            let mut unit = vec![0.0; size];
            unit[i] = 1.0;
            let column = forward(&lower, &unit);
            *spread = dot(&column, &column) / self.length[chosen[i]].powi(2);
        }
        let log_determinant = (0..size)
            .map(|i| 2.0 * (lower[i][i].ln() + self.length[chosen[i]].ln()))
            .sum();
        Some(Solution {
            coefficient: scaled
                .iter()
                .zip(chosen)
                .map(|(b, &c)| b / self.length[c])
                .collect(),
            spread,
            residual_square: (self.square - explained).max(0.0),
            log_determinant,
        })
    }

    fn factor(&self, chosen: &[usize], precision: &[f64]) -> Option<Vec<Vec<f64>>> {
        let free = chosen.len() - precision.len().min(chosen.len());
        let mut lower: Vec<Vec<f64>> = Vec::with_capacity(chosen.len());
        for (i, &row) in chosen.iter().enumerate() {
            let mut line = Vec::with_capacity(i + 1);
            for j in 0..=i {
                let done: f64 = (0..j).map(|k| line[k] * lower_at(&lower, j, k, &line, i)).sum();
                let rest = self.gram[row * self.width + chosen[j]] - done;
                if i == j {
                    let prior = if i >= free {
                        precision[i - free] / self.length[row].powi(2)
                    } else {
                        0.0
                    };
                    let rest = rest + prior;
                    if self.length[row] == 0.0 || rest.is_nan() || rest <= COLLINEAR {
                        return None;
                    }
                    line.push(rest.sqrt());
                } else {
                    line.push(rest / lower[j][j]);
                }
            }
            lower.push(line);
        }
        Some(lower)
    }

    /// Least squares with the coefficients of `signed` free and all others of `chosen` at least 0, by
    /// dropping the most negative until none is left. Returns the residual square and the coefficients.
    pub fn solve_nonnegative(&self, signed: &[usize], bounded: &[usize]) -> Option<(f64, Vec<f64>)> {
        let mut active: Vec<usize> = bounded.to_vec();
        loop {
            let chosen: Vec<usize> = signed.iter().chain(&active).copied().collect();
            let solution = self.solve(&chosen)?;
            let worst = (signed.len()..chosen.len())
                .filter(|&i| solution.coefficient[i] < 0.0)
                .min_by(|&a, &b| {
                    let strength = |i: usize| solution.coefficient[i] * self.length[chosen[i]];
                    strength(a).total_cmp(&strength(b))
                });
            let Some(worst) = worst else {
                let mut coefficient = vec![0.0; bounded.len()];
                for (i, &column) in chosen.iter().enumerate().skip(signed.len()) {
                    let place = bounded.iter().position(|&b| b == column)?;
                    coefficient[place] = solution.coefficient[i];
                }
                return Some((solution.residual_square, coefficient));
            };
            active.remove(worst - signed.len());
        }
    }

    /// The same equations after `coefficient × column` has been taken off the answer.
    pub fn without(&self, column: usize, coefficient: f64) -> Normal {
        let scaled = coefficient * self.length[column];
        let mut rest = self.clone();
        rest.square = self.square - 2.0 * scaled * self.moment[column] + scaled * scaled;
        for i in 0..self.width {
            rest.moment[i] = self.moment[i] - scaled * self.gram[i * self.width + column];
        }
        rest
    }

    /// The same with a sliver added to the diagonal, so that columns that follow from each other still
    /// solve: their intervals come out as wide as they are.
    pub fn with_ridge(mut self) -> Normal {
        for i in 0..self.width {
            self.gram[i * self.width + i] *= 1.0 + RIDGE;
        }
        self
    }

    /// Whether a column varies at all.
    pub fn varies(&self, column: usize) -> bool {
        self.length[column] > 0.0
    }
}

fn lower_at(lower: &[Vec<f64>], j: usize, k: usize, line: &[f64], i: usize) -> f64 {
    if j == i { line[k] } else { lower[j][k] }
}

fn forward(lower: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let mut out: Vec<f64> = Vec::with_capacity(right.len());
    for (i, line) in lower.iter().enumerate() {
        let done: f64 = line[..i].iter().zip(&out).map(|(l, x)| l * x).sum();
        out.push((right[i] - done) / line[i]);
    }
    out
}

fn back(lower: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let size = right.len();
    let mut out = vec![0.0; size];
    for i in (0..size).rev() {
        let done: f64 = (i + 1..size).map(|k| lower[k][i] * out[k]).sum();
        out[i] = (right[i] - done) / lower[i][i];
    }
    out
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
