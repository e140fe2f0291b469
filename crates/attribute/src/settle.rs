//! What the floors say and what the objects say, made into one verdict.
//!
//! Floors tell how much memory stays behind per job, with an interval; they cannot tell a leak from a
//! cache that is still filling, and a short run leaves them wide. Dumps tell which objects pile up and
//! whether they go on doing so in proportion to jobs; they are few. A verdict of `leaking` on the
//! managed heap needs both where both are there, and a disagreement is said.

use plimsoll_heap::{Growth, Holder, Trend};
use plimsoll_model::{Channel, Estimate, HumanBytes, Status, Verdict};

/// Two dumps cannot tell a leak from a filling cache, three can.
const FEWEST_DUMPS: usize = 3;
/// Members that must have piled up before a count means something: below it a handful of jobs that
/// happen to be queued or cached looks the same. Pinned by `few_objects_settle_nothing`.
const FEWEST_MEMBERS: f64 = 20.0;
/// Intervals between dumps may differ by so much in bytes per job and still be one steady growth:
/// the mix of classes and payload sizes varies, a cache that fills halves its rate and goes on to nothing.
const STEADY_RATIO: f64 = 2.5;
/// Share of the floors' lower bound that the dumps must find again.
const SHARE_FOUND: f64 = 0.25;
/// Used where a verdict states no minimum effect, and where objects settle what floors cannot resolve: that of
/// `verify`, 50 bytes a job. Pinned by `objects_settle_less_than_floors_resolve`.
const LEAST_BYTES_PER_JOB: f64 = 50.0;

/// The objects' side of the matter.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Objects<'a> {
    /// Growth of everything per job between the last two dumps.
    late_bytes_per_job: f64,
    /// The largest holder that goes on growing in proportion to jobs.
    steady: Option<&'a Holder>,
    /// What all such holders gain per job.
    steady_bytes_per_job: f64,
    /// The largest holder that filled and stopped, or slows down.
    filling: Option<&'a Holder>,
}

/// Whether the minimum effect is one that the user declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Declared: growth below it is accepted.
    Declared,
    /// Derived, and never less than what the floors of the run could resolve. Objects can be counted, so
    /// they settle smaller growth than floors do.
    Derived,
}

/// The verdict with the objects' word taken in. Without three dumps it stays as it was.
pub fn settle(verdict: Verdict, growth: &Growth, effect: Effect) -> Verdict {
    let managed = matches!(verdict.channel, None | Some(Channel::Heap | Channel::External));
    if !managed || growth.points.len() < FEWEST_DUMPS {
        return verdict;
    }
    let Some(objects) = Objects::of(growth) else {
        return verdict;
    };
    let least = verdict
        .minimum_effect_bytes_per_job
        .unwrap_or(LEAST_BYTES_PER_JOB);
    let named = objects.steady.is_some_and(|holder| holder.is_named);
    let least = if effect == Effect::Derived && named {
        least.min(LEAST_BYTES_PER_JOB)
    } else {
        least
    };
    match verdict.status {
        Status::Leaking => confirm(verdict, &objects, least),
        Status::Inconclusive => decide(verdict, &objects, least),
        Status::Bounded | Status::Stable => doubt(verdict, &objects, least),
    }
}

impl<'a> Objects<'a> {
    fn of(growth: &'a Growth) -> Option<Self> {
        let late_bytes_per_job = *growth.total_bytes_per_job.last()?;
        let steady = growth.holders.iter().filter(|holder| is_steady(holder));
        let filling = |holder: &&Holder| matches!(holder.trend, Trend::FillsAndStops | Trend::Slowing);
        Some(Objects {
            late_bytes_per_job,
            steady: steady.clone().next(),
            steady_bytes_per_job: steady.map(|holder| holder.bytes_per_job).sum(),
            filling: growth.holders.iter().find(filling),
        })
    }
}

fn is_steady(holder: &Holder) -> bool {
    let rates = &holder.bytes_per_job_by_interval;
    let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let most = rates.iter().copied().fold(0.0, f64::max);
    holder.trend == Trend::Proportional
        && least > 0.0
        && most <= STEADY_RATIO * least
        && holder.gained >= FEWEST_MEMBERS
}

fn confirm(mut verdict: Verdict, objects: &Objects, least: f64) -> Verdict {
    let low = verdict.bytes_per_job.map_or(0.0, |bytes| bytes.low);
    if let Some(holder) = objects
        .steady
        .filter(|_| objects.steady_bytes_per_job >= SHARE_FOUND * low)
    {
        verdict.reasons.push(agreement(holder));
        return verdict;
    }
    if objects.late_bytes_per_job < least {
        return bounded(verdict, objects);
    }
    if let Some(holder) = objects
        .filling
        .filter(|holder| holder.bytes_per_job >= SHARE_FOUND * low)
    {
        verdict.status = Status::Inconclusive;
        verdict.reasons.push(format!(
            "the floors grow, but most of it goes into {}, which fills more and more slowly",
            holder.name
        ));
        verdict.next.push(format!(
            "watch until {} has levelled off, or declare its cap",
            holder.name
        ));
        return verdict;
    }
    verdict.reasons.push(format!(
        "the heap snapshots grow as well ({} a job between the last two), but no single holder stands out",
        HumanBytes(objects.late_bytes_per_job)
    ));
    verdict
}

