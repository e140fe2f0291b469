//! Memory that no object of a runtime explains: who allocated what survives.
//!
//! The allocation sampler knows of every sampled allocation that lives when it was made. What leaks
//! survives from all parts of the run alike; what is in use for a moment comes from its end, what was
//! loaded once from its beginning, and a cache that has filled up stops coming.

use std::collections::BTreeMap;

use plimsoll_model::{AllocationStack, Channel, Estimate, HumanBytes, Pattern, Status, Suspect, Verdict};

/// A sampled allocation that lived at the last look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Survivor {
    /// Jobs completed (or hours gone) when it was made.
    pub born: f64,
    /// Bytes that it stands for.
    pub weight_bytes: f64,
    /// Its own size.
    pub bytes: u64,
}

/// What survives of one stack.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NativeStack {
    /// Innermost first: native frames, then those of the program's language.
    pub frames: Vec<String>,
    /// The object that asked for the memory, allocators and interpreter left out; `None` where the
    /// interpreter itself did.
    pub object: Option<NativeObject>,
    /// `file:line` of the innermost line of source that is known.
    pub source: Option<String>,
    /// What survives.
    pub survivors: Vec<Survivor>,
}

/// A loaded object, such as a shared library.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NativeObject {
    /// For people: below its package where it is in one.
    pub name: String,
    /// The package that it came with.
    pub package: Option<String>,
    /// The program itself, not a library.
    pub is_program: bool,
}

/// What the births of survivors are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Completed jobs.
    Jobs,
    /// Hours.
    Hours,
}

/// All stacks, and the stretch that they were watched over.
#[derive(Debug, Clone, PartialEq)]
pub struct NativeView {
    /// Stacks with their survivors.
    pub stacks: Vec<NativeStack>,
    /// Unit of the births.
    pub unit: Unit,
    /// The last look, in the same unit; the first is 0.
    pub end: f64,
    /// Hours that the stretch took.
    pub hours: f64,
    /// By how much resident memory grew over it.
    pub resident_growth_bytes: Option<f64>,
}

/// A place that allocates what goes on piling up.
#[derive(Debug, Clone, PartialEq)]
pub struct NativeSite {
    /// Its stacks, most bytes first.
    pub stacks: Vec<AllocationStack>,
    /// See [`NativeStack::object`].
    pub object: Option<NativeObject>,
    /// See [`NativeStack::source`].
    pub source: Option<String>,
    /// Bytes per unit that stay behind.
    pub bytes_per_unit: Estimate,
    /// Allocations per unit that stay behind.
    pub count_per_unit: f64,
    /// Bytes that live.
    pub live_bytes: f64,
    /// Samples that this rests on.
    pub samples: usize,
}

/// Before this share of the stretch everything is start-up (as for heap snapshots).
const WARM_SHARE: f64 = 0.1;
/// After this share what lives may only be in use.
const SETTLED_SHARE: f64 = 0.97;
/// Of what leaks, half survives from the first half and a quarter from the last quarter. With 20 samples
/// a leak has fewer than a quarter of its survivors in the first half once in 170 times, and fewer than a
/// twelfth in the last quarter once in 40 (binomial). Pinned by `what_is_no_leak_is_left_out`.
const FIRST_HALF_SHARE: f64 = 0.25;
const LAST_QUARTER_SHARE: f64 = 1.0 / 12.0;
/// Fewer survivors than this name nobody: two may come from anywhere.
const FEWEST_TO_NAME: usize = 4;
/// Fewer than this settle no verdict (as for members in heap snapshots).
const FEWEST_TO_SETTLE: usize = 20;
/// Half the width of a 95 % interval in standard deviations.
const NORMAL_95: f64 = 1.96;
/// A site with less of all growth than this is only noise beside the others.
const WORTH_SHARE: f64 = 0.05;
const MOST_SITES: usize = 5;
const STACKS_SHOWN: usize = 3;
/// Resident memory must show this share of what is said to pile up: what was allocated and never
/// written to fills no memory.
const RESIDENT_SHARE: f64 = 0.25;
/// Below it resident memory has noise of its own.
const RESIDENT_NOISE_BYTES: f64 = 4.0 * 1024.0 * 1024.0;

