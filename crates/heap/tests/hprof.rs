//! The reader of JVM heap dumps on real, odd, cut and damaged dumps.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::Read;

use plimsoll_heap::hprof::{Detail, ParseError, Parser};
use plimsoll_heap::{
    Dominators, EdgeKind, Graph, NodeIndex, RetainingEdges, ShortestPaths, Summary, Types, describe_step,
};

const JDK17: &[u8] = include_bytes!("data/jdk17.hprof.gz");
const VISUALVM: &str = include_str!("data/jdk17.visualvm.tsv");

fn jdk17() -> Vec<u8> {
    let mut dump = Vec::new();
    flate2::read::GzDecoder::new(JDK17)
        .read_to_end(&mut dump)
        .unwrap();
    dump
}

fn parse_in_pieces(dump: &[u8], length: usize, detail: Detail) -> Result<Graph, ParseError> {
    let mut parser = Parser::new(detail);
    for piece in dump.chunks(length) {
        parser.feed(piece)?;
    }
    parser.finish()
}

fn parse(dump: &[u8]) -> Result<Graph, ParseError> {
    parse_in_pieces(dump, dump.len().max(1), Detail::Strings)
}

fn summary(graph: &Graph) -> Summary {
    Summary::of(graph, &Types::of(graph), &Dominators::of(graph))
}

/// Everything that a graph says, as text.
fn dump_of(graph: &Graph) -> String {
    let line = |node: NodeIndex| {
        let edges: Vec<_> = graph.edges(node).collect();
        let value = graph.value(node);
        format!(
            "{:x} {} {} {value:?} {edges:?}\n",
            graph.id(node),
            graph.name(node),
            graph.self_bytes(node)
        )
    };
    graph.nodes().map(line).collect()
}

/// Writes dumps by hand.
struct Writer {
    id_bytes: usize,
    bytes: Vec<u8>,
}

impl Writer {
    fn new(id_bytes: usize) -> Self {
        let mut bytes = b"JAVA PROFILE 1.0.1\0".to_vec();
        bytes.extend([0, 0, 0, id_bytes as u8]);
        bytes.extend([0; 8]);
        Self { id_bytes, bytes }
    }

    fn id(&self, id: u64) -> Vec<u8> {
        id.to_be_bytes()[8 - self.id_bytes..].to_vec()
    }

    fn ids(&self, ids: &[u64]) -> Vec<u8> {
        ids.iter().flat_map(|id| self.id(*id)).collect()
    }

    fn record(&mut self, tag: u8, body: &[u8]) {
        self.bytes.push(tag);
        self.bytes.extend([0; 4]);
        self.bytes.extend((body.len() as u32).to_be_bytes());
        self.bytes.extend(body);
    }

    fn text(&mut self, id: u64, text: &str) {
        let body = [self.id(id), text.as_bytes().to_vec()].concat();
        self.record(0x01, &body);
    }

    fn load(&mut self, class: u64, name: u64) {
        let body = [
            vec![0, 0, 0, (class >> 12) as u8],
            self.id(class),
            vec![0; 4],
            self.id(name),
        ]
        .concat();
        self.record(0x02, &body);
    }

    /// `fields` are names and types.
    fn class(&self, class: u64, above: u64, statics: &[(u64, u64)], fields: &[(u64, u8)]) -> Vec<u8> {
        let mut out = vec![0x20];
        out.extend(self.id(class));
        out.extend([0; 4]);
        out.extend(self.ids(&[above, 0, 0, 0, 0, 0]));
        out.extend([0; 4]);
        out.extend([0, 0]);
        out.extend((statics.len() as u16).to_be_bytes());
        for (name, value) in statics {
            out.extend(self.id(*name));
            out.push(2);
            out.extend(self.id(*value));
        }
        out.extend((fields.len() as u16).to_be_bytes());
        for (name, kind) in fields {
            out.extend(self.id(*name));
            out.push(*kind);
        }
        out
    }

