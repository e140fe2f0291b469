//! A process and all that descend from it, by pid and start time.
//!
//! A descendant stays a member until it ends, whoever its parent becomes. A grandchild that was
//! orphaned before anyone saw it is found among the children of the [`Adopter`] by its environment.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_model::ProcessKey;

use crate::{
    error::{Reason, SampleError},
    process::parse_stat,
    read::read_path,
    roots::Roots,
};

/// Members kept at most: several times the largest prefork pools, so that a fork bomb cannot make
/// us a leak of our own. Pinned by `a_fork_bomb_is_bounded`.
const MEMBERS_MAX: usize = 1024;

/// Threads asked for children, and processes scanned, at most per look.
const SCANNED_MAX: usize = 65_536;

/// One process of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Pid and start time.
    pub key: ProcessKey,
    /// Parent at the last look: another member, or whoever adopted it.
    pub parent_pid: u32,
    /// The kernel's short name of it; changes when it replaces its program.
    pub name: String,
}

/// What a look found new.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct TreeChange {
    /// Members that joined.
    pub appeared: Vec<Member>,
    /// Members that ended.
    pub exited: Vec<ProcessKey>,
    /// Descendants left out because the tree is full.
    pub left_out: u32,
}

/// The process that orphans of the tree fall to: ourselves after [`adopt_orphans`], else pid 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopter {
    /// Its pid.
    pub pid: u32,
    /// Bytes that the environment of every process of the tree holds and no other's, such as the
    /// path of a socket made for it.
    pub marker: Vec<u8>,
}

/// Makes this process adopt its orphaned descendants (`PR_SET_CHILD_SUBREAPER`). From then on it
/// must also wait for them.
pub fn adopt_orphans() -> std::io::Result<()> {
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own)).map_err(Into::into)
}

/// A root process and its descendants.
#[derive(Debug)]
pub struct ProcessTree {
    roots: Roots,
    root: ProcessKey,
    members: BTreeMap<u32, Member>,
    adopter: Option<Adopter>,
    /// Children of the adopter that are not ours, so that an environment is read once.
    strangers: BTreeSet<ProcessKey>,
    /// Whether the kernel lists children (`CONFIG_PROC_CHILDREN`), which spares a scan of `/proc`.
    lists_children: bool,
}

impl ProcessTree {
    /// A tree that holds only its root as yet; `refresh` finds the rest.
    pub fn new(roots: &Roots, pid: u32, adopter: Option<Adopter>) -> Result<Self, SampleError> {
        let root = read_member(roots, pid)
            .map_err(|reason| SampleError::of_process(pid, roots.process(pid).join("stat"), reason))?;
        let lists_children = roots.process(pid).join(format!("task/{pid}/children")).exists();
        Ok(ProcessTree {
            roots: roots.clone(),
            root: root.key,
            members: BTreeMap::from([(pid, root)]),
            adopter,
            strangers: BTreeSet::new(),
            lists_children,
        })
    }

    /// The process that the tree started with. It may have ended.
    pub fn root(&self) -> ProcessKey {
        self.root
    }

    /// Members that lived at the last look, by pid.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Whether all have ended.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Looks again. A process that vanishes meanwhile is an ordinary result, never an error.
    pub fn refresh(&mut self) -> TreeChange {
        let mut change = TreeChange {
            exited: self.drop_ended(),
            ..TreeChange::default()
        };
        let kin = if self.lists_children {
            Kin::Listed
        } else {
            Kin::Scanned(scan(&self.roots))
        };
        let mut unvisited: Vec<u32> = self.members.keys().copied().collect();
        let adopted = self.adopted(&kin);
        self.join(adopted, &mut unvisited, &mut change);
        while let Some(pid) = unvisited.pop() {
            let children = kin.children(&self.roots, pid);
            let new = children
                .into_iter()
                .filter(|child| !self.members.contains_key(child));
            let new: Vec<Member> = new
                .filter_map(|child| read_member(&self.roots, child).ok())
                .collect();
            self.join(new, &mut unvisited, &mut change);
        }
        change
    }

