//! Any bytes, in pieces whose length the first byte chooses: an error or a graph that answers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_heap::v8::Parser;
use plimsoll_heap::{Census, Dominators, Graph, RetainingEdges, ShortestPaths, Summary, Types, compare};

fuzz_target!(|input: &[u8]| {
    let Some((length, dump)) = input.split_first() else {
        return;
    };
    let mut parser = Parser::default();
    for piece in dump.chunks(usize::from(*length).max(1)) {
        if parser.feed(piece).is_err() {
            return;
        }
    }
    if let Ok(graph) = parser.finish() {
        ask(&graph);
    }
});

fn ask(graph: &Graph) {
    let (types, dominators) = (Types::of(graph), Dominators::of(graph));
    let summary = Summary::of(graph, &types, &dominators);
    assert_eq!(
        summary.types.iter().map(|row| row.count).sum::<u64>(),
        u64::from(graph.node_count())
    );
    let census = || Census::of(graph, &types, &dominators);
    assert!(compare(&census(), &census()).is_empty() || has_twin_ids(graph));
    let paths = ShortestPaths::of(graph, &RetainingEdges::of(graph));
    for node in graph.nodes() {
        let _ = (paths.path_to(graph, node), graph.retainers(node).count());
    }
}

/// Two nodes of one id and different type make a dump differ from itself.
fn has_twin_ids(graph: &Graph) -> bool {
    let mut ids: Vec<u64> = graph.nodes().map(|node| graph.id(node)).collect();
    ids.sort_unstable();
    ids.windows(2).any(|pair| pair[0] == pair[1])
}