fn decide(mut verdict: Verdict, objects: &Objects, least: f64) -> Verdict {
    let too_high = verdict.bytes_per_job.is_some_and(|bytes| bytes.low > least);
    match objects.steady {
        Some(holder) if objects.steady_bytes_per_job > least => {
            verdict.status = Status::Leaking;
            verdict.channel.get_or_insert(Channel::Heap);
            verdict.next.clear();
            verdict
                .reasons
                .push("the floors alone would not settle it".into());
            verdict.reasons.push(agreement(holder));
            take_growth(&mut verdict, holder, objects.steady_bytes_per_job);
            verdict
        }
        None if objects.late_bytes_per_job < least && !too_high => bounded(verdict, objects),
        _ => verdict,
    }
}

fn doubt(mut verdict: Verdict, objects: &Objects, least: f64) -> Verdict {
    let Some(holder) = objects.steady.filter(|_| objects.steady_bytes_per_job > least) else {
        return verdict;
    };
    let within = verdict
        .bytes_per_job
        .is_some_and(|bytes| bytes.high >= SHARE_FOUND * objects.steady_bytes_per_job);
    if within && objects.late_bytes_per_job > least {
        verdict.status = Status::Leaking;
        verdict
            .reasons
            .push("most of the growth levelled off, but not all of it".into());
        verdict.reasons.push(agreement(holder));
        take_growth(&mut verdict, holder, objects.steady_bytes_per_job);
    } else {
        verdict.status = Status::Inconclusive;
        verdict
            .reasons
            .push(format!("the floors have levelled off, but {}", agreement(holder)));
        verdict.next.push("watch for more jobs".into());
    }
    verdict
}

fn bounded(mut verdict: Verdict, objects: &Objects) -> Verdict {
    let late = HumanBytes(objects.late_bytes_per_job);
    verdict.status = if objects.filling.is_some() {
        Status::Bounded
    } else {
        Status::Stable
    };
    verdict.next.clear();
    verdict.exhaustion_in_seconds = None;
    verdict.reasons.push(match objects.filling {
        Some(holder) => format!(
            "in the heap snapshots {} grew and stopped; between the last two everything together gained {late} a job",
            holder.name
        ),
        None => format!("between the last two heap snapshots everything together gained {late} a job, below the minimum effect"),
    });
    verdict
}

fn agreement(holder: &Holder) -> String {
    format!(
        "three heap snapshots agree: {} gains {:.2} {} a job, in proportion to jobs",
        holder.name, holder.count_per_job, holder.type_name
    )
}