    fn instance(&self, id: u64, class: u64, data: &[u8]) -> Vec<u8> {
        let mut out = vec![0x21];
        out.extend(self.id(id));
        out.extend([0; 4]);
        out.extend(self.id(class));
        out.extend((data.len() as u32).to_be_bytes());
        out.extend(data);
        out
    }

    fn array(&self, id: u64, class: u64, elements: &[u64]) -> Vec<u8> {
        let mut out = vec![0x22];
        out.extend(self.id(id));
        out.extend([0; 4]);
        out.extend((elements.len() as u32).to_be_bytes());
        out.extend(self.id(class));
        out.extend(self.ids(elements));
        out
    }
}

fn every_root(out: &Writer) -> Vec<u8> {
    let mut roots = [vec![0x05], out.id(0x1000)].concat();
    roots.extend([vec![0x08], out.id(0x200), vec![0, 0, 0, 1, 0, 0, 0, 9]].concat());
    roots.extend([vec![0x03], out.id(0x280), vec![0, 0, 0, 1, 0, 0, 0, 0]].concat());
    for (tag, extra) in [
        (0xFF, 0),
        (0x01, out.id_bytes),
        (0x02, 8),
        (0x04, 4),
        (0x06, 4),
        (0x07, 0),
        (0x89, 0),
        (0x8E, 8),
    ] {
        roots.extend([vec![tag], out.id(0x180), vec![0; extra]].concat());
    }
    roots
}

/// A base class with a reference, a subclass with a number and a reference, a weak reference, an array,
/// numbers, and every kind of root. Instances come before their classes if `late`.
fn small(id_bytes: usize, late: bool) -> Vec<u8> {
    let mut out = Writer::new(id_bytes);
    let names = [
        "Base",
        "Sub",
        "java/lang/ref/WeakReference",
        "[LBase;",
        "own",
        "base",
        "size",
        "referent",
        "cache",
        "run",
        "Sub.java",
        "()V",
    ];
    for (at, name) in names.iter().enumerate() {
        out.text(at as u64 + 1, name);
    }
    for class in 1..=4 {
        out.load(class * 0x1000, class);
    }
    // Of the class with serial number 1.
    let frame = [out.ids(&[77, 10, 12, 11]), vec![0, 0, 0, 1, 0, 0, 0, 42]].concat();
    out.record(0x04, &frame);
    out.record(
        0x05,
        &[vec![0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1], out.id(77)].concat(),
    );
    let (base, sub, weak, array) = (0x1000, 0x2000, 0x3000, 0x4000);
    let classes = [
        out.class(base, 0, &[(9, 0x100)], &[(6, 2)]),
        out.class(sub, base, &[], &[(7, 10), (5, 2)]),
        out.class(weak, 0, &[], &[(8, 2)]),
        out.class(array, 0, &[], &[]),
    ]
    .concat();
    let sub_data = [vec![0, 0, 0, 5], out.ids(&[0x200, 0x100])].concat();
    let objects = [
        out.array(0x100, array, &[0x180, 0, 0x1c0, 0xdead]),
        out.instance(0x180, sub, &sub_data),
        out.instance(0x1c0, weak, &out.id(0x240)),
        out.instance(0x200, base, &out.id(0)),
        out.instance(0x240, base, &out.id(0)),
        [
            vec![0x23],
            out.id(0x280),
            vec![0; 4],
            vec![0, 0, 0, 3],
            vec![8],
            b"abc".to_vec(),
        ]
        .concat(),
    ]
    .concat();
    let roots = every_root(&out);
    let parts = if late {
        [objects, classes, roots]
    } else {
        [classes, objects, roots]
    };
    out.record(0x1C, &parts[0]);
    out.record(0x0C, &[&parts[1][..], &parts[2]].concat());
    out.record(0x2C, &[]);
    out.bytes
}

fn node_at(graph: &Graph, id: u64) -> NodeIndex {
    graph.nodes().find(|node| graph.id(*node) == id).unwrap()
}

