//! Finds the folder of a process's control group, see cgroups(7).
//!
//! The path in `/proc/PID/cgroup` is relative to the root of *our* cgroup namespace, while the
//! mount under `/sys/fs/cgroup` may show only a part of the hierarchy (a container without a
//! cgroup namespace of its own) or another namespace. So candidates are tried, and a shortened
//! path counts only if the group says that it holds the process.

use std::path::{Path, PathBuf};

use crate::{error::SampleError, read::read_path, roots::Roots, text::complete_lines};

/// Folders between a group and its mount at most; the kernel's usual depth is below ten.
pub(super) const DEPTH_MAX: usize = 64;

/// Which interface the memory controller speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    /// One hierarchy per controller.
    V1,
    /// One hierarchy for all.
    V2,
}

/// The control group of a process, as of the moment it was looked up: a process can be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    pub(super) version: CgroupVersion,
    /// Where the hierarchy of the memory controller is mounted.
    pub(super) mount: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) exact: bool,
    /// The group in the unified hierarchy, which has the pressure files, also on hybrid systems.
    pub(super) pressure_folder: Option<PathBuf>,
}

impl Cgroup {
    /// The control group of `pid`. `Missing` if there is no memory controller to be seen.
    pub fn of(roots: &Roots, pid: u32) -> Result<Self, SampleError> {
        let path = roots.process(pid).join("cgroup");
        let content =
            read_path(&path).map_err(|reason| SampleError::of_process(pid, path.clone(), reason))?;
        let entries = parse_membership(&content);
        let unified = unified_mount(roots.cgroup()).zip(entries.iter().find(|entry| entry.is_unified()));
        let unified = unified.and_then(|(mount, entry)| Place::find(mount, entry.path, pid));
        let v1 = || memory_place_v1(roots.cgroup(), &entries, pid).map(|place| (CgroupVersion::V1, place));
        let v2 = || Some((CgroupVersion::V2, unified.clone()?.with_file("memory.current")?));
        let (version, place) = v1().or_else(v2).ok_or(SampleError::Missing {
            path: roots.cgroup().into(),
        })?;
        let pressure = unified
            .clone()
            .and_then(|place| place.with_file("memory.pressure"));
        let pressure_folder = pressure.map(|place| place.folder);
        Ok(Cgroup {
            version,
            mount: place.mount,
            folder: place.folder,
            exact: place.exact,
            pressure_folder,
        })
    }

    /// Which interface the memory controller speaks.
    pub fn version(&self) -> CgroupVersion {
        self.version
    }

    /// The folder of the group.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether this is the process's own group and not an ancestor that stands for it, whose usage
    /// holds that of others too.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// The group and its ancestors up to the mount, innermost first.
    pub(super) fn levels(&self) -> impl Iterator<Item = &Path> {
        self.folder
            .ancestors()
            .take_while(|level| level.starts_with(&self.mount))
            .take(DEPTH_MAX)
    }
}

/// One line of `/proc/PID/cgroup`.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    hierarchy: u32,
    controllers: &'a str,
    path: &'a str,
}

impl Entry<'_> {
    fn is_unified(&self) -> bool {
        self.hierarchy == 0 && self.controllers.is_empty()
    }
}

fn parse_membership(content: &[u8]) -> Vec<Entry<'_>> {
    complete_lines(content).filter_map(parse_entry).collect()
}

fn parse_entry(line: &str) -> Option<Entry<'_>> {
    let mut fields = line.splitn(3, ':');
    let (hierarchy, controllers, path) = (fields.next()?.parse().ok()?, fields.next()?, fields.next()?);
    // The kernel marks a group that was removed under its processes.
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    path.starts_with('/').then_some(Entry {
        hierarchy,
        controllers,
        path,
    })
}

/// The mount of the unified hierarchy: the root itself, or `unified` on a hybrid system.
fn unified_mount(root: &Path) -> Option<PathBuf> {
    let candidates = [root.to_path_buf(), root.join("unified")];
    candidates
        .into_iter()
        .find(|mount| mount.join("cgroup.controllers").exists())
}

