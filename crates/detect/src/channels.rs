//! From blocks and lows to series, one per channel, and the fit on the axis that explains it best.

use plimsoll_model::Channel;

use crate::assessment::Axis;
use crate::baseline::Baseline;
use crate::envelope::Low;
use crate::track::{Block, Track};
use crate::trend::{Series, Trend, fit};

/// How the readings of a channel were got, which says how far they can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Quiescent floors.
    Floors,
    /// Live heap after ordinary full collections.
    Collections,
    /// Lower envelope of periodic samples.
    Samples,
}

/// What a channel's own nature asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Smallest believable noise of one row.
    pub noise_floor: f64,
    /// Growth that a sound process shows by itself.
    pub allowance: f64,
    /// A record shorter than this does not judge the channel.
    pub least_seconds: f64,
    /// Bytes, or a plain count.
    pub is_bytes: bool,
}

/// V8 alone (code, feedback, inline caches, functions compiled late) grows by 200–300 KiB in the first
/// thousands of jobs and keeps on ever more slowly; interpreters with caches of their own are alike.
/// Pinned by `growth_of_a_runtime_is_no_leak`.
pub(crate) const RUNTIME_ALLOWANCE_BYTES: f64 = 384.0 * 1024.0;
/// Floors right after a forced full collection repeat within this on an idle worker.
const FLOOR_NOISE_BYTES: f64 = 12.0 * 1024.0;
/// Ordinary collections find objects of jobs in flight too.
const COLLECTION_NOISE_BYTES: f64 = 128.0 * 1024.0;
/// Resident memory of a sound worker gains megabytes in fragmentation before it settles: a fixed
/// release of a real package gained 7 KB a job over thousands of jobs with a flat live heap.
const RESIDENT_ALLOWANCE_BYTES: f64 = 8.0 * 1024.0 * 1024.0;
const RESIDENT_NOISE_BYTES: f64 = 512.0 * 1024.0;
/// Resident memory is judged per hour, over at least this (six lows of half an hour).
const RESIDENT_LEAST_SECONDS: f64 = 3.0 * 3600.0;
/// A pool opens this many descriptors by itself.
const DESCRIPTOR_ALLOWANCE: f64 = 24.0;
/// Thread pools of common runtimes.
const THREAD_ALLOWANCE: f64 = 16.0;

pub(crate) fn rules(channel: Channel, source: Source) -> Rules {
    let (noise_floor, allowance, least_seconds) = match (channel, source) {
        (Channel::Heap | Channel::External, Source::Floors) => {
            (FLOOR_NOISE_BYTES, RUNTIME_ALLOWANCE_BYTES, 0.0)
        }
        (Channel::Heap | Channel::External, Source::Collections) => {
            (COLLECTION_NOISE_BYTES, 4.0 * RUNTIME_ALLOWANCE_BYTES, 0.0)
        }
        (Channel::Fds, _) => (1.0, DESCRIPTOR_ALLOWANCE, 0.0),
        (Channel::Threads, _) => (1.0, THREAD_ALLOWANCE, 0.0),
        _ => (
            RESIDENT_NOISE_BYTES,
            RESIDENT_ALLOWANCE_BYTES,
            RESIDENT_LEAST_SECONDS,
        ),
    };
    let is_bytes = !matches!(channel, Channel::Fds | Channel::Threads | Channel::Backlog);
    Rules {
        noise_floor,
        allowance,
        least_seconds,
        is_bytes,
    }
}

/// A fitted channel.
#[derive(Debug, Clone)]
pub(crate) struct Fitted {
    pub channel: Channel,
    pub source: Source,
    pub axis: Axis,
    /// Weight of each class on the axis, where some classes grow and others do not: `x` then counts
    /// weighted jobs, as many in all as there are jobs.
    pub weights: Option<Vec<f64>>,
    pub trend: Trend,
}

/// Which memory of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Heap,
    External,
    Managed,
}

impl Part {
    pub fn of(self, block: &Block) -> f64 {
        match self {
            Part::Heap => block.heap_bytes,
            Part::External => block.external_bytes,
            Part::Managed if block.external_bytes.is_finite() => block.heap_bytes + block.external_bytes,
            Part::Managed => block.heap_bytes,
        }
    }
}

/// Time must explain a series this much better than jobs do before growth is said to follow it.
const AXIS_MARGIN: f64 = 3.0;
/// The direction of growth among classes depends on the noise, which depends on the direction.
const DIRECTION_ROUNDS: usize = 3;
/// Fewer rows than this, and two more for each class, would find a direction in noise.
const DIRECTION_ROWS: usize = 4;
const DIRECTION_ROWS_PER_CLASS: usize = 2;
/// Load is a covariate when it varies by this share, over at least this long: a level that follows load
/// is no growth.
const LOAD_VARIATION: f64 = 0.15;
const LOAD_LEAST_SECONDS: f64 = 3600.0;