    fn drop_ended(&mut self) -> Vec<ProcessKey> {
        let mut exited = Vec::new();
        let roots = &self.roots;
        self.members.retain(|pid, member| match read_member(roots, *pid) {
            Ok(now) if now.key == member.key => {
                *member = now;
                true
            }
            // Not allowed to look any more is no proof of an end.
            Err(Reason::Denied | Reason::Failed(_)) => true,
            _ => {
                exited.push(member.key);
                false
            }
        });
        exited
    }

    fn join(&mut self, new: Vec<Member>, unvisited: &mut Vec<u32>, change: &mut TreeChange) {
        for member in new {
            if self.members.len() >= MEMBERS_MAX {
                change.left_out += 1;
                continue;
            }
            unvisited.push(member.key.pid);
            change.appeared.push(member.clone());
            self.members.insert(member.key.pid, member);
        }
    }

    /// Children of the adopter that carry the marker and are not members yet.
    fn adopted(&mut self, kin: &Kin) -> Vec<Member> {
        let Some(adopter) = &self.adopter else {
            return Vec::new();
        };
        let children = kin.children(&self.roots, adopter.pid);
        let unknown = children
            .into_iter()
            .filter(|child| !self.members.contains_key(child));
        let unknown = unknown.filter_map(|child| read_member(&self.roots, child).ok());
        let mut strangers = BTreeSet::new();
        let mut adopted = Vec::new();
        for member in unknown {
            let known_stranger = self.strangers.contains(&member.key);
            if !known_stranger && carries(&self.roots, member.key.pid, &adopter.marker) {
                adopted.push(member);
            } else {
                strangers.insert(member.key);
            }
        }
        // Only those that still live are remembered, which bounds the set.
        self.strangers = strangers;
        adopted
    }
}

/// Where children are looked up.
enum Kin {
    /// `/proc/PID/task/TID/children` of every thread.
    Listed,
    /// One scan of `/proc`: children by parent.
    Scanned(BTreeMap<u32, Vec<u32>>),
}

impl Kin {
    fn children(&self, roots: &Roots, pid: u32) -> Vec<u32> {
        match self {
            Kin::Listed => listed_children(roots, pid),
            Kin::Scanned(children) => children.get(&pid).cloned().unwrap_or_default(),
        }
    }
}

fn listed_children(roots: &Roots, pid: u32) -> Vec<u32> {
    let tasks = roots.process(pid).join("task");
    let lists = numbers_in(&tasks).map(|thread| read_path(&tasks.join(thread.to_string()).join("children")));
    lists
        .filter_map(Result::ok)
        .flat_map(|list| parse_children(&list))
        .collect()
}

fn parse_children(content: &[u8]) -> Vec<u32> {
    // Every pid is followed by a space, so a cut-off one is not.
    let pids = content
        .split_inclusive(|byte| *byte == b' ')
        .filter_map(|pid| pid.strip_suffix(b" "));
    pids.filter_map(|pid| std::str::from_utf8(pid).ok()?.parse().ok())
        .collect()
}

fn scan(roots: &Roots) -> BTreeMap<u32, Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for pid in numbers_in(roots.proc()) {
        if let Ok(member) = read_member(roots, pid) {
            children.entry(member.parent_pid).or_default().push(pid);
        }
    }
    children
}

fn numbers_in(folder: &std::path::Path) -> impl Iterator<Item = u32> + use<> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().take(SCANNED_MAX);
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn read_member(roots: &Roots, pid: u32) -> Result<Member, Reason> {
    let stat = parse_stat(&read_path(&roots.process(pid).join("stat"))?).ok_or(Reason::Garbage)?;
    if stat.is_dead() {
        return Err(Reason::Gone);
    }
    Ok(Member {
        key: ProcessKey {
            pid,
            start_ticks: stat.start_ticks,
        },
        parent_pid: stat.parent_pid,
        name: stat.name,
    })
}