/// Places whose allocations go on piling up, the largest first.
pub fn native_sites(view: &NativeView) -> Vec<NativeSite> {
    let (from, to) = (WARM_SHARE * view.end, SETTLED_SHARE * view.end);
    if to <= from {
        return Vec::new();
    }
    let mut groups: BTreeMap<(Option<&NativeObject>, Option<&str>), Vec<&NativeStack>> = BTreeMap::new();
    for stack in view.stacks.iter().filter(|stack| !stack.frames.is_empty()) {
        // Where no source is known the innermost frame tells places apart.
        let place = stack
            .source
            .as_deref()
            .or(stack.frames.first().map(String::as_str));
        groups
            .entry((stack.object.as_ref(), place))
            .or_default()
            .push(stack);
    }
    let mut sites: Vec<NativeSite> = groups
        .into_values()
        .filter_map(|stacks| site(&stacks, from, to))
        .collect();
    sites.sort_by(|a, b| b.bytes_per_unit.estimate.total_cmp(&a.bytes_per_unit.estimate));
    let all: f64 = sites.iter().map(|site| site.bytes_per_unit.estimate).sum();
    sites.retain(|site| site.bytes_per_unit.estimate >= WORTH_SHARE * all);
    sites.truncate(MOST_SITES);
    sites
}

fn site(stacks: &[&NativeStack], from: f64, to: f64) -> Option<NativeSite> {
    let within: Vec<Survivor> = stacks
        .iter()
        .flat_map(|stack| stack.survivors.iter().copied())
        .filter(|survivor| (from..to).contains(&survivor.born))
        .collect();
    let count = within.len();
    let share_before = |share: f64| {
        let until = from + share * (to - from);
        within.iter().filter(|survivor| survivor.born < until).count() as f64 / count as f64
    };
    let goes_on = count >= FEWEST_TO_NAME
        && share_before(0.5) >= FIRST_HALF_SHARE
        && 1.0 - share_before(0.75) >= LAST_QUARTER_SHARE;
    if !goes_on {
        return None;
    }
    let weight = |survivors: &[Survivor]| survivors.iter().map(|s| s.weight_bytes).sum::<f64>();
    let number = |s: &Survivor| s.weight_bytes / (s.bytes as f64).max(1.0);
    let mut shown: Vec<AllocationStack> = stacks
        .iter()
        .map(|stack| AllocationStack {
            bytes: weight(&stack.survivors) as u64,
            frames: stack.frames.clone(),
        })
        .collect();
    shown.sort_by_key(|stack| std::cmp::Reverse(stack.bytes));
    let live_bytes = shown.iter().map(|stack| stack.bytes as f64).sum();
    shown.truncate(STACKS_SHOWN);
    Some(NativeSite {
        stacks: shown,
        object: stacks[0].object.clone(),
        source: stacks[0].source.clone(),
        bytes_per_unit: rate(&within, to - from),
        count_per_unit: within.iter().map(number).sum::<f64>() / (to - from),
        live_bytes,
        samples: count,
    })
}

/// Each sample is an event of a Poisson process that stands for its weight.
fn rate(survivors: &[Survivor], span: f64) -> Estimate {
    let sum: f64 = survivors.iter().map(|survivor| survivor.weight_bytes).sum();
    let variance: f64 = survivors
        .iter()
        .map(|survivor| survivor.weight_bytes.powi(2))
        .sum();
    let half = NORMAL_95 * variance.sqrt();
    Estimate {
        estimate: sum / span,
        low: (sum - half).max(0.0) / span,
        high: (sum + half) / span,
        confidence: 0.95,
    }
}

/// Suspects for the sites, in their order. `first_rank` goes on from those that objects named.
pub fn native_suspects(sites: &[NativeSite], unit: Unit, first_rank: u32) -> Vec<Suspect> {
    sites
        .iter()
        .zip(first_rank..)
        .map(|(site, rank)| suspect(site, unit, rank))
        .collect()
}

fn suspect(site: &NativeSite, unit: Unit, rank: u32) -> Suspect {
    let object = site.object.as_ref();
    let holder = object.map_or("the interpreter", |object| object.name.as_str());
    let per_job = |figure: f64| (unit == Unit::Jobs).then_some(figure);
    let holder_type = match object {
        Some(object) if object.is_program => "program",
        Some(object) if object.package.is_some() => "extension module",
        Some(_) => "shared library",
        None => "interpreter",
    };
    Suspect {
        rank,
        pattern: Pattern::Native,
        type_name: "native memory".into(),
        holder: Some(holder.to_owned()),
        holder_type: Some(holder_type.into()),
        module: object.map(|object| object.package.clone().unwrap_or_else(|| object.name.clone())),
        source: site.source.clone(),
        count_per_job: per_job(site.count_per_unit),
        bytes_per_job: per_job(site.bytes_per_unit.estimate),
        retained_bytes: Some(site.live_bytes as u64),
        retainer_path: Vec::new(),
        allocation_stacks: site.stacks.clone(),
        job_class: None,
        explanation: explanation(site, unit),
        remedies: remedies(site),
    }
}

