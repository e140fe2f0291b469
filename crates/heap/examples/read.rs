//! Reads a dump and prints what it took: `cargo run --release -p plimsoll-heap --example read FILE`.
use std::io::Read;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: read FILE")?;
    let start = Instant::now();
    let mut parser = plimsoll_heap::v8::Parser::default();
    let mut file = std::fs::File::open(path)?;
    let mut piece = vec![0; 1 << 20];
    loop {
        let taken = file.read(&mut piece)?;
        if taken == 0 {
            break;
        }
        parser.feed(&piece[..taken])?;
    }
    let graph = parser.finish()?;
    eprintln!(
        "{} nodes, {} edges: parsed after {:?}",
        graph.node_count(),
        graph.edge_count(),
        start.elapsed()
    );
    let dominators = plimsoll_heap::Dominators::of(&graph);
    eprintln!("dominators after {:?}", start.elapsed());
    let all: u64 = graph.nodes().map(|node| graph.self_bytes(node)).sum();
    println!(
        "{} of {all} bytes, {} weakly held",
        dominators.retained_bytes(plimsoll_heap::Graph::ROOT),
        dominators.weakly_held_count()
    );
    Ok(())
}
