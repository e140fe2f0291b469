//! The kinds of workers, sound and leaking, each filled in at random from a seed.

use crate::labelled::Labelled;
use crate::plan::{Class, Fill, HOUR, MIB, Plan};
use crate::random::Random;
use crate::simulate::simulate;
use crate::wild::Wild;
use crate::wild_kinds::WILD_KINDS;

/// Whether a worker leaks, and what detectors may be held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// No growth that never ends.
    Sound,
    /// Sound, but a single series that has not reached its end cannot show it.
    SoundUntilFull,
    /// Growth that never ends.
    Leaks,
}

/// Which clock a kind lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// A production day.
    Day,
    /// A test of seconds to minutes.
    Short,
    /// A day of the wild family.
    Wild,
}

/// One kind of worker.
pub struct Kind {
    /// Its name, in kebab case.
    pub name: &'static str,
    /// The truth about it.
    pub truth: Truth,
    /// Its clock.
    pub length: Length,
    pub(crate) fill_in: FillIn,
}

/// How a kind gets its figures.
pub(crate) enum FillIn {
    /// From a plan of the first family.
    Plan(fn(&mut Plan, &mut Random)),
    /// From a worker of the wild family, which shares no code with the first.
    Wild(fn(&mut Wild, &mut Random)),
}

/// What sets the record of a sound twin apart: it is another run.
const TWIN: u64 = 0x5EED_0000_0000;

impl Kind {
    /// The record of the worker of this kind for a seed.
    pub fn record(&self, seed: u64) -> Labelled {
        let mut random = Random::new(seed, self.name);
        match self.fill_in {
            FillIn::Plan(_) => simulate(&self.plan(&mut random), seed),
            FillIn::Wild(fill_in) => Wild::of(fill_in, &mut random).record(seed),
        }
    }

    /// Another run of the same worker without its leak: the last good release.
    pub fn sound_record(&self, seed: u64) -> Labelled {
        let mut random = Random::new(seed, self.name);
        match self.fill_in {
            FillIn::Plan(_) => simulate(&self.plan(&mut random).sound_twin(), seed ^ TWIN),
            FillIn::Wild(fill_in) => Wild::of(fill_in, &mut random)
                .sound_twin(seed)
                .record(seed ^ TWIN),
        }
    }

    fn plan(&self, random: &mut Random) -> Plan {
        let mut plan = match self.length {
            Length::Short => short(random),
            _ => day(random),
        };
        if let FillIn::Plan(fill_in) = self.fill_in {
            fill_in(&mut plan, random);
        }
        plan
    }
}

/// All kinds of both families.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().chain(WILD_KINDS)
}

/// Finds a kind by name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    kinds().find(|kind| kind.name == name)
}

const fn k(name: &'static str, truth: Truth, length: Length, fill_in: fn(&mut Plan, &mut Random)) -> Kind {
    Kind {
        name,
        truth,
        length,
        fill_in: FillIn::Plan(fill_in),
    }
}

use Length::{Day, Short};
use Truth::{Leaks, Sound, SoundUntilFull};

