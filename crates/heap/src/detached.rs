//! Which native nodes are detached from the document, told from those that know it themselves.
//!
//! A dump marks only entry points of the embedder (`detachedness`: attached or detached); what they
//! hold takes over their state, attached first. It does not pass through JavaScript objects, as in DevTools.

use crate::graph::{EdgeKind, Graph, NodeIndex, NodeKind};
use crate::retaining::BitSet;

/// All detached nodes, ascending.
pub(crate) fn detached_nodes(graph: &Graph, attached: &[u32], detached: &[u32]) -> Vec<u32> {
    if detached.is_empty() {
        return Vec::new();
    }
    let mut seen = BitSet::with_len(graph.kinds.len());
    let mut known = |nodes: &[u32]| -> Vec<u32> {
        let native = |node: &u32| graph.kinds[*node as usize] == NodeKind::Native;
        nodes
            .iter()
            .copied()
            .filter(|node| seen.insert(*node) && native(node))
            .collect()
    };
    let (mut attached, detached) = (known(attached), known(detached));
    spread(graph, &mut seen, &mut attached);
    let mut todo = detached;
    spread(graph, &mut seen, &mut todo);
    todo.sort_unstable();
    todo
}

/// Adds to `nodes` what they hold, directly or not.
fn spread(graph: &Graph, seen: &mut BitSet, nodes: &mut Vec<u32>) {
    let mut at = 0;
    while at < nodes.len() {
        for edge in graph.edge_range(NodeIndex(nodes[at])) {
            let to = graph.edge_targets[edge as usize];
            let passes = !matches!(graph.edge_kinds[edge as usize], EdgeKind::Hidden | EdgeKind::Weak);
            if passes && graph.kinds[to as usize] == NodeKind::Native && seen.insert(to) {
                nodes.push(to);
            }
        }
        at += 1;
    }
}
