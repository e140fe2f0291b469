//! Dominators against the definition: `d` dominates `n` if removing `d` cuts `n` off from the root.

use plimsoll_heap::{
    Dominators, EdgeIndex, EdgeKind, Graph, GraphBuilder, NodeIndex, NodeKind, RetainingEdges,
};

/// A small deterministic generator (xorshift), so that a failure names its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % u64::from(bound)) as u32
    }
}

fn random_graph(seed: u64) -> Graph {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let nodes = 1 + random.below(24);
    let edges = random.below(3 * nodes + 1);
    let mut builder = GraphBuilder::default();
    for node in 0..nodes {
        builder.node(NodeKind::Object, "node", u64::from(node), 1 + random.below(100));
    }
    for _ in 0..edges {
        let kind = match random.below(10) {
            0 => EdgeKind::Weak,
            1 => EdgeKind::Shortcut,
            _ => EdgeKind::Property,
        };
        builder.edge(
            NodeIndex(random.below(nodes)),
            kind,
            "edge",
            NodeIndex(random.below(nodes)),
        );
    }
    builder.build()
}

/// Everything that can be reached from the root without `without`, weakly held nodes included: what
/// only weak edges lead to hangs below the root.
fn reached(graph: &Graph, starts: &[NodeIndex], without: Option<NodeIndex>) -> Vec<bool> {
    let retaining = RetainingEdges::of(graph);
    let mut seen = vec![false; graph.node_count() as usize];
    let mut todo: Vec<NodeIndex> = starts
        .iter()
        .copied()
        .filter(|start| Some(*start) != without)
        .collect();
    while let Some(node) = todo.pop() {
        if std::mem::replace(&mut seen[node.0 as usize], true) {
            continue;
        }
        for edge in graph
            .edge_range(node)
            .map(EdgeIndex)
            .filter(|edge| retaining.contains(*edge))
        {
            let to = graph.edge(edge).to;
            if Some(to) != without {
                todo.push(to);
            }
        }
    }
    seen
}

/// The root, and the heads of what only weak edges lead to: told by the tree itself, as the choice of
/// a head in a cycle is free.
fn starts(graph: &Graph, dominators: &Dominators) -> Vec<NodeIndex> {
    let held = reached(graph, &[Graph::ROOT], None);
    let mut starts = vec![Graph::ROOT];
    starts.extend(
        graph.nodes().filter(|node| {
            !held[node.0 as usize] && dominators.immediate_dominator(*node) == Some(Graph::ROOT)
        }),
    );
    starts
}

#[test]
fn agree_with_the_definition_on_random_graphs() {
    for seed in 0..600 {
        let graph = random_graph(seed);
        let dominators = Dominators::of(&graph);
        let starts = starts(&graph, &dominators);
        let whole = reached(&graph, &starts, None);
        assert!(
            whole.iter().all(|seen| *seen),
            "seed {seed}: every node hangs in the tree"
        );
        for candidate in graph.nodes().skip(1).filter(|node| !starts.contains(node)) {
            let rest = reached(&graph, &starts, Some(candidate));
            let cut_off: Vec<_> = graph.nodes().filter(|node| !rest[node.0 as usize]).collect();
            let freed: u64 = cut_off.iter().map(|node| graph.self_bytes(*node)).sum();
            assert_eq!(
                dominators.retained_bytes(candidate),
                freed,
                "seed {seed}, node {candidate:?}"
            );
            for node in cut_off.into_iter().filter(|node| *node != candidate) {
                assert!(
                    dominators.chain(node).any(|above| above == candidate),
                    "seed {seed}: {candidate:?} over {node:?}"
                );
            }
        }
        let all: u64 = graph.nodes().map(|node| graph.self_bytes(node)).sum();
        assert_eq!(
            dominators.retained_bytes(Graph::ROOT),
            all,
            "seed {seed}: the root retains all"
        );
    }
}

#[test]
fn a_list_of_a_million_costs_no_stack() {
    let nodes = 1_000_000;
    let mut builder = GraphBuilder::default();
    let mut last = builder.node(NodeKind::Synthetic, "", 1, 0);
    for id in 2..=nodes {
        let next = builder.node(NodeKind::Object, "Link", id, 8);
        builder.edge(last, EdgeKind::Property, "next", next);
        builder.edge(next, EdgeKind::Property, "previous", last);
        last = next;
    }
    let graph = builder.build();
    let dominators = Dominators::of(&graph);
    assert_eq!(dominators.chain(last).count() as u64, nodes - 1);
    assert_eq!(dominators.retained_bytes(NodeIndex(1)), 8 * (nodes - 1));
}

#[test]
fn edges_that_hold_nothing_are_left_out() {
    let mut builder = GraphBuilder::default();
    let root = builder.node(NodeKind::Synthetic, "", 1, 0);
    let global = builder.node(NodeKind::Object, "global", 2, 10);
    let roots = builder.node(NodeKind::Synthetic, "(GC roots)", 3, 0);
    let debugger = builder.node(NodeKind::Hidden, "system / Debugger", 4, 100);
    let kept = builder.node(NodeKind::Object, "Job", 5, 1_000);
    let table = builder.node(NodeKind::Array, "", 6, 10_000);
    let value = builder.node(NodeKind::Object, "Meta", 7, 100_000);
    builder.edge(root, EdgeKind::Shortcut, "global", global);
    builder.element(root, 1, roots);
    builder.element(roots, 1, debugger);
    builder.edge(debugger, EdgeKind::Internal, "last", kept);
    builder.edge(debugger, EdgeKind::Shortcut, "native", value);
    builder.edge(global, EdgeKind::Property, "kept", kept);
    builder.edge(global, EdgeKind::Property, "table", table);
    let pair = "2 / part of key (Job @5) -> value (Meta @7) pair in WeakMap (table @6)";
    builder.edge(kept, EdgeKind::Internal, pair, value);
    builder.edge(table, EdgeKind::Internal, pair, value);
    builder.edge(table, EdgeKind::Weak, "2", kept);
    let dominators = Dominators::of(&builder.build());
    for (node, expected) in [
        (global, 111_010),
        (debugger, 100),
        (kept, 101_000),
        (table, 10_000),
        (roots, 100),
    ] {
        assert_eq!(dominators.retained_bytes(node), expected, "{node:?}");
    }
}
