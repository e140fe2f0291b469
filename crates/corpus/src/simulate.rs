//! From a plan to readings.

use std::collections::BTreeMap;

use plimsoll_model::{Floor, GcEvent, GcKind, Reading, Sample};

use crate::labelled::Labelled;
use crate::plan::{Fill, HOUR, MIB, Plan};
use crate::random::Random;

/// Steps of the simulation per sample.
const DAY: f64 = 24.0 * HOUR;

struct State<'a> {
    plan: &'a Plan,
    random: Random,
    counts: Vec<u64>,
    /// Logarithms of the weights' wandering.
    wander: Vec<f64>,
    jobs: f64,
    managed_leak: f64,
    leaked: f64,
    leaky_jobs: f64,
    slow: f64,
    born_seconds: f64,
    incarnation: u32,
    pace: f64,
}

/// All readings of a worker, and what truly happened in it.
pub(crate) fn simulate(plan: &Plan, seed: u64) -> Labelled {
    let mut state = State {
        plan,
        random: Random::new(seed, "simulate"),
        counts: vec![0; plan.classes.len()],
        wander: vec![0.0; plan.classes.len()],
        jobs: 0.0,
        managed_leak: 0.0,
        leaked: 0.0,
        leaky_jobs: 0.0,
        slow: 0.0,
        born_seconds: 0.0,
        incarnation: 0,
        pace: plan.pace,
    };
    state.slow = plan.slow_bytes * state.random.normal();
    let mut readings = Vec::new();
    let steps = (plan.seconds / plan.sample_seconds).floor() as u64;
    let (mut next_floor, mut next_collection) = (plan.floor_seconds, plan.collection_seconds);
    for step in 1..=steps {
        let at = step as f64 * plan.sample_seconds;
        state.advance(at, plan.sample_seconds);
        if at >= next_collection {
            readings.push(state.collection(at));
            next_collection += plan.collection_seconds * state.random.between(0.6, 1.4);
        }
        if at >= next_floor {
            readings.push(state.floor(at));
            next_floor += plan.floor_seconds;
        }
        readings.push(state.sample(at));
    }
    let steady =
        plan.leak_from_seconds == 0.0 && plan.leak_per_second == 0.0 && plan.native_per_second == 0.0;
    Labelled {
        readings,
        budget_bytes: plan.budget_bytes,
        cap_bytes: plan.cap_bytes,
        minimum_bytes_per_day: plan.minimum_bytes_per_day,
        growth_bytes_per_second: plan.leak_bytes_per_second() + plan.native_per_second,
        pace: plan.pace,
        growth_bytes_per_job: steady.then(|| state.leaked / state.leaky_jobs.max(1.0)),
        leaky_classes: leaky(plan),
        leak_from_seconds: plan.leak_from_seconds,
    }
}

fn leaky(plan: &Plan) -> Vec<String> {
    let leaks = plan.classes.iter().filter(|c| c.leak_bytes > 0.0);
    leaks.map(|c| c.name.clone()).collect()
}

