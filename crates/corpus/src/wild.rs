//! A second family of workers, which shares no code with the first: other laws of noise, pace and payload,
//! other distances of readings, and workers of which less is seen.
//!
//! The first family was there when the model was made; this one says whether the model carries over.

use std::collections::BTreeMap;

use plimsoll_model::{Floor, GcEvent, GcKind, Reading, Sample};

use crate::labelled::Labelled;
use crate::random::Random;

pub(crate) const MB: f64 = 1e6;
const HOUR_SECONDS: f64 = 3600.0;
const DAY_SECONDS: f64 = 86_400.0;

/// What is seen of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Samples, collections and quiescent floors.
    Full,
    /// Samples and collections.
    Collections,
    /// Resident memory and job counts.
    Resident,
}

/// Laws of the noise that no reading shares with the next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Law {
    /// Normal.
    Normal,
    /// Two-sided exponential: a few readings lie far off.
    Laplace,
    /// Only upwards: something is always left over.
    Upwards,
}

#[derive(Debug, Clone)]
pub(crate) struct WildClass {
    pub name: &'static str,
    pub share: f64,
    /// All of its jobs come in the first minutes of each hour.
    pub hourly: bool,
    pub leak_bytes: f64,
    /// What a running job holds.
    pub held_bytes: f64,
}

/// How a cache fills, by completed jobs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fill {
    /// Random keys.
    Keys(f64),
    /// Random keys of which some are rare.
    RareKeys(f64),
    /// An entry a job.
    Steady(f64),
    /// A table that doubles.
    Doubling(f64),
}

/// A worker of the wild family.
#[derive(Debug, Clone)]
pub(crate) struct Wild {
    pub seconds: f64,
    pub sample_seconds: f64,
    pub floor_seconds: f64,
    pub collection_seconds: f64,
    pub sight: Sight,
    pub budget_bytes: f64,
    pub minimum_bytes_per_day: f64,
    pub cap_bytes: Option<f64>,
    pub classes: Vec<WildClass>,
    /// Jobs per second.
    pub pace: f64,
    /// Swing over the day (0 to 1), where the record begins in it, and seconds by which memory lags.
    pub day: (f64, f64, f64),
    /// Deviation of the logarithm of the pace, and how long it remembers.
    pub bursts: (f64, f64),
    /// When the pace changes for good, and by which factor.
    pub step: Option<(f64, f64)>,
    /// Memory that follows the load: at the mean pace, and with which power of it.
    pub working_set: (f64, f64),
    pub base_bytes: f64,
    pub noise: (Law, f64),
    /// Noise that lasts: deviations and memories.
    pub slow: [(f64, f64); 2],
    /// Readings come in multiples of this.
    pub grain_bytes: f64,
    /// Warm-up by time: bytes and seconds.
    pub warm_up: (f64, f64),
    pub fills: Vec<(f64, Fill)>,
    /// A giant job: when, what it takes, the share that stays, seconds after which the rest has gone.
    pub giant: Option<(f64, f64, f64, f64)>,
    pub fragmentation: (f64, f64),
    pub restarts: Vec<f64>,
    pub leak_from_seconds: f64,
    pub chunk_bytes: f64,
    pub leak_per_second: f64,
    pub native_per_second: f64,
}

const NAMES: [&str; 8] = [
    "report.build",
    "image/resize",
    "notify",
    "reindex",
    "billing",
    "import_csv",
    "cleanup",
    "embed",
];

impl Wild {
    pub fn of(fill_in: fn(&mut Wild, &mut Random), random: &mut Random) -> Wild {
        let mut worker = Wild::plain(random);
        fill_in(&mut worker, random);
        worker
    }

