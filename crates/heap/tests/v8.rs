//! The V8 parser on real, odd, cut and damaged dumps.

#![allow(clippy::unwrap_used)]

use plimsoll_heap::v8::{Foreign, Options, ParseError, Parser};
use plimsoll_heap::{
    Census, Dominators, EdgeKind, EdgeName, Graph, Location, NodeIndex, NodeKind, RetainingEdges,
    ShortestPaths, Summary, Types, compare, describe_step,
};

const NODE20: &[u8] = include_bytes!("data/node20.heapsnapshot");
const NODE20_DEVTOOLS: &str = include_str!("data/node20.devtools.json");

/// Other field orders than V8's, one field that nobody knows, sections in another order, blanks.
const ODD: &str = r#" { "snapshot" : {"title":"}]","meta":{
  "node_fields":["id","new_field","edge_count","type","self_size","name"],
  "node_types":["number","number","number",["synthetic","object","native"],"number","string"],
  "edge_fields":["to_node","type","name_or_index"],
  "edge_types":["node",["weak","property","element"],"string_or_number"],
  "location_fields":["object_index","script_id","line","column"]},"node_count":3,"edge_count":3},
 "strings" : [ "" , "Job" , "next" , "tab\t\"q\" \\ \/ \u00e9\ud83d\ude00\ud800x" ] ,
 "scopes": [{"a":["]"]}], "flag": true,
 "locations":[6,7,8,9],
 "edges":[6,1,2, 12,2,5 ,6,0,2],
 "nodes":[1,9,2,0,0,0, 3,9,1,1,24,1, 5,9,0,2,4294967297,3] }
"#;

fn parse_in_pieces(dump: &[u8], length: usize) -> Result<Graph, ParseError> {
    let mut parser = Parser::default();
    for piece in dump.chunks(length) {
        parser.feed(piece)?;
    }
    parser.finish()
}

fn parse(dump: &[u8]) -> Result<Graph, ParseError> {
    parse_in_pieces(dump, dump.len().max(1))
}

/// Everything that a graph says, as text.
fn dump_of(graph: &Graph) -> String {
    let mut out = String::new();
    for node in graph.nodes() {
        let edges: Vec<_> = graph.edges(node).collect();
        out += &format!(
            "{:?} {:?} {:?} {} {} {:?} {edges:?}\n",
            node,
            graph.kind(node),
            graph.name(node),
            graph.id(node),
            graph.self_bytes(node),
            graph.location(node)
        );
    }
    out
}

#[test]
fn the_dump_says_how_it_is_laid_out() {
    let graph = parse(ODD.as_bytes()).unwrap();
    assert_eq!((graph.node_count(), graph.edge_count()), (3, 3));
    let (job, native) = (NodeIndex(1), NodeIndex(2));
    assert_eq!(
        (
            graph.kind(job),
            graph.name(job),
            graph.id(job),
            graph.self_bytes(job)
        ),
        (NodeKind::Object, "Job", 3, 24)
    );
    assert_eq!(graph.name(native), "tab\t\"q\" \\ / é😀\u{fffd}x");
    assert_eq!(graph.self_bytes(native), 4_294_967_297);
    assert_eq!(
        graph.location(job),
        Some(Location {
            script_id: 7,
            line: 8,
            column: 9
        })
    );
    let edges: Vec<_> = graph
        .nodes()
        .flat_map(|node| graph.edges(node).map(move |edge| (node.0, edge)))
        .collect();
    let said: Vec<_> = edges
        .iter()
        .map(|(from, edge)| (*from, edge.kind, edge.name, edge.to.0))
        .collect();
    assert_eq!(
        said,
        [
            (0, EdgeKind::Property, EdgeName::Name("next"), 1),
            (0, EdgeKind::Element, EdgeName::Index(5), 2),
            (1, EdgeKind::Weak, EdgeName::Name("next"), 1),
        ]
    );
    assert_eq!(
        graph
            .retainers(job)
            .map(|(from, edge)| (from.0, edge.kind))
            .collect::<Vec<_>>(),
        [(0, EdgeKind::Property), (1, EdgeKind::Weak)]
    );
}

#[test]
fn pieces_of_any_length_give_the_same_graph() {
    let whole = dump_of(&parse(ODD.as_bytes()).unwrap());
    for length in 1..ODD.len() {
        assert_eq!(
            dump_of(&parse_in_pieces(ODD.as_bytes(), length).unwrap()),
            whole,
            "pieces of {length}"
        );
    }
    let whole = dump_of(&parse(NODE20).unwrap());
    for length in [1, 7, 8191, 65_536] {
        assert_eq!(
            dump_of(&parse_in_pieces(NODE20, length).unwrap()),
            whole,
            "pieces of {length}"
        );
    }
}

