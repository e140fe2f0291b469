//! Patterns of what the runtime itself holds: sockets, files, watchers, and the clients that own them.

use plimsoll_model::Pattern;

use crate::growth_anatomy::Anatomy;
use crate::growth_interval::Place;
use crate::holder_pile::type_of;
use crate::pattern::{Case, Evidence};
use crate::{EdgeKind, EdgeName, Graph, NodeIndex, NodeKind};

/// A client or pool per job: an object that owns sockets, new with each job.
pub(crate) fn client(case: &Case<'_>) -> Option<Evidence> {
    let graph = &case.anatomy.graph;
    let owner = case
        .pile
        .nodes
        .iter()
        .map(|(node, _)| NodeIndex(*node))
        .find(|node| is_owner_of_handles(case.anatomy, *node))?;
    let owner = type_of(graph, owner);
    Some(Evidence {
        pattern: Pattern::ClientPerJob,
        name: held_name(case, &owner),
        sentence: format!(
            "each makes a new {owner} whose open connections keep it, and everything it knows, alive"
        ),
    })
}

/// Streams, sockets, files or watchers that stay open.
pub(crate) fn handle(case: &Case<'_>) -> Option<Evidence> {
    let direct = case
        .pile
        .samples
        .iter()
        .filter(|node| is_handle(case.anatomy, NodeIndex(**node)))
        .count();
    if direct * 2 <= case.pile.samples.len() || direct == 0 {
        return None;
    }
    let what = &case.pile.type_name;
    Some(Evidence {
        pattern: Pattern::UnclosedHandle,
        name: held_name(case, what),
        sentence: format!(
            "each opens a {what} that is never closed, so the runtime keeps it and its buffers"
        ),
    })
}

fn held_name(case: &Case<'_>, what: &str) -> Option<String> {
    let own = case
        .way
        .is_some_and(|way| way.origin != crate::holder_script::Origin::Runtime);
    (!own || case.words.text.is_empty()).then(|| format!("{what} (held open by the runtime)"))
}

/// Memory outside the heap that no object of the program explains.
pub(crate) fn native(case: &Case<'_>) -> Option<Evidence> {
    let graph = &case.anatomy.graph;
    let all_native = case.pile.nodes.iter().all(|(node, _)| {
        matches!(
            graph.kind(NodeIndex(*node)),
            NodeKind::Native | NodeKind::Synthetic
        )
    });
    (all_native && matches!(case.finding.place, Place::Flock(_)) && !case.pile.nodes.is_empty()).then(|| {
        Evidence {
            pattern: Pattern::Native,
            name: None,
            sentence: "native code keeps it; the heap shows no object of the program that does".to_owned(),
        }
    })
}

/// A wrapper of the embedder's (`Node / TCPSocketWrap`), an object with a native counterpart, or a
/// stream: something with a readable or writable side.
fn is_handle(anatomy: &Anatomy, node: NodeIndex) -> bool {
    let graph = &anatomy.graph;
    match graph.kind(node) {
        NodeKind::Synthetic | NodeKind::Native => graph.name(node).starts_with("Node / "),
        NodeKind::Object => {
            let owner = EdgeName::Name("<symbol owner_symbol>");
            let own = |to: NodeIndex| {
                anatomy.above(to.0) == node.0
                    || graph.edges(to).any(|edge| edge.name == owner && edge.to == node)
            };
            is_wrapper(graph, node)
                || graph
                    .edges(node)
                    .filter(|edge| edge.kind == EdgeKind::Property)
                    .any(|edge| {
                        matches!(
                            edge.name,
                            EdgeName::Name("_readableState" | "_writableState" | "<symbol kHandle>")
                        ) || own(edge.to) && is_wrapper(graph, edge.to)
                    })
        }
        _ => false,
    }
}

/// An object with a native counterpart that keeps it.
fn is_wrapper(graph: &Graph, node: NodeIndex) -> bool {
    graph.edges(node).any(|edge| {
        edge.name == EdgeName::Name("javascript_to_native")
            && matches!(graph.kind(edge.to), NodeKind::Synthetic | NodeKind::Native)
    })
}

/// An object that keeps sockets by host in tables of its own, as agents and pools do, and is none itself.
fn is_owner_of_handles(anatomy: &Anatomy, node: NodeIndex) -> bool {
    let graph = &anatomy.graph;
    if graph.kind(node) != NodeKind::Object || is_handle(anatomy, node) || graph.name(node) == "Object" {
        return false;
    }
    let fields = graph
        .edges(node)
        .filter(|edge| edge.kind == EdgeKind::Property && edge.name != EdgeName::Name("__proto__"));
    fields.take(48).any(|table| {
        let dictionary = graph.kind(table.to) == NodeKind::Object
            && matches!(graph.name(table.to), "Object" | "Map" | "Array" | "Set");
        dictionary && leads_to_socket(graph, table.to, 3)
    })
}

fn leads_to_socket(graph: &Graph, node: NodeIndex, depth: u32) -> bool {
    let steps = graph.edges(node).filter(|edge| {
        matches!(
            edge.kind,
            EdgeKind::Property | EdgeKind::Element | EdgeKind::Internal
        ) && edge.name != EdgeName::Name("__proto__")
            && edge.name != EdgeName::Name("map")
    });
    steps.take(16).any(|edge| {
        is_socket(graph, edge.to)
            || depth > 1
                && (graph.kind(edge.to) == NodeKind::Array
                    || graph.kind(edge.to) == NodeKind::Object
                        && matches!(graph.name(edge.to), "Array" | "Set" | "Map"))
                && leads_to_socket(graph, edge.to, depth - 1)
    })
}

fn is_socket(graph: &Graph, node: NodeIndex) -> bool {
    graph.kind(node) == NodeKind::Object
        && graph
            .edges(node)
            .any(|edge| edge.name == EdgeName::Name("<symbol kHandle>"))
}