    fn plain(r: &mut Random) -> Wild {
        let budget_bytes = pick(r, &[256.0, 512.0, 512.0, 1024.0]) * 1024.0 * 1024.0;
        let declared = r.log_between(5.0, 50.0) * MB;
        let noise_bytes = MB * r.log_between(0.02, 1.0);
        Wild {
            seconds: 24.0 * HOUR_SECONDS,
            sample_seconds: pick(r, &[10.0, 30.0, 30.0, 60.0, 120.0]),
            floor_seconds: pick(r, &[300.0, 300.0, 120.0, 600.0]),
            collection_seconds: r.log_between(90.0, 600.0),
            sight: Sight::Full,
            budget_bytes,
            minimum_bytes_per_day: if r.chance(0.5) {
                budget_bytes / 30.0
            } else {
                declared
            },
            cap_bytes: None,
            classes: classes(r),
            pace: r.log_between(0.1, 20.0),
            day: (0.0, r.unit(), 0.0),
            bursts: (r.between(0.0, 0.6), r.log_between(300.0, 7200.0)),
            step: None,
            working_set: (0.0, 1.0),
            base_bytes: MB * r.log_between(25.0, 110.0),
            noise: (pick(r, &[Law::Normal, Law::Laplace, Law::Upwards]), noise_bytes),
            slow: [
                (MB * r.log_between(0.05, 0.8), r.log_between(300.0, 1800.0)),
                (MB * r.log_between(0.05, 0.6), r.log_between(1800.0, 7200.0)),
            ],
            grain_bytes: pick(r, &[1.0, 4096.0, 65_536.0]),
            warm_up: (MB * r.between(0.0, 4.0), r.log_between(60.0, 600.0)),
            fills: Vec::new(),
            giant: None,
            fragmentation: (MB * r.between(0.0, 4.0), r.log_between(600.0, 7200.0)),
            restarts: Vec::new(),
            leak_from_seconds: 0.0,
            chunk_bytes: 0.0,
            leak_per_second: 0.0,
            native_per_second: 0.0,
        }
    }

    /// Another run of the worker without its leak: what happens by chance happens at other times.
    pub fn sound_twin(mut self, seed: u64) -> Wild {
        let mut r = Random::new(seed, "twin");
        self.classes.iter_mut().for_each(|c| c.leak_bytes = 0.0);
        self.leak_per_second = 0.0;
        self.native_per_second = 0.0;
        self.pace *= r.between(0.93, 1.07);
        if let Some(giant) = &mut self.giant {
            giant.0 = self.seconds * r.between(0.1, 0.9);
        }
        self.restarts
            .iter_mut()
            .for_each(|at| *at *= r.between(0.85, 1.1));
        self
    }

    /// What it leaks per second at its mean pace.
    pub fn growth_per_second(&self) -> f64 {
        let all: f64 = self.classes.iter().map(|c| c.share).sum();
        let per_job = self.classes.iter().map(|c| c.share * c.leak_bytes).sum::<f64>() / all;
        self.leak_per_second + self.native_per_second + per_job * self.pace
    }

    pub fn record(&self, seed: u64) -> Labelled {
        let mut run = Run::new(self, seed);
        let mut readings = Vec::new();
        let mut next = (self.floor_seconds, self.collection_seconds);
        let steps = (self.seconds / self.sample_seconds) as u64;
        for step in 1..=steps {
            let at = step as f64 * self.sample_seconds;
            run.advance(at);
            readings.push(run.sample(at));
            if self.sight != Sight::Resident && at >= next.1 {
                readings.push(run.collection(at + 0.25));
                next.1 = at + self.collection_seconds * run.random.between(0.4, 1.6);
            }
            // A busy worker has no gap now and then.
            if self.sight == Sight::Full && at >= next.0 && run.random.chance(0.9) {
                readings.push(run.floor(at + 0.5));
                next.0 = at + self.floor_seconds * run.random.between(0.9, 1.1);
            }
        }
        let steady = self.leak_from_seconds == 0.0 && self.leak_per_second + self.native_per_second == 0.0;
        Labelled {
            readings,
            budget_bytes: self.budget_bytes,
            cap_bytes: self.cap_bytes,
            minimum_bytes_per_day: Some(self.minimum_bytes_per_day),
            // As it came out: bursts and hourly classes change the pace that was planned.
            growth_bytes_per_second: self.native_per_second
                + run.leaked / (self.seconds - self.leak_from_seconds),
            pace: self.pace,
            growth_bytes_per_job: steady.then(|| run.leaked / run.all_jobs.max(1.0)),
            leaky_classes: self
                .classes
                .iter()
                .filter(|c| c.leak_bytes > 0.0)
                .map(|c| c.name.to_owned())
                .collect(),
            leak_from_seconds: self.leak_from_seconds,
        }
    }
}

fn classes(r: &mut Random) -> Vec<WildClass> {
    let count = r.whole(1, NAMES.len() as u64) as usize;
    let hourly = r.chance(0.25);
    (0..count)
        .map(|i| WildClass {
            name: NAMES[i],
            share: 1.0 / (1.0 + i as f64).powf(r.between(0.3, 1.3)),
            hourly: hourly && i > 0 && i + 1 == count,
            leak_bytes: 0.0,
            held_bytes: MB * r.log_between(0.05, 4.0),
        })
        .collect()
}

fn pick<T: Copy>(r: &mut Random, from: &[T]) -> T {
    from[r.whole(0, from.len() as u64 - 1) as usize]
}