/// Every kind.
pub static KINDS: &[Kind] = &[
    k("flat", Sound, Day, |_, _| {}),
    k("warm-up", Sound, Day, warm_up),
    k("cache-saturating", Sound, Day, cache_saturating),
    k("cache-linear-full", SoundUntilFull, Day, |p, r| {
        cache_linear(p, r, 0.05, 0.6)
    }),
    k("cache-linear-late", SoundUntilFull, Day, |p, r| {
        cache_linear(p, r, 0.75, 1.3)
    }),
    k("cache-linear-declared", Sound, Day, cache_declared),
    k("table-doubling", SoundUntilFull, Day, |p, r| {
        let end = day_jobs(p) * r.between(0.3, 1.2);
        p.caches
            .push((MIB * r.log_between(20.0, 150.0), Fill::Doubling(end)));
    }),
    k("diurnal", Sound, Day, diurnal),
    k("long-memory", Sound, Day, |p, r| {
        p.slow_bytes = MIB * r.between(1.0, 3.0);
        p.slow_seconds = HOUR * r.between(2.0, 6.0);
    }),
    k("fragmentation-plateau", Sound, Day, |p, r| {
        p.fragmentation = (MIB * r.between(30.0, 150.0), HOUR * r.between(0.5, 3.0));
    }),
    k("giant-job-plateau", Sound, Day, |p, r| {
        p.plateaus
            .push((p.seconds * r.between(0.05, 0.95), MIB * r.between(10.0, 80.0)));
    }),
    k("load-step", Sound, Day, |p, r| {
        p.load_step = Some((p.seconds * r.between(0.2, 0.8), r.between(1.5, 4.0)));
        p.bytes_per_pace = MIB * r.between(5.0, 20.0) / p.pace;
    }),
    k("restarts", Sound, Day, |p, r| {
        warm_up(p, r);
        restarts(p, r);
    }),
    k("two-caches", SoundUntilFull, Day, |p, r| {
        cache_saturating(p, r);
        cache_linear(p, r, 0.1, 0.5);
    }),
    k("backlog-grows", Sound, Day, |p, r| {
        let gained = r.between(500.0, 5000.0);
        p.backlog = (10.0, gained / p.seconds, MIB * r.between(20.0, 120.0) / gained);
    }),
    k("leak-linear", Leaks, Day, leak),
    k("leak-rare-class", Leaks, Day, leak_rare),
    k("leak-under-warm-up", Leaks, Day, |p, r| {
        warm_up(p, r);
        leak(p, r);
    }),
    k("leak-under-diurnal", Leaks, Day, |p, r| {
        diurnal(p, r);
        leak(p, r);
    }),
    k("leak-beside-cache", Leaks, Day, |p, r| {
        cache_saturating(p, r);
        leak(p, r);
    }),
    k("leak-across-restarts", Leaks, Day, |p, r| {
        restarts(p, r);
        leak(p, r);
    }),
    k("leak-from-midway", Leaks, Day, |p, r| {
        p.leak_from_seconds = p.seconds * r.between(0.2, 0.5);
        leak(p, r);
    }),
    k("leak-in-steps", Leaks, Day, |p, r| {
        leak(p, r);
        p.leak_chunk_bytes = p.leak_bytes_per_second() * p.seconds / r.between(8.0, 40.0);
    }),
    k("leak-native", Leaks, Day, |p, r| {
        p.native_per_second = effect_bytes_per_second(p, r);
    }),
    k("leak-native-fragmented", Leaks, Day, |p, r| {
        p.fragmentation = (MIB * r.between(20.0, 80.0), HOUR * r.between(0.3, 1.5));
        p.native_per_second = effect_bytes_per_second(p, r);
    }),
    k("leak-external", Leaks, Day, |p, r| {
        p.leak_external = true;
        leak(p, r);
    }),
    k("leak-per-time", Leaks, Day, |p, r| {
        p.diurnal = (r.between(0.2, 0.8), r.unit());
        p.leak_per_second = effect_bytes_per_second(p, r);
    }),
    k("leak-two-classes", Leaks, Day, |p, r| {
        leak(p, r);
        let last = p.classes.len() - 1;
        p.classes[last].leak_bytes = p.classes[0].leak_bytes * r.between(0.3, 3.0);
    }),
    k("short-flat", Sound, Short, |_, _| {}),
    k("short-drift", Sound, Short, |p, r| {
        p.drift_bytes = 1024.0 * r.between(40.0, 120.0);
    }),
    k("short-cache-full", SoundUntilFull, Short, |p, r| {
        let end = day_jobs(p) * r.between(0.1, 0.45);
        p.caches.push((MIB * r.log_between(0.5, 20.0), Fill::Linear(end)));
    }),
    k("short-cache-filling", SoundUntilFull, Short, |p, r| {
        let end = day_jobs(p) * r.between(0.9, 3.0);
        p.caches.push((MIB * r.log_between(1.0, 20.0), Fill::Linear(end)));
    }),
    k("short-cache-saturating", Sound, Short, |p, r| {
        let constant = day_jobs(p) * r.between(0.05, 0.2);
        p.caches
            .push((MIB * r.log_between(0.5, 10.0), Fill::Saturating(constant)));
    }),
    k("short-snapshot-steps", Sound, Short, |p, r| {
        for share in [0.1, 0.55, 0.98] {
            p.plateaus
                .push((p.seconds * share, 1024.0 * r.between(20.0, 120.0)));
        }
    }),
    k("short-giant-job-plateau", Sound, Short, |p, r| {
        p.plateaus
            .push((p.seconds * r.between(0.1, 0.9), MIB * r.log_between(1.0, 50.0)));
    }),
    k("short-noisy", Sound, Short, |p, r| {
        p.white_bytes = MIB * r.between(1.0, 5.0);
    }),
    k("short-leak", Leaks, Short, short_leak),
    k("short-leak-rare-class", Leaks, Short, |p, r| {
        p.classes[0].weight = r.between(0.01, 0.05) * p.classes[1..].iter().map(|c| c.weight).sum::<f64>();
        short_leak(p, r);
    }),
    k("short-leak-two-classes", Leaks, Short, |p, r| {
        short_leak(p, r);
        let last = p.classes.len() - 1;
        p.classes[last].leak_bytes = p.classes[0].leak_bytes * r.between(0.3, 3.0);
    }),
    k("short-leak-external", Leaks, Short, |p, r| {
        p.leak_external = true;
        short_leak(p, r);
    }),
    k("short-leak-beside-cache", Leaks, Short, |p, r| {
        let end = day_jobs(p) * r.between(0.1, 0.4);
        p.caches.push((MIB * r.log_between(0.5, 5.0), Fill::Linear(end)));
        short_leak(p, r);
    }),
];

