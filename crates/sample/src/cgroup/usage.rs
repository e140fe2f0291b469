use std::path::{Path, PathBuf};

use super::locate::{Cgroup, CgroupVersion};
use crate::{
    error::{BlindSpot, Reason, SampleError},
    pressure::Pressure,
    read::read_path,
    text::{keyed_lines, lone_number},
};

/// From here on a version 1 limit means "none": the kernel's `PAGE_COUNTER_MAX` is 2^63 less a
/// page, and no machine has 2^60 bytes. Pinned by `no_limit_is_told_from_a_limit`.
const NO_LIMIT_BYTES: u64 = 1 << 60;

/// A limit and how full the group is that it holds for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryLimit {
    /// The limit.
    pub bytes: u64,
    /// Memory of the group that has this limit, its descendants and page cache included, if it
    /// can be seen.
    pub usage_bytes: Option<u64>,
    /// Of that, what cannot be dropped at once: usage less inactive file pages.
    pub working_set_bytes: Option<u64>,
    /// The group that has it; `None` if it is above what the mount shows.
    pub folder: Option<PathBuf>,
}

impl MemoryLimit {
    /// How full the group is, 0–1: its working set, since the kernel drops inactive file pages
    /// before it kills. `None` if its usage cannot be seen.
    pub fn fullness(&self) -> Option<f64> {
        let used_bytes = self.working_set_bytes.or(self.usage_bytes)?;
        Some(used_bytes as f64 / self.bytes.max(1) as f64)
    }
}

/// How often the group came near its limits, cumulative. `None` where the kernel does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryEvents {
    /// Reclaimed although below the protected amount.
    pub low: Option<u64>,
    /// Throttled because above `memory.high`.
    pub high: Option<u64>,
    /// Ran against the limit; version 1 calls it `failcnt`.
    pub max: Option<u64>,
    /// Out of memory: reclaim could not help.
    pub oom: Option<u64>,
    /// Processes killed for it.
    pub oom_kill: Option<u64>,
}

/// One look at a control group.
#[derive(Debug, Clone, PartialEq)]
pub struct CgroupSample {
    /// Memory of the group, its descendants and page cache included.
    pub usage_bytes: Option<u64>,
    /// Of that, what cannot be dropped at once: usage less inactive file pages.
    pub working_set_bytes: Option<u64>,
    /// Swap in use.
    pub swap_bytes: Option<u64>,
    /// The least hard limit of the group and its ancestors.
    pub limit: Option<MemoryLimit>,
    /// The least `memory.high`, from which on the kernel slows the group down.
    pub throttle_bytes: Option<u64>,
    /// The fullest of the group and its ancestors, 0–1 of their limits: the one that will bind
    /// first need not have the least limit, since siblings fill an ancestor too.
    pub fullness: Option<f64>,
    /// How often it came near its limits.
    pub events: MemoryEvents,
    /// Time waited for memory within the group.
    pub pressure: Option<Pressure>,
    /// What could not be seen, and why.
    pub blind_spots: Vec<BlindSpot>,
}

impl Cgroup {
    /// Takes a look. `Missing` when the group is gone.
    pub fn sample(&self) -> Result<CgroupSample, SampleError> {
        if !self.folder.is_dir() {
            return Err(SampleError::Missing {
                path: self.folder.clone(),
            });
        }
        let mut look = Look {
            blind_spots: Vec::new(),
            files: files_of(self.version),
        };
        let folder = self.folder.as_path();
        let usage_bytes = look.seen(look.files.usage, look.number(folder, look.files.usage));
        let inactive_bytes = look.inactive_file(folder);
        let limits = self.limits(&look);
        Ok(CgroupSample {
            usage_bytes,
            working_set_bytes: working_set(usage_bytes, inactive_bytes),
            swap_bytes: look.swap(folder, usage_bytes),
            throttle_bytes: self
                .levels()
                .filter_map(|level| look.limit(level, look.files.throttle?))
                .min(),
            fullness: limits.iter().filter_map(MemoryLimit::fullness).reduce(f64::max),
            limit: limits.into_iter().min_by_key(|limit| limit.bytes),
            events: look.events(folder),
            pressure: self.pressure(&mut look),
            blind_spots: look.blind_spots,
        })
    }

    /// Every limit in force, innermost first.
    fn limits(&self, look: &Look) -> Vec<MemoryLimit> {
        let visible = self.levels().filter_map(|level| {
            let bytes = look.limit(level, look.files.limit)?;
            let usage_bytes = look.number(level, look.files.usage).ok();
            let working_set_bytes = working_set(usage_bytes, look.inactive_file(level));
            Some(MemoryLimit {
                bytes,
                usage_bytes,
                working_set_bytes,
                folder: Some(level.to_path_buf()),
            })
        });
        let mut limits: Vec<MemoryLimit> = visible.collect();
        // Version 1 tells the least limit including ancestors above the mount.
        let hierarchical = look
            .statistic(&self.folder, "hierarchical_memory_limit")
            .and_then(real_limit);
        limits.extend(hierarchical.map(|bytes| MemoryLimit {
            bytes,
            usage_bytes: None,
            working_set_bytes: None,
            folder: None,
        }));
        limits
    }

