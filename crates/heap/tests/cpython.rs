//! Pictures of CPython: what the reader makes of them, and of damaged ones.

use plimsoll_heap::cpython::{ParseError, Parser};
use plimsoll_heap::{Dominators, EdgeName, Format, Graph, Summary, Types};

/// Writes the format as its document tells it, so that reader and writer do not agree by accident.
struct Writer(Vec<u8>);

impl Writer {
    fn new() -> Self {
        Writer(b"PLMPYPIC\x01".to_vec())
    }

    fn section(mut self, tag: u8, rows: &[Vec<u8>]) -> Self {
        let body = rows.concat();
        self.0.push(tag);
        self.0.extend((body.len() as u32 + 4).to_le_bytes());
        self.0.extend((rows.len() as u32).to_le_bytes());
        self.0.extend(body);
        self
    }
}

fn text(text: &str) -> Vec<u8> {
    let mut row = vec![text.len() as u8];
    row.extend(text.as_bytes());
    row
}

const NAMED: u8 = 1;
const ELEMENT: u8 = 2;

/// `worker.CACHE = [<Job>]`
fn small() -> Vec<u8> {
    let texts = [
        "(modules)",
        "worker",
        "module",
        "dict",
        "CACHE",
        "list",
        "worker.Job",
        "__dict__",
        "/w.py",
        "",
    ];
    Writer::new()
        .section(1, &[[text("version"), text("3.11.2")].concat()])
        .section(2, &texts.map(text))
        .section(99, &[])
        .section(3, &[vec![0, 1, 1 << 3 | NAMED, 0]])
        .section(
            4,
            &[
                vec![0x80, 0x20, 2, 72, 1, 7 << 3, 2],
                vec![0x90, 0x20, 3, 232, 1, 1, 4 << 3 | NAMED, 2],
                vec![0xa0, 0x20, 5, 88, 1, ELEMENT, 2],
                vec![0xb0, 0x20, 6, 48, 0],
            ],
        )
        .section(5, &[vec![1, 0, 1, 8, 0], vec![4, 1, 9, 9, 0]])
        .section(0, &[vec![4, 3]])
        .0
}

fn read(bytes: &[u8]) -> Result<Graph, ParseError> {
    let mut parser = Parser::default();
    parser.feed(bytes)?;
    parser.finish()
}

#[test]
fn a_picture_becomes_a_graph() {
    let graph = read(&small()).unwrap();
    assert_eq!(graph.format(), Format::Cpython);
    let names: Vec<&str> = graph.nodes().map(|node| graph.name(node)).collect();
    assert_eq!(names, ["", "(modules)", "module", "dict", "list", "worker.Job"]);
    let labels: Vec<EdgeName<'_>> = graph
        .nodes()
        .flat_map(|node| graph.edges(node).map(|edge| edge.name).collect::<Vec<_>>())
        .collect();
    let expected = ["worker", "__dict__", "CACHE"].map(EdgeName::Name);
    assert_eq!(
        (labels[0], &labels[1..4]),
        (EdgeName::Index(0), expected.as_slice())
    );
    assert_eq!(labels[4], EdgeName::Index(0));
    let (types, dominators) = (Types::of(&graph), Dominators::of(&graph));
    let summary = Summary::of(&graph, &types, &dominators);
    let list = summary.types.iter().find(|row| row.type_name == "list").unwrap();
    assert_eq!((list.count, list.self_bytes, list.retained_bytes), (1, 88, 136));
}

#[test]
fn pieces_of_any_length_give_the_same() {
    let bytes = small();
    for length in 1..bytes.len() {
        let mut parser = Parser::default();
        for piece in bytes.chunks(length) {
            parser.feed(piece).unwrap();
        }
        assert_eq!(parser.finish().unwrap().node_count(), 6, "{length}");
    }
}

#[test]
fn a_picture_cut_off_anywhere_is_refused() {
    let bytes = small();
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "cut at {length}");
    }
    let longer = [bytes.as_slice(), b"x"].concat();
    assert!(matches!(read(&longer), Err(ParseError::Trailing { .. })));
}

#[test]
fn a_picture_changed_anywhere_is_read_or_refused() {
    let bytes = small();
    for at in 0..bytes.len() {
        for change in 1..=255u8 {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            if let Ok(graph) = read(&changed) {
                // Accessors never fail on the input's account.
                for node in graph.nodes() {
                    let _ = graph.name(node);
                    graph.edges(node).for_each(drop);
                }
                let dominators = Dominators::of(&graph);
                let _ = Summary::of(&graph, &Types::of(&graph), &dominators);
            }
        }
    }
}
