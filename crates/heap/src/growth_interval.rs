//! Growth between two dumps: which long-lived object each new object hangs from.
//!
//! An object that was there before is *old*, any other is *new*. Every new object hangs from an
//! *anchor*: its nearest dominator that is old. The growth of an anchor is the growth of its
//! retained size less that of the old objects below it, so churn cancels out and ancestors of the
//! point of growth show nothing.

use std::collections::{HashMap, HashSet};

use crate::growth_anatomy::{Anatomy, NONE};
use crate::growth_group::group_children;
use crate::growth_reduce::{Flock, Reduced, flocks, hash_of, is_container, stores};
use crate::growth_weight::is_backing;
use crate::{NodeIndex, NodeKind};

/// Anchors that are looked at one by one, the largest first; the rest is only summed by shape.
const ANCHORS: usize = 512;
/// Findings kept per interval.
const FINDINGS: usize = 1024;
/// Anchors that grew less than this are noise of the runtime (a resized table, one more symbol).
const ANCHOR_BYTES: i64 = 64;
/// Dominators that go into a shape.
const SHAPE_DEPTH: usize = 12;

/// How the things that piled up hang from their holder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// As members of a collection.
    Members,
    /// From one named variable, property or field: a chain, mostly.
    Slot(String),
    /// Right below a synthetic root of the runtime, by type.
    Flock(String),
}

/// Something that grew between two dumps.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    /// The holder in the later dump.
    pub(crate) owner: u32,
    pub(crate) owner_id: u64,
    pub(crate) place: Place,
    /// Bytes gained, net of what went.
    pub(crate) bytes: f64,
    /// Objects gained, net of what went.
    pub(crate) count: f64,
    /// Members that came, and that went again, where it is a collection.
    pub(crate) arrived: f64,
    pub(crate) left: f64,
    /// Shape of the way from the roots to the anchor.
    pub(crate) shape: u64,
    /// Some of the new objects.
    pub(crate) samples: Vec<u32>,
}

/// Sum over all anchors of one shape.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ShapeSum {
    pub(crate) bytes: f64,
    pub(crate) anchors: u64,
}

/// All growth between two dumps.
#[derive(Debug, Default)]
pub(crate) struct Interval {
    pub(crate) findings: Vec<Finding>,
    pub(crate) shapes: HashMap<u64, ShapeSum>,
    /// Growth of everything that counts.
    pub(crate) total_bytes: f64,
}

/// The later of two dumps with what is new in it.
pub(crate) struct Later<'a> {
    pub(crate) anatomy: &'a Anatomy,
    pub(crate) earlier: &'a Reduced,
    /// Per node: was it there before.
    pub(crate) old: Vec<bool>,
    /// Per new node: bytes that hang from it, old objects below left out.
    pub(crate) fresh_bytes: Vec<u64>,
    /// Per new node: the new node right below the anchor that it hangs from, or [`NONE`].
    pub(crate) top: Vec<u32>,
    /// Per new node: the new node below it with most fresh bytes, or [`NONE`].
    pub(crate) heavy: Vec<u32>,
    flocks: HashMap<(u64, u64), Flock>,
}

impl Interval {
    pub(crate) fn between(earlier: &Reduced, anatomy: &Anatomy) -> Self {
        let (old, own) = own_growth(earlier, anatomy);
        let later = Later::new(earlier, anatomy, old);
        let children = later.children_by_anchor();
        let mut shapes: HashMap<u64, ShapeSum> = HashMap::new();
        let mut gross: Vec<(u64, u32)> = Vec::new();
        for (anchor, bytes) in &own {
            let sum = shapes.entry(shape(anatomy, *anchor)).or_default();
            sum.bytes += *bytes as f64;
            sum.anchors += 1;
        }
        for (anchor, tops) in &children {
            let fresh: u64 = tops.iter().map(|top| later.fresh_bytes[*top as usize]).sum();
            gross.push((fresh, *anchor));
        }
        gross.sort_unstable_by_key(|(bytes, anchor)| (std::cmp::Reverse(*bytes), *anchor));
        let mut findings = Vec::new();
        for (_, anchor) in gross.into_iter().take(ANCHORS) {
            let own_bytes = own.get(&anchor).copied().unwrap_or(0).max(0) as f64;
            findings.extend(group_children(&later, anchor, &children[&anchor], own_bytes));
        }
        let values = stores_of_values(&later, &findings);
        findings.extend(values);
        findings.sort_by(|a, b| b.bytes.total_cmp(&a.bytes));
        findings.truncate(FINDINGS);
        let before = earlier.root_bytes();
        Interval {
            findings,
            shapes,
            total_bytes: anatomy.retained.first().map_or(0.0, |now| *now as f64 - before),
        }
    }
}

