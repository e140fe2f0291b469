//! Any bytes behind a valid head, in pieces whose length the first byte chooses: an error or a graph that answers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_heap::hprof::{Detail, Parser};
use plimsoll_heap::{Dominators, Graph, RetainingEdges, ShortestPaths, Summary, Types};

fuzz_target!(|input: &[u8]| {
    let [length, flags, dump @ ..] = input else {
        return;
    };
    let id_bytes = if flags & 1 == 0 { 4 } else { 8 };
    let detail = [Detail::Histogram, Detail::Unlabelled, Detail::Labelled, Detail::Strings][usize::from(flags >> 1 & 3)];
    let mut parser = Parser::new(detail);
    let head = [&b"JAVA PROFILE 1.0.2\0\0\0\0"[..], &[id_bytes], &[0; 8]].concat();
    for piece in head.chunks(7).chain(dump.chunks(usize::from(*length).max(1))) {
        if parser.feed(piece).is_err() {
            return;
        }
    }
    if detail == Detail::Histogram {
        let _ = parser.finish_histogram();
    } else if let Ok(graph) = parser.finish() {
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
    let paths = ShortestPaths::of(graph, &RetainingEdges::of(graph));
    for node in graph.nodes() {
        let _ = (paths.path_to(graph, node), graph.retainers(node).count(), graph.value(node));
    }
}