fn day(random: &mut Random) -> Plan {
    let budget_bytes = MIB * 512.0;
    let white = MIB * random.log_between(0.05, 0.6);
    Plan {
        seconds: 24.0 * HOUR,
        sample_seconds: 60.0,
        floor_seconds: 300.0,
        collection_seconds: 180.0,
        pace: random.log_between(0.3, 10.0),
        classes: classes(random),
        mix_wander: random.between(0.1, 0.6),
        diurnal: (random.between(0.0, 0.15), random.unit()),
        load_step: None,
        bytes_per_pace: 0.0,
        base_bytes: MIB * random.between(30.0, 120.0),
        white_bytes: white,
        slow_bytes: MIB * random.log_between(0.2, 1.5),
        slow_seconds: HOUR * random.log_between(0.1, 1.0),
        warm_up: (MIB * random.between(0.0, 3.0), 500.0),
        drift_bytes: 0.0,
        caches: Vec::new(),
        plateaus: Vec::new(),
        leak_from_seconds: 0.0,
        leak_chunk_bytes: 0.0,
        leak_per_second: 0.0,
        leak_external: false,
        native_per_second: 0.0,
        fragmentation: (MIB * random.between(0.0, 5.0), HOUR),
        resident_noise_bytes: MIB * random.log_between(0.5, 6.0),
        backlog: (0.0, 0.0, 0.0),
        fds_per_second: 0.0,
        restarts: Vec::new(),
        budget_bytes,
        cap_bytes: None,
        minimum_bytes_per_day: Some(budget_bytes / 30.0),
    }
}