    fn pressure(&self, look: &mut Look) -> Option<Pressure> {
        let folder = self.pressure_folder.as_ref().ok_or(Reason::Missing);
        let pressure = folder.and_then(|folder| Pressure::read(&folder.join("memory.pressure")));
        look.seen("memory.pressure", pressure)
    }
}

/// What the files are called.
struct Files {
    usage: &'static str,
    limit: &'static str,
    throttle: Option<&'static str>,
    inactive_file: &'static str,
    events: &'static str,
}

fn files_of(version: CgroupVersion) -> &'static Files {
    match version {
        CgroupVersion::V1 => &Files {
            usage: "memory.usage_in_bytes",
            limit: "memory.limit_in_bytes",
            throttle: None,
            inactive_file: "total_inactive_file",
            events: "memory.oom_control",
        },
        CgroupVersion::V2 => &Files {
            usage: "memory.current",
            limit: "memory.max",
            throttle: Some("memory.high"),
            inactive_file: "inactive_file",
            events: "memory.events",
        },
    }
}

/// Reads files of one group and remembers what it could not see.
struct Look {
    blind_spots: Vec<BlindSpot>,
    files: &'static Files,
}

impl Look {
    fn seen<T>(&mut self, file: &'static str, part: Result<T, Reason>) -> Option<T> {
        part.map_err(|reason| self.blind_spots.push(BlindSpot { file, reason }))
            .ok()
    }

    fn number(&self, folder: &Path, file: &str) -> Result<u64, Reason> {
        lone_number(&read_path(&folder.join(file))?).ok_or(Reason::Garbage)
    }

    /// `None` for "no limit" (`max`), as for a file that is not there: a root group has none.
    fn limit(&self, folder: &Path, file: &str) -> Option<u64> {
        self.number(folder, file).ok().and_then(real_limit)
    }

    fn statistic(&self, folder: &Path, name: &str) -> Option<u64> {
        value_of(&read_path(&folder.join("memory.stat")).ok()?, name)
    }

    fn inactive_file(&self, folder: &Path) -> Option<u64> {
        self.statistic(folder, self.files.inactive_file)
    }

    fn swap(&self, folder: &Path, usage_bytes: Option<u64>) -> Option<u64> {
        if let Ok(bytes) = self.number(folder, "memory.swap.current") {
            return Some(bytes);
        }
        // Version 1 counts memory and swap together.
        let both_bytes = self.number(folder, "memory.memsw.usage_in_bytes").ok()?;
        Some(both_bytes.saturating_sub(usage_bytes?))
    }

    fn events(&mut self, folder: &Path) -> MemoryEvents {
        let content = self
            .seen(self.files.events, read_path(&folder.join(self.files.events)))
            .unwrap_or_default();
        let value = |name| value_of(&content, name);
        MemoryEvents {
            low: value("low"),
            high: value("high"),
            max: value("max").or_else(|| self.number(folder, "memory.failcnt").ok()),
            oom: value("oom"),
            oom_kill: value("oom_kill"),
        }
    }
}

fn real_limit(bytes: u64) -> Option<u64> {
    (bytes < NO_LIMIT_BYTES).then_some(bytes)
}

fn working_set(usage_bytes: Option<u64>, inactive_bytes: Option<u64>) -> Option<u64> {
    Some(usage_bytes?.saturating_sub(inactive_bytes?))
}

fn value_of(content: &[u8], name: &str) -> Option<u64> {
    keyed_lines(content)
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::testing::{check_every_truncation, mutations};

    #[test]
    fn no_limit_is_told_from_a_limit() {
        for (bytes, expected) in [
            (536_870_912, Some(536_870_912)),
            (9_223_372_036_854_771_712, None),
            (u64::MAX, None),
            (0, Some(0)),
        ] {
            assert_eq!(real_limit(bytes), expected);
        }
    }

    #[test]
    fn values_are_whole_or_unknown() {
        const EVENTS: &[u8] = b"low 0\nhigh 12\nmax 345\noom 6\noom_kill 7\noom_group_kill 0\n";
        for (name, expected) in [("high", 12), ("max", 345), ("oom", 6), ("oom_kill", 7)] {
            assert_eq!(value_of(EVENTS, name), Some(expected));
            check_every_truncation(
                EVENTS,
                |cut| value_of(cut, name),
                |value| value.is_none_or(|value| value == expected),
            );
        }
        for content in mutations(EVENTS) {
            let _ = (value_of(&content, "max"), lone_number(&content));
        }
        check_every_truncation(b"536870912\n", lone_number, |limit| {
            limit.is_none_or(|limit| limit == 536_870_912)
        });
    }

    #[test]
    fn a_full_group_without_usage_is_unknown() {
        let limit = MemoryLimit {
            bytes: 100,
            usage_bytes: None,
            working_set_bytes: None,
            folder: None,
        };
        assert_eq!(limit.fullness(), None);
        assert_eq!(
            MemoryLimit {
                usage_bytes: Some(90),
                ..limit.clone()
            }
            .fullness(),
            Some(0.9)
        );
        assert_eq!(
            MemoryLimit {
                working_set_bytes: Some(50),
                ..limit
            }
            .fullness(),
            Some(0.5)
        );
    }
}