/// Jobs (or seconds) since the first block of each segment, and where segments start.
pub(crate) fn axis_of(blocks: &[Block], axis: Axis) -> (Vec<f64>, Vec<bool>) {
    let places: Vec<f64> = blocks
        .iter()
        .map(|block| match axis {
            Axis::Jobs => block.jobs,
            Axis::Time => block.at_seconds,
        })
        .collect();
    from_segment_starts(blocks, &places)
}

/// The axis of a fit, weighted jobs included.
pub(crate) fn fitted_axis(track: &Track, axis: Axis, weights: Option<&[f64]>) -> (Vec<f64>, Vec<bool>) {
    let blocks = track.blocks();
    let Some(weights) = weights else {
        return axis_of(blocks, axis);
    };
    let weighted = |row: usize| {
        let count = |class: usize| track.class_counts(class).map_or(0.0, |c| f64::from(c[row]));
        weights
            .iter()
            .enumerate()
            .map(|(class, w)| w * count(class))
            .sum::<f64>()
    };
    let places: Vec<f64> = (0..blocks.len()).map(weighted).collect();
    let (mut x, starts) = from_segment_starts(blocks, &places);
    let jobs: Vec<f64> = blocks.iter().map(|b| b.jobs).collect();
    let (all, all_weighted) = (ends(&jobs, &starts), ends(&places, &starts));
    if all_weighted > 0.0 {
        x.iter_mut().for_each(|x| *x *= all / all_weighted);
    }
    (x, starts)
}

/// The last values of all segments together.
fn ends(values: &[f64], starts: &[bool]) -> f64 {
    (0..values.len())
        .filter(|&i| starts.get(i + 1).is_none_or(|start| *start))
        .map(|i| values[i])
        .sum()
}

fn from_segment_starts(blocks: &[Block], places: &[f64]) -> (Vec<f64>, Vec<bool>) {
    let mut x = Vec::with_capacity(blocks.len());
    let mut starts = Vec::with_capacity(blocks.len());
    let mut origin = 0.0;
    for (i, block) in blocks.iter().enumerate() {
        let start = i == 0 || blocks[i - 1].segment != block.segment;
        if start {
            origin = places[i];
        }
        x.push(places[i] - origin);
        starts.push(start);
    }
    (x, starts)
}

/// The series of a part of managed memory; `None` where some of it is unknown.
pub(crate) fn level_series(track: &Track, part: Part, axis: Axis, noise_floor: f64) -> Option<Series> {
    let blocks = track.blocks();
    let (x, starts) = axis_of(blocks, axis);
    let y: Vec<f64> = blocks.iter().map(|b| part.of(b)).collect();
    if y.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let covariates = covariates(blocks);
    Some(Series {
        x,
        y,
        starts,
        covariates,
        noise_floor,
        is_difference: false,
    })
}

/// What else moves the level of a block, where it varies: jobs in flight, backlog, load.
pub(crate) fn covariates(blocks: &[Block]) -> Vec<Vec<f64>> {
    let mut covariates = Vec::new();
    for values in [
        blocks
            .iter()
            .map(|b| f64::from(b.in_flight))
            .collect::<Vec<f64>>(),
        blocks.iter().map(|b| f64::from(b.backlog)).collect(),
    ] {
        if varies(&values, 0.0) {
            covariates.push(values);
        }
    }
    covariates.extend(load(blocks));
    if covariates.len() + 8 > blocks.len() {
        covariates.clear();
    }
    covariates
}

fn varies(values: &[f64], share: f64) -> bool {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most - least > share * most.abs()
}

/// Jobs per second at each block, where that varies over a long enough record.
fn load(blocks: &[Block]) -> Option<Vec<f64>> {
    let seconds = blocks.last()?.at_seconds - blocks.first()?.at_seconds;
    if seconds < LOAD_LEAST_SECONDS || blocks.len() < 12 {
        return None;
    }
    let paces: Vec<f64> = blocks.iter().map(|b| f64::from(b.pace)).collect();
    let mean = paces.iter().sum::<f64>() / paces.len() as f64;
    let variance = paces.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / paces.len() as f64;
    (mean > 0.0 && variance.sqrt() > LOAD_VARIATION * mean).then_some(paces)
}

/// The same from the jobs done between neighbours, where the pace was not noted.
fn pace_between(lows: &[Low], i: usize) -> f64 {
    let same = |a: usize, b: usize| lows[a].segment == lows[b].segment;
    let before = if i > 0 && same(i - 1, i) { i - 1 } else { i };
    let after = if i + 1 < lows.len() && same(i, i + 1) {
        i + 1
    } else {
        i
    };
    let elapsed = lows[after].at_seconds - lows[before].at_seconds;
    if elapsed > 0.0 {
        (lows[after].jobs - lows[before].jobs) / elapsed
    } else {
        0.0
    }
}

