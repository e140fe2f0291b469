//! Dominators and retained sizes.
//!
//! A node dominates another if every way from the root to the other leads through it; its retained
//! size is what would be freed with it. The algorithm is that of Lengauer and Tarjan ("A fast
//! algorithm for finding dominators in a flowgraph", TOPLAS 1979) with path compression, so the cost
//! is O(m log n) whatever the graph looks like; every walk is iterative, so depth costs no stack.
//!
//! Which edges count follows the runtime's own tools, see [`RetainingEdges`]. Nodes that no such
//! edge reaches (they are held weakly only) hang below the root, as in those tools.

use crate::graph::{Graph, NodeIndex};
use crate::retaining::RetainingEdges;

mod lengauer_tarjan;
mod walk;

use lengauer_tarjan::immediate_dominators;
use walk::Walk;

/// The dominator tree of a graph with the retained size of every node.
#[derive(Debug)]
pub struct Dominators {
    /// Immediate dominator by node; the root's is itself.
    immediate: Vec<u32>,
    retained_bytes: Vec<u64>,
    /// Nodes so that each one comes after its dominator.
    order: Vec<u32>,
    /// How many nodes at the end of `order` only weak edges lead to.
    weakly_held: u32,
}

impl Dominators {
    /// Computes the tree: time O(m log n); memory at the peak is 28 bytes a node and 4 an edge.
    pub fn of(graph: &Graph) -> Self {
        Self::over(graph, RetainingEdges::of(graph))
    }

    /// The same with the edges sorted out already.
    pub fn over(graph: &Graph, mut edges: RetainingEdges) -> Self {
        if graph.node_count() == 0 {
            return Self {
                immediate: vec![],
                retained_bytes: vec![],
                order: vec![],
                weakly_held: 0,
            };
        }
        let mut walk = Walk::of(graph, &mut edges);
        let immediate = immediate_dominators(graph, &edges, &mut walk);
        drop(edges);
        let retained_bytes = sum_up(graph, &walk.order, &immediate);
        Self {
            immediate,
            retained_bytes,
            order: walk.order,
            weakly_held: walk.weakly_held,
        }
    }

    /// The closest node that every way to `node` leads through; `None` for the root.
    pub fn immediate_dominator(&self, node: NodeIndex) -> Option<NodeIndex> {
        (node != Graph::ROOT).then(|| NodeIndex(self.immediate[node.0 as usize]))
    }

    /// What would be freed with `node`, itself included, in bytes.
    pub fn retained_bytes(&self, node: NodeIndex) -> u64 {
        self.retained_bytes[node.0 as usize]
    }

    /// All dominators of `node`, the closest first, the root last.
    pub fn chain(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> + '_ {
        std::iter::successors(self.immediate_dominator(node), |at| self.immediate_dominator(*at))
    }

    /// Immediate dominators by node (the root's is itself), and all nodes, each after its dominator.
    pub(crate) fn into_tree(self) -> (Vec<u32>, Vec<u32>) {
        (self.immediate, self.order)
    }

    /// All nodes, each after its dominator.
    pub fn top_down(&self) -> impl DoubleEndedIterator<Item = NodeIndex> + ExactSizeIterator + '_ {
        self.order.iter().map(|node| NodeIndex(*node))
    }

    /// All nodes as a walk down the tree meets them, each with the size of its subtree: the nodes that
    /// a node dominates follow it directly. Takes 12 bytes a node while the iterator lives.
    pub fn preorder(&self) -> impl ExactSizeIterator<Item = (NodeIndex, u32)> {
        let mut subtree = vec![1u32; self.order.len()];
        for node in self.order.iter().skip(1).rev() {
            subtree[self.immediate[*node as usize] as usize] += subtree[*node as usize];
        }
        // `next[n]` is the first free position in the part of the walk that belongs to `n`.
        let mut next = vec![0u32; self.order.len()];
        let mut walk = vec![0u32; self.order.len()];
        for node in &self.order {
            let at = *node as usize;
            let above = self.immediate[at] as usize;
            let position = next[above];
            next[above] += subtree[at];
            next[at] = position + 1;
            walk[position as usize] = *node;
        }
        walk.into_iter()
            .map(move |node| (NodeIndex(node), subtree[node as usize]))
    }

    /// How many nodes only weak edges lead to; they are counted as children of the root.
    pub fn weakly_held_count(&self) -> u32 {
        self.weakly_held
    }
}

/// The nodes that each node immediately dominates.
#[derive(Debug)]
pub struct DominatorChildren {
    first: Vec<u32>,
    children: Vec<u32>,
}

impl DominatorChildren {
    /// Turns the tree around: 8 bytes a node.
    pub fn of(dominators: &Dominators) -> Self {
        let nodes = dominators.immediate.len();
        let mut first = vec![0u32; nodes + 1];
        for dominator in dominators.immediate.iter().skip(1) {
            first[*dominator as usize] += 1;
        }
        let mut total = 0;
        for slot in &mut first {
            total += *slot;
            *slot = total;
        }
        let mut children = vec![0u32; nodes.saturating_sub(1)];
        for (node, dominator) in dominators.immediate.iter().enumerate().skip(1).rev() {
            let slot = &mut first[*dominator as usize];
            *slot -= 1;
            children[*slot as usize] = node as u32;
        }
        Self { first, children }
    }

    /// Nodes whose immediate dominator is `node`, ascending.
    pub fn of_node(&self, node: NodeIndex) -> impl ExactSizeIterator<Item = NodeIndex> + '_ {
        let at = node.0 as usize;
        self.children[self.first[at] as usize..self.first[at + 1] as usize]
            .iter()
            .map(|node| NodeIndex(*node))
    }
}

fn sum_up(graph: &Graph, order: &[u32], immediate: &[u32]) -> Vec<u64> {
    let mut retained: Vec<u64> = graph.nodes().map(|node| graph.self_bytes(node)).collect();
    for node in order.iter().skip(1).rev() {
        let bytes = retained[*node as usize];
        let above = &mut retained[immediate[*node as usize] as usize];
        *above = above.saturating_add(bytes);
    }
    retained
}
