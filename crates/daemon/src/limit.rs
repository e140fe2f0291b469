//! Holds a worker to the memory limit that a test asks for.
//!
//! Best is a control group of its own below or beside ours, which counts everything that the worker and
//! its children use. Where we may not make one, Node is held by V8's own limit on its heap, and any other
//! program by `RLIMIT_DATA` (setrlimit(2): private writable memory of each process). Which of them it is
//! goes into the report, since they do not limit the same.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use plimsoll_model::TestLimit;
use plimsoll_runtimes::node::{Role, recognise};
use plimsoll_sample::{Cgroup, CgroupVersion, Roots};
use rustix::process::{Resource, Rlimit, setrlimit};

/// A worker that died with this much of its limit in use ran into it: V8 gives up a little before its
/// limit, and the last look may be up to a second old.
const NEAR_SHARE: f64 = 0.75;

/// A limit, ready to be put on a worker.
#[derive(Debug)]
pub struct Limit {
    bytes: u64,
    hold: Hold,
}

#[derive(Debug)]
enum Hold {
    Group(Group),
    V8,
    Rlimit,
}

/// A control group of the worker's own. It goes with the value.
#[derive(Debug)]
struct Group {
    folder: PathBuf,
    version: CgroupVersion,
    /// Open for writing: whoever writes `0` becomes a member.
    members: File,
}

/// What was seen of a worker that ended, for telling why.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ending {
    /// It ended by itself, and not well.
    pub failed: bool,
    /// Heap in use and the runtime's limit on it, as last seen.
    pub heap: Option<(u64, u64)>,
    /// Largest resident memory.
    pub peak_rss_bytes: Option<u64>,
}

impl Limit {
    /// The best that can be had for `command`.
    pub fn prepare(bytes: u64, command: &[String]) -> Limit {
        let hold = match Group::create(bytes) {
            Some(group) => Hold::Group(group),
            // A wrapper is taken for Node's: those that are known start Node programs.
            None if recognise(command, None) == Role::Other => Hold::Rlimit,
            None => Hold::V8,
        };
        Limit { bytes, hold }
    }

    /// What has to be added to `NODE_OPTIONS`.
    pub fn node_option(&self) -> Option<String> {
        let mib = (self.bytes >> 20).max(1);
        matches!(self.hold, Hold::V8).then(|| format!("--max-old-space-size={mib}"))
    }

    /// Puts the limit on a process that is about to be started.
    ///
    /// # Errors
    /// The system's, where the group cannot be handed over.
    pub fn apply(&self, process: &mut Command) -> io::Result<()> {
        match &self.hold {
            Hold::Group(group) => group.take_in(process),
            Hold::Rlimit => {
                let limit = Rlimit {
                    current: Some(self.bytes),
                    maximum: Some(self.bytes),
                };
                // SAFETY: between fork and exec only one system call is made, nothing is allocated.
                unsafe { process.pre_exec(move || Ok(setrlimit(Resource::Data, limit)?)) };
                Ok(())
            }
            Hold::V8 => Ok(()),
        }
    }

    /// What was limited, and whether the worker ran into it.
    pub fn result(&self, ending: &Ending) -> TestLimit {
        let near = |used: u64, limit: u64| used as f64 >= NEAR_SHARE * limit as f64;
        let heap_full = ending.failed && ending.heap.is_some_and(|(used, limit)| near(used, limit));
        let rss_full = ending.failed && ending.peak_rss_bytes.is_some_and(|rss| near(rss, self.bytes));
        let (enforced_by, scope, hit) = match &self.hold {
            Hold::Group(group) => (
                "cgroup",
                "all memory of the worker and its children",
                group.kills() > 0 || heap_full,
            ),
            Hold::V8 => (
                "v8",
                "the old generation of the JavaScript heap of each isolate; buffers and native memory are not limited",
                heap_full,
            ),
            Hold::Rlimit => (
                "rlimit",
                "private writable memory of each process (RLIMIT_DATA)",
                rss_full,
            ),
        };
        TestLimit {
            bytes: self.bytes,
            enforced_by: enforced_by.into(),
            scope: scope.into(),
            hit,
        }
    }
}

