//! A sound run to compare with: what it gained by the same job (or second) is no leak.

use crate::assessment::Axis;
use crate::channels::Part;
use crate::envelope::Low;
use crate::track::Block;
use crate::trend::Series;

/// The curves of a worker that is known to be sound. Made by [`crate::Detector::baseline`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Baseline {
    levels: Vec<Level>,
    resident: Vec<(f64, f64)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Level {
    jobs: f64,
    seconds: f64,
    heap_bytes: f64,
    external_bytes: f64,
}

/// A baseline that covers less than this share of the rows is not compared with.
const COVERED_SHARE: f64 = 0.6;

impl Baseline {
    pub(crate) fn new(blocks: &[Block], lows: &[Low]) -> Self {
        let blocks = longest(blocks, |b| b.segment);
        let lows = longest(lows, |l| l.segment);
        let origin = blocks.first().map_or((0.0, 0.0), |b| (b.jobs, b.at_seconds));
        let resident_origin = lows.first().map_or(0.0, |l| l.at_seconds);
        Baseline {
            levels: blocks
                .iter()
                .map(|b| Level {
                    jobs: b.jobs - origin.0,
                    seconds: b.at_seconds - origin.1,
                    heap_bytes: b.heap_bytes,
                    external_bytes: b.external_bytes,
                })
                .collect(),
            resident: lows
                .iter()
                .map(|l| (l.at_seconds - resident_origin, l.value))
                .collect(),
        }
    }

    /// `series` less the baseline at the same place; `None` where the baseline covers too little of it.
    pub(crate) fn difference(&self, series: &Series, part: Part, axis: Axis) -> Option<Series> {
        // The sound part follows all jobs (or time), whichever classes grow.
        let curve: Vec<(f64, f64)> = self
            .levels
            .iter()
            .map(|l| (l.place(axis), l.part(part)))
            .collect();
        subtract(series, &curve)
    }

    /// The same for resident memory over time.
    pub(crate) fn resident_difference(&self, series: &Series) -> Option<Series> {
        subtract(series, &self.resident)
    }
}

impl Level {
    fn place(&self, axis: Axis) -> f64 {
        match axis {
            Axis::Jobs => self.jobs,
            Axis::Time => self.seconds,
        }
    }

    fn part(&self, part: Part) -> f64 {
        match part {
            Part::Heap => self.heap_bytes,
            Part::External => self.external_bytes,
            Part::Managed if self.external_bytes.is_finite() => self.heap_bytes + self.external_bytes,
            Part::Managed => self.heap_bytes,
        }
    }
}

fn longest<T>(items: &[T], segment: impl Fn(&T) -> u32) -> &[T] {
    items
        .chunk_by(|a, b| segment(a) == segment(b))
        .max_by_key(|chunk| chunk.len())
        .unwrap_or(&[])
}

fn subtract(series: &Series, curve: &[(f64, f64)]) -> Option<Series> {
    let end = curve.last()?.0;
    if curve.len() < 4 || curve.iter().any(|(_, v)| !v.is_finite()) {
        return None;
    }
    let kept: Vec<usize> = (0..series.x.len())
        .filter(|&i| series.x[i] <= end * 1.02)
        .collect();
    if (kept.len() as f64) < COVERED_SHARE * series.x.len() as f64 {
        return None;
    }
    let start = |k: usize, i: usize| k == 0 || (kept[k - 1] + 1..=i).any(|row| series.starts[row]);
    Some(Series {
        x: kept.iter().map(|&i| series.x[i]).collect(),
        y: kept
            .iter()
            .map(|&i| series.y[i] - interpolate(curve, series.x[i]))
            .collect(),
        starts: kept.iter().enumerate().map(|(k, &i)| start(k, i)).collect(),
        covariates: series
            .covariates
            .iter()
            .map(|c| kept.iter().map(|&i| c[i]).collect())
            .collect(),
        noise_floor: series.noise_floor * std::f64::consts::SQRT_2,
        is_difference: true,
    })
}

fn interpolate(curve: &[(f64, f64)], x: f64) -> f64 {
    let after = curve.partition_point(|(place, _)| *place < x);
    let Some(&(x1, y1)) = curve.get(after) else {
        return curve.last().map_or(0.0, |p| p.1);
    };
    let Some(&(x0, y0)) = after.checked_sub(1).and_then(|i| curve.get(i)) else {
        return y1;
    };
    if x1 > x0 {
        y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    } else {
        y1
    }
}
