//! What one dump leaves behind, so that the next can be compared with it and the graph be dropped.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::growth_anatomy::{Anatomy, holds};
use crate::growth_members::member_count;
use crate::growth_weight::{is_backing, is_learnt};
use crate::{EdgeKind, EdgeName, NodeIndex, NodeKind};

/// Owners below this retained size keep no slots: what they held is less than one entry is worth.
const SLOT_OWNER_BYTES: u64 = 1024;
/// Stores below this size hold too little to be told by their size.
const STORE_BYTES: u64 = 1024;
/// Owners with more direct references than this are collections; their members are counted instead.
const SLOTS_PER_OWNER: usize = 256;

/// Objects of one type right below a synthetic node.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Flock {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

/// One object of an earlier dump.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Former {
    pub(crate) retained: u64,
    pub(crate) members: u32,
    kind: u32,
}

/// An earlier dump, reduced to its containers.
#[derive(Debug, Default)]
pub(crate) struct Reduced {
    ids: Vec<u64>,
    formers: Vec<Former>,
    /// Retained size of what hung in a named place of a long-lived object.
    slots: HashMap<(u64, u64), u64>,
    flocks: HashMap<(u64, u64), Flock>,
    /// Bytes of the stores of collections.
    stores: HashMap<u64, u64>,
    last_id: u64,
    /// Of a picture of CPython, whose ids are addresses: all objects that are no containers.
    leaves: Option<Vec<u64>>,
    root_bytes: u64,
}

impl Reduced {
    pub(crate) fn of(anatomy: &Anatomy) -> Self {
        let mut kept: Vec<u32> = anatomy
            .graph
            .nodes()
            .map(|node| node.0)
            .filter(|node| is_container(anatomy, *node))
            .collect();
        kept.sort_unstable_by_key(|node| anatomy.graph.id(NodeIndex(*node)));
        let mut reduced = Reduced::default();
        for node in kept {
            let index = NodeIndex(node);
            reduced.ids.push(anatomy.graph.id(index));
            reduced.formers.push(Former {
                retained: anatomy.retained[node as usize],
                members: member_count(&anatomy.graph, index),
                kind: kind_hash(anatomy, node),
            });
        }
        let managed = anatomy
            .graph
            .nodes()
            .filter(|node| !has_foreign_id(anatomy, node.0));
        reduced.last_id = managed.map(|node| anatomy.graph.id(node)).max().unwrap_or(0);
        reduced.root_bytes = anatomy.retained.first().copied().unwrap_or(0);
        reduced.stores = stores(anatomy)
            .into_iter()
            .map(|(node, bytes)| (anatomy.graph.id(NodeIndex(node)), bytes))
            .collect();
        reduced.leaves = anatomy.graph.python.is_some().then(|| leaves(anatomy));
        reduced.keep_slots(anatomy);
        reduced.keep_flocks(anatomy);
        reduced
    }

    fn keep_slots(&mut self, anatomy: &Anatomy) {
        for node in anatomy
            .graph
            .nodes()
            .filter(|node| is_slot_owner(anatomy, node.0))
        {
            let edges = anatomy.graph.edges(node);
            for edge in edges.take(SLOTS_PER_OWNER).filter(|edge| holds(edge.kind)) {
                let child = edge.to.0;
                if anatomy.above(child) == node.0
                    && let EdgeName::Name(name) = edge.name
                {
                    let retained = anatomy.retained[child as usize];
                    // Attributes belong to the object, whatever dict they are in.
                    let owner = match anatomy.graph.python {
                        Some(_) => NodeIndex(anatomy.owner(node.0)),
                        None => node,
                    };
                    self.slots
                        .insert((anatomy.graph.id(owner), hash_of(&name)), retained);
                }
            }
        }
    }

    fn keep_flocks(&mut self, anatomy: &Anatomy) {
        for (key, flock) in flocks(anatomy) {
            self.flocks.insert(key, flock);
        }
    }

    /// The same object in the earlier dump: same id and same type.
    pub(crate) fn former(&self, anatomy: &Anatomy, node: u32) -> Option<Former> {
        let at = self.ids.binary_search(&anatomy.graph.id(NodeIndex(node))).ok()?;
        let former = self.formers[at];
        (former.kind == kind_hash(anatomy, node)).then_some(former)
    }

    pub(crate) fn by_id(&self, id: u64) -> Option<Former> {
        Some(self.formers[self.ids.binary_search(&id).ok()?])
    }

    pub(crate) fn slot_bytes(&self, owner: u64, name: &str) -> Option<u64> {
        self.slots.get(&(owner, hash_of(&name))).copied()
    }

    /// Everything that counted in the earlier dump.
    pub(crate) fn root_bytes(&self) -> f64 {
        self.root_bytes as f64
    }

    /// Whether a node that is no container was there before: ids are handed out in ascending order.
    pub(crate) fn knew(&self, anatomy: &Anatomy, node: u32) -> bool {
        let index = NodeIndex(node);
        if let Some(leaves) = &self.leaves {
            return leaves.binary_search(&leaf_id(anatomy, node)).is_ok();
        }
        !has_foreign_id(anatomy, node) && anatomy.graph.id(index) <= self.last_id
    }

