//! Who holds an object: the ways from the root to it that say most.

use std::collections::VecDeque;

use crate::graph::{Edge, EdgeIndex, EdgeKind, EdgeName, Format, Graph, NodeIndex, NodeKind};
use crate::retaining::RetainingEdges;

/// The cheapest way from the root to every node. Each step costs 1; a step that the runtime made
/// rather than the program costs [`RUNTIME_STEP`], so that of two ways the one through variables,
/// properties and elements is preferred unless it is much longer.
#[derive(Debug)]
pub struct ShortestPaths {
    /// The last edge of the way, by node.
    last_edge: Vec<u32>,
    cost: Vec<u32>,
}

/// Extra steps through the program's own references that are taken to avoid one of the runtime's:
/// three, since a property of an object in an array or map of a module is that far from its context.
/// Pinned by `paths_go_through_the_program`.
const RUNTIME_STEP: u32 = 4;
const NONE: u32 = u32::MAX;

impl ShortestPaths {
    /// Finds all ways: linear in edges, 8 bytes a node.
    pub fn of(graph: &Graph, retaining: &RetainingEdges) -> Self {
        let nodes = graph.node_count() as usize;
        let mut paths = Self {
            last_edge: vec![NONE; nodes],
            cost: vec![NONE; nodes],
        };
        if nodes == 0 {
            return paths;
        }
        // Steps cost at most RUNTIME_STEP, so that many queues in rotation keep the order of costs.
        let mut queues: [VecDeque<u32>; RUNTIME_STEP as usize + 1] = Default::default();
        paths.cost[0] = 0;
        queues[0].push_back(0);
        let (mut at, mut empty) = (0u32, 0);
        while empty <= RUNTIME_STEP {
            let Some(node) = queues[(at % (RUNTIME_STEP + 1)) as usize].pop_front() else {
                at += 1;
                empty += 1;
                continue;
            };
            empty = 0;
            // A cheaper way to it was found after it was queued, and taken.
            if paths.cost[node as usize] == at {
                paths.step_from(graph, retaining, node, &mut queues);
            }
        }
        paths
    }

    fn step_from(
        &mut self,
        graph: &Graph,
        retaining: &RetainingEdges,
        node: u32,
        queues: &mut [VecDeque<u32>],
    ) {
        for edge in graph
            .edge_range(NodeIndex(node))
            .filter(|edge| retaining.has(*edge))
        {
            let to = graph.edge_targets[edge as usize];
            let cost = self.cost[node as usize].saturating_add(step_cost(graph, EdgeIndex(edge)));
            if cost < self.cost[to as usize] {
                self.cost[to as usize] = cost;
                self.last_edge[to as usize] = edge;
                queues[cost as usize % queues.len()].push_back(to);
            }
        }
    }

    /// The edges from the root to `node`; `None` if only weak ones lead there.
    pub fn path_to(&self, graph: &Graph, node: NodeIndex) -> Option<Vec<EdgeIndex>> {
        let mut path = Vec::new();
        let mut at = node;
        while at != Graph::ROOT {
            let edge = *self.last_edge.get(at.0 as usize).filter(|edge| **edge != NONE)?;
            path.push(EdgeIndex(edge));
            at = graph.edge_source(EdgeIndex(edge));
        }
        path.reverse();
        Some(path)
    }

    /// Up to `limit` ways to `node` that differ in the last step, the cheapest first.
    pub fn paths_through_retainers(
        &self,
        graph: &Graph,
        retaining: &RetainingEdges,
        node: NodeIndex,
        limit: usize,
    ) -> Vec<Vec<EdgeIndex>> {
        let mut last: Vec<(u32, u32)> = graph
            .incoming_edges(node)
            .iter()
            .filter(|edge| retaining.has(**edge))
            .map(|edge| {
                let from = self.cost[graph.edge_source(EdgeIndex(*edge)).0 as usize];
                (from.saturating_add(step_cost(graph, EdgeIndex(*edge))), *edge)
            })
            .filter(|(cost, _)| *cost != NONE)
            .collect();
        last.sort_unstable();
        let whole = |edge: u32| {
            let mut path = self.path_to(graph, graph.edge_source(EdgeIndex(edge)))?;
            // A way that comes through the node itself says nothing new.
            if path
                .iter()
                .any(|step| graph.edge_targets[step.0 as usize] == node.0)
            {
                return None;
            }
            path.push(EdgeIndex(edge));
            Some(path)
        };
        last.into_iter()
            .filter_map(|(_, edge)| whole(edge))
            .take(limit)
            .collect()
    }
}

fn step_cost(graph: &Graph, edge: EdgeIndex) -> u32 {
    let at = edge.0 as usize;
    let of_program = matches!(
        graph.edge_kinds[at],
        EdgeKind::Context | EdgeKind::Element | EdgeKind::Property | EdgeKind::Shortcut
    );
    let into_runtime = matches!(
        graph.kinds[graph.edge_targets[at] as usize],
        NodeKind::Hidden | NodeKind::Synthetic
    );
    if of_program && !into_runtime {
        1
    } else {
        RUNTIME_STEP
    }
}

/// One step as people read it: `failedPayloads :: Array`, `[123] :: Object`.
pub fn describe_step(graph: &Graph, edge: Edge<'_>) -> String {
    let to = describe_node(graph, edge.to);
    match (edge.kind, edge.name) {
        (EdgeKind::Hidden, EdgeName::Index(_)) => to,
        (_, EdgeName::Index(index)) => format!("[{index}] :: {to}"),
        (_, EdgeName::Name(name)) => format!("{name} :: {to}"),
    }
}

/// A node in few words: its constructor, a function's name, the beginning of a string.
pub fn describe_node(graph: &Graph, node: NodeIndex) -> String {
    let name = graph.name(node);
    if graph.format() != Format::V8 && !name.is_empty() {
        if graph.kind(node) == NodeKind::ObjectShape {
            return format!("class {}", shorten(name));
        }
        return match graph.value(node) {
            Some(value) => format!("{} \"{}\"", shorten(name), shorten(value).escape_debug()),
            None => shorten(name),
        };
    }
    match graph.kind(node) {
        NodeKind::Closure if name.is_empty() => "(anonymous)()".to_owned(),
        NodeKind::Closure => format!("{}()", shorten(name)),
        NodeKind::String | NodeKind::ConcatenatedString | NodeKind::SlicedString => {
            format!("\"{}\"", shorten(name).escape_debug())
        }
        NodeKind::Array if name.is_empty() => "(array)".to_owned(),
        _ if name.is_empty() && node == Graph::ROOT => "(root)".to_owned(),
        _ => shorten(name),
    }
}

/// Letters of a name or text that are shown.
const SHOWN_LETTERS: usize = 60;

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_LETTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
