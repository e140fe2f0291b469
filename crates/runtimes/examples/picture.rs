//! Takes a picture of a process and prints what is in it: for development.
use std::io::Write;
fn main() {
    let pid: u32 = std::env::args().nth(1).unwrap().parse().unwrap();
    let path = std::env::args().nth(2).unwrap();
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    let taken = plimsoll_runtimes::python::picture::capture(pid, &mut file).unwrap();
    file.flush().unwrap();
    println!("{taken:?}");
    let begin = std::time::Instant::now();
    let bytes = std::fs::read(&path).unwrap();
    let mut parser = plimsoll_heap::cpython::Parser::default();
    parser.feed(&bytes).unwrap();
    let graph = parser.finish().unwrap();
    println!("read in {:?}", begin.elapsed());
    let mut counts = std::collections::HashMap::<&str, (u64, u64)>::new();
    for node in graph.nodes() {
        let row = counts.entry(graph.name(node)).or_default();
        row.0 += 1;
        row.1 += graph.self_bytes(node);
    }
    let mut rows: Vec<_> = counts.into_iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.1.0));
    for row in rows.iter().take(std::env::args().nth(3).map_or(25, |n| n.parse().unwrap())) {
        println!("{row:?}");
    }
    for edge in graph.edges(plimsoll_heap::Graph::ROOT) {
        let n = graph.edges(edge.to).count();
        println!("root {} {n}", graph.name(edge.to));
        if graph.name(edge.to).contains("lost") || graph.name(edge.to).contains("cycles") {
            for e in graph.edges(edge.to).take(15) { println!("    {} {:x}", graph.name(e.to), graph.id(e.to)); }
        }
    }
}
