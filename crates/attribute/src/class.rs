//! Which job class leaves the objects behind.
//!
//! Several signals vote: the growth that detection found per class, how many objects stay per job of
//! the class (one each, or as many as fail), whether that number is the same between each two dumps,
//! and functions named after the class. No signal decides alone unless there is one class only.

use plimsoll_heap::{Holder, Point};
use plimsoll_model::Estimate;

/// What is known of a job class.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClassGrowth {
    /// Its name.
    pub class: String,
    /// Jobs completed, failed ones included.
    pub jobs: u64,
    /// Jobs failed.
    pub failed: u64,
    /// Growth per job of the class, from detection.
    pub bytes_per_job: Option<Estimate>,
}

/// The class behind a holder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Match {
    pub(crate) class: String,
    /// Whether about as many objects stay as jobs of the class fail.
    pub(crate) as_many_as_fail: bool,
}

/// Points by which the best class must lead; one strong signal is worth two.
const MARGIN: f64 = 0.5;
/// Points below which no class is named: half a strong signal.
const LEAST: f64 = 1.0;
/// Ratios that differ by less are the same: dumps are taken between jobs, give or take a few.
const SAME: f64 = 0.06;

/// Names the class that leaves behind what `holder` keeps, if it can be told.
pub(crate) fn class_of(
    holder: &Holder,
    classes: &[ClassGrowth],
    points: &[Point],
    frames: &[&str],
) -> Option<Match> {
    let running: Vec<&ClassGrowth> = classes.iter().filter(|class| class.jobs > 0).collect();
    if let [only] = running.as_slice() {
        let shares = Shares::new(holder, only, points);
        return Some(Match {
            class: only.class.clone(),
            as_many_as_fail: fails_as_often(only, &shares),
        });
    }
    let mut scores: Vec<(f64, &ClassGrowth, bool)> = running
        .iter()
        .map(|class| {
            let shares = Shares::new(holder, class, points);
            let failing = fails_as_often(class, &shares);
            (score(holder, class, &shares, failing, frames), *class, failing)
        })
        .collect();
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (best, class, as_many_as_fail) = *scores.first()?;
    let next = scores.get(1).map_or(0.0, |other| other.0);
    (best >= LEAST && best - next >= MARGIN).then(|| Match {
        class: class.class.clone(),
        as_many_as_fail,
    })
}

/// How the holder's growth relates to the jobs of one class.
struct Shares {
    /// Share of all jobs in the last interval.
    share: f64,
    /// Objects gained per job of the class in the last interval.
    per_job: Option<f64>,
    /// The same in each interval in which the class ran.
    each: Vec<f64>,
}

impl Shares {
    fn new(holder: &Holder, class: &ClassGrowth, points: &[Point]) -> Self {
        let ran = |at: usize| -> f64 {
            let count = |point: &Point| point.jobs_by_class.get(&class.class).copied().unwrap_or(0);
            count(&points[at]).saturating_sub(count(&points[at - 1])) as f64
        };
        let all = |at: usize| points[at].jobs.saturating_sub(points[at - 1].jobs).max(1) as f64;
        let last = points.len().saturating_sub(1);
        let known = points.iter().any(|point| !point.jobs_by_class.is_empty()) && last > 0;
        if !known {
            return Shares {
                share: 0.0,
                per_job: None,
                each: Vec::new(),
            };
        }
        let gained = |at: usize| {
            holder
                .count_per_job_by_interval
                .get(at - 1)
                .map(|rate| rate * all(at))
        };
        let each: Vec<f64> = (1..=last)
            .filter(|at| ran(*at) > 0.0)
            .filter_map(|at| Some(gained(at)? / ran(at)))
            .collect();
        let per_job = gained(last)
            .filter(|_| ran(last) > 0.0)
            .map(|gained| gained / ran(last));
        Shares {
            share: ran(last) / all(last),
            per_job,
            each,
        }
    }
}

fn score(holder: &Holder, class: &ClassGrowth, shares: &Shares, failing: bool, frames: &[&str]) -> f64 {
    let named = frames.iter().any(|frame| names_class(frame, &class.class));
    growth_score(holder, class, shares)
        + count_score(shares)
        + if failing { 1.2 } else { 0.0 }
        + stability_score(shares)
        + if named { 1.0 } else { 0.0 }
}

/// Detection's growth per job of the class must be what this class would need to explain the holder.
fn growth_score(holder: &Holder, class: &ClassGrowth, shares: &Shares) -> f64 {
    let Some(growth) = class.bytes_per_job else {
        return 0.0;
    };
    if shares.share <= 0.0 {
        return if growth.low > 0.0 { 1.0 } else { 0.0 };
    }
    let needed = holder.bytes_per_job / shares.share;
    if growth.high < 0.5 * needed {
        return -2.0;
    }
    if growth.low <= 0.0 || growth.estimate <= 0.0 {
        return 0.0;
    }
    2.0 * (-(growth.estimate / needed).ln().abs()).exp()
}

/// One object a job, or two, or three: round numbers are how code leaks.
fn count_score(shares: &Shares) -> f64 {
    let Some(per_job) = shares.per_job else { return 0.0 };
    let nearest = per_job.round();
    if !(1.0..=8.0).contains(&nearest) || (per_job / nearest - 1.0).abs() > SAME {
        return 0.0;
    }
    if nearest == 1.0 { 1.2 } else { 0.8 }
}

fn fails_as_often(class: &ClassGrowth, shares: &Shares) -> bool {
    /// Where nearly all or hardly any jobs fail, the number of failures says nothing.
    const TELLING: std::ops::Range<f64> = 0.002..0.9;
    /// Failures come at random: their share in one interval is not that of the whole run.
    const NEAR: f64 = 0.25;
    let failed = class.failed as f64 / class.jobs.max(1) as f64;
    let near = |per_job: f64| (per_job / failed - 1.0).abs() < NEAR;
    TELLING.contains(&failed) && shares.per_job.is_some_and(near)
}

/// The class whose jobs leave the same number behind between each two dumps, whatever the mix.
fn stability_score(shares: &Shares) -> f64 {
    let (Some(least), Some(most)) = (
        shares.each.iter().copied().reduce(f64::min),
        shares.each.iter().copied().reduce(f64::max),
    ) else {
        return 0.0;
    };
    if shares.each.len() < 2 || least <= 0.0 {
        return 0.0;
    }
    0.6 * (-4.0 * (most / least).ln()).exp()
}

/// Whether a frame's function is called after the class: `handleInvoicePdf` for `invoice-pdf`.
fn names_class(frame: &str, class: &str) -> bool {
    let plain = |text: &str| {
        text.chars()
            .filter(|letter| letter.is_alphanumeric())
            .collect::<String>()
            .to_lowercase()
    };
    let function = frame.split(' ').next().unwrap_or("");
    let class = plain(class);
    class.len() >= 3 && plain(function).contains(&class)
}