/// A worker as it runs.
struct Run<'a> {
    worker: &'a Wild,
    random: Random,
    counts: Vec<u64>,
    mix: Vec<f64>,
    burst: f64,
    slow: [f64; 2],
    set: f64,
    jobs: f64,
    all_jobs: f64,
    leak: f64,
    leaked: f64,
    native: f64,
    garbage: f64,
    committed: f64,
    loose: f64,
    in_flight: u32,
    born: f64,
    incarnation: u32,
}

impl<'a> Run<'a> {
    fn new(worker: &'a Wild, seed: u64) -> Self {
        let mut random = Random::new(seed, "wild run");
        let slow = worker.slow.map(|(deviation, _)| deviation * random.normal());
        Run {
            worker,
            counts: vec![0; worker.classes.len()],
            mix: worker.classes.iter().map(|_| random.normal()).collect(),
            burst: random.normal(),
            slow,
            set: 1.0,
            jobs: 0.0,
            all_jobs: 0.0,
            leak: 0.0,
            leaked: 0.0,
            native: 0.0,
            garbage: 0.0,
            committed: 0.0,
            loose: 0.0,
            in_flight: 0,
            born: 0.0,
            incarnation: 0,
            random,
        }
    }

    fn advance(&mut self, at: f64) {
        let seconds = self.worker.sample_seconds;
        if let Some(&restart) = self.worker.restarts.get(self.incarnation as usize)
            && at >= restart
        {
            self.restart(at);
        }
        let relative = self.relative_pace(at, seconds);
        let keep = (-seconds / self.worker.day.2.max(1.0)).exp();
        self.set = self.set * keep + relative * (1.0 - keep);
        let jobs = self.jobs_of(at, relative * self.worker.pace * seconds);
        self.work(at, &jobs);
        if at >= self.worker.leak_from_seconds {
            self.gain(self.worker.leak_per_second * seconds);
            self.native += self.worker.native_per_second * seconds;
        }
        for (slow, (deviation, memory)) in self.slow.iter_mut().zip(self.worker.slow) {
            let keep = (-seconds / memory).exp();
            *slow = *slow * keep + deviation * (1.0 - keep * keep).sqrt() * self.random.normal();
        }
        self.garbage = (self.garbage + self.random.between(0.2, 1.0) * MB * seconds / 5.0).min(40.0 * MB);
        let busy = (relative * self.worker.pace * 0.2).min(12.0);
        self.in_flight = self.random.poisson(busy) as u32;
        self.loose = 0.9 * self.loose + 0.3 * MB * -(1.0 - self.random.unit()).ln();
    }

    fn relative_pace(&mut self, at: f64, seconds: f64) -> f64 {
        let worker = self.worker;
        let (deviation, memory) = worker.bursts;
        let keep = (-seconds / memory).exp();
        self.burst = self.burst * keep + (1.0 - keep * keep).sqrt() * self.random.normal();
        let daily = 1.0 + worker.day.0 * (std::f64::consts::TAU * (at / DAY_SECONDS + worker.day.1)).sin();
        let step = worker.step.filter(|s| at >= s.0).map_or(1.0, |s| s.1);
        daily * step * (deviation * self.burst - 0.5 * deviation * deviation).exp()
    }

    fn jobs_of(&mut self, at: f64, jobs: f64) -> Vec<u64> {
        let keep = (-self.worker.sample_seconds / 2700.0).exp();
        let shake = (1.0 - keep * keep).sqrt();
        for mix in &mut self.mix {
            *mix = *mix * keep + shake * self.random.normal();
        }
        let all: f64 = self.worker.classes.iter().map(|c| c.share).sum();
        let first_minutes = at % HOUR_SECONDS < 600.0;
        let means: Vec<f64> = self
            .worker
            .classes
            .iter()
            .zip(&self.mix)
            .map(|(class, mix)| {
                let share = class.share / all * (0.35 * mix - 0.06).exp();
                match (class.hourly, first_minutes) {
                    (true, true) => 6.0 * share * jobs,
                    (true, false) => 0.0,
                    (false, _) => share * jobs,
                }
            })
            .collect();
        means.into_iter().map(|mean| self.random.poisson(mean)).collect()
    }

    fn work(&mut self, at: f64, jobs: &[u64]) {
        for (class, &done) in jobs.iter().enumerate() {
            self.counts[class] += done;
            self.jobs += done as f64;
            self.all_jobs += done as f64;
            let each = self.worker.classes[class].leak_bytes;
            if each > 0.0 && done > 0 && at >= self.worker.leak_from_seconds {
                // Payloads are exponential: the sum of many is about normal.
                let n = done as f64;
                let sum = match done {
                    1..=20 => (0..done).map(|_| -(1.0 - self.random.unit()).ln()).sum(),
                    _ => (n + n.sqrt() * self.random.normal()).max(0.0),
                };
                self.gain(each * sum);
            }
        }
    }

