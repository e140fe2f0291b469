//! Growth over dumps whose objects move: places in place of ids.
//!
//! A garbage collector that moves objects leaves no identity between two dumps of a JVM. What lasts is
//! where things are: a place is a way down the dominator tree by names of references and types, such as
//! class `Worker` → `kept` → `elementData` → elements → `Worker$Job`. Links of a chain share one place. A place
//! whose objects become more, while what it hangs from does not, is a point of growth; who holds it is
//! told by the way from the root to one of its objects.

use std::collections::HashMap;

use crate::dominators::Dominators;
use crate::graph::{EdgeKind, EdgeName, Graph, NodeIndex};
use crate::growth_reduce::hash_of;

/// Steps below the root that are told apart: real structures have under ten; deeper ones are counted
/// with what they hang from.
const DEPTH: u32 = 24;
/// Places of a dump at most: what comes later is counted with what it hangs from.
const PLACES: usize = 1 << 18;
/// Label of what its dominator holds on more than one way.
const INDIRECT: u32 = u32::MAX;
/// Label of elements.
const ELEMENT: u32 = u32::MAX - 1;

/// What the objects of a place come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) count: u64,
    pub(crate) self_bytes: u64,
    /// With everything below.
    pub(crate) bytes: u64,
}

/// A place of one dump.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) hash: u64,
    /// Position of the place that it hangs from; the root's is itself.
    pub(crate) above: u32,
    pub(crate) sum: Sum,
    /// One of its objects.
    pub(crate) sample: NodeIndex,
    label: u32,
    name: u32,
    depth: u32,
}

/// All places of a dump, each after the one that it hangs from.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub(crate) all: Vec<Place>,
}

impl Places {
    pub(crate) fn of(graph: &Graph, dominators: &Dominators) -> Self {
        let labels = labels(graph, dominators);
        let mut this = Self::default();
        let mut known: HashMap<(u32, u32, u32), u32> = HashMap::new();
        let mut place_of = vec![0u32; graph.node_count() as usize];
        for node in dominators.top_down() {
            let name = graph.name_index(node).0;
            let at = match dominators.immediate_dominator(node) {
                None => this.push(graph, (0, INDIRECT, name), node),
                Some(above) => {
                    let above = place_of[above.0 as usize];
                    this.below(graph, &mut known, (above, labels[node.0 as usize], name), node)
                }
            };
            place_of[node.0 as usize] = at;
            let place = &mut this.all[at as usize];
            place.sum.count += 1;
            place.sum.self_bytes += graph.self_bytes(node);
            place.sample = node;
        }
        this.add_up();
        this
    }

    /// The place of a node that hangs from another place.
    fn below(
        &mut self,
        graph: &Graph,
        known: &mut HashMap<(u32, u32, u32), u32>,
        key: (u32, u32, u32),
        node: NodeIndex,
    ) -> u32 {
        let (above, label, name) = key;
        let upper = self.all[above as usize];
        let is_link = above != 0 && upper.name == name && (upper.label == label || label != ELEMENT);
        if is_link || upper.depth >= DEPTH {
            return above;
        }
        if let Some(at) = known.get(&key) {
            return *at;
        }
        if self.all.len() >= PLACES {
            return above;
        }
        let at = self.push(graph, key, node);
        known.insert(key, at);
        at
    }

    fn push(&mut self, graph: &Graph, (above, label, name): (u32, u32, u32), node: NodeIndex) -> u32 {
        let upper = self.all.get(above as usize);
        let text = match label {
            INDIRECT => "\0indirect",
            ELEMENT => "\0element",
            label => graph.texts.get(label),
        };
        let hash = hash_of(&(upper.map_or(0, |upper| upper.hash), text, graph.name(node)));
        let depth = upper.map_or(0, |upper| upper.depth + 1);
        self.all.push(Place {
            hash,
            above,
            sum: Sum::default(),
            sample: node,
            label,
            name,
            depth,
        });
        self.all.len() as u32 - 1
    }

    fn add_up(&mut self) {
        for at in (0..self.all.len()).rev() {
            let place = &mut self.all[at];
            place.sum.bytes = place.sum.bytes.saturating_add(place.sum.self_bytes);
            let (bytes, above) = (place.sum.bytes, place.above as usize);
            if above != at {
                let upper = &mut self.all[above].sum;
                upper.bytes = upper.bytes.saturating_add(bytes);
            }
        }
    }

    /// What an earlier dump leaves behind: sums by hash.
    pub(crate) fn into_sums(self) -> HashMap<u64, Sum> {
        self.all
            .into_iter()
            .map(|place| (place.hash, place.sum))
            .collect()
    }
}

/// By node, the name of the reference that its dominator holds it by.
fn labels(graph: &Graph, dominators: &Dominators) -> Vec<u32> {
    let mut labels = vec![INDIRECT; graph.node_count() as usize];
    for node in graph.nodes() {
        for edge in graph.edge_range(node) {
            let to = graph.edge_targets[edge as usize];
            let slot = &mut labels[to as usize];
            if *slot != INDIRECT || dominators.immediate_dominator(NodeIndex(to)) != Some(node) {
                continue;
            }
            *slot = match graph.edge_kinds.get(edge as usize) {
                None | Some(EdgeKind::Weak) => continue,
                Some(kind) if kind.is_indexed() => ELEMENT,
                Some(_) => graph.edge_names[edge as usize],
            };
        }
    }
    labels
}

/// Whether a type belongs to the runtime or a library of collections: what it holds is inside, not a
/// name of the program's.
pub(crate) fn is_library(type_name: &str) -> bool {
    const PREFIXES: [&str; 9] = [
        "java.",
        "javax.",
        "jdk.",
        "sun.",
        "com.sun.",
        "kotlin.",
        "scala.",
        "com.google.common.",
        "it.unimi.dsi.fastutil.",
    ];
    type_name.ends_with("[]") || PREFIXES.iter().any(|prefix| type_name.starts_with(prefix))
}

/// A reference's name, if it has one.
pub(crate) fn name_of(name: EdgeName<'_>) -> Option<&str> {
    match name {
        EdgeName::Name(name) => Some(name),
        EdgeName::Index(_) => None,
    }
}