fn explanation(site: &NativeSite, unit: Unit) -> String {
    let per = per(unit);
    let by = match &site.object {
        Some(NativeObject {
            package: Some(package),
            name,
            ..
        }) => format!("`{name}` of package `{package}`"),
        Some(object) => format!("`{}`", object.name),
        None => "the interpreter".to_owned(),
    };
    let at = site
        .source
        .as_ref()
        .map(|source| format!(" under {source}"))
        .unwrap_or_default();
    format!(
        "{by} allocates memory{at} that is never freed: {} {per} (95 % interval {} to {}) from all parts of the run, {} in all.",
        HumanBytes(site.bytes_per_unit.estimate),
        HumanBytes(site.bytes_per_unit.low),
        HumanBytes(site.bytes_per_unit.high),
        HumanBytes(site.live_bytes),
    )
}

fn per(unit: Unit) -> &'static str {
    match unit {
        Unit::Jobs => "a job",
        Unit::Hours => "an hour",
    }
}

fn remedies(site: &NativeSite) -> Vec<String> {
    let mut remedies = Vec::new();
    match &site.object {
        Some(NativeObject {
            package: Some(package),
            ..
        }) => {
            remedies.push(format!(
                "Upgrade `{package}`, or look through its changes and issues for a leak in this call."
            ));
            remedies.push(format!(
                "Close or release what the call into `{package}` returns, in a `finally`; keep one and use it again instead of one per job."
            ));
            remedies.push("Until it is fixed, recycle the worker after a number of jobs.".into());
        }
        Some(object) => {
            remedies.push(format!(
                "Free what `{}` allocates on this stack on every path, errors included.",
                object.name
            ));
            remedies.push("Reuse one buffer instead of one per job.".into());
        }
        None => remedies.push("Look at what the code on this stack keeps or hands to an extension.".into()),
    }
    remedies
}

/// The verdict with the sampler's word taken in: a native leak that the other signals leave open, or do
/// not see at all. `explained` is what holders named by objects gain per unit.
pub fn settle_native(verdict: Verdict, view: &NativeView, sites: &[NativeSite], explained: f64) -> Verdict {
    // What the interpreter allocates is objects, which their own pictures tell.
    let foreign: Vec<&NativeSite> = sites.iter().filter(|site| site.object.is_some()).collect();
    let samples: usize = foreign.iter().map(|site| site.samples).sum();
    let total = sum_of(&foreign);
    let least = match view.unit {
        Unit::Jobs => verdict.minimum_effect_bytes_per_job.unwrap_or(0.0),
        // 30 days to the limit, as the minimum effect is derived elsewhere.
        Unit::Hours => verdict
            .limit_bytes
            .map_or(0.0, |limit| limit as f64 / (30.0 * 24.0)),
    };
    if verdict.status == Status::Leaking || samples < FEWEST_TO_SETTLE || total.low <= least.max(explained) {
        return verdict;
    }
    let grown = total.estimate * view.end;
    let shows = view
        .resident_growth_bytes
        .is_none_or(|resident| resident >= RESIDENT_SHARE * grown);
    if grown > RESIDENT_NOISE_BYTES && !shows {
        return unconfirmed(verdict, grown);
    }
    leaking(verdict, view, total, samples)
}

fn sum_of(sites: &[&NativeSite]) -> Estimate {
    let estimate: f64 = sites.iter().map(|site| site.bytes_per_unit.estimate).sum();
    // Sites are sampled independently: their deviations add as squares.
    let square = |site: &&NativeSite| (site.bytes_per_unit.high - site.bytes_per_unit.estimate).powi(2);
    let half = sites.iter().map(square).sum::<f64>().sqrt();
    Estimate {
        estimate,
        low: (estimate - half).max(0.0),
        high: estimate + half,
        confidence: 0.95,
    }
}

fn unconfirmed(mut verdict: Verdict, grown: f64) -> Verdict {
    if verdict.status != Status::Inconclusive {
        return verdict;
    }
    verdict.reasons.push(format!(
        "{} of native allocations pile up, but resident memory does not show them: allocated and not written to, so far",
        HumanBytes(grown)
    ));
    verdict
}