/// The growth that the objects show, where the floors could give no interval above zero.
fn take_growth(verdict: &mut Verdict, holder: &Holder, bytes_per_job: f64) {
    if verdict.bytes_per_job.is_some_and(|bytes| bytes.low > 0.0) {
        return;
    }
    let before = verdict.bytes_per_job.map(|bytes| bytes.estimate);
    // Counts of independent jobs vary as a Poisson count does; 1.96 deviations hold 95 %.
    let spread = 1.96 / holder.gained.max(1.0).sqrt();
    let rates = holder
        .bytes_per_job_by_interval
        .iter()
        .map(|rate| rate / holder.bytes_per_job);
    let (least, most) = rates.fold((1.0_f64, 1.0_f64), |(least, most), rate| {
        (least.min(rate), most.max(rate))
    });
    verdict.bytes_per_job = Some(Estimate {
        estimate: bytes_per_job,
        low: (bytes_per_job * least * (1.0 - spread)).max(0.0),
        high: bytes_per_job * most * (1.0 + spread),
        confidence: 0.95,
    });
    // Per hour at the pace that the floors' own figures imply.
    let pace = verdict
        .bytes_per_hour
        .zip(before)
        .map(|(hour, job)| hour.estimate / job);
    let scaled = |bytes: Estimate, pace: f64| Estimate {
        estimate: bytes.estimate * pace,
        low: bytes.low * pace,
        high: bytes.high * pace,
        confidence: bytes.confidence,
    };
    verdict.bytes_per_hour = verdict
        .bytes_per_job
        .zip(pace.filter(|pace| pace.is_finite() && *pace > 0.0))
        .map(|(b, p)| scaled(b, p));
    verdict.exhaustion_in_seconds = None;
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_heap::Point;
    use plimsoll_model::Pattern;

    fn holder(counts: [u64; 3], rates: [f64; 2], trend: Trend) -> Holder {
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
            counts: counts.map(Some).to_vec(),
            retained_bytes: Vec::new(),
            gained: counts[2] as f64 - counts[0] as f64,
            count_per_job: 0.1,
            count_per_job_by_interval: vec![0.1, 0.1],
            bytes_per_job_by_interval: rates.to_vec(),
            bytes_per_job: rates[1],
            trend,
            pattern: Pattern::GrowingCollection,
            explanation: String::new(),
            remedies: Vec::new(),
            retainer_path: Vec::new(),
            functions: Vec::new(),
        }
    }

    fn growth(holders: Vec<Holder>, totals: [f64; 2]) -> Growth {
        Growth {
            points: vec![Point::default(); 3],
            holders,
            total_bytes_per_job: totals.to_vec(),
            ..Growth::default()
        }
    }

    fn verdict(status: Status, low: f64, high: f64) -> Verdict {
        let estimate = Estimate {
            estimate: (low + high) / 2.0,
            low,
            high,
            confidence: 0.95,
        };
        Verdict {
            status,
            channel: Some(Channel::Heap),
            bytes_per_job: Some(estimate),
            bytes_per_hour: Some(estimate),
            exhaustion_in_seconds: None,
            limit_bytes: None,
            minimum_effect_bytes_per_job: Some(80.0),
            reasons: Vec::new(),
            next: Vec::new(),
        }
    }

    fn check(floors: &Verdict, objects: &Growth, expected: Status) {
        let settled = settle(floors.clone(), objects, Effect::Declared);
        assert_eq!(settled.status, expected, "{floors:?}\n{settled:?}");
        assert!(
            settled.reasons.len() > floors.reasons.len() || settled == *floors,
            "a change is given a reason"
        );
    }

    #[test]
    fn a_leak_that_both_see_is_confirmed() {
        let steady = growth(
            vec![holder([10, 100, 200], [500.0, 520.0], Trend::Proportional)],
            [500.0, 520.0],
        );
        check(&verdict(Status::Leaking, 400.0, 600.0), &steady, Status::Leaking);
        check(
            &verdict(Status::Inconclusive, -400.0, 600.0),
            &steady,
            Status::Leaking,
        );
    }

    #[test]
    fn objects_settle_less_than_floors_resolve() {
        let small = growth(
            vec![holder([10, 100, 200], [300.0, 310.0], Trend::Proportional)],
            [320.0, 330.0],
        );
        let floors = Verdict {
            minimum_effect_bytes_per_job: Some(655.0),
            ..verdict(Status::Inconclusive, -100.0, 700.0)
        };
        let told = |effect| settle(floors.clone(), &small, effect).status;
        assert_eq!(told(Effect::Derived), Status::Leaking);
        assert_ne!(told(Effect::Declared), Status::Leaking);
    }

    #[test]
    fn a_cache_that_filled_is_no_leak() {
        let filled = growth(
            vec![holder([10, 8000, 8000], [500.0, 0.0], Trend::FillsAndStops)],
            [500.0, 12.0],
        );
        check(&verdict(Status::Leaking, 200.0, 600.0), &filled, Status::Bounded);
        check(
            &verdict(Status::Inconclusive, -200.0, 600.0),
            &filled,
            Status::Bounded,
        );
    }

    #[test]
    fn nothing_that_grows_is_stable_unless_the_floors_insist() {
        let flat = growth(Vec::new(), [90.0, 12.0]);
        check(
            &verdict(Status::Inconclusive, -200.0, 300.0),
            &flat,
            Status::Stable,
        );
        check(
            &verdict(Status::Inconclusive, 100.0, 300.0),
            &flat,
            Status::Inconclusive,
        );
    }

    #[test]
    fn few_objects_settle_nothing() {
        let few = growth(
            vec![holder([1, 3, 5], [500.0, 520.0], Trend::Proportional)],
            [500.0, 520.0],
        );
        check(
            &verdict(Status::Inconclusive, -400.0, 600.0),
            &few,
            Status::Inconclusive,
        );
    }

    #[test]
    fn a_leak_beside_a_cache_that_filled_is_found() {
        let holders = vec![
            holder([10, 8000, 8000], [900.0, 0.0], Trend::FillsAndStops),
            holder([10, 500, 1000], [200.0, 200.0], Trend::Proportional),
        ];
        check(
            &verdict(Status::Bounded, 60.0, 300.0),
            &growth(holders, [1100.0, 200.0]),
            Status::Leaking,
        );
    }

    #[test]
    fn other_channels_are_left_alone() {
        let mut descriptors = verdict(Status::Leaking, 1.0, 2.0);
        descriptors.channel = Some(Channel::Fds);
        let flat = growth(Vec::new(), [0.0, 0.0]);
        assert_eq!(settle(descriptors.clone(), &flat, Effect::Derived), descriptors);
    }
}
