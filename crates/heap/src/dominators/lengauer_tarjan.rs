//! Lengauer and Tarjan's algorithm on a depth-first walk.
//!
//! Two shortcuts spare most of the work on real heaps, where three nodes of four have one way in: the
//! tree edge into a node needs no look (its source is not linked yet, so it stands for itself), and a
//! node whose semidominator is its parent is immediately dominated by it.

use super::walk::Walk;
use crate::graph::{Graph, NodeIndex};
use crate::retaining::{BitSet, RetainingEdges};

const NONE: u32 = u32::MAX;

/// Immediate dominators by node; that of the root is the root. `edges` are those outside the tree.
pub(crate) fn immediate_dominators(graph: &Graph, edges: &RetainingEdges, walk: &Walk) -> Vec<u32> {
    let sources = Sources::of(graph, edges, walk);
    let tree = by_number(&sources, walk);
    let mut immediate = vec![0u32; walk.order.len()];
    for (node, dominator) in walk.order.iter().zip(&tree) {
        immediate[*node as usize] = walk.order[*dominator as usize];
    }
    immediate
}

/// Sources of the edges outside the tree: walk numbers by target node.
struct Sources {
    /// Those of node `n` are `numbers[first[n]..first[n + 1]]`.
    first: Vec<u32>,
    numbers: Vec<u32>,
}

impl Sources {
    fn of(graph: &Graph, edges: &RetainingEdges, walk: &Walk) -> Self {
        let mut number = vec![0u32; walk.order.len()];
        for (at, node) in walk.order.iter().enumerate() {
            number[*node as usize] = at as u32;
        }
        // Sums to the end of each part, which the filling walks down to its start.
        let mut first = Vec::with_capacity(walk.order.len() + 1);
        let mut total = 0;
        for count in &walk.other_edges {
            total += count;
            first.push(total);
        }
        first.push(total);
        let mut numbers = vec![0u32; total as usize];
        for node in 0..graph.node_count() {
            for edge in graph.edge_range(NodeIndex(node)).filter(|edge| edges.has(*edge)) {
                let slot = &mut first[graph.edge_targets[edge as usize] as usize];
                *slot -= 1;
                numbers[*slot as usize] = number[node as usize];
            }
        }
        Self { first, numbers }
    }

    fn into(&self, node: u32) -> &[u32] {
        &self.numbers[self.first[node as usize] as usize..self.first[node as usize + 1] as usize]
    }
}

/// A node of the forest; together, as they are used together.
#[derive(Clone, Copy)]
struct Link {
    /// Tree parent, shortened by path compression once the node is linked.
    ancestor: u32,
    /// The node with the least semidominator on the compressed path, and that semidominator.
    label: u32,
    label_semi: u32,
}

/// The forest. Numbers at or above `linked_from` are linked to their parents.
struct Forest {
    links: Vec<Link>,
    linked_from: u32,
    path: Vec<u32>,
}

impl Forest {
    /// The node with the least semidominator above `number` in its tree, and that semidominator.
    #[inline]
    fn best(&mut self, number: u32) -> (u32, u32) {
        if number < self.linked_from {
            return (number, number);
        }
        let link = self.links[number as usize];
        if link.ancestor >= self.linked_from {
            self.compress(number);
        }
        let link = self.links[number as usize];
        (link.label, link.label_semi)
    }

    fn compress(&mut self, number: u32) {
        let mut at = number;
        while self.links[at as usize].ancestor >= self.linked_from {
            self.path.push(at);
            at = self.links[at as usize].ancestor;
        }
        while let Some(below) = self.path.pop() {
            let above = self.links[self.links[below as usize].ancestor as usize];
            let link = &mut self.links[below as usize];
            if above.label_semi < link.label_semi {
                link.label = above.label;
                link.label_semi = above.label_semi;
            }
            link.ancestor = above.ancestor;
        }
    }
}

/// Immediate dominators, all in walk numbers; that of number 0 is 0.
fn by_number(sources: &Sources, walk: &Walk) -> Vec<u32> {
    let nodes = walk.order.len() as u32;
    let unlinked = |(at, parent): (usize, &u32)| Link {
        ancestor: *parent,
        label: at as u32,
        label_semi: at as u32,
    };
    let links = walk.parent.iter().enumerate().map(unlinked).collect();
    let mut forest = Forest {
        links,
        linked_from: nodes,
        path: Vec::new(),
    };
    // `bucket[s]` starts a list, chained by `dominator`, of nodes whose semidominator is `s`.
    let mut bucket = vec![NONE; nodes as usize];
    let mut dominator = vec![0u32; nodes as usize];
    // Nodes whose dominator is that of another, known only at the end.
    let mut deferred = BitSet::with_len(nodes as usize);
    for at in (1..nodes).rev() {
        let parent = walk.parent[at as usize];
        let mut semi = parent;
        for source in sources.into(walk.order[at as usize]) {
            semi = semi.min(forest.best(*source).1);
        }
        forest.links[at as usize].label_semi = semi;
        dominator[at as usize] = if semi == parent {
            parent
        } else {
            std::mem::replace(&mut bucket[semi as usize], at)
        };
        forest.linked_from = at;
        let mut member = std::mem::replace(&mut bucket[parent as usize], NONE);
        while member != NONE {
            let (best, best_semi) = forest.best(member);
            let is_earlier = best_semi < parent;
            let next = std::mem::replace(
                &mut dominator[member as usize],
                if is_earlier { best } else { parent },
            );
            if is_earlier {
                deferred.insert(member);
            }
            member = next;
        }
    }
    for at in (1..nodes).filter(|at| deferred.contains(*at)) {
        dominator[at as usize] = dominator[dominator[at as usize] as usize];
    }
    dominator
}