#[test]
fn agrees_with_devtools_on_a_real_dump() {
    let graph = parse(NODE20).unwrap();
    let types = Types::of(&graph);
    let dominators = Dominators::of(&graph);
    let summary = Summary::of(&graph, &types, &dominators);
    let expected: Vec<(String, u64, u64, u64)> = serde_json::from_str(NODE20_DEVTOOLS).unwrap();
    assert_eq!(expected.len() + 1, summary.types.len());
    for (name, count, self_bytes, retained_bytes) in expected {
        let row = summary
            .types
            .iter()
            .find(|row| row.type_name == name)
            .unwrap_or_else(|| panic!("no type {name}"));
        assert_eq!(
            (row.count, row.self_bytes, row.retained_bytes),
            (count, self_bytes, retained_bytes),
            "{name}"
        );
    }
    let all: u64 = graph.nodes().map(|node| graph.self_bytes(node)).sum();
    assert_eq!(
        (summary.self_bytes, dominators.retained_bytes(Graph::ROOT)),
        (all, all)
    );
    assert_eq!(
        summary.types.iter().map(|row| row.count).sum::<u64>(),
        u64::from(graph.node_count())
    );
}

#[test]
fn paths_go_through_the_program() {
    let graph = parse(NODE20).unwrap();
    let retaining = RetainingEdges::of(&graph);
    let paths = ShortestPaths::of(&graph, &retaining);
    let types = Types::of(&graph);
    let is_job = |node: &NodeIndex| {
        types.name(types.of_node(&graph, *node)) == "Job" && graph.kind(*node) == NodeKind::Object
    };
    let jobs: Vec<_> = graph.nodes().filter(is_job).collect();
    let parked = jobs.iter().filter(|job| {
        let path = paths.path_to(&graph, **job).unwrap();
        path.iter()
            .any(|edge| describe_step(&graph, graph.edge(*edge)) == "parked :: Array")
    });
    assert!(parked.count() >= 40, "every parked job is held by name");
    let ways = paths.paths_through_retainers(&graph, &retaining, *jobs.last().unwrap(), 3);
    assert!(!ways.is_empty() && ways.len() <= 3);
}

#[test]
fn a_dump_differs_from_itself_in_nothing() {
    let graph = parse(NODE20).unwrap();
    let (types, dominators) = (Types::of(&graph), Dominators::of(&graph));
    let census = || Census::of(&graph, &types, &dominators);
    assert_eq!(compare(&census(), &census()), []);
}

#[test]
fn a_cut_dump_is_an_error_at_every_offset() {
    let end = ODD.trim_end().len();
    for length in 0..end {
        assert!(parse(&ODD.as_bytes()[..length]).is_err(), "cut at {length}");
    }
    for length in (0..NODE20.len())
        .step_by(997)
        .chain(NODE20.len() - 300..NODE20.len())
    {
        let error = parse(&NODE20[..length]).unwrap_err();
        assert!(
            matches!(error, ParseError::Truncated { .. } | ParseError::Foreign(_)),
            "cut at {length}: {error}"
        );
    }
}

/// A small deterministic generator (xorshift), so that a failure names its seed.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn mutated(dump: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut dump = dump.to_vec();
    for _ in 0..1 + next(&mut state) % 3 {
        let at = (next(&mut state) % dump.len() as u64) as usize;
        match next(&mut state) % 4 {
            0 => dump[at] = next(&mut state) as u8,
            1 => dump[at] = b"0123456789,[]{}\"\\\n"[(next(&mut state) % 18) as usize],
            2 => drop(dump.remove(at)),
            _ => dump.insert(at, b'0' + (next(&mut state) % 10) as u8),
        }
    }
    dump
}

/// Asks everything of a graph that a damaged dump may have given.
fn exercise(graph: &Graph) {
    let (types, dominators) = (Types::of(graph), Dominators::of(graph));
    let summary = Summary::of(graph, &types, &dominators);
    assert_eq!(
        summary.types.iter().map(|row| row.count).sum::<u64>(),
        u64::from(graph.node_count())
    );
    let retaining = RetainingEdges::of(graph);
    let paths = ShortestPaths::of(graph, &retaining);
    for node in graph.nodes() {
        let _ = paths.path_to(graph, node);
        assert!(graph.edges(node).all(|edge| edge.to.0 < graph.node_count()));
    }
    assert!(!dump_of(graph).is_empty());
}

