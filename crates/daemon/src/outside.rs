//! The view from outside: the process tree once a second, through kept descriptors.

use std::collections::BTreeMap;

use plimsoll_model::{ProcessKey, Reading, Sample};
use plimsoll_sample::{
    Cgroup, CgroupSample, Detail, MachineMemory, ProcessSample, ProcessSampler, ProcessTree, Roots,
};

use crate::census::census;
use crate::isolate::Thinned;

const INTERVAL_SECONDS: f64 = 1.0;
/// A run of a few seconds needs more than a few looks to see descriptors grow.
const EARLY_INTERVAL_SECONDS: f64 = 0.2;
const EARLY_LOOKS: u64 = 100;
/// The exact split walks page tables, so it is taken rarely: every so many looks.
const FULL_EVERY: u64 = 10;
/// More processes than this are counted, not sampled.
const MAX_SAMPLED: usize = 64;
/// Memory pressure in the cgroup that is worth a note: a tenth of the last minute lost by somebody.
const PRESSURE_PERCENT: f64 = 10.0;

/// One process as seen from outside.
#[derive(Debug)]
struct Seen {
    sampler: ProcessSampler,
    last: Option<ProcessSample>,
    series: Thinned<(f64, ProcessSample)>,
    alive: bool,
    /// What the descriptors led to when they had last grown, and how many they were.
    census: (u32, Vec<(String, u64)>),
}

/// So many descriptors more, and it is worth looking at what they lead to.
const CENSUS_STEP: u32 = 32;

/// The tree below the process that we started or attached to.
#[derive(Debug)]
pub struct Outside {
    roots: Roots,
    root_pid: u32,
    tree: Option<ProcessTree>,
    seen: BTreeMap<ProcessKey, Seen>,
    total_rss: Thinned<(f64, u64)>,
    cgroup: Option<Cgroup>,
    first_cgroup: Option<CgroupSample>,
    last_cgroup: Option<CgroupSample>,
    machine: Option<MachineMemory>,
    next_at: f64,
    looks: u64,
    not_sampled: u64,
}

impl Outside {
    /// The tree below `root_pid`.
    pub fn new(root_pid: u32) -> Self {
        let roots = Roots::default();
        let cgroup = Cgroup::of(&roots, root_pid).ok();
        let first_cgroup = cgroup.as_ref().and_then(|cgroup| cgroup.sample().ok());
        Outside {
            tree: ProcessTree::new(&roots, root_pid, None).ok(),
            machine: MachineMemory::read(&roots).ok(),
            roots,
            root_pid,
            seen: BTreeMap::new(),
            total_rss: Thinned::default(),
            cgroup,
            last_cgroup: first_cgroup.clone(),
            first_cgroup,
            next_at: 0.0,
            looks: 0,
            not_sampled: 0,
        }
    }

    /// Looks if it is time to. `now` in seconds since the Unix epoch.
    pub fn tick(&mut self, now: f64) {
        if now < self.next_at {
            return;
        }
        self.looks += 1;
        self.next_at = now
            + if self.looks < EARLY_LOOKS {
                EARLY_INTERVAL_SECONDS
            } else {
                INTERVAL_SECONDS
            };
        self.follow_tree();
        let detail = if self.looks % FULL_EVERY == 1 {
            Detail::Full
        } else {
            Detail::Counters
        };
        let mut total = 0;
        for seen in self.seen.values_mut().filter(|seen| seen.alive) {
            match seen.sampler.sample(detail) {
                Ok(sample) => {
                    total += sample.rss_bytes;
                    let open = sample.descriptors.as_ref().map_or(0, |open| open.total);
                    if open >= seen.census.0 + CENSUS_STEP {
                        seen.census = (open, census(seen.sampler.key().pid));
                    }
                    seen.series.push((now, sample.clone()));
                    seen.last = Some(sample);
                }
                Err(_) => seen.alive = false, // an ordinary end
            }
        }
        if total > 0 {
            self.total_rss.push((now, total));
        }
        if let Some(sample) = self.cgroup.as_ref().and_then(|cgroup| cgroup.sample().ok()) {
            self.last_cgroup = Some(sample);
        }
    }

