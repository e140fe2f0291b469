//! Quantiles of the normal and of Student's distribution.

/// Two-sided normal quantile: Abramowitz and Stegun 26.2.23, |error| < 4.5e-4.
pub(crate) fn quantile(confidence: f64) -> f64 {
    let tail = (1.0 - confidence.clamp(0.5, 0.9999)) / 2.0;
    let t = (-2.0 * tail.ln()).sqrt();
    t - (2.515_517 + 0.802_853 * t + 0.010_328 * t * t)
        / (1.0 + 1.432_788 * t + 0.189_269 * t * t + 0.001_308 * t * t * t)
}

/// Student's quantile from the normal one (Cornish and Fisher).
pub(crate) fn student(z: f64, freedom: f64) -> f64 {
    z + (z.powi(3) + z) / (4.0 * freedom)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * freedom * freedom)
}

/// The share of Student's distribution below `t`: turned into a normal deviate (Wallace, 1959).
pub(crate) fn student_tail(t: f64, freedom: f64) -> f64 {
    let z = (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0) * (freedom * (t * t / freedom).ln_1p()).sqrt();
    normal_tail(if t < 0.0 { -z } else { z })
}

/// The share of the normal distribution below `z`: Abramowitz and Stegun 26.2.17, |error| < 7.5e-8.
fn normal_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series = t
        * (0.319_381_530
            + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let upper = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt() * series;
    if z < 0.0 { upper } else { 1.0 - upper }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (found, expected) in [
            (quantile(0.95), 1.960),
            (quantile(0.99), 2.576),
            (student(quantile(0.95), 10.0), 2.228),
            (student(quantile(0.95), 30.0), 2.042),
            (student_tail(-2.228, 10.0), 0.025),
            (student_tail(2.042, 30.0), 0.975),
            (student_tail(-3.09, 1e9), 0.001),
        ] {
            assert!((found - expected).abs() < 0.01, "{found} is not {expected}");
        }
    }
}