    /// Bytes of the stores of a collection, 0 if they were small.
    pub(crate) fn store_bytes(&self, owner: u64) -> u64 {
        self.stores.get(&owner).copied().unwrap_or(0)
    }

    pub(crate) fn flock(&self, key: (u64, u64)) -> Flock {
        self.flocks.get(&key).copied().unwrap_or_default()
    }
}

/// Leaves by address, type and size: an address is used again, by an object of that kind less often.
fn leaves(anatomy: &Anatomy) -> Vec<u64> {
    let mut leaves: Vec<u64> = anatomy
        .graph
        .nodes()
        .map(|node| node.0)
        .filter(|node| !is_container(anatomy, *node))
        .map(|node| leaf_id(anatomy, node))
        .collect();
    leaves.sort_unstable();
    leaves
}

fn leaf_id(anatomy: &Anatomy, node: u32) -> u64 {
    let index = NodeIndex(node);
    let graph = &anatomy.graph;
    hash_of(&(graph.id(index), graph.name(index), graph.self_bytes(index)))
}

/// Shallow sizes of the stores of each collection that has large ones.
pub(crate) fn stores(anatomy: &Anatomy) -> HashMap<u32, u64> {
    let mut stores: HashMap<u32, u64> = HashMap::new();
    for node in anatomy
        .graph
        .nodes()
        .filter(|node| anatomy.graph.python.is_some() || is_backing(&anatomy.graph, *node))
    {
        // A Python list, dict or bytearray has its store in its own size.
        let bytes = anatomy.graph.self_bytes(node);
        let owner = anatomy.owner(node.0);
        if bytes >= STORE_BYTES && !is_synthetic(anatomy, owner) && !is_learnt(&anatomy.graph, node) {
            *stores.entry(owner).or_default() += bytes;
        }
    }
    stores
}

/// Types right below each synthetic node, with their counts and retained sizes.
pub(crate) fn flocks(anatomy: &Anatomy) -> HashMap<(u64, u64), Flock> {
    let mut flocks: HashMap<(u64, u64), Flock> = HashMap::new();
    for &node in anatomy.order.iter().skip(1) {
        let above = anatomy.owner(anatomy.above(node));
        if is_synthetic(anatomy, above) && !is_learnt(&anatomy.graph, NodeIndex(node)) {
            let flock = flocks.entry(flock_key(anatomy, above, node)).or_default();
            flock.count += 1;
            flock.bytes += anatomy.retained[node as usize];
        }
    }
    flocks
}

/// Names a flock: the synthetic node and the type below it.
pub(crate) fn flock_key(anatomy: &Anatomy, above: u32, node: u32) -> (u64, u64) {
    (
        anatomy.graph.id(NodeIndex(above)),
        u64::from(kind_hash(anatomy, node)),
    )
}

pub(crate) fn is_synthetic(anatomy: &Anatomy, node: u32) -> bool {
    node == 0 || anatomy.graph.kind(NodeIndex(node)) == NodeKind::Synthetic
}

/// Nodes of the embedder have ids made from addresses.
fn has_foreign_id(anatomy: &Anatomy, node: u32) -> bool {
    matches!(
        anatomy.graph.kind(NodeIndex(node)),
        NodeKind::Native | NodeKind::Synthetic
    )
}

fn is_slot_owner(anatomy: &Anatomy, node: u32) -> bool {
    matches!(
        anatomy.graph.kind(NodeIndex(node)),
        NodeKind::Object | NodeKind::Closure | NodeKind::Hidden
    ) && anatomy.retained[node as usize] >= SLOT_OWNER_BYTES
}

/// Whether a node is compared by identity; all others are leaves.
pub(crate) fn is_container(anatomy: &Anatomy, node: u32) -> bool {
    let index = NodeIndex(node);
    let holder = matches!(
        anatomy.graph.kind(index),
        NodeKind::Object
            | NodeKind::Closure
            | NodeKind::Array
            | NodeKind::Hidden
            | NodeKind::Native
            | NodeKind::Synthetic
            | NodeKind::Unknown
    );
    holder
        && (node == 0
            || anatomy.retained[node as usize] > anatomy.graph.self_bytes(index)
            || anatomy.graph.edges(index).any(|edge| is_member(edge.kind)))
}

fn is_member(kind: EdgeKind) -> bool {
    matches!(
        kind,
        EdgeKind::Element | EdgeKind::Context | EdgeKind::Property | EdgeKind::Hidden
    )
}

fn kind_hash(anatomy: &Anatomy, node: u32) -> u32 {
    let index = NodeIndex(node);
    let name = match anatomy.graph.kind(index) {
        NodeKind::String | NodeKind::ConcatenatedString | NodeKind::SlicedString => "",
        _ => anatomy.graph.name(index),
    };
    hash_of(&(anatomy.graph.kind(index), name)) as u32
}

pub(crate) fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
