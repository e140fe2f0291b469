//! What piled up, and what can be seen in it.

use std::collections::{BTreeMap, HashSet};

use super::members::store_of;
use super::way::{Names, origin_of};
use crate::growth::FunctionSite;
use crate::growth_anatomy::holds;
use crate::holder_script::Origin;
use crate::source::Position;
use crate::{EdgeKind, EdgeName, Graph, NodeIndex};

/// Objects looked at below one sample.
const BELOW: usize = 200;
/// Functions named in a report.
const FUNCTIONS: usize = 8;

/// What piled up, by its samples.
#[derive(Debug, Default)]
pub(crate) struct Pile {
    /// The members that were looked at.
    pub(crate) samples: Vec<u32>,
    /// The type that says most about them.
    pub(crate) type_name: String,
    /// Functions among them.
    pub(crate) functions: Vec<FunctionSite>,
}

impl Pile {
    pub(crate) fn of(names: &Names<'_>, samples: &[u32]) -> Self {
        let graph = names.graph();
        let mut samples = samples.to_vec();
        if samples.iter().any(|node| !is_plain(graph, *node)) {
            samples.retain(|node| !is_plain(graph, *node));
        }
        let type_name = name_type(names, &samples);
        let mut functions: Vec<FunctionSite> = Vec::new();
        for node in samples.iter().flat_map(|sample| below(names, *sample)) {
            if graph.name(NodeIndex(node)) != "function" || functions.len() >= FUNCTIONS {
                continue;
            }
            let Some((name, file, line)) = names.code_of(node) else {
                continue;
            };
            let site = FunctionSite {
                name: name.to_owned(),
                source: Position {
                    file: file.to_owned(),
                    line,
                    column: 1,
                },
            };
            if origin_of(Some(file)) != Origin::Runtime && !functions.contains(&site) {
                functions.push(site);
            }
        }
        Self {
            samples,
            type_name,
            functions,
        }
    }
}

/// Texts, bytes and numbers.
pub(crate) fn is_plain(graph: &Graph, node: u32) -> bool {
    matches!(
        graph.name(NodeIndex(node)),
        "str" | "bytes" | "int" | "float" | "bool" | "complex"
    )
}

/// The type that most bytes hang from; an instance of a class says more than a tuple or dict.
fn name_type(names: &Names<'_>, samples: &[u32]) -> String {
    let graph = names.graph();
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for node in samples {
        let name = graph.name(NodeIndex(*node));
        let weight = if name.contains('.') { 4 } else { 1 };
        *sums.entry(name).or_default() += names.anatomy.retained[*node as usize] * weight;
    }
    sums.into_iter()
        .max_by_key(|(_, sum)| *sum)
        .map_or_else(|| "(unknown)".to_owned(), |(name, _)| name.to_owned())
}

/// A node and what hangs from it, nearest first.
pub(crate) fn below(names: &Names<'_>, node: u32) -> Vec<u32> {
    let graph = names.graph();
    let mut seen = HashSet::from([node]);
    let mut order = vec![node];
    let mut at = 0;
    while at < order.len() && order.len() < BELOW {
        for edge in graph.edges(NodeIndex(order[at])).filter(|edge| holds(edge.kind)) {
            if names.anatomy.dominates(node, edge.to.0) && seen.insert(edge.to.0) {
                order.push(edge.to.0);
            }
        }
        at += 1;
    }
    order
}

/// Attributes and items of an object.
pub(crate) fn parts(graph: &Graph, node: NodeIndex) -> Vec<NodeIndex> {
    /// More than a record has.
    const PARTS: usize = 64;
    let own = graph
        .edges(node)
        .filter(|edge| is_part(edge.kind))
        .map(|edge| edge.to);
    let stored = store_of(graph, node);
    let stored = stored.into_iter().flat_map(|store| {
        graph
            .edges(store)
            .filter(|edge| is_part(edge.kind))
            .map(|edge| edge.to)
    });
    own.chain(stored).take(PARTS).collect()
}

fn is_part(kind: EdgeKind) -> bool {
    matches!(kind, EdgeKind::Property | EdgeKind::Element)
}

/// Whether an object is an exception.
pub(crate) fn is_exception(names: &Names<'_>, node: NodeIndex) -> bool {
    inherits(names, node.0, "BaseException")
}

/// Whether a class of this name is among those of an object.
pub(crate) fn inherits(names: &Names<'_>, node: u32, class: &str) -> bool {
    let graph = names.graph();
    let Some(own) = names.class_of(node) else {
        return graph.name(NodeIndex(node)) == class;
    };
    let order = graph
        .edges(NodeIndex(own))
        .find(|edge| edge.name == EdgeName::Name("__mro__"));
    order.is_some_and(|order| {
        graph
            .edges(order.to)
            .any(|edge| names.class_name(edge.to.0) == class)
    })
}
