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
/// Objects by which a count may differ from that of the jobs and still be the same: dumps are taken
/// between jobs, give or take those in flight.
const IN_FLIGHT: f64 = 8.0;
/// And this share of them. With the mix of classes at random, shares of two classes differ by more.
const SAME: f64 = 0.005;

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
    // Where the floors do not single the class out, one object left by every job is the plainer story
    // than several by each job of one class.
    let told_by_floors = growth_score(holder, class, &Shares::new(holder, class, points)) >= LEAST;
    if !told_by_floors && left_by_every_job(holder, points) && !one_each(holder, class, points) {
        return None;
    }
    (best >= LEAST && best - next >= MARGIN).then(|| Match {
        class: class.class.clone(),
        as_many_as_fail,
    })
}

/// Whether as many objects stay, or twice as many, as jobs of all classes end between each two dumps.
pub(crate) fn left_by_every_job(holder: &Holder, points: &[Point]) -> bool {
    let everything = ClassGrowth::default();
    let mut all = Shares::new(holder, &everything, points);
    let jobs = points
        .windows(2)
        .map(|pair| pair[1].jobs.saturating_sub(pair[0].jobs) as f64);
    all.each_ran = holder
        .count_per_job_by_interval
        .iter()
        .zip(jobs)
        .map(|(rate, ran)| (rate * ran, ran))
        .collect();
    all.per_job = all.each_ran.last().map(|(gained, ran)| gained / ran.max(1.0));
    count_score(&all) > 0.0
}

/// Whether each job of the class leaves one object behind.
fn one_each(holder: &Holder, class: &ClassGrowth, points: &[Point]) -> bool {
    let shares = Shares::new(holder, class, points);
    shares.per_job.is_some_and(|per_job| per_job.round() == 1.0) && count_score(&shares) > 0.0
}

/// How the holder's growth relates to the jobs of one class.
struct Shares {
    /// Share of all jobs in the last interval.
    share: f64,
    /// Objects gained per job of the class in the last interval.
    per_job: Option<f64>,
    /// The same in each interval in which the class ran.
    each: Vec<f64>,
    /// Objects gained and jobs of the class completed, in each of them.
    each_ran: Vec<(f64, f64)>,
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
                each_ran: Vec::new(),
            };
        }
        let gained = |at: usize| {
            holder
                .count_per_job_by_interval
                .get(at - 1)
                .map(|rate| rate * all(at))
        };
        let each_ran: Vec<(f64, f64)> = (1..=last)
            .filter(|at| ran(*at) > 0.0)
            .filter_map(|at| Some((gained(at)?, ran(at))))
            .collect();
        let each = each_ran.iter().map(|(gained, ran)| gained / ran).collect();
        let per_job = gained(last)
            .filter(|_| ran(last) > 0.0)
            .map(|gained| gained / ran(last));
        Shares {
            share: ran(last) / all(last),
            per_job,
            each,
            each_ran,
        }
    }
}

