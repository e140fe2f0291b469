use std::{os::fd::OwnedFd, path::PathBuf};

use plimsoll_model::ProcessKey;

use super::{
    descriptors::{DescriptorFolder, Descriptors},
    memory::{Io, MemorySplit, StatusMemory, parse_io, parse_smaps_rollup, parse_status},
    stat::{Stat, parse_stat, parse_statm},
};
use crate::{
    error::{BlindSpot, Reason, SampleError},
    read::{open, open_at, reread},
    roots::Roots,
};

/// How closely to look. Each level includes those before it; `benches/outside_view` has the prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Resident memory, threads, CPU, input and output, the number of descriptors.
    Counters,
    /// And the kinds of descriptors: the price grows with their number.
    Descriptors,
    /// And the split of memory: the price grows with resident memory (a walk over its page tables),
    /// during which the process may wait if it maps memory.
    Full,
}

/// One look at a process.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessSample {
    /// Resident memory.
    pub rss_bytes: u64,
    /// Mapped address space.
    pub virtual_bytes: u64,
    /// The split that costs nothing.
    pub status: Option<StatusMemory>,
    /// The exact split; only with [`Detail::Full`].
    pub split: Option<MemorySplit>,
    /// Threads.
    pub threads: u32,
    /// CPU spent in the program, cumulative.
    pub user_cpu_seconds: f64,
    /// CPU spent in the kernel, cumulative.
    pub system_cpu_seconds: f64,
    /// Open descriptors; their kinds from [`Detail::Descriptors`] on.
    pub descriptors: Option<Descriptors>,
    /// Bytes read and written, cumulative.
    pub io: Option<Io>,
    /// What could not be seen, and why.
    pub blind_spots: Vec<BlindSpot>,
}

/// Samples one process for as long as it lives.
///
/// The kernel ties an open `/proc/PID` to the process and not to the number, so a kept descriptor
/// never shows another process that reuses the pid; the start time is compared all the same, since
/// a tree of plain files makes no such promise.
#[derive(Debug)]
pub struct ProcessSampler {
    key: ProcessKey,
    path: PathBuf,
    folder: OwnedFd,
    stat: OwnedFd,
    statm: OwnedFd,
    status: Part,
    io: Part,
    smaps_rollup: Part,
    descriptors: Result<DescriptorFolder, Reason>,
    buffer: Vec<u8>,
}

impl ProcessSampler {
    /// Opens whatever process has `pid` now.
    pub fn open(roots: &Roots, pid: u32) -> Result<Self, SampleError> {
        let path = roots.process(pid);
        let failed = |reason| SampleError::of_process(pid, path.clone(), reason);
        let folder = open(&path).map_err(failed)?;
        let stat = open_at(&folder, "stat").map_err(failed)?;
        let statm = open_at(&folder, "statm").map_err(failed)?;
        let mut sampler = ProcessSampler {
            key: ProcessKey { pid, start_ticks: 0 },
            stat,
            statm,
            status: Part::open("status", &folder),
            io: Part::open("io", &folder),
            smaps_rollup: Part::open("smaps_rollup", &folder),
            descriptors: DescriptorFolder::open_at(&folder),
            folder,
            path,
            buffer: Vec::new(),
        };
        sampler.key.start_ticks = sampler.read_stat()?.start_ticks;
        Ok(sampler)
    }

    /// Opens the process that `key` names, and no other that has its pid by now.
    pub fn open_key(roots: &Roots, key: ProcessKey) -> Result<Self, SampleError> {
        let sampler = ProcessSampler::open(roots, key.pid)?;
        reject_reused(key, sampler.key.start_ticks)?;
        Ok(sampler)
    }

    /// Which process this is.
    pub fn key(&self) -> ProcessKey {
        self.key
    }