/// Collections whose store grew without new objects in it: numbers are no nodes. Every eight bytes of
/// a store hold one.
fn stores_of_values(later: &Later<'_>, findings: &[Finding]) -> Vec<Finding> {
    let anatomy = later.anatomy;
    let id = |owner: u32| anatomy.graph.id(NodeIndex(owner));
    let known: HashSet<u32> = findings.iter().map(|finding| finding.owner).collect();
    let old_without_news = |owner: &u32| later.old[*owner as usize] && !known.contains(owner);
    let grown = stores(anatomy)
        .into_iter()
        .filter(|(owner, _)| old_without_news(owner));
    let gains = grown.map(|(owner, now)| (owner, now.saturating_sub(later.earlier.store_bytes(id(owner)))));
    let mut findings: Vec<Finding> = gains
        .filter(|(_, bytes)| *bytes > 0)
        .map(|(owner, bytes)| Finding {
            owner,
            owner_id: id(owner),
            place: Place::Members,
            bytes: bytes as f64,
            count: bytes as f64 / 8.0,
            arrived: 0.0,
            left: 0.0,
            shape: shape(anatomy, owner),
            samples: Vec::new(),
        })
        .collect();
    findings.sort_by(|a, b| b.bytes.total_cmp(&a.bytes).then(a.owner.cmp(&b.owner)));
    findings
}

/// Which nodes are old, and the own growth of each anchor (of the owner, where it is a store).
fn own_growth(earlier: &Reduced, anatomy: &Anatomy) -> (Vec<bool>, HashMap<u32, i64>) {
    let count = anatomy.order.len();
    let mut old = vec![false; count];
    let mut below = vec![0i64; count];
    let mut own: HashMap<u32, i64> = HashMap::new();
    for &node in anatomy.order.iter().rev() {
        let at = node as usize;
        let mut passed = below[at];
        if let Some(former) = earlier.former(anatomy, node) {
            old[at] = true;
            let growth = anatomy.retained[at] as i64 - former.retained as i64;
            let mine = growth - below[at];
            if mine.abs() >= ANCHOR_BYTES {
                *own.entry(anatomy.owner(node)).or_default() += mine;
            }
            passed = growth;
        } else {
            old[at] = earlier.knew(anatomy, node) && !is_container(anatomy, node);
        }
        if node != 0 {
            below[anatomy.above(node) as usize] += passed;
        }
    }
    (old, own)
}

impl<'a> Later<'a> {
    fn new(earlier: &'a Reduced, anatomy: &'a Anatomy, old: Vec<bool>) -> Self {
        let count = anatomy.order.len();
        let mut later = Later {
            anatomy,
            earlier,
            old,
            fresh_bytes: vec![0; count],
            top: vec![NONE; count],
            heavy: vec![NONE; count],
            flocks: flocks(anatomy),
        };
        later.weigh();
        later.find_tops();
        later
    }

    /// Retained size of each new node without the old nodes below it.
    fn weigh(&mut self) {
        let anatomy = self.anatomy;
        let mut children_bytes = vec![0u64; anatomy.order.len()];
        for &node in anatomy.order.iter().rev() {
            let at = node as usize;
            let above = anatomy.above(node) as usize;
            let own = anatomy.retained[at] - children_bytes[at];
            if node != 0 {
                children_bytes[above] += anatomy.retained[at];
            }
            self.fresh_bytes[at] += own;
            if self.old[at] || node == 0 {
                continue;
            }
            let fresh = self.fresh_bytes[at];
            if !self.old[above] {
                self.fresh_bytes[above] += fresh;
                let heaviest = self.heavy[above];
                if heaviest == NONE || self.fresh_bytes[heaviest as usize] < fresh {
                    self.heavy[above] = node;
                }
            }
        }
    }

    fn find_tops(&mut self) {
        for &node in self.anatomy.order.iter().skip(1) {
            let at = node as usize;
            if self.old[at] || is_backing_of_old(self, node) {
                continue;
            }
            let above = self.anatomy.above(node) as usize;
            self.top[at] = if self.top[above] == NONE {
                node
            } else {
                self.top[above]
            };
        }
    }

    /// New objects right below each anchor.
    fn children_by_anchor(&self) -> HashMap<u32, Vec<u32>> {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for &node in self.anatomy.order.iter().skip(1) {
            if self.top[node as usize] == node && self.fresh_bytes[node as usize] > 0 {
                let anchor = self.anatomy.owner(self.anatomy.above(node));
                children.entry(anchor).or_default().push(node);
            }
        }
        children
    }

    /// The new object right below the anchor that a node hangs from, if the node is new.
    pub(crate) fn top_of(&self, node: u32) -> Option<u32> {
        Some(self.top[node as usize]).filter(|top| *top != NONE)
    }

    pub(crate) fn flock_now(&self, key: (u64, u64)) -> Flock {
        self.flocks.get(&key).copied().unwrap_or_default()
    }
}

/// A store that was enlarged: what is in it hangs from its owner, which is old.
fn is_backing_of_old(later: &Later<'_>, node: u32) -> bool {
    let above = later.anatomy.above(node) as usize;
    is_backing(&later.anatomy.graph, NodeIndex(node)) && later.top[above] == NONE
}

/// Names the way from the roots to a node by the types on it, repetitions once.
pub(crate) fn shape(anatomy: &Anatomy, node: u32) -> u64 {
    let mut types: Vec<(NodeKind, &str)> = Vec::new();
    for at in std::iter::once(node).chain(anatomy.chain(node)) {
        let index = NodeIndex(at);
        let kind = (anatomy.graph.kind(index), anatomy.graph.name(index));
        if !is_backing(&anatomy.graph, index) && types.last() != Some(&kind) {
            types.push(kind);
        }
        if types.len() >= SHAPE_DEPTH {
            break;
        }
    }
    hash_of(&types)
}