/// Fits a part of managed memory on the better axis.
pub(crate) fn fit_level(track: &Track, part: Part, source: Source, confidence: f64) -> Option<Fitted> {
    let channel = if part == Part::External {
        Channel::External
    } else {
        Channel::Heap
    };
    let noise_floor = rules(channel, source).noise_floor;
    let on = |axis| level_series(track, part, axis, noise_floor).and_then(|s| fit(&s, confidence));
    let (axis, trend) = better(on(Axis::Jobs), || on(Axis::Time))?;
    let fitted = Fitted {
        channel,
        source,
        axis,
        weights: None,
        trend,
    };
    Some(weighted(track, part, &fitted, confidence).unwrap_or(fitted))
}

/// The same, less a baseline where it covers enough of the record.
pub(crate) fn fit_against(
    track: &Track,
    part: Part,
    source: Source,
    confidence: f64,
    baseline: &Baseline,
) -> Option<Fitted> {
    let alone = fit_level(track, part, source, confidence)?;
    let noise_floor = rules(alone.channel, source).noise_floor;
    let mut series = level_series(track, part, alone.axis, noise_floor)?;
    // Taken off by all jobs, fitted on the jobs of the classes that grow: `x` rides along as a covariate.
    series
        .covariates
        .push(fitted_axis(track, alone.axis, alone.weights.as_deref()).0);
    let Some(mut difference) = baseline.difference(&series, part, alone.axis) else {
        return Some(alone);
    };
    difference.x = difference.covariates.pop()?;
    let trend = fit(&difference, confidence)?;
    Some(Fitted { trend, ..alone })
}

/// The fit on the jobs of those classes that grow, where that explains the series clearly better: when
/// the mix wanders, growth of one class is no straight line in the jobs of all.
fn weighted(track: &Track, part: Part, fitted: &Fitted, confidence: f64) -> Option<Fitted> {
    let backlog: Vec<f64> = track.blocks().iter().map(|b| f64::from(b.backlog)).collect();
    // Where a backlog may hold the memory, a freer axis would only explain the backlog away.
    let enough = track.blocks().len() >= DIRECTION_ROWS + DIRECTION_ROWS_PER_CLASS * track.classes();
    if track.classes() < 2 || !enough || fitted.axis != Axis::Jobs || varies(&backlog, 0.0) {
        return None;
    }
    let noise_floor = rules(fitted.channel, fitted.source).noise_floor;
    let mut best: Option<Fitted> = None;
    for _ in 0..DIRECTION_ROUNDS {
        let from = best.as_ref().unwrap_or(fitted);
        let weights = crate::classes::direction(track, part, from)?;
        let (x, starts) = fitted_axis(track, Axis::Jobs, Some(&weights));
        let series = Series {
            x,
            starts,
            ..level_series(track, part, Axis::Jobs, noise_floor)?
        };
        let trend = fit(&series, confidence)?;
        if trend.likelihood <= from.trend.likelihood {
            break;
        }
        best = Some(Fitted {
            weights: Some(weights),
            trend,
            ..fitted.clone()
        });
    }
    best.filter(|b| b.trend.likelihood > fitted.trend.likelihood + AXIS_MARGIN)
}

fn better(jobs: Option<Trend>, time: impl FnOnce() -> Option<Trend>) -> Option<(Axis, Trend)> {
    let time = time();
    match (jobs, time) {
        (Some(jobs), Some(time)) if time.likelihood > jobs.likelihood + AXIS_MARGIN => {
            Some((Axis::Time, time))
        }
        (Some(jobs), _) => Some((Axis::Jobs, jobs)),
        (None, time) => time.map(|trend| (Axis::Time, trend)),
    }
}

/// Fits a lower envelope: on time for resident memory, on jobs for counts where there are any.
pub(crate) fn fit_lows(
    lows: &[Low],
    channel: Channel,
    confidence: f64,
    baseline: Option<&Baseline>,
) -> Option<Fitted> {
    let counts = matches!(channel, Channel::Fds | Channel::Threads);
    let has_jobs = lows.last().is_some_and(|low| low.jobs > 0.0);
    let axis = if counts && has_jobs {
        Axis::Jobs
    } else {
        Axis::Time
    };
    let blocks: Vec<Block> = (0..lows.len()).map(|i| block_of(lows, i)).collect();
    let (x, starts) = axis_of(&blocks, axis);
    let y = lows.iter().map(|low| low.value).collect();
    let noise_floor = rules(channel, Source::Samples).noise_floor;
    let series = Series {
        x,
        y,
        starts,
        covariates: load(&blocks).into_iter().collect(),
        noise_floor,
        is_difference: false,
    };
    let difference = baseline.and_then(|b| b.resident_difference(&series));
    let trend = fit(&difference.unwrap_or(series), confidence)?;
    Some(Fitted {
        channel,
        source: Source::Samples,
        axis,
        weights: None,
        trend,
    })
}

fn block_of(lows: &[Low], i: usize) -> Block {
    let low = &lows[i];
    Block {
        pace: pace_between(lows, i) as f32,
        at_seconds: low.at_seconds,
        jobs: low.jobs,
        heap_bytes: low.value,
        external_bytes: f64::NAN,
        in_flight: 0.0,
        backlog: 0.0,
        weight: 1,
        segment: low.segment,
    }
}