fn carries(roots: &Roots, pid: u32, marker: &[u8]) -> bool {
    let environment = read_path(&roots.process(pid).join("environ")).unwrap_or_default();
    !marker.is_empty() && environment.windows(marker.len()).any(|window| window == marker)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::text::testing::check_every_truncation;

    fn put(proc: &Path, pid: u32, parent: u32, start: u64, state: char) {
        let folder = proc.join(pid.to_string());
        fs::create_dir_all(&folder).unwrap();
        let zeros = "0 ".repeat(9);
        let stat = format!("{pid} (p {pid}) {state} {parent} {zeros}1 1 0 0 20 0 1 0 {start} 100 10\n");
        fs::write(folder.join("stat"), stat).unwrap();
    }

    fn put_children(proc: &Path, pid: u32, thread: u32, children: &str) {
        let folder = proc.join(format!("{pid}/task/{thread}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("children"), children).unwrap();
    }

    fn pids(tree: &ProcessTree) -> Vec<u32> {
        tree.members().map(|member| member.key.pid).collect()
    }

    #[test]
    fn descendants_are_found_either_way() {
        for listed in [false, true] {
            let proc = tempfile::tempdir().unwrap();
            for (pid, parent) in [(10, 1), (11, 10), (12, 11), (13, 10), (20, 1)] {
                put(proc.path(), pid, parent, 100, 'S');
                if listed {
                    put_children(proc.path(), pid, pid, ["", "", "12 "][usize::from(pid == 11) * 2]);
                }
            }
            if listed {
                put_children(proc.path(), 10, 10, "11 ");
                put_children(proc.path(), 10, 99, "13 ");
            }
            let mut tree = ProcessTree::new(&Roots::new(proc.path(), "/nowhere"), 10, None).unwrap();
            assert_eq!(tree.refresh().appeared.len(), 3, "listed: {listed}");
            assert_eq!(pids(&tree), [10, 11, 12, 13]);
            assert_eq!(tree.refresh(), TreeChange::default());
        }
    }

    #[test]
    fn an_orphan_stays_and_a_reused_pid_does_not() {
        let proc = tempfile::tempdir().unwrap();
        for (pid, parent) in [(10, 1), (11, 10), (12, 11), (13, 10)] {
            put(proc.path(), pid, parent, 100, 'S');
        }
        let mut tree = ProcessTree::new(&Roots::new(proc.path(), "/nowhere"), 10, None).unwrap();
        tree.refresh();
        put(proc.path(), 11, 10, 100, 'Z');
        put(proc.path(), 12, 1, 100, 'S');
        put(proc.path(), 13, 1, 999, 'S');
        let change = tree.refresh();
        assert_eq!(
            change.exited,
            [11, 13].map(|pid| ProcessKey {
                pid,
                start_ticks: 100
            })
        );
        assert_eq!(pids(&tree), [10, 12]);
    }

    #[test]
    fn an_unseen_orphan_is_known_by_its_environment() {
        let proc = tempfile::tempdir().unwrap();
        for (pid, parent, environment) in [
            (10, 5, "A=1"),
            (30, 5, "A=1\0SOCKET=/run/w-77\0"),
            (31, 5, "B=2\0"),
        ] {
            put(proc.path(), pid, parent, 100, 'S');
            fs::write(proc.path().join(pid.to_string()).join("environ"), environment).unwrap();
        }
        let adopter = Adopter {
            pid: 5,
            marker: b"/run/w-77".to_vec(),
        };
        let mut tree = ProcessTree::new(&Roots::new(proc.path(), "/nowhere"), 10, Some(adopter)).unwrap();
        tree.refresh();
        assert_eq!(pids(&tree), [10, 30]);
        assert_eq!(tree.refresh(), TreeChange::default());
    }

    #[test]
    fn a_fork_bomb_is_bounded() {
        let proc = tempfile::tempdir().unwrap();
        put(proc.path(), 1, 0, 100, 'S');
        for pid in 2..MEMBERS_MAX as u32 + 12 {
            put(proc.path(), pid, 1, 100, 'S');
        }
        let mut tree = ProcessTree::new(&Roots::new(proc.path(), "/nowhere"), 1, None).unwrap();
        let change = tree.refresh();
        assert_eq!((tree.members().count(), change.left_out), (MEMBERS_MAX, 11));
    }

    #[test]
    fn children_lists_are_whole_or_shorter() {
        let whole = [11, 222, 3];
        check_every_truncation(b"11 222 3 ", parse_children, |pids| whole.starts_with(pids));
        assert_eq!(parse_children(b"11 222 3 "), whole);
        assert_eq!(parse_children(b"x -1 99999999999 \xff 7 "), [7]);
    }
}