fn score(holder: &Holder, class: &ClassGrowth, shares: &Shares, failing: bool, frames: &[&str]) -> f64 {
    let named = frames.iter().any(|frame| names_class(frame, &class.class));
    growth_score(holder, class, shares)
        + count_score(shares)
        + exact_score(shares)
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

/// One object a job, or two, or three: round numbers are how code leaks. In each interval, to the job.
fn count_score(shares: &Shares) -> f64 {
    let Some(per_job) = shares.per_job else { return 0.0 };
    let nearest = per_job.round();
    if !(1.0..=8.0).contains(&nearest)
        || !shares
            .each_ran
            .iter()
            .all(|(gained, ran)| is_same(*gained, nearest * ran))
    {
        return 0.0;
    }
    if nearest == 1.0 { 1.2 } else { 0.8 }
}

/// To the object in each interval. Between jobs counts are exact, so that even classes that take turns,
/// and never differ by more than a job or two, are told apart where the dumps fell at different turns.
fn exact_score(shares: &Shares) -> f64 {
    /// Enough to lead by, and less than what any other signal weighs against it.
    const EXACT: f64 = 0.6;
    let Some(nearest) = shares.per_job.map(f64::round).filter(|nearest| *nearest >= 1.0) else {
        return 0.0;
    };
    let exact = |(gained, ran): &(f64, f64)| *ran > 4.0 * IN_FLIGHT && (gained - nearest * ran).abs() < 0.5;
    if shares.each_ran.len() >= 2 && shares.each_ran.iter().all(exact) {
        EXACT
    } else {
        0.0
    }
}

fn is_same(gained: f64, expected: f64) -> bool {
    // A handful of jobs would match whatever happened.
    expected > 4.0 * IN_FLIGHT && (gained - expected).abs() <= IN_FLIGHT + SAME * expected
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

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_heap::{GrowthStudy, NoSources, Trend};
    use plimsoll_model::Pattern;

    /// A holder that gains so many objects and bytes a job in each of two intervals.
    fn holder(counts: [f64; 2], bytes: f64) -> Holder {
        Holder {
            count_per_job: counts[1],
            count_per_job_by_interval: counts.to_vec(),
            bytes_per_job: bytes,
            bytes_per_job_by_interval: vec![bytes; 2],
            ..sample()
        }
    }

    fn sample() -> Holder {
        Holder {
            id: 1,
            name: "parked".into(),
            is_named: true,
            holder_type: "Array".into(),
            holders: 1,
            module: None,
            source: None,
            is_near: false,
            reached_from: None,
            type_name: "Object".into(),
            counts: Vec::new(),
            retained_bytes: Vec::new(),
            gained: 100.0,
            count_per_job: 0.0,
            count_per_job_by_interval: Vec::new(),
            bytes_per_job_by_interval: Vec::new(),
            bytes_per_job: 0.0,
            trend: Trend::Proportional,
            pattern: Pattern::GrowingCollection,
            explanation: String::new(),
            remedies: Vec::new(),
            retainer_path: Vec::new(),
            functions: Vec::new(),
        }
    }

    /// Points at 100, 550 and 1000 jobs with these shares of the classes `a` and `b` in the intervals.
    fn points(shares: [f64; 2]) -> Vec<Point> {
        let mut jobs_of_a = 50.0;
        let mut points = vec![point(100, jobs_of_a)];
        for (jobs, share) in [550, 1000].into_iter().zip(shares) {
            jobs_of_a += 450.0 * share;
            points.push(point(jobs, jobs_of_a));
        }
        points
    }

    fn point(jobs: u64, of_a: f64) -> Point {
        let of_a = of_a.round() as u64;
        let jobs_by_class = [("a-job".to_owned(), of_a), ("b-job".to_owned(), jobs - of_a)].into();
        Point {
            jobs,
            jobs_by_class,
            ..Point::default()
        }
    }

    fn class(name: &str, jobs: u64, failed: u64, bytes: Option<(f64, f64)>) -> ClassGrowth {
        let estimate = |(low, high)| Estimate {
            estimate: (low + high) / 2.0,
            low,
            high,
            confidence: 0.95,
        };
        ClassGrowth {
            class: name.into(),
            jobs,
            failed,
            bytes_per_job: bytes.map(estimate),
        }
    }

    fn check(
        holder: &Holder,
        classes: &[ClassGrowth],
        shares: [f64; 2],
        frames: &[&str],
        expected: Option<&str>,
    ) {
        let found = class_of(holder, classes, &points(shares), frames);
        assert_eq!(found.map(|found| found.class).as_deref(), expected);
    }

    #[test]
    fn the_only_class_is_it() {
        check(
            &holder([0.5, 0.5], 90.0),
            &[class("a-job", 1000, 0, None)],
            [1.0, 1.0],
            &[],
            Some("a-job"),
        );
    }

    #[test]
    fn one_object_per_job_of_a_class_points_to_it() {
        let classes = [class("a-job", 300, 0, None), class("b-job", 700, 0, None)];
        check(
            &holder([0.3, 0.3], 90.0),
            &classes,
            [0.3, 0.3],
            &[],
            Some("a-job"),
        );
        check(
            &holder([0.7, 0.7], 90.0),
            &classes,
            [0.3, 0.3],
            &[],
            Some("b-job"),
        );
    }

    #[test]
    fn what_every_job_leaves_is_no_single_classs() {
        let classes = [class("a-job", 200, 0, None), class("b-job", 800, 0, None)];
        // One by every job, or five by each of a: told only if the floors single a class out.
        check(&holder([1.0, 1.0], 90.0), &classes, [0.2, 0.2], &[], None);
        let floors = [
            class("a-job", 200, 0, Some((400.0, 500.0))),
            class("b-job", 800, 0, Some((0.0, 20.0))),
        ];
        check(&holder([1.0, 1.0], 90.0), &floors, [0.2, 0.2], &[], Some("a-job"));
    }

    #[test]
    fn turns_are_told_apart_by_exact_counts() {
        let classes = [class("a-job", 501, 0, None), class("b-job", 499, 0, None)];
        let share = 226.0 / 450.0;
        check(
            &holder([share, share], 90.0),
            &classes,
            [share, share],
            &[],
            Some("a-job"),
        );
        check(&holder([0.5, 0.5], 90.0), &classes, [0.5, 0.5], &[], None);
    }

    #[test]
    fn growth_of_the_class_points_to_it() {
        let classes = [
            class("a-job", 300, 0, Some((280.0, 330.0))),
            class("b-job", 700, 0, Some((-5.0, 6.0))),
        ];
        check(
            &holder([0.43, 0.43], 90.0),
            &classes,
            [0.3, 0.3],
            &[],
            Some("a-job"),
        );
    }

    #[test]
    fn a_changing_mix_tells_the_classes_apart() {
        // 0.37 objects for each job of class a, whatever its share.
        let classes = [class("a-job", 500, 0, None), class("b-job", 500, 0, None)];
        let named = ["handleAJob /app/w.js:3:1"];
        check(
            &holder([0.37 * 0.2, 0.37 * 0.8], 90.0),
            &classes,
            [0.2, 0.8],
            &named,
            Some("a-job"),
        );
    }

    #[test]
    fn as_many_as_fail_is_told() {
        let classes = [class("a-job", 500, 60, None), class("b-job", 500, 2, None)];
        let found = class_of(&holder([0.06, 0.06], 90.0), &classes, &points([0.5, 0.5]), &[]);
        assert_eq!(
            found,
            Some(Match {
                class: "a-job".into(),
                as_many_as_fail: true
            })
        );
    }

    #[test]
    fn what_nothing_tells_apart_has_no_class() {
        let classes = [class("a-job", 500, 0, None), class("b-job", 500, 0, None)];
        check(&holder([0.37, 0.37], 90.0), &classes, [0.5, 0.5], &[], None);
        check(&holder([0.5, 0.5], 90.0), &classes, [0.5, 0.5], &[], None);
    }

    #[test]
    fn without_dumps_there_is_nothing_to_attribute() {
        let growth = GrowthStudy::new(None).finish(&NoSources);
        let input = crate::Input {
            growth: &growth,
            classes: &[],
            profile: &[],
            base: None,
        };
        assert_eq!(crate::attribute(&input), []);
    }
}