    fn follow_tree(&mut self) {
        let Some(tree) = &mut self.tree else { return };
        tree.refresh();
        let new: Vec<ProcessKey> = tree
            .members()
            .map(|member| member.key)
            .filter(|key| !self.seen.contains_key(key))
            .collect();
        for key in new {
            if self.seen.values().filter(|seen| seen.alive).count() >= MAX_SAMPLED {
                self.not_sampled += 1;
                continue;
            }
            // The dead of a forking worker must not pile up in us.
            if self.seen.len() >= 4 * MAX_SAMPLED {
                self.seen.retain(|_, seen| seen.alive);
            }
            if let Ok(sampler) = ProcessSampler::open_key(&self.roots, key) {
                self.seen.insert(
                    key,
                    Seen {
                        sampler,
                        last: None,
                        series: Thinned::default(),
                        alive: true,
                        census: (0, Vec::new()),
                    },
                );
            }
        }
    }

    /// The process that we started or attached to.
    pub fn root_pid(&self) -> u32 {
        self.root_pid
    }

    /// Whether the process that we attached to has ended.
    pub fn root_is_gone(&self) -> bool {
        let root = self.seen.iter().find(|(key, _)| key.pid == self.root_pid);
        root.map_or(self.looks > 0, |(_, seen)| !seen.alive)
    }

    /// Processes that live, the started one first.
    pub fn pids(&self) -> Vec<u32> {
        self.seen
            .iter()
            .filter(|(_, seen)| seen.alive)
            .map(|(key, _)| key.pid)
            .collect()
    }

    /// Processes without children: where a wrapper does not pass signals on, the worker is one of them.
    pub fn leaves(&self) -> Vec<u32> {
        let Some(tree) = &self.tree else { return Vec::new() };
        let parents: Vec<u32> = tree.members().map(|member| member.parent_pid).collect();
        tree.members()
            .map(|member| member.key.pid)
            .filter(|pid| !parents.contains(pid))
            .collect()
    }

    /// Resident memory of the whole tree at the last look.
    pub fn rss_bytes(&self) -> Option<u64> {
        self.total_rss.points().last().map(|(_, bytes)| *bytes)
    }

    /// The largest resident memory of the whole tree that was seen.
    pub fn peak_rss_bytes(&self) -> Option<u64> {
        self.total_rss.points().iter().map(|(_, bytes)| *bytes).max()
    }

    /// Looks taken.
    pub fn samples(&self) -> u64 {
        self.looks
    }

    /// CPU time of the tree so far.
    pub fn cpu_seconds(&self) -> Option<f64> {
        let used = self.seen.values().filter_map(|seen| seen.last.as_ref());
        let used: Vec<f64> = used
            .map(|sample| sample.user_cpu_seconds + sample.system_cpu_seconds)
            .collect();
        (!used.is_empty()).then(|| used.iter().sum())
    }

    /// The least memory limit of the cgroup and those above it.
    pub fn cgroup_limit_bytes(&self) -> Option<u64> {
        Some(self.last_cgroup.as_ref()?.limit.as_ref()?.bytes)
    }

    /// Memory of the machine.
    pub fn machine_bytes(&self) -> Option<u64> {
        self.machine.map(|machine| machine.total_bytes)
    }

    /// Resident memory of the tree over time.
    pub fn rss_series(&self, start: f64) -> Vec<(f64, f64)> {
        self.total_rss
            .points()
            .iter()
            .map(|(at, bytes)| (at - start, *bytes as f64))
            .collect()
    }