    fn gain(&mut self, bytes: f64) {
        self.leak += bytes;
        self.leaked += bytes;
    }

    fn restart(&mut self, at: f64) {
        self.counts.fill(0);
        self.jobs = 0.0;
        self.leak = 0.0;
        self.native = 0.0;
        self.committed = 0.0;
        self.born = at;
        self.incarnation += 1;
    }

    fn live(&mut self, at: f64) -> f64 {
        let worker = self.worker;
        let age = at - self.born;
        let warm = worker.warm_up.0 * (1.0 - (-age / worker.warm_up.1).exp());
        let fills: f64 = worker
            .fills
            .iter()
            .map(|(b, fill)| filled(*b, *fill, self.jobs))
            .sum();
        let giant = worker
            .giant
            .filter(|g| at >= g.0 && self.born <= g.0)
            .map_or(0.0, |g| g.1 * (g.2 + (1.0 - g.2) * (-(at - g.0) / g.3).exp()));
        let leak = match worker.chunk_bytes {
            0.0 => self.leak,
            chunk => (self.leak / chunk).floor() * chunk,
        };
        let set = worker.working_set.0 * self.set.max(0.0).powf(worker.working_set.1);
        let noise = self.slow.iter().sum::<f64>() + self.noise();
        let live = worker.base_bytes + warm + fills + giant + leak + set + noise;
        (live / worker.grain_bytes).round().max(1.0) * worker.grain_bytes
    }

    fn noise(&mut self) -> f64 {
        let (law, scale) = self.worker.noise;
        let exponential = -(1.0 - self.random.unit()).ln();
        scale
            * match law {
                Law::Normal => self.random.normal(),
                Law::Laplace if self.random.chance(0.5) => exponential,
                Law::Laplace => -exponential,
                Law::Upwards => exponential,
            }
    }

    fn held(&mut self) -> f64 {
        let n = self.worker.classes.len() as u64;
        (0..self.in_flight)
            .map(|_| {
                let class = self.random.whole(0, n - 1) as usize;
                self.worker.classes[class].held_bytes * self.random.between(0.3, 1.7)
            })
            .sum()
    }

    fn floor(&mut self, at: f64) -> Reading {
        Reading::Floor(Floor {
            at_seconds: at,
            live_bytes: self.live(at) as u64,
            ..Floor::default()
        })
    }

    fn collection(&mut self, at: f64) -> Reading {
        self.garbage = 0.0;
        let live = self.live(at) + self.held();
        Reading::Gc(GcEvent {
            at_seconds: at,
            kind: GcKind::Major,
            live_bytes: live as u64,
            in_flight: Some(self.in_flight),
            pause_seconds: Some(self.random.between(0.005, 0.08)),
        })
    }

    fn sample(&mut self, at: f64) -> Reading {
        let used = self.live(at) + self.held() + self.garbage;
        // Committed memory follows peaks at once and is given back slowly.
        self.committed = (used * 1.1).max(self.committed * 0.999);
        let external = 3.0 * MB * self.random.between(0.95, 1.05);
        let age = at - self.born;
        let (bytes, memory) = self.worker.fragmentation;
        let native = 35.0 * MB + bytes * (1.0 - (-age / memory).exp()) + self.native + self.loose;
        let seen = self.worker.sight != Sight::Resident;
        let jobs: BTreeMap<String, u64> = self
            .worker
            .classes
            .iter()
            .zip(&self.counts)
            .map(|(c, n)| (c.name.to_owned(), *n))
            .collect();
        Reading::Sample(Sample {
            at_seconds: at,
            rss_bytes: Some((self.committed + external + native) as u64),
            heap_used_bytes: seen.then_some(used as u64),
            heap_committed_bytes: seen.then_some(self.committed as u64),
            external_bytes: seen.then_some(external as u64),
            jobs,
            in_flight: Some(self.in_flight),
            incarnation: self.incarnation,
            ..Sample::default()
        })
    }
}

fn filled(bytes: f64, fill: Fill, jobs: f64) -> f64 {
    match fill {
        Fill::Keys(constant) => bytes * -(-jobs / constant).exp_m1(),
        Fill::RareKeys(constant) => {
            bytes * (0.65 * -(-jobs / constant).exp_m1() + 0.35 * -(-jobs / (4.0 * constant)).exp_m1())
        }
        Fill::Steady(end) => bytes * (jobs / end).min(1.0),
        Fill::Doubling(end) => {
            let share = (jobs / end).clamp(1.0 / 128.0, 1.0);
            bytes * 2f64.powf(share.log2().ceil())
        }
    }
}
