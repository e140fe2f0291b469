//! Reads a dump and prints how long each step took:
//! `cargo run --release -p plimsoll-heap --example read FILE`.

use std::io::Read;
use std::time::Instant;

use plimsoll_heap::{Dominators, Graph, RetainingEdges, Summary, Types, v8};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: read FILE")?;
    let mut last = Instant::now();
    let mut lap = |what: &str| eprintln!("{:>6} ms {what}", std::mem::replace(&mut last, Instant::now()).elapsed().as_millis());
    let graph = parse(&path)?;
    lap("parse");
    let edges = RetainingEdges::of(&graph);
    lap("edges that hold (alone; dominators do it again)");
    drop(edges);
    let dominators = Dominators::of(&graph);
    lap("dominators");
    let types = Types::of(&graph);
    lap("types");
    let summary = Summary::of(&graph, &types, &dominators);
    lap("summary");
    println!("{} nodes, {} edges, {} types", summary.nodes, summary.edges, summary.types.len());
    println!("{} of {} bytes retained", dominators.retained_bytes(Graph::ROOT), summary.self_bytes);
    Ok(())
}

fn parse(path: &str) -> Result<Graph, Box<dyn std::error::Error>> {
    let mut parser = v8::Parser::default();
    let mut file = std::fs::File::open(path)?;
    let mut piece = vec![0; 4 << 20];
    loop {
        let taken = file.read(&mut piece)?;
        if taken == 0 {
            return Ok(parser.finish()?);
        }
        parser.feed(&piece[..taken])?;
    }
}