#[test]
fn damaged_dumps_never_panic() {
    let mut survivors = 0;
    for seed in 0..1000 {
        // The small one, where a change hits structure; every tenth time the real one.
        let dump = if seed % 10 == 0 {
            mutated(NODE20, seed)
        } else {
            mutated(ODD.as_bytes(), seed)
        };
        if let Ok(graph) = parse(&dump) {
            exercise(&graph);
            survivors += 1;
        }
    }
    assert!(
        survivors > 100,
        "only {survivors} dumps were still readable: the mutations are too wild to mean much"
    );
}

#[test]
fn counts_that_a_dump_claims_are_not_trusted() {
    let cases = [
        (r#""node_count":3"#, r#""node_count":4000000000"#, "nodes"),
        (r#""edge_count":3"#, r#""edge_count":1"#, "edges"),
        ("[1,9,2,0", "[1,9,4294967295,0", "2^32 edges"),
        ("[1,9,2,0", "[1,9,7,0", "claim"),
        ("6,1,2, 12", "18,1,2, 12", "past the last node"),
        ("6,1,2, 12", "6,1,9, 12", "string 9"),
        ("6,1,2, 12", "7,1,2, 12", "offset of a node"),
        ("6,1,2, 12", "6,7,2, 12", "edge type"),
        ("6,1,2, 12", "6,,2, 12", "a number"),
        ("6,1,2, 12", "99999999999999999999,1,2, 12", "below 2^64"),
        ("12,2,5 ,6,0,2", "12,2,5 ,6,0", "as many numbers"),
        (r#""nodes":"#, r#""knots":"#, "nodes"),
        (r#"\ud800x"#, r#"\uZ800x"#, "hexadecimal"),
        (r#""type","self_size""#, r#""typo","self_size""#, "`type`"),
    ];
    for (from, to, expected) in cases {
        let error = parse(ODD.replacen(from, to, 1).as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{from} → {to}: {error}");
    }
}

#[test]
fn errors_name_the_byte() {
    let damaged = ODD.replacen("12,2,5", "12,x,5", 1);
    let at = damaged.find("12,x,5").unwrap() as u64 + 3;
    for length in [1, 5, damaged.len()] {
        match parse_in_pieces(damaged.as_bytes(), length) {
            Err(ParseError::Unexpected { offset, .. }) => assert_eq!(offset, at, "pieces of {length}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn foreign_files_are_told() {
    let cases: [(&[u8], Foreign); 11] = [
        (b"", Foreign::Empty),
        (b"JAVA PROFILE 1.0.2\0", Foreign::Hprof),
        (b"\x1f\x8b\x08\0", Foreign::Gzip),
        (b"\x28\xb5\x2f\xfd\x04", Foreign::Zstd),
        (b"PK\x03\x04", Foreign::Zip),
        (b"\x7fELF\x02", Foreign::Elf),
        (
            br#"{"nodes":[{"id":1,"callFrame":{"functionName":"(root)"}}]}"#,
            Foreign::CpuProfile,
        ),
        (
            br#"{"head":{"callFrame":{"functionName":"(root)"}}}"#,
            Foreign::SamplingHeapProfile,
        ),
        (br#"{"name":"left-pad"}"#, Foreign::OtherJson),
        (b"hello, world\n", Foreign::Text),
        (b"\0\x01\x02", Foreign::Unknown),
    ];
    for (input, expected) in cases {
        assert_eq!(
            parse(input).unwrap_err(),
            ParseError::Foreign(expected),
            "{}",
            String::from_utf8_lossy(input)
        );
    }
}

#[test]
fn a_summary_needs_few_texts() {
    let summary = |options: Options| {
        let mut parser = Parser::new(options);
        parser.feed(NODE20).unwrap();
        let graph = parser.finish().unwrap();
        let letters: usize = graph.nodes().map(|node| graph.name(node).len()).sum();
        (
            Summary::of(&graph, &Types::of(&graph), &Dominators::of(&graph)),
            letters,
        )
    };
    let ((all, all_letters), (few, few_letters)) =
        (summary(Options::default()), summary(Options::names_only()));
    assert_eq!(all, few);
    assert!(few_letters * 2 < all_letters, "{few_letters} of {all_letters}");
}

#[test]
fn long_texts_are_cut_at_a_character() {
    let long = ODD
        .replacen("Job", &"é".repeat(50), 1)
        .replacen("tab", &"\\u00e9".repeat(50), 1);
    for limit in 0..12 {
        let mut parser = Parser::new(Options {
            text_bytes_limit: limit,
            ..Options::default()
        });
        parser.feed(long.as_bytes()).unwrap();
        let graph = parser.finish().unwrap();
        for node in [NodeIndex(1), NodeIndex(2)] {
            assert_eq!(
                graph.name(node).trim_end(),
                "é".repeat(limit / 2),
                "limit {limit}"
            );
        }
    }
}
