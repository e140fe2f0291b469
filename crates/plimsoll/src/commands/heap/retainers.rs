use std::fmt::Write;

use anyhow::{Result, bail};
use plimsoll_heap::{
    Detail, EdgeIndex, Graph, NodeIndex, RetainingEdges, ShortestPaths, describe_node, describe_step,
};
use plimsoll_model::HumanBytes;
use serde_json::json;

use super::input::{self, Dump};
use super::{RetainersArgs, to_json};

/// Objects of a type that are shown, unless asked for more.
const OBJECTS: usize = 3;
/// Ways to one object that are shown: more of them mostly repeat each other.
const PATHS: usize = 5;

pub fn answer(args: &RetainersArgs) -> Result<String> {
    let dump = input::read(&args.file, Detail::Everything)?;
    let objects = chosen(&dump, args)?;
    let retaining = RetainingEdges::of(&dump.graph);
    let paths = ShortestPaths::of(&dump.graph, &retaining);
    let limit = args.id.and(args.output.limit).unwrap_or(PATHS);
    let held: Vec<Held> = objects
        .into_iter()
        .map(|node| Held {
            node,
            paths: paths.paths_through_retainers(&dump.graph, &retaining, node, limit),
            dominators: dump.dominators.chain(node).collect(),
        })
        .collect();
    if args.output.json {
        as_json(&dump, &held)
    } else {
        Ok(as_text(&dump, &held))
    }
}

/// An object and who holds it.
struct Held {
    node: NodeIndex,
    paths: Vec<Vec<EdgeIndex>>,
    dominators: Vec<NodeIndex>,
}

fn chosen(dump: &Dump, args: &RetainersArgs) -> Result<Vec<NodeIndex>> {
    let graph = &dump.graph;
    let name = match (&args.id, &args.type_name) {
        (Some(id), _) => match graph.nodes().find(|node| graph.id(*node) == *id) {
            Some(node) => return Ok(vec![node]),
            None => bail!("`{}` has no object with id {id}", args.file.display()),
        },
        (None, name) => name.as_deref().unwrap_or_default(),
    };
    let mut nodes: Vec<NodeIndex> = graph
        .nodes()
        .filter(|node| dump.types.name(dump.types.of_node(graph, *node)) == name)
        .collect();
    if nodes.is_empty() {
        bail!(
            "`{}` has no object of type `{name}`; `plimsoll heap summary` lists the types",
            args.file.display()
        );
    }
    nodes.sort_by_key(|node| std::cmp::Reverse(dump.dominators.retained_bytes(*node)));
    nodes.truncate(args.output.limit.unwrap_or(OBJECTS));
    Ok(nodes)
}

fn steps(graph: &Graph, path: &[EdgeIndex]) -> Vec<String> {
    path.iter()
        .map(|edge| describe_step(graph, graph.edge(*edge)))
        .collect()
}

fn as_json(dump: &Dump, held: &[Held]) -> Result<String> {
    let graph = &dump.graph;
    let object = |node: NodeIndex| {
        json!({
            "id": graph.id(node),
            "type": dump.types.name(dump.types.of_node(graph, node)),
            "name": describe_node(graph, node),
            "self_bytes": graph.self_bytes(node),
            "retained_bytes": dump.dominators.retained_bytes(node),
        })
    };
    let objects: Vec<_> = held
        .iter()
        .map(|held| {
            let mut value = object(held.node);
            value["retainer_paths"] = held.paths.iter().map(|path| json!(steps(graph, path))).collect();
            value["dominators"] = held.dominators.iter().map(|node| object(*node)).collect();
            value
        })
        .collect();
    to_json(&json!({"schema": "plimsoll.heap-retainers/1", "objects": objects}))
}

fn as_text(dump: &Dump, held: &[Held]) -> String {
    let graph = &dump.graph;
    let mut out = String::new();
    let line = |node: NodeIndex| {
        let retained = HumanBytes(dump.dominators.retained_bytes(node) as f64);
        format!(
            "{} @{}, retains {retained}",
            describe_node(graph, node),
            graph.id(node)
        )
    };
    for held in held {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{}", line(held.node));
        for path in &held.paths {
            let _ = writeln!(out, "  held by");
            for step in steps(graph, path) {
                let _ = writeln!(out, "    → {step}");
            }
        }
        if held.paths.is_empty() {
            let _ = writeln!(out, "  nothing but weak references leads to it");
        }
        let _ = writeln!(out, "  dominated by");
        for node in &held.dominators {
            let _ = writeln!(out, "    ↑ {}", line(*node));
        }
        out.push('\n');
    }
    out
}