fn leaking(mut verdict: Verdict, view: &NativeView, total: Estimate, samples: usize) -> Verdict {
    let scaled = |factor: f64| Estimate {
        estimate: total.estimate * factor,
        low: total.low * factor,
        high: total.high * factor,
        confidence: total.confidence,
    };
    let per = per(view.unit);
    let per_hour = match view.unit {
        Unit::Jobs => scaled(view.end / view.hours.max(1e-9)),
        Unit::Hours => total,
    };
    verdict.bytes_per_job = (view.unit == Unit::Jobs).then_some(total);
    verdict.bytes_per_hour = Some(per_hour);
    verdict.exhaustion_in_seconds = None;
    verdict.status = Status::Leaking;
    verdict.channel = Some(Channel::Native);
    verdict.next.clear();
    verdict.reasons.push(format!(
        "sampled allocations outside the runtime's objects survive from all parts of the run: {} {per} (95 % interval {} to {}, {samples} samples)",
        HumanBytes(total.estimate),
        HumanBytes(total.low),
        HumanBytes(total.high)
    ));
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` survivors between two shares of a run of 1000 jobs, each standing for 1000 bytes.
    fn survivors(count: usize, from: f64, to: f64) -> Vec<Survivor> {
        (0..count)
            .map(|index| Survivor {
                born: 1000.0 * (from + (to - from) * (index as f64 + 0.5) / count as f64),
                weight_bytes: 1000.0,
                bytes: 10,
            })
            .collect()
    }

    fn view(survivors: Vec<Survivor>) -> NativeView {
        let object = NativeObject {
            name: "libx.so".into(),
            package: None,
            is_program: false,
        };
        NativeView {
            stacks: vec![NativeStack {
                frames: vec!["leak x.c:1".into()],
                object: Some(object),
                source: Some("x.c:1".into()),
                survivors,
            }],
            unit: Unit::Jobs,
            end: 1000.0,
            hours: 0.01,
            resident_growth_bytes: None,
        }
    }

    fn inconclusive() -> Verdict {
        Verdict {
            status: Status::Inconclusive,
            channel: None,
            bytes_per_job: None,
            bytes_per_hour: None,
            exhaustion_in_seconds: None,
            limit_bytes: None,
            minimum_effect_bytes_per_job: Some(10.0),
            reasons: Vec::new(),
            next: Vec::new(),
        }
    }

    #[test]
    fn what_survives_from_everywhere_is_a_leak() {
        let view = view(survivors(100, 0.0, 1.0));
        let sites = native_sites(&view);
        assert_eq!(sites.len(), 1);
        let rate = sites[0].bytes_per_unit;
        assert!(rate.low < 100.0 && 100.0 < rate.high, "{rate:?}");
        let verdict = settle_native(inconclusive(), &view, &sites, 0.0);
        assert_eq!(
            (verdict.status, verdict.channel),
            (Status::Leaking, Some(Channel::Native))
        );
        assert_eq!(
            settle_native(inconclusive(), &view, &sites, 500.0).status,
            Status::Inconclusive
        );
    }

    #[test]
    fn what_is_no_leak_is_left_out() {
        for (from, to, what) in [
            (0.0, 0.08, "start-up"),
            (0.9, 1.0, "in use"),
            (0.7, 1.0, "a small cache that goes round"),
            (0.0, 0.6, "a cache that has filled"),
        ] {
            assert!(native_sites(&view(survivors(100, from, to))).is_empty(), "{what}");
        }
    }

    #[test]
    fn few_samples_name_but_do_not_settle() {
        let view = view(survivors(10, 0.0, 1.0));
        let sites = native_sites(&view);
        assert_eq!(sites.len(), 1);
        assert_eq!(
            settle_native(inconclusive(), &view, &sites, 0.0).status,
            Status::Inconclusive
        );
    }

    #[test]
    fn memory_that_is_not_resident_settles_nothing() {
        let mut view = view(survivors(100, 0.0, 1.0));
        view.stacks[0]
            .survivors
            .iter_mut()
            .for_each(|survivor| survivor.weight_bytes = 1e6);
        view.resident_growth_bytes = Some(1e6);
        let sites = native_sites(&view);
        assert_eq!(
            settle_native(inconclusive(), &view, &sites, 0.0).status,
            Status::Inconclusive
        );
    }
}
