//! Reads a dump and prints what it took, and its types: `cargo run --release -p plimsoll-heap --example read FILE`.
use std::io::Read;
use std::time::Instant;

use plimsoll_heap::{Detail, Dominators, DumpParser, RetainingEdges, Summary, Types};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: read FILE")?;
    let start = Instant::now();
    let mut parser = DumpParser::new(Detail::Types);
    let mut file = std::fs::File::open(path)?;
    let mut piece = vec![0; 4 << 20];
    loop {
        let taken = file.read(&mut piece)?;
        if taken == 0 {
            break;
        }
        parser.feed(&piece[..taken])?;
    }
    eprintln!("read after {:?}", start.elapsed());
    let mut graph = parser.finish()?;
    eprintln!(
        "{} nodes, {} edges: parsed after {:?}",
        graph.node_count(),
        graph.edge_count(),
        start.elapsed()
    );
    let edges = RetainingEdges::of(&graph);
    graph.forget_labels();
    eprintln!("edges sorted out after {:?}", start.elapsed());
    let dominators = Dominators::over(&graph, edges);
    eprintln!("dominators after {:?}", start.elapsed());
    let types = Types::of(&graph);
    let summary = Summary::of(&graph, &types, &dominators);
    eprintln!(
        "types after {:?}, {} weakly held",
        start.elapsed(),
        dominators.weakly_held_count()
    );
    for row in summary.types {
        println!(
            "{}\t{}\t{}\t{}",
            row.type_name, row.count, row.self_bytes, row.retained_bytes
        );
    }
    Ok(())
}
