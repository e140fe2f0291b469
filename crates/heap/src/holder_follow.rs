//! Holders followed back through the earlier intervals, and those that have stopped growing.

use std::collections::{HashMap, HashSet};

use crate::growth_anatomy::Anatomy;
use crate::growth_interval::{Finding, Interval, Place};
use crate::growth_members::{member_count, table_of};
use crate::growth_reduce::Reduced;
use crate::growth_trend::Step;
use crate::growth_weight::{is_backing, is_learnt};
use crate::{EdgeKind, Graph, NodeIndex, NodeKind};

/// Growth that a collection must have had for it to be named once it has stopped.
const FILLED_BYTES_PER_JOB: f64 = 50.0;
/// Collections named that have stopped growing, per interval.
const FILLED: usize = 8;
/// Holders alike from which on their number is more than what was looked at.
const MANY: u64 = 32;
/// The dumps of a study: the latest whole, the earlier ones reduced, and the growth in between.
#[derive(Clone, Copy)]
pub(crate) struct History<'g> {
    pub(crate) anatomy: &'g Anatomy,
    pub(crate) reduced: &'g [Reduced],
    pub(crate) intervals: &'g [Interval],
    /// Jobs completed in each interval.
    pub(crate) jobs: &'g [f64],
}

impl History<'_> {
    /// Collections that grew earlier and no longer do: their last growth, at their place in the latest dump.
    pub(crate) fn filled(&self) -> Vec<Finding> {
        let Some((last, earlier)) = self.intervals.split_last() else {
            return Vec::new();
        };
        let grows = |finding: &Finding| last.findings.iter().any(|now| now.owner_id == finding.owner_id);
        let mut filled: Vec<Finding> = Vec::new();
        for (interval, jobs) in earlier.iter().zip(self.jobs) {
            let worth = interval
                .findings
                .iter()
                .filter(|finding| finding.bytes >= FILLED_BYTES_PER_JOB * jobs);
            filled.extend(
                worth
                    .filter(|finding| finding.place == Place::Members && !grows(finding))
                    .take(FILLED)
                    .cloned(),
            );
        }
        let nodes: HashMap<u64, u32> = self
            .anatomy
            .graph
            .nodes()
            .filter(|node| {
                filled
                    .iter()
                    .any(|finding| finding.owner_id == self.anatomy.graph.id(*node))
            })
            .map(|node| (self.anatomy.graph.id(node), node.0))
            .collect();
        filled.retain_mut(|finding| {
            let Some(node) = nodes.get(&finding.owner_id) else {
                return false;
            };
            finding.owner = *node;
            finding.samples = some_members(&self.anatomy.graph, NodeIndex(*node));
            true
        });
        filled
    }

    /// Per interval: objects gained, and bytes gained per job.
    pub(crate) fn steps(&self, all: &[&Finding]) -> Vec<(Step, f64)> {
        let last = self.intervals.len() - 1;
        let step = |at: usize| {
            let (count, bytes) = self.in_interval(at, at == last, all);
            (
                Step {
                    count,
                    jobs: self.jobs[at],
                },
                bytes / self.jobs[at].max(1.0),
            )
        };
        (0..=last).map(step).collect()
    }

    fn in_interval(&self, at: usize, is_last: bool, all: &[&Finding]) -> (f64, f64) {
        let by_id = self.same_in(at, all, !is_last);
        let owners = owners(all);
        // Only the largest of very many alike are looked at one by one; their shape has the sum of all.
        let Some(shape) = self.intervals[at]
            .shapes
            .get(&all[0].shape)
            .filter(|_| owners >= MANY)
        else {
            return by_id;
        };
        if shape.bytes > by_id.1 && by_id.1 > 0.0 {
            return (by_id.0 * shape.bytes / by_id.1, shape.bytes);
        }
        by_id
    }

    /// The growth of the same holders in an earlier interval: by identity, else by shape.
    fn same_in(&self, interval: usize, all: &[&Finding], by_shape: bool) -> (f64, f64) {
        let interval = &self.intervals[interval];
        let same = |finding: &&Finding| {
            all.iter()
                .any(|one| one.owner_id == finding.owner_id && one.place == finding.place)
        };
        let by_id = sum(&interval.findings.iter().filter(same).collect::<Vec<_>>());
        if by_id.1 > 0.0 || !by_shape {
            return by_id;
        }
        let alike = |finding: &&Finding| {
            !matches!(finding.place, Place::Flock(_))
                && all.iter().any(|one| {
                    one.shape == finding.shape
                        && std::mem::discriminant(&one.place) == std::mem::discriminant(&finding.place)
                })
        };
        sum(&interval.findings.iter().filter(alike).collect::<Vec<_>>())
    }

    pub(crate) fn counts(&self, finding: &Finding) -> Vec<Option<u64>> {
        let now = u64::from(member_count(&self.anatomy.graph, NodeIndex(finding.owner)));
        let before = self.reduced.iter().map(|point| {
            point
                .by_id(finding.owner_id)
                .map(|former| u64::from(former.members))
        });
        before
            .chain([Some(now)])
            .map(|count| count.filter(|_| finding.place == Place::Members))
            .collect()
    }

    pub(crate) fn retained(&self, finding: &Finding) -> Vec<Option<u64>> {
        let now = self.anatomy.retained[finding.owner as usize];
        let before = self
            .reduced
            .iter()
            .map(|point| point.by_id(finding.owner_id).map(|former| former.retained));
        before.chain([Some(now)]).collect()
    }
}

/// Objects and bytes of findings. Several findings of one collection (its members hang from different
/// anchors) tell its members once each.
fn sum(findings: &[&Finding]) -> (f64, f64) {
    let mut counts: HashMap<(u64, &Place), f64> = HashMap::new();
    let mut bytes = 0.0;
    for finding in findings {
        bytes += finding.bytes;
        let count = counts.entry((finding.owner_id, &finding.place)).or_default();
        *count = count.max(finding.count);
    }
    (counts.values().sum(), bytes)
}

pub(crate) fn owners(findings: &[&Finding]) -> u64 {
    findings
        .iter()
        .map(|finding| finding.owner_id)
        .collect::<HashSet<_>>()
        .len() as u64
}

/// A few of what a collection holds now, texts and numbers left out where there is something else.
fn some_members(graph: &Graph, owner: NodeIndex) -> Vec<u32> {
    /// Members looked at.
    const MEMBERS: usize = 16;
    let store = table_of(graph, owner).unwrap_or(owner);
    let edges = graph
        .edges(store)
        .filter(|edge| edge.kind != EdgeKind::Weak && !is_learnt(graph, edge.to));
    let members: Vec<NodeIndex> = edges
        .map(|edge| edge.to)
        .filter(|to| !is_backing(graph, *to))
        .take(4 * MEMBERS)
        .collect();
    let is_object = |node: &&NodeIndex| matches!(graph.kind(**node), NodeKind::Object | NodeKind::Closure);
    let objects: Vec<u32> = members
        .iter()
        .filter(is_object)
        .map(|node| node.0)
        .take(MEMBERS)
        .collect();
    if objects.is_empty() {
        members.into_iter().map(|node| node.0).take(MEMBERS).collect()
    } else {
        objects
    }
}