    /// Takes a look. `Exited` is the ordinary end; a part that cannot be seen is a blind spot.
    pub fn sample(&mut self, detail: Detail) -> Result<ProcessSample, SampleError> {
        let stat = self.read_stat()?;
        reject_reused(self.key, stat.start_ticks)?;
        let (virtual_pages, resident_pages) = self.read_statm()?;
        let page_bytes = rustix::param::page_size() as u64;
        let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
        let mut blind_spots = Vec::new();
        Ok(ProcessSample {
            rss_bytes: resident_pages.saturating_mul(page_bytes),
            virtual_bytes: virtual_pages.saturating_mul(page_bytes),
            threads: stat.threads,
            user_cpu_seconds: stat.user_ticks as f64 / ticks_per_second,
            system_cpu_seconds: stat.system_ticks as f64 / ticks_per_second,
            status: seen(
                &mut blind_spots,
                "status",
                self.status.read(&mut self.buffer, parse_status),
            ),
            io: seen(&mut blind_spots, "io", self.io.read(&mut self.buffer, parse_io)),
            split: self
                .split(detail)
                .and_then(|split| seen(&mut blind_spots, "smaps_rollup", split)),
            descriptors: seen(&mut blind_spots, "fd", self.look_at_descriptors(detail)),
            blind_spots,
        })
    }

    fn read_stat(&mut self) -> Result<Stat, SampleError> {
        let read = reread(&self.stat, &mut self.buffer);
        let stat = read.and_then(|()| parse_stat(&self.buffer).ok_or(Reason::Garbage));
        let stat = stat.map_err(|reason| self.failed("stat", reason))?;
        if stat.is_dead() {
            Err(SampleError::Exited { pid: self.key.pid })
        } else {
            Ok(stat)
        }
    }

    fn read_statm(&mut self) -> Result<(u64, u64), SampleError> {
        let read = reread(&self.statm, &mut self.buffer);
        let pages = read.and_then(|()| parse_statm(&self.buffer).ok_or(Reason::Garbage));
        pages.map_err(|reason| self.failed("statm", reason))
    }

    fn failed(&self, file: &str, reason: Reason) -> SampleError {
        SampleError::of_process(self.key.pid, self.path.join(file), reason)
    }

    fn split(&mut self, detail: Detail) -> Option<Result<MemorySplit, Reason>> {
        if detail < Detail::Full {
            return None;
        }
        let split = self.smaps_rollup.read(&mut self.buffer, parse_smaps_rollup);
        if split != Err(Reason::Gone) {
            return Some(split);
        }
        // The kernel ties this file, unlike the others, to the address space of the moment it was
        // opened (proc_mem_open). A program that replaced itself with exec has another one.
        self.smaps_rollup = Part::open("smaps_rollup", &self.folder);
        Some(self.smaps_rollup.read(&mut self.buffer, parse_smaps_rollup))
    }

    fn look_at_descriptors(&self, detail: Detail) -> Result<Descriptors, Reason> {
        let folder = self.descriptors.as_ref().map_err(|reason| *reason)?;
        if detail < Detail::Descriptors {
            folder.total()
        } else {
            folder.kinds()
        }
    }
}

fn reject_reused(key: ProcessKey, found_ticks: u64) -> Result<(), SampleError> {
    if found_ticks == key.start_ticks {
        return Ok(());
    }
    Err(SampleError::Reused {
        pid: key.pid,
        expected_ticks: key.start_ticks,
        found_ticks,
    })
}

fn seen<T>(blind_spots: &mut Vec<BlindSpot>, file: &'static str, part: Result<T, Reason>) -> Option<T> {
    part.map_err(|reason| blind_spots.push(BlindSpot { file, reason }))
        .ok()
}

/// A file of the process that we can do without.
#[derive(Debug)]
struct Part(Result<OwnedFd, Reason>);

impl Part {
    fn open(name: &str, folder: &OwnedFd) -> Self {
        Part(open_at(folder, name))
    }

    fn read<T>(&self, buffer: &mut Vec<u8>, parse: impl Fn(&[u8]) -> Option<T>) -> Result<T, Reason> {
        let file = self.0.as_ref().map_err(|reason| *reason)?;
        reread(file, buffer)?;
        parse(buffer).ok_or(Reason::Garbage)
    }
}
