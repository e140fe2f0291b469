//! The query language.

use plimsoll_heap::{Dominators, EdgeKind, Graph, GraphBuilder, NodeKind, Query, Subject, Types};

fn graph() -> Graph {
    let mut builder = GraphBuilder::default();
    let root = builder.node(NodeKind::Synthetic, "", 1, 0);
    for (id, name, bytes) in [
        (3, "Job", 100),
        (5, "Job", 3000),
        (7, "Mail", 50),
        (9, "order by", 7),
    ] {
        let node = builder.node(NodeKind::Object, name, id, bytes);
        builder.edge(root, EdgeKind::Property, "held", node);
        let text = builder.node(NodeKind::String, "it's", id + 1, 1);
        builder.edge(node, EdgeKind::Property, "text", text);
    }
    builder.build()
}

fn check(query: &str, expected: &[u64]) {
    let graph = graph();
    let (types, dominators) = (Types::of(&graph), Dominators::of(&graph));
    let subject = Subject {
        graph: &graph,
        types: &types,
        dominators: &dominators,
    };
    let (count, nodes) = Query::parse(query)
        .unwrap_or_else(|error| panic!("{query}: {error}"))
        .run(subject);
    let ids: Vec<u64> = nodes.into_iter().map(|node| graph.id(node)).collect();
    assert_eq!(ids, expected, "{query}");
    assert!(count >= ids.len(), "{query}");
}

#[test]
fn queries_find_objects() {
    check(r#"type = "Job""#, &[5, 3]);
    check("type = Job order by id asc", &[3, 5]);
    check(r#"type = "Job" and retained > 1KB"#, &[5]);
    check(r#"type != "(string)" and not (type = Job or self = 0)"#, &[7, 9]);
    check(r#"name = "order by""#, &[9]);
    check(r#"name ~ "it's" and id <= 6 order by id desc"#, &[6, 4]);
    check("edges >= 4", &[1]);
    check("limit 2", &[1, 5]);
    check("ORDER BY self DESC LIMIT 1", &[5]);
    check("retained < 101 and retained >= 51 OR self = 7", &[7, 9]);
}

#[test]
fn errors_say_where_and_what() {
    for (query, at, expected) in [
        ("size > 3", 1, "a field"),
        ("self > lots", 8, "a size such as 10MB"),
        ("self >", 7, "a size such as 10MB"),
        ("type > \"a\"", 6, "after a field of text"),
        ("type = \"a", 8, "a closing quote"),
        ("(self > 1", 10, "`)`"),
        ("self > 1 self", 10, "`and`, `or`"),
        ("order self", 7, "`by`"),
        ("limit x", 7, "a number"),
    ] {
        let error = Query::parse(query).unwrap_err();
        assert!(
            error.at == at && error.expected.contains(expected),
            "{query}: {error}"
        );
    }
    assert!(
        Query::parse(&"(".repeat(100_000))
            .unwrap_err()
            .expected
            .contains("nesting")
    );
    assert!(
        Query::parse(&"not ".repeat(100_000))
            .unwrap_err()
            .expected
            .contains("nesting")
    );
}