fn memory_place_v1(root: &Path, entries: &[Entry<'_>], pid: u32) -> Option<Place> {
    let entry = entries
        .iter()
        .find(|entry| entry.controllers.split(',').any(|name| name == "memory"))?;
    // Controllers mounted together share a folder that is named after them.
    let mounts = [root.join("memory"), root.join(entry.controllers)];
    let mount = mounts
        .into_iter()
        .find(|mount| mount.join("memory.usage_in_bytes").exists())?;
    Place::find(mount, entry.path, pid)
}

/// A folder in a mounted hierarchy.
#[derive(Debug, Clone)]
struct Place {
    mount: PathBuf,
    folder: PathBuf,
    exact: bool,
}

impl Place {
    fn find(mount: PathBuf, path: &str, pid: u32) -> Option<Self> {
        let names: Vec<&str> = path
            .split('/')
            .filter(|name| !name.is_empty())
            .take(DEPTH_MAX)
            .collect();
        if names.contains(&"..") {
            // Outside our cgroup namespace: no folder under the mount is an ancestor of it for sure.
            return None;
        }
        let whole = mount.join(names.join("/"));
        if whole.is_dir() {
            return Some(Place {
                mount,
                folder: whole,
                exact: true,
            });
        }
        let shortened = (1..names.len()).map(|start| mount.join(names[start..].join("/")));
        if let Some(folder) = shortened.chain([mount.clone()]).find(|folder| holds(folder, pid)) {
            return Some(Place {
                mount,
                folder,
                exact: true,
            });
        }
        let folder = nearest_ancestor(&mount, &names);
        Some(Place {
            mount,
            folder,
            exact: false,
        })
    }

    /// The nearest level that has `file`: a controller may be enabled for ancestors only.
    fn with_file(self, file: &str) -> Option<Self> {
        let levels = self
            .folder
            .ancestors()
            .take_while(|level| level.starts_with(&self.mount));
        let folder = levels
            .take(DEPTH_MAX)
            .find(|level| level.join(file).exists())?
            .to_path_buf();
        let exact = self.exact && folder == self.folder;
        Some(Place {
            folder,
            exact,
            mount: self.mount,
        })
    }
}

/// The longest leading part of the path that is still there; in the end the mount itself.
fn nearest_ancestor(mount: &Path, names: &[&str]) -> PathBuf {
    let leading = (1..names.len())
        .rev()
        .map(|end| mount.join(names[..end].join("/")));
    leading
        .into_iter()
        .find(|folder| folder.is_dir())
        .unwrap_or_else(|| mount.to_path_buf())
}

/// Pids in `cgroup.procs` are those of the reader's namespace.
fn holds(folder: &Path, pid: u32) -> bool {
    let processes = read_path(&folder.join("cgroup.procs")).unwrap_or_default();
    complete_lines(&processes).any(|line| line.parse() == Ok(pid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::testing::{check_every_truncation, mutations};

    const HYBRID: &[u8] =
        b"9:name=systemd:/\n4:cpu,memory:/api/a:b\n1:cpuset:/\n0::/system.slice/worker.service (deleted)\n";

    #[test]
    fn membership_is_read() {
        let entry = |hierarchy, controllers, path| Entry {
            hierarchy,
            controllers,
            path,
        };
        let expected = [
            entry(9, "name=systemd", "/"),
            entry(4, "cpu,memory", "/api/a:b"),
            entry(1, "cpuset", "/"),
            entry(0, "", "/system.slice/worker.service"),
        ];
        assert_eq!(parse_membership(HYBRID), expected);
        check_every_truncation(
            HYBRID,
            |cut| parse_membership(cut).len(),
            |lines| *lines <= expected.len(),
        );
        for end in 0..HYBRID.len() {
            assert!(
                expected.starts_with(&parse_membership(&HYBRID[..end])),
                "cut at {end}"
            );
        }
        for content in mutations(HYBRID) {
            let _ = parse_membership(&content);
        }
    }
}
