//! TEMPORARY
use std::sync::OnceLock;
static K: OnceLock<Vec<f64>> = OnceLock::new();
pub fn knob(i: usize, default: f64) -> f64 {
    let all = K.get_or_init(|| std::env::var("KNOBS").unwrap_or_default().split(',').map(|s| s.parse().unwrap_or(f64::NAN)).collect());
    all.get(i).copied().filter(|v| v.is_finite()).unwrap_or(default)
}
