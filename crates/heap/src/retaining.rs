//! Which edges keep their target alive, as the runtime's own tools see it.

use crate::graph::{EdgeIndex, EdgeKind, Format, Graph, NodeIndex, NodeKind};

/// A set of small numbers, one bit each.
#[derive(Debug, Clone)]
pub(crate) struct BitSet(Vec<u64>);

impl BitSet {
    pub(crate) fn with_len(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    pub(crate) fn contains(&self, at: u32) -> bool {
        self.0[at as usize / 64] >> (at % 64) & 1 == 1
    }

    /// As [`BitSet::contains`]; numbers beyond the set are not in it.
    pub(crate) fn has(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    pub(crate) fn union(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    pub(crate) fn remove(&mut self, at: u32) {
        self.0[at as usize / 64] &= !(1 << (at % 64));
    }

    /// Adds a number; `true` if it is new.
    pub(crate) fn insert(&mut self, at: u32) -> bool {
        let word = &mut self.0[at as usize / 64];
        let before = *word;
        *word |= 1 << (at % 64);
        *word != before
    }
}

/// The edges that dominators and retained sizes follow. The rules are those of V8's DevTools:
/// - weak edges never count, nor does an edge from a node to itself;
/// - shortcuts count only out of the root, where they mark the global objects;
/// - a value in a `WeakMap` is held by its key, not by the table: cutting either frees it, and the
///   key is the more telling of the two;
/// - what the program owns (all that a global object or the document reaches) is not held by what
///   the runtime owns, so that a debugger or a cache of the runtime's does not steal its size.
#[derive(Debug)]
pub struct RetainingEdges(BitSet);

impl RetainingEdges {
    /// Sorts out all edges: two passes over them, the second on two cores; one bit an edge is kept.
    pub fn of(graph: &Graph) -> Self {
        if graph.format() != Format::V8 {
            return Self(strong(graph));
        }
        let owned = owned_by_program(graph);
        let nodes = graph.node_count();
        // Half of the edges each. The cut lies inside a word of the set: both halves have it.
        let half = graph
            .first_edge
            .partition_point(|first| *first < graph.edge_count() / 2) as u32;
        let half = half.min(nodes);
        let (mut front, back) = std::thread::scope(|scope| {
            let back = scope.spawn(|| sort_out(graph, &owned, half..nodes));
            (sort_out(graph, &owned, 0..half), back.join())
        });
        match back {
            Ok(back) => front.union(&back),
            // No reason to die is known; the other half can be done here.
            Err(_) => front.union(&sort_out(graph, &owned, half..nodes)),
        }
        Self(front)
    }

    /// Whether an edge counts.
    pub fn contains(&self, edge: EdgeIndex) -> bool {
        self.0.contains(edge.0)
    }

    pub(crate) fn has(&self, edge: u32) -> bool {
        self.0.contains(edge)
    }

    pub(crate) fn remove(&mut self, edge: u32) {
        self.0.remove(edge);
    }
}

/// All edges but weak ones and those to oneself: other runtimes say which are weak.
fn strong(graph: &Graph) -> BitSet {
    let mut edges = BitSet::with_len(graph.edge_targets.len());
    for node in 0..graph.node_count() {
        for edge in graph.edge_range(NodeIndex(node)) {
            let is_weak = graph.edge_kinds.get(edge as usize) == Some(&EdgeKind::Weak);
            if !is_weak && graph.edge_targets[edge as usize] != node {
                edges.insert(edge);
            }
        }
    }
    edges
}

/// The edges of some nodes that count.
fn sort_out(graph: &Graph, owned: &BitSet, nodes: std::ops::Range<u32>) -> BitSet {
    let mut tables = WeakTables::of(graph);
    let mut edges = BitSet::with_len(graph.edge_targets.len());
    for node in nodes {
        let source_is_owned = node == 0 || owned.contains(node);
        for edge in graph.edge_range(NodeIndex(node)) {
            let at = edge as usize;
            let to = graph.edge_targets[at];
            let holds = match graph.edge_kinds[at] {
                EdgeKind::Weak => false,
                EdgeKind::Shortcut => node == 0,
                EdgeKind::Internal => !tables.is_entry(graph, node, graph.edge_names[at]),
                _ => true,
            };
            if holds && to != node && (source_is_owned || !owned.contains(to)) {
                edges.insert(edge);
            }
        }
    }
    edges
}

/// Everything that the global objects (the root's shortcuts) and the document reach.
fn owned_by_program(graph: &Graph) -> BitSet {
    let mut owned = BitSet::with_len(graph.kinds.len());
    let mut todo = Vec::new();
    for edge in graph.edges(Graph::ROOT) {
        let is_document =
            || graph.kind(edge.to) == NodeKind::Synthetic && graph.name(edge.to) == "(Document DOM trees)";
        let starts = match edge.kind {
            EdgeKind::Shortcut => true,
            EdgeKind::Element => is_document(),
            _ => false,
        };
        if starts && owned.insert(edge.to.0) {
            todo.push(edge.to.0);
        }
    }
    while let Some(node) = todo.pop() {
        for edge in graph.edge_range(NodeIndex(node)) {
            let to = graph.edge_targets[edge as usize];
            if graph.edge_kinds[edge as usize] != EdgeKind::Weak && owned.insert(to) {
                todo.push(to);
            }
        }
    }
    owned
}

/// Tells the edges of a `WeakMap`'s table to the values in it. V8 gives the edge from the key and that
/// from the table the same name: `N / part of key (K @1) -> value (V @2) pair in WeakMap (table @3)`.
struct WeakTables {
    /// Texts that were looked at and are no such name: nearly all, so that this is one bit to ask.
    others: BitSet,
}

impl WeakTables {
    fn of(graph: &Graph) -> Self {
        Self {
            others: BitSet::with_len(graph.texts.len()),
        }
    }

    fn is_entry(&mut self, graph: &Graph, from: u32, name: u32) -> bool {
        if self.others.contains(name) {
            return false;
        }
        match weak_table_id(graph.texts.get(name)) {
            Some(table) => table == graph.ids.get(from),
            None => {
                self.others.insert(name);
                false
            }
        }
    }
}

fn weak_table_id(name: &str) -> Option<u64> {
    let pair = name.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let inner = pair.strip_prefix(" / part of key (")?.strip_suffix(')')?;
    let (_, table) = inner.rsplit_once(" pair in WeakMap (table @")?;
    table.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_map_entries_are_told_by_name() {
        for (name, expected) in [
            (
                "2 / part of key (Job @11) -> value (Object @13) pair in WeakMap (table @15)",
                Some(15),
            ),
            (
                "2 / part of key (a (b @1) @11) -> value (c @13) pair in WeakMap (table @7)",
                Some(7),
            ),
            ("elements", None),
            ("2 / part of key (Job @11)", None),
            ("table", None),
        ] {
            assert_eq!(weak_table_id(name), expected, "{name}");
        }
    }
}