#[test]
fn references_follow_the_fields_of_all_superclasses() {
    for (id_bytes, late) in [(4, false), (8, false), (4, true), (8, true)] {
        let graph = parse(&small(id_bytes, late)).unwrap();
        let edges = |id: u64| -> Vec<(EdgeKind, String)> {
            let edges = graph.edges(node_at(&graph, id));
            edges
                .map(|edge| (edge.kind, describe_step(&graph, edge)))
                .collect()
        };
        let property = |text: &str| (EdgeKind::Property, text.to_owned());
        assert_eq!(
            edges(0x180),
            [property("own :: Base"), property("base :: Base[]")],
            "{id_bytes} {late}"
        );
        assert_eq!(edges(0x1c0), [(EdgeKind::Weak, "referent :: Base".to_owned())]);
        let element = |text: &str| (EdgeKind::Element, text.to_owned());
        // What is null or nowhere in the dump is no reference.
        assert_eq!(
            edges(0x100),
            [
                element("[0] :: Sub"),
                element("[2] :: java.lang.ref.WeakReference")
            ]
        );
        assert_eq!(edges(0x1000), [property("cache :: Base[]")]);
        assert_eq!(edges(0x2000), [property("<super class> :: class Base")]);
        let local = "local variable of Base.run() (Sub.java:42) :: byte[] \"abc\"".to_owned();
        assert_eq!(edges(0x200), [(EdgeKind::Context, local)]);
        let roots: Vec<String> = graph
            .edges(Graph::ROOT)
            .map(|edge| describe_step(&graph, edge))
            .collect();
        assert_eq!(
            roots,
            [
                "unknown root :: Sub",
                "thread :: Base",
                "system class :: class Base"
            ]
        );
        assert_eq!(graph.value(node_at(&graph, 0x280)), Some("abc"));
    }
}

#[test]
fn sizes_are_those_of_visualvm() {
    let graph = parse(&jdk17()).unwrap();
    let rows: HashMap<String, (u64, u64)> = summary(&graph)
        .types
        .into_iter()
        .map(|row| (row.type_name, (row.count, row.self_bytes)))
        .collect();
    let mut compared = 0;
    for line in VISUALVM.lines() {
        let (name, bytes) = line.split_once('\t').unwrap();
        let (count, self_bytes) = rows[name];
        assert_eq!(self_bytes, count * bytes.parse::<u64>().unwrap(), "{name}");
        compared += 1;
    }
    assert!(compared > 150, "only {compared} types");
    assert_eq!(rows["Worker$Job"].0 + rows["Worker$PriorityJob"].0, 40);
    assert_eq!(rows["Worker$Slot"].0, 8);
}

#[test]
fn strings_and_threads_read_as_they_are() {
    let graph = parse(&jdk17()).unwrap();
    let retaining = RetainingEdges::of(&graph);
    let paths = ShortestPaths::of(&graph, &retaining);
    let texts: Vec<&str> = graph
        .nodes()
        .filter(|node| graph.name(*node) == "java.lang.String")
        .filter_map(|node| graph.value(node))
        .collect();
    assert!(
        texts.contains(&"street 7") && texts.contains(&"job-39"),
        "{texts:?}"
    );
    let job = graph
        .nodes()
        .find(|node| graph.name(*node) == "Worker$Job")
        .unwrap();
    let path = paths.path_to(&graph, job).unwrap();
    let steps: Vec<String> = path
        .iter()
        .map(|edge| describe_step(&graph, graph.edge(*edge)))
        .collect();
    assert!(steps[0].starts_with("system class :: class "), "{steps:?}");
    let stuck = graph.nodes().any(|node| {
        graph.edges(node).any(|edge| {
            describe_step(&graph, edge).starts_with("local variable of Worker.lambda$main$0() (Worker.java:")
        })
    });
    assert!(stuck, "the list of the thread that sleeps is a local variable");
}