impl State<'_> {
    fn advance(&mut self, at: f64, seconds: f64) {
        if let Some(&restart) = self.plan.restarts.get(self.incarnation as usize)
            && at >= restart
        {
            self.restart(at);
        }
        self.pace = self.pace_at(at);
        let jobs = self.pace * seconds;
        let weights = self.weights(seconds);
        let all: f64 = weights.iter().sum();
        for (class, weight) in weights.iter().enumerate() {
            let done = self.random.poisson(jobs * weight / all);
            self.counts[class] += done;
            self.jobs += done as f64;
            if at >= self.plan.leak_from_seconds {
                // Payloads differ: the leak of a job is not always the same.
                let each = self.plan.classes[class].leak_bytes;
                let spread = 1.0 + 0.5 * self.random.normal() / (done.max(1) as f64).sqrt();
                self.gain(each * done as f64 * spread.max(0.0));
                self.leaky_jobs += done as f64;
            }
        }
        if at >= self.plan.leak_from_seconds {
            self.gain(self.plan.leak_per_second * seconds);
        }
        let keep = (-seconds / self.plan.slow_seconds).exp();
        self.slow =
            self.slow * keep + self.plan.slow_bytes * (1.0 - keep * keep).sqrt() * self.random.normal();
    }

    fn gain(&mut self, bytes: f64) {
        self.managed_leak += bytes;
        self.leaked += bytes;
    }

    fn restart(&mut self, at: f64) {
        self.counts.fill(0);
        self.jobs = 0.0;
        self.managed_leak = 0.0;
        self.born_seconds = at;
        self.incarnation += 1;
    }

    fn pace_at(&self, at: f64) -> f64 {
        let (swing, start) = self.plan.diurnal;
        let daily = 1.0 + swing * (std::f64::consts::TAU * (at / DAY + start)).sin();
        let step = self
            .plan
            .load_step
            .filter(|(when, _)| at >= *when)
            .map_or(1.0, |(_, factor)| factor);
        self.plan.pace * daily * step
    }

    fn weights(&mut self, seconds: f64) -> Vec<f64> {
        // The mix forgets itself in about a fiftieth of the record.
        let keep = (-seconds / (self.plan.seconds / 50.0)).exp();
        let shake = (1.0 - keep * keep).sqrt() * self.plan.mix_wander;
        for wander in &mut self.wander {
            *wander = *wander * keep + shake * self.random.normal();
        }
        self.plan
            .classes
            .iter()
            .zip(&self.wander)
            .map(|(c, w)| c.weight * w.exp())
            .collect()
    }

    /// Live managed memory with no job in flight, and the part of it outside the heap.
    fn live(&mut self, at: f64) -> (f64, f64) {
        let plan = self.plan;
        let n = self.jobs;
        let warm_up = plan.warm_up.0 * (1.0 - (-n / plan.warm_up.1.max(1.0)).exp())
            + plan.drift_bytes * (n / 100.0).ln_1p() / 10f64.ln_1p();
        let caches: f64 = plan
            .caches
            .iter()
            .map(|(bytes, fill)| filled(*bytes, *fill, n))
            .sum();
        let plateaus: f64 = plan
            .plateaus
            .iter()
            .filter(|(when, _)| at >= *when && self.born_seconds <= *when)
            .map(|p| p.1)
            .sum();
        let leak = match plan.leak_chunk_bytes {
            0.0 => self.managed_leak,
            chunk => (self.managed_leak / chunk).floor() * chunk,
        };
        let noise = self.slow + plan.white_bytes * self.random.normal();
        let follows = plan.bytes_per_pace * self.pace + plan.backlog.2 * self.waiting(at);
        let external = 2.0 * MIB + if plan.leak_external { leak } else { 0.0 };
        let heap_leak = if plan.leak_external { 0.0 } else { leak };
        let heap = plan.base_bytes + warm_up + caches + plateaus + heap_leak + follows + noise;
        (heap.max(MIB), external)
    }

    fn waiting(&self, at: f64) -> f64 {
        (self.plan.backlog.0 + self.plan.backlog.1 * at).max(0.0)
    }

    fn in_flight(&mut self) -> u32 {
        self.random.poisson((self.pace * 0.3).min(20.0)) as u32
    }

    fn floor(&mut self, at: f64) -> Reading {
        let (heap, external) = self.live(at);
        Reading::Floor(Floor {
            at_seconds: at,
            live_bytes: heap as u64,
            external_bytes: Some(external as u64),
            ..Floor::default()
        })
    }

    fn collection(&mut self, at: f64) -> Reading {
        let in_flight = self.in_flight();
        let held: f64 = (0..in_flight)
            .map(|_| MIB * -(1.0 - self.random.unit()).ln())
            .sum();
        let (heap, _) = self.live(at);
        Reading::Gc(GcEvent {
            at_seconds: at,
            kind: GcKind::Major,
            live_bytes: (heap + held) as u64,
            in_flight: Some(in_flight),
            pause_seconds: Some(0.02),
        })
    }

    fn sample(&mut self, at: f64) -> Reading {
        let (heap, external) = self.live(at);
        let garbage = 20.0 * MIB * self.random.unit();
        let committed = heap + 24.0 * MIB;
        let age = at - self.born_seconds;
        let fragmentation =
            self.plan.fragmentation.0 * (1.0 - (-age / self.plan.fragmentation.1.max(1.0)).exp());
        let leak_age = (at - self.plan.leak_from_seconds.max(self.born_seconds)).max(0.0);
        let native = 40.0 * MIB + fragmentation + self.plan.native_per_second * leak_age
            // Freed pages come back late, so resident memory is mostly too high, seldom too low.
            + self.plan.resident_noise_bytes * self.random.normal().abs();
        let jobs: BTreeMap<String, u64> = self
            .plan
            .classes
            .iter()
            .zip(&self.counts)
            .map(|(c, n)| (c.name.clone(), *n))
            .collect();
        Reading::Sample(Sample {
            at_seconds: at,
            rss_bytes: Some((committed + external + native) as u64),
            heap_used_bytes: Some((heap + garbage) as u64),
            heap_committed_bytes: Some(committed as u64),
            external_bytes: Some(external as u64),
            fds: Some((40.0 + self.plan.fds_per_second * age + f64::from(self.in_flight())) as u64),
            threads: Some(11),
            backlog: Some(self.waiting(at) as u64),
            jobs,
            in_flight: Some(self.in_flight()),
            incarnation: self.incarnation,
        })
    }
}

fn filled(bytes: f64, fill: Fill, jobs: f64) -> f64 {
    match fill {
        Fill::Saturating(constant) => bytes * (1.0 - (-jobs / constant).exp()),
        Fill::Linear(end) => bytes * (jobs / end).min(1.0),
        Fill::Doubling(end) => {
            let share = (jobs / end).clamp(1.0 / 64.0, 1.0);
            bytes * 2f64.powf(share.log2().ceil())
        }
    }
}
