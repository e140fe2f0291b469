use anyhow::Result;
use plimsoll_heap::{Detail, NodeIndex, Query, Subject, describe_node};
use plimsoll_model::HumanBytes;
use serde_json::json;

use super::input::{self, Dump};
use super::table::{Table, grouped};
use super::{QueryArgs, to_json};

pub fn answer(args: &QueryArgs) -> Result<String> {
    // A query that makes no sense must not cost the time to read a dump.
    let query = Query::parse(&args.query)?;
    let dump = input::read(&args.file, Detail::Everything)?;
    let subject = Subject {
        graph: &dump.graph,
        types: &dump.types,
        dominators: &dump.dominators,
    };
    let (count, nodes) = query.run(subject);
    if args.json {
        as_json(&dump, count, &nodes)
    } else {
        Ok(as_text(&dump, count, &nodes))
    }
}

fn as_json(dump: &Dump, count: usize, nodes: &[NodeIndex]) -> Result<String> {
    let graph = &dump.graph;
    let objects = nodes.iter().map(|node| {
        json!({
            "id": graph.id(*node),
            "type": dump.types.name(dump.types.of_node(graph, *node)),
            "name": graph.name(*node),
            "self_bytes": graph.self_bytes(*node),
            "retained_bytes": dump.dominators.retained_bytes(*node),
            "edges": graph.edge_range(*node).len(),
        })
    });
    let objects: Vec<_> = objects.collect();
    to_json(&json!({"schema": "plimsoll.heap-query/1", "matched": count, "objects": objects}))
}

fn as_text(dump: &Dump, count: usize, nodes: &[NodeIndex]) -> String {
    let graph = &dump.graph;
    let mut table = Table::new(&["object", "id", "type", "edges", "self", "retained"]);
    for node in nodes {
        let bytes = |bytes: u64| HumanBytes(bytes as f64).to_string();
        let figures = [
            format!("@{}", graph.id(*node)),
            dump.types.name(dump.types.of_node(graph, *node)).to_owned(),
            grouped(graph.edge_range(*node).len() as u64),
            bytes(graph.self_bytes(*node)),
            bytes(dump.dominators.retained_bytes(*node)),
        ];
        table.row(&describe_node(graph, *node), figures);
    }
    format!(
        "{} of {} objects that match\n\n{}",
        grouped(nodes.len() as u64),
        grouped(count as u64),
        table.render()
    )
}