/// A Node-like test run: floors repeat within kilobytes, the runtime warms up.
fn short(random: &mut Random) -> Plan {
    let seconds = random.log_between(4.0, 120.0);
    let jobs = random.log_between(300.0, 30_000.0);
    let floors = random.log_between(8.0, 150.0).round();
    Plan {
        seconds,
        sample_seconds: seconds / floors / 2.0,
        floor_seconds: seconds / floors,
        collection_seconds: seconds / floors * 2.0,
        pace: jobs / seconds,
        diurnal: (0.0, 0.0),
        base_bytes: MIB * random.between(4.0, 30.0),
        white_bytes: 1024.0 * random.log_between(0.5, 20.0),
        slow_bytes: 1024.0 * random.log_between(0.5, 20.0),
        slow_seconds: seconds / 20.0,
        warm_up: (
            1024.0 * random.between(50.0, 250.0),
            random.log_between(50.0, 1500.0),
        ),
        fragmentation: (MIB * random.between(5.0, 30.0), seconds),
        minimum_bytes_per_day: None,
        ..day(random)
    }
}

fn classes(random: &mut Random) -> Vec<Class> {
    let names = ["email", "thumbnail", "invoice-pdf", "webhook", "sync", "audit"];
    let count = random.whole(2, names.len() as u64) as usize;
    names[..count]
        .iter()
        .map(|name| Class {
            name: (*name).to_owned(),
            weight: random.log_between(0.2, 2.0),
            leak_bytes: 0.0,
        })
        .collect()
}

fn day_jobs(plan: &Plan) -> f64 {
    plan.pace * plan.seconds
}

fn warm_up(plan: &mut Plan, random: &mut Random) {
    let constant = plan.pace * HOUR * random.log_between(0.05, 1.5);
    plan.warm_up = (MIB * random.log_between(5.0, 60.0), constant);
}

fn cache_saturating(plan: &mut Plan, random: &mut Random) {
    let constant = plan.pace * HOUR * random.log_between(0.5, 5.0);
    plan.caches
        .push((MIB * random.log_between(20.0, 150.0), Fill::Saturating(constant)));
}

fn cache_linear(plan: &mut Plan, random: &mut Random, from: f64, to: f64) {
    let end = day_jobs(plan) * random.between(from, to);
    plan.caches
        .push((MIB * random.log_between(20.0, 150.0), Fill::Linear(end)));
}

fn cache_declared(plan: &mut Plan, random: &mut Random) {
    cache_linear(plan, random, 0.3, 1.3);
    plan.cap_bytes = plan.caches.first().map(|c| c.0);
}

fn diurnal(plan: &mut Plan, random: &mut Random) {
    plan.diurnal = (random.between(0.4, 0.9), random.unit());
    plan.bytes_per_pace = MIB * random.between(5.0, 30.0) / plan.pace;
}

fn restarts(plan: &mut Plan, random: &mut Random) {
    let count = random.whole(1, 4);
    let mut at = 0.0;
    for _ in 0..count {
        at += plan.seconds / (count + 1) as f64 * random.between(0.7, 1.2);
        plan.restarts.push(at);
    }
}

fn effect_bytes_per_second(plan: &Plan, random: &mut Random) -> f64 {
    let minimum = plan.minimum_bytes_per_day.unwrap_or(0.0) / (24.0 * HOUR);
    minimum * random.log_between(1.05, 12.0)
}

/// A leak of the first class, 1 to 12 times the minimum effect.
fn leak(plan: &mut Plan, random: &mut Random) {
    let bytes_per_second = effect_bytes_per_second(plan, random);
    let all: f64 = plan.classes.iter().map(|c| c.weight).sum();
    plan.classes[0].leak_bytes = bytes_per_second / plan.pace * all / plan.classes[0].weight;
}

fn leak_rare(plan: &mut Plan, random: &mut Random) {
    plan.classes[0].weight =
        random.log_between(0.005, 0.05) * plan.classes[1..].iter().map(|c| c.weight).sum::<f64>();
    leak(plan, random);
}

/// A leak that leaves 1 to 50 MB behind in the run: smaller ones are told by heap dumps, not by totals.
fn short_leak(plan: &mut Plan, random: &mut Random) {
    let all: f64 = plan.classes.iter().map(|c| c.weight).sum();
    let in_all = MIB * random.log_between(1.0, 50.0);
    plan.classes[0].leak_bytes = in_all / day_jobs(plan) * all / plan.classes[0].weight;
}
