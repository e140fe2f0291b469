//! Naive rules, as found in dashboards and libraries, to compare with.

use plimsoll_model::{GcKind, Reading};

/// A rule that answers whether it ever called the worker leaking.
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// Whether it raises an alarm anywhere in the record.
    pub alarm: fn(&[Reading], f64) -> bool,
}

/// The rules compared with.
pub static RULES: &[Rule] = &[
    Rule {
        name: "Mann-Kendall on rss",
        alarm: mann_kendall,
    },
    Rule {
        name: "predict_linear of rss, 6 h to 24 h",
        alarm: predict_linear,
    },
    Rule {
        name: "Theil-Sen on floors",
        alarm: theil_sen,
    },
    Rule {
        name: "five growing collections",
        alarm: five_growing,
    },
];

/// Looks per record: a dashboard would look far more often.
const LOOKS: usize = 24;

fn rss(readings: &[Reading]) -> Vec<(f64, f64)> {
    readings
        .iter()
        .filter_map(|r| match r {
            Reading::Sample(s) => Some((s.at_seconds, s.rss_bytes? as f64)),
            _ => None,
        })
        .collect()
}

fn floors(readings: &[Reading]) -> Vec<(f64, f64)> {
    readings
        .iter()
        .filter_map(|r| match r {
            Reading::Floor(f) => Some((f.at_seconds, f.live_bytes as f64)),
            _ => None,
        })
        .collect()
}

fn thin(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(most).max(1);
    points.iter().step_by(step).copied().collect()
}

/// Kendall's S against its normal 99.9 % point, at every look.
fn mann_kendall(readings: &[Reading], _budget: f64) -> bool {
    let all = rss(readings);
    (2..=LOOKS).any(|look| {
        let points = thin(&all[..all.len() * look / LOOKS], 100);
        let n = points.len() as f64;
        let s: f64 = pairs(&points).map(|(a, b)| (b.1 - a.1).signum()).sum();
        n >= 10.0 && s / (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt() > 3.29
    })
}

fn pairs(points: &[(f64, f64)]) -> impl Iterator<Item = ((f64, f64), (f64, f64))> + '_ {
    (0..points.len()).flat_map(move |i| (i + 1..points.len()).map(move |j| (points[i], points[j])))
}

/// Least squares over the last quarter of the record reaches the budget within four times as long.
fn predict_linear(readings: &[Reading], budget: f64) -> bool {
    let all = rss(readings);
    (6..=LOOKS).any(|look| {
        let seen = &all[..all.len() * look / LOOKS];
        let window = &seen[seen.len().saturating_sub(all.len() / 4)..];
        let (Some(first), Some(last)) = (window.first(), window.last()) else {
            return false;
        };
        last.1 + slope(window) * 4.0 * (last.0 - first.0) > budget
    })
}

fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (x, y) = (
        points.iter().map(|p| p.0).sum::<f64>() / n,
        points.iter().map(|p| p.1).sum::<f64>() / n,
    );
    let cross: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let square: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    if square > 0.0 { cross / square } else { 0.0 }
}

/// The lower end of Sen's interval is above 0, at every look.
fn theil_sen(readings: &[Reading], _budget: f64) -> bool {
    let all = floors(readings);
    (4..=LOOKS).any(|look| {
        let points = thin(&all[..all.len() * look / LOOKS], 80);
        let mut slopes: Vec<f64> = pairs(&points).map(|(a, b)| (b.1 - a.1) / (b.0 - a.0)).collect();
        slopes.sort_by(f64::total_cmp);
        let n = points.len() as f64;
        let spread = 3.29 * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
        let place = ((slopes.len() as f64 - spread) / 2.0).floor();
        place >= 0.0 && slopes.get(place as usize).is_some_and(|s| *s > 0.0)
    })
}

fn five_growing(readings: &[Reading], _budget: f64) -> bool {
    let live: Vec<u64> = readings
        .iter()
        .filter_map(|r| match r {
            Reading::Gc(e) if e.kind == GcKind::Major => Some(e.live_bytes),
            _ => None,
        })
        .collect();
    live.windows(6).any(|w| w.windows(2).all(|p| p[1] > p[0]))
}
