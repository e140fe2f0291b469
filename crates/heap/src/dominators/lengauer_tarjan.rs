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
pub(crate) fn immediate_dominators(graph: &Graph, edges: &RetainingEdges, walk: &mut Walk) -> Vec<u32> {
    let sources = Sources::of(graph, edges, walk);
    let tree = by_number(&sources, walk);
    drop(sources);
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
    fn of(graph: &Graph, edges: &RetainingEdges, walk: &mut Walk) -> Self {
        let mut number = vec![0u32; walk.order.len()];
        for (at, node) in walk.order.iter().enumerate() {
            number[*node as usize] = at as u32;
        }
        // Sums to the end of each part, which the filling walks down to its start.
        let mut first = std::mem::take(&mut walk.other_edges);
        let mut total = 0;
        for count in &mut first {
            total += *count;
            *count = total;
        }
        let mut numbers = vec![0u32; total as usize];
        // Writes go all over the place and cost the most: each core takes the targets of one half.
        let half = first.partition_point(|end| *end < total / 2);
        let cut = if half == 0 { 0 } else { first[half - 1] };
        let (low, high) = first.split_at_mut(half);
        let (low_numbers, high_numbers) = numbers.split_at_mut(cut as usize);
        std::thread::scope(|scope| {
            scope.spawn(|| fill(graph, edges, &number, 0, low, 0, low_numbers));
            fill(graph, edges, &number, half as u32, high, cut, high_numbers);
        });
        first.push(total);
        Self { first, numbers }
    }

    fn into(&self, node: u32) -> &[u32] {
        &self.numbers[self.first[node as usize] as usize..self.first[node as usize + 1] as usize]
    }
}

/// Puts the sources of the targets from `from_target` on, whose ends are `ends`, into `numbers`, the
/// first of which is number `offset` of all.
fn fill(
    graph: &Graph,
    edges: &RetainingEdges,
    number: &[u32],
    from_target: u32,
    ends: &mut [u32],
    offset: u32,
    numbers: &mut [u32],
) {
    for node in 0..graph.node_count() {
        for edge in graph.edge_range(NodeIndex(node)).filter(|edge| edges.has(*edge)) {
            let target = graph.edge_targets[edge as usize].wrapping_sub(from_target) as usize;
            if let Some(end) = ends.get_mut(target) {
                *end -= 1;
                numbers[(*end - offset) as usize] = number[node as usize];
            }
        }
    }
}

/// A node of the forest; together, as they are used together.
#[derive(Clone, Copy)]
struct Link {
    /// Tree parent, shortened by path compression once the node is linked.
    ancestor: u32,
    /// The node with the least semidominator on the compressed path. Before the node is linked, the
    /// start of a list, chained by `dominator`, of nodes whose semidominator it is.
    label: u32,
    /// The semidominator of `label`.
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
fn by_number(sources: &Sources, walk: &mut Walk) -> Vec<u32> {
    let nodes = walk.order.len() as u32;
    let unlinked = |parent: u32| Link {
        ancestor: parent,
        label: NONE,
        label_semi: NONE,
    };
    let links = std::mem::take(&mut walk.parent)
        .into_iter()
        .map(unlinked)
        .collect();
    let mut forest = Forest {
        links,
        linked_from: nodes,
        path: Vec::new(),
    };
    let mut dominator = vec![0u32; nodes as usize];
    // Nodes whose dominator is that of another, known only at the end.
    let mut deferred = BitSet::with_len(nodes as usize);
    for at in (1..nodes).rev() {
        let parent = forest.links[at as usize].ancestor;
        let mut semi = parent;
        for source in sources.into(walk.order[at as usize]) {
            semi = semi.min(forest.best(*source).1);
        }
        // Its own list is empty by now: all that lies below it is done.
        forest.links[at as usize] = Link {
            ancestor: parent,
            label: at,
            label_semi: semi,
        };
        dominator[at as usize] = if semi == parent {
            parent
        } else {
            std::mem::replace(&mut forest.links[semi as usize].label, at)
        };
        forest.linked_from = at;
        let mut member = std::mem::replace(&mut forest.links[parent as usize].label, NONE);
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
