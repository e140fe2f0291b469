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
        ] {
            assert!((found - expected).abs() < 0.01, "{found} is not {expected}");
        }
    }
}
