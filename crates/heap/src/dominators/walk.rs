//! The depth-first walk that the algorithm starts from.

use crate::graph::{Graph, NodeIndex};
use crate::retaining::{BitSet, RetainingEdges};

/// A depth-first walk: nodes are numbered in the order of their discovery.
pub(crate) struct Walk {
    /// Node by number.
    pub(crate) order: Vec<u32>,
    /// Number of the tree parent by number.
    pub(crate) parent: Vec<u32>,
    /// How many edges besides the tree's lead to each node.
    pub(crate) other_edges: Vec<u32>,
    /// How many nodes at the end of `order` only weak edges lead to.
    pub(crate) weakly_held: u32,
}

impl Walk {
    /// Walks over `edges` and takes the edges of the tree out of them: what is left are the others.
    pub(crate) fn of(graph: &Graph, edges: &mut RetainingEdges) -> Self {
        let nodes = graph.kinds.len();
        let mut steps = Steps {
            graph,
            edges,
            seen: BitSet::with_len(nodes),
            stack: Vec::new(),
            walk: Self {
                order: Vec::with_capacity(nodes),
                parent: Vec::with_capacity(nodes),
                other_edges: vec![0; nodes],
                weakly_held: 0,
            },
        };
        steps.walk_from(0);
        let reached = steps.walk.order.len();
        if reached < nodes {
            steps.add_weakly_held();
        }
        let mut walk = steps.walk;
        walk.weakly_held = (nodes - reached) as u32;
        walk
    }
}

struct Steps<'a> {
    graph: &'a Graph,
    edges: &'a mut RetainingEdges,
    seen: BitSet,
    /// Number, next edge and end of the edges of each node on the way down.
    stack: Vec<(u32, u32, u32)>,
    walk: Walk,
}

impl Steps<'_> {
    fn walk_from(&mut self, start: u32) {
        self.discover(start, 0);
        while let Some((number, edge, end)) = self.stack.last_mut() {
            let (from, at) = (*number, *edge);
            if at == *end {
                self.stack.pop();
                continue;
            }
            *edge += 1;
            if !self.edges.has(at) {
                continue;
            }
            let to = self.graph.edge_targets[at as usize];
            if self.seen.contains(to) {
                self.walk.other_edges[to as usize] += 1;
            } else {
                self.edges.remove(at);
                self.discover(to, from);
            }
        }
    }

    fn discover(&mut self, node: u32, parent: u32) {
        self.seen.insert(node);
        let range = self.graph.edge_range(NodeIndex(node));
        self.stack
            .push((self.walk.order.len() as u32, range.start, range.end));
        self.walk.order.push(node);
        self.walk.parent.push(parent);
    }

    /// Below the root hang heads of what is left (nothing left retains them), then whatever only
    /// cycles retain.
    fn add_weakly_held(&mut self) {
        let headed = self.headed();
        for only_heads in [true, false] {
            for node in 0..self.graph.node_count() {
                if !(self.seen.contains(node) || only_heads && headed.contains(node)) {
                    self.walk_from(node);
                }
            }
        }
    }

    /// Nodes that something left retains.
    fn headed(&self) -> BitSet {
        let mut headed = BitSet::with_len(self.graph.kinds.len());
        for node in (0..self.graph.node_count()).filter(|node| !self.seen.contains(*node)) {
            for edge in self
                .graph
                .edge_range(NodeIndex(node))
                .filter(|edge| self.edges.has(*edge))
            {
                headed.insert(self.graph.edge_targets[edge as usize]);
            }
        }
        headed
    }
}