impl Group {
    /// Below our own group; or beside it, where the kernel allows no processes in a group that has
    /// limited children (version 2, "no internal processes").
    fn create(bytes: u64) -> Option<Group> {
        let own = Cgroup::of(&Roots::default(), std::process::id()).ok()?;
        if !own.is_exact() {
            return None;
        }
        let beside = own
            .folder()
            .parent()
            .filter(|parent| parent.join("cgroup.procs").exists());
        [Some(own.folder()), beside]
            .into_iter()
            .flatten()
            .find_map(|parent| Group::below(parent, own.version(), bytes).ok())
    }

    fn below(parent: &Path, version: CgroupVersion, bytes: u64) -> io::Result<Group> {
        if version == CgroupVersion::V2 {
            let control = parent.join("cgroup.subtree_control");
            let enabled = |text: String| text.split_whitespace().any(|name| name == "memory");
            if !fs::read_to_string(&control).is_ok_and(enabled) {
                fs::write(&control, "+memory")?;
            }
        }
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), bytes);
        let folder = parent.join(format!("plimsoll-{}-{random:016x}", std::process::id()));
        fs::create_dir(&folder)?;
        let made = Group::limited(&folder, version, bytes);
        if made.is_err() {
            let _ = fs::remove_dir(&folder);
        }
        made
    }

    fn limited(folder: &Path, version: CgroupVersion, bytes: u64) -> io::Result<Group> {
        let limit = bytes.to_string();
        match version {
            CgroupVersion::V1 => {
                fs::write(folder.join("memory.limit_in_bytes"), &limit)?;
                // Swap is not accounted for everywhere; without it the limit above is all there is.
                let _ = fs::write(folder.join("memory.memsw.limit_in_bytes"), &limit);
            }
            CgroupVersion::V2 => {
                fs::write(folder.join("memory.max"), &limit)?;
                let _ = fs::write(folder.join("memory.swap.max"), "0");
            }
        }
        let members = OpenOptions::new().write(true).open(folder.join("cgroup.procs"))?;
        let group = Group {
            folder: folder.to_owned(),
            version,
            members,
        };
        group.try_out()?;
        Ok(group)
    }

    /// Whether a child of ours may become a member is seen by letting one try.
    fn try_out(&self) -> io::Result<()> {
        let mut probe = Command::new("true");
        probe
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.take_in(&mut probe)?;
        probe.status().map(|_| ())
    }

    fn take_in(&self, process: &mut Command) -> io::Result<()> {
        let members = self.members.as_fd().try_clone_to_owned()?;
        // SAFETY: between fork and exec only one system call is made, nothing is allocated.
        unsafe {
            process.pre_exec(move || {
                rustix::io::write(&members, b"0")?;
                Ok(())
            })
        };
        Ok(())
    }

    /// Processes that the kernel killed for this limit.
    fn kills(&self) -> u64 {
        let file = match self.version {
            CgroupVersion::V1 => "memory.oom_control",
            CgroupVersion::V2 => "memory.events",
        };
        let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A child that outlives the worker keeps its group; the kernel refuses to remove it under it.
        let _ = fs::remove_dir(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn held(hold: Hold) -> Limit {
        Limit {
            bytes: 100 << 20,
            hold,
        }
    }

    #[test]
    fn an_ending_near_the_limit_is_a_hit() {
        let failed = |heap, peak_rss_bytes| Ending {
            failed: true,
            heap,
            peak_rss_bytes,
        };
        for (hold, ending, expected) in [
            (Hold::V8, failed(Some((99 << 20, 100 << 20)), None), true),
            (
                Hold::V8,
                failed(Some((30 << 20, 100 << 20)), Some(400 << 20)),
                false,
            ),
            (Hold::Rlimit, failed(None, Some(90 << 20)), true),
            (Hold::Rlimit, failed(None, Some(20 << 20)), false),
            (Hold::V8, Ending::default(), false),
        ] {
            assert_eq!(held(hold).result(&ending).hit, expected, "{ending:?}");
        }
    }

    #[test]
    fn only_v8_is_told_by_an_option() {
        assert_eq!(
            held(Hold::V8).node_option().as_deref(),
            Some("--max-old-space-size=100")
        );
        assert_eq!(held(Hold::Rlimit).node_option(), None);
    }

    #[test]
    fn a_program_runs_under_whatever_limit_can_be_had() {
        let limit = Limit::prepare(256 << 20, &words("true"));
        let mut process = Command::new("true");
        limit.apply(&mut process).expect("the limit was tried out");
        assert!(process.status().expect("`true` is everywhere").success());
        let result = limit.result(&Ending::default());
        assert!(!result.hit && ["cgroup", "rlimit"].contains(&result.enforced_by.as_str()));
    }
}