#[test]
fn pieces_and_detail_do_not_change_the_answer() {
    let dump = jdk17();
    let whole = dump_of(&parse(&dump).unwrap());
    for length in [1, 7, 1000, 65_536] {
        let graph = parse_in_pieces(&dump, length, Detail::Strings).unwrap();
        assert!(dump_of(&graph) == whole, "pieces of {length}");
    }
    let labelled = summary(&parse_in_pieces(&dump, dump.len(), Detail::Labelled).unwrap());
    let unlabelled = summary(&parse_in_pieces(&dump, dump.len(), Detail::Unlabelled).unwrap());
    assert!(labelled.types == unlabelled.types);
    let mut parser = Parser::new(Detail::Histogram);
    parser.feed(&dump).unwrap();
    for row in parser.finish_histogram().unwrap() {
        let same = labelled
            .types
            .iter()
            .find(|other| other.type_name == row.type_name)
            .unwrap();
        assert_eq!(
            (row.count, row.self_bytes),
            (same.count, same.self_bytes),
            "{}",
            row.type_name
        );
    }
}

#[test]
fn a_cut_dump_is_an_error_at_every_offset() {
    let dump = small(8, false);
    // The last record says that the heap ends; one in nine offsets behind the objects is a whole dump.
    let last = dump.len() - 9;
    for length in (0..last).chain(last + 1..dump.len()) {
        let error = match parse(&dump[..length]) {
            Err(error) => error,
            Ok(_) => {
                assert!(dump[..length].ends_with(&small(8, false)[length - 9..length]));
                continue;
            }
        };
        assert!(!error.to_string().is_empty());
    }
    let real = jdk17();
    for length in (0..real.len()).step_by(4999) {
        let _ = parse(&real[..length]);
    }
}

/// A small deterministic generator (xorshift), so that a failure names its seed.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn damaged_dumps_are_errors_or_graphs_that_answer() {
    let (small, real) = (small(8, true), jdk17());
    let mut survivors = 0;
    for seed in 1..=1000u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut dump = if seed % 20 == 0 {
            real.clone()
        } else {
            small.clone()
        };
        for _ in 0..1 + next(&mut state) % 4 {
            let at = next(&mut state) as usize % dump.len();
            match next(&mut state) % 4 {
                0 => dump[at] = next(&mut state) as u8,
                1 => dump[at] ^= 1 << (next(&mut state) % 8),
                2 => drop(dump.remove(at)),
                _ => {
                    let end = (at + next(&mut state) as usize % 16).min(dump.len());
                    dump[at..end].fill(0xFF);
                }
            }
        }
        let length = 1 + next(&mut state) as usize % 5000;
        if let Ok(graph) = parse_in_pieces(&dump, length, Detail::Strings) {
            let count: u64 = summary(&graph).types.iter().map(|row| row.count).sum();
            assert_eq!(count, u64::from(graph.node_count()), "seed {seed}");
            survivors += 1;
        }
    }
    assert!(survivors > 100, "only {survivors} dumps were still readable");
}

#[test]
fn lengths_that_a_dump_claims_are_not_trusted() {
    let mut out = Writer::new(8);
    let claim = |tag: u8, rest: &[u8]| [vec![tag], vec![0; 12], vec![0xFF; 4], rest.to_vec()].concat();
    for object in [
        claim(0x22, &[0; 8]),
        claim(0x23, &[11]),
        [vec![0x21], vec![0; 20], vec![0xFF; 4]].concat(),
    ] {
        let mut dump = std::mem::replace(&mut out, Writer::new(8));
        dump.record(0x1C, &object);
        let error = parse(&dump.bytes).unwrap_err().to_string();
        assert!(error.contains("record"), "{error}");
    }
    assert_eq!(parse(b"").unwrap_err(), ParseError::Foreign);
    assert_eq!(parse(&Writer::new(8).bytes).unwrap_err(), ParseError::NoHeap);
    let odd = Writer::new(5).bytes;
    assert!(parse(&odd).unwrap_err().to_string().contains("5 bytes"));
}