    /// Open descriptors and threads of a process over time.
    pub fn descriptors_and_threads(&self, pid: u32) -> impl Iterator<Item = (f64, Option<u64>, u64)> {
        let seen = self.seen.iter().find(|(key, _)| key.pid == pid);
        let points = seen.map_or(&[][..], |(_, seen)| seen.series.points());
        points.iter().map(|(at, sample)| {
            (
                *at,
                sample.descriptors.as_ref().map(|open| u64::from(open.total)),
                u64::from(sample.threads),
            )
        })
    }

    /// What the descriptors of a process led to when they had last grown.
    pub fn census(&self, pid: u32) -> &[(String, u64)] {
        let seen = self.seen.iter().find(|(key, _)| key.pid == pid);
        seen.map_or(&[], |(_, seen)| &seen.census.1)
    }

    /// What detection can read without an agent: resident memory, descriptors and threads of the
    /// process that holds most.
    pub fn readings(&self, start: f64) -> Vec<Reading> {
        let largest = self
            .seen
            .values()
            .max_by_key(|seen| seen.last.as_ref().map(|sample| sample.rss_bytes));
        let points = largest.map_or(&[][..], |seen| seen.series.points());
        let reading = |(at, sample): &(f64, ProcessSample)| {
            Reading::Sample(Sample {
                at_seconds: at - start,
                rss_bytes: Some(sample.rss_bytes),
                fds: sample.descriptors.as_ref().map(|open| u64::from(open.total)),
                threads: Some(u64::from(sample.threads)),
                ..Sample::default()
            })
        };
        points.iter().map(reading).collect()
    }

    /// The process that holds most.
    pub fn largest_pid(&self) -> Option<u32> {
        let rss = |seen: &Seen| seen.last.as_ref().map(|sample| sample.rss_bytes);
        let largest = self.seen.iter().max_by_key(|(_, seen)| rss(seen));
        largest.map(|(key, _)| key.pid)
    }

    /// By how much resident memory of a process grew after an instant, as far as it was seen.
    pub fn resident_growth_bytes(&self, pid: u32, after: f64) -> Option<f64> {
        let (_, seen) = self.seen.iter().find(|(key, _)| key.pid == pid)?;
        let points = seen.series.points();
        let mut rss = points
            .iter()
            .filter(|(at, _)| *at >= after)
            .map(|(_, sample)| sample.rss_bytes);
        let first = rss.next()?;
        // The last look may find a process that has ended and not been waited for: it holds nothing.
        Some(rss.max()? as f64 - first as f64)
    }

    /// What the user should know of the surroundings.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let kills = |sample: &Option<CgroupSample>| sample.as_ref().and_then(|sample| sample.events.oom_kill);
        if let (Some(before), Some(after)) = (kills(&self.first_cgroup), kills(&self.last_cgroup))
            && after > before
        {
            notes.push(format!(
                "the kernel killed {} process(es) of this cgroup for want of memory",
                after - before
            ));
        }
        if let Some(fullness) = self.last_cgroup.as_ref().and_then(|sample| sample.fullness)
            && fullness > 0.9
        {
            notes.push(format!(
                "the cgroup is at {:.0} % of its memory limit",
                fullness * 100.0
            ));
        }
        let pressure = self
            .last_cgroup
            .as_ref()
            .and_then(|sample| sample.pressure.as_ref());
        if let Some(pressure) = pressure.filter(|pressure| pressure.some.last_60s_percent > PRESSURE_PERCENT)
        {
            notes.push(format!(
                "memory pressure: {:.0} % of the last minute",
                pressure.some.last_60s_percent
            ));
        }
        if self.not_sampled > 0 {
            notes.push(format!(
                "{} processes were not sampled (more than {MAX_SAMPLED} at once)",
                self.not_sampled
            ));
        }
        notes
    }

    /// Takes a last look at the cgroup, for kills that came with the worker's end.
    pub fn finish(&mut self) {
        if let Some(sample) = self.cgroup.as_ref().and_then(|cgroup| cgroup.sample().ok()) {
            self.last_cgroup = Some(sample);
        }
    }
}
