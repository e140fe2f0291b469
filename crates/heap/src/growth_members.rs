//! How many things a container holds, with V8's stores looked through.

use crate::growth_anatomy::holds;
use crate::growth_weight::is_learnt;
use crate::{Edge, EdgeKind, EdgeName, Graph, NodeIndex, NodeKind};

/// Members of a container: elements, properties, variables, or the entries of a Map or Set.
pub(crate) fn member_count(graph: &Graph, node: NodeIndex) -> u32 {
    if graph.python.is_some() {
        return crate::cpython::members::count_where(graph, node, |_| true);
    }
    if let Some(table) = table_of(graph, node) {
        return entries(graph, node, table).len() as u32;
    }
    let whole = graph.kind(node) == NodeKind::Array;
    graph
        .edges(node)
        .filter(|edge| is_member(graph, edge, whole))
        .count() as u32
}

fn is_member(graph: &Graph, edge: &Edge<'_>, whole: bool) -> bool {
    match edge.kind {
        _ if is_oddball(graph, edge.to) => false,
        EdgeKind::Element | EdgeKind::Context => true,
        EdgeKind::Property => edge.name != EdgeName::Name("__proto__"),
        EdgeKind::Internal | EdgeKind::Hidden => whole && !is_learnt(graph, edge.to),
        EdgeKind::Shortcut | EdgeKind::Weak => false,
    }
}

/// `undefined`, `null`, `true`: a place that holds one of them is empty.
fn is_oddball(graph: &Graph, node: NodeIndex) -> bool {
    graph.kind(node) == NodeKind::Hidden && graph.name(node) == "system / Oddball"
}

/// The hash table behind a Map, Set, WeakMap or WeakSet (or a subclass of one).
pub(crate) fn table_of(graph: &Graph, node: NodeIndex) -> Option<NodeIndex> {
    if graph.kind(node) != NodeKind::Object {
        return None;
    }
    graph
        .edges(node)
        .find(|edge| edge.kind == EdgeKind::Internal && edge.name == EdgeName::Name("table"))
        .map(|edge| edge.to)
        .filter(|table| graph.kind(*table) == NodeKind::Array)
}

/// One entry of a Map or Set; small integers and the like are no nodes, so either half may be missing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Option<NodeIndex>,
    pub(crate) value: Option<NodeIndex>,
}

/// Entries of the table of a Map (key, value) or a Set (key only).
pub(crate) fn entries(graph: &Graph, owner: NodeIndex, table: NodeIndex) -> Vec<Entry> {
    let stride = if is_set(graph, owner) { 2 } else { 3 };
    let words = (graph.self_bytes(table) / 8).saturating_sub(2);
    // V8's ordered hash tables: three counters, one word per bucket, then two entries per bucket.
    let start = 3 + words.saturating_sub(3) / (1 + 2 * stride);
    let mut entries: Vec<Entry> = Vec::new();
    let mut last = None;
    for edge in graph.edges(table).filter(|edge| holds(edge.kind)) {
        let Some(at) = slot_number(edge.name).and_then(|slot| slot.checked_sub(start)) else {
            continue;
        };
        if last != Some(at / stride) {
            last = Some(at / stride);
            entries.push(Entry::default());
        }
        if let Some(entry) = entries.last_mut() {
            match at % stride {
                0 => entry.key = Some(edge.to),
                1 if stride == 3 => entry.value = Some(edge.to),
                _ => {}
            }
        }
    }
    entries
}

/// Members of a container that a test holds for.
pub(crate) fn members_where(graph: &Graph, node: NodeIndex, test: impl Fn(NodeIndex) -> bool) -> u32 {
    if graph.python.is_some() {
        return crate::cpython::members::count_where(graph, node, test);
    }
    if let Some(table) = table_of(graph, node) {
        let fresh = |entry: &&Entry| entry.key.is_some_and(&test) || entry.value.is_some_and(&test);
        return entries(graph, node, table).iter().filter(fresh).count() as u32;
    }
    let whole = graph.kind(node) == NodeKind::Array;
    graph
        .edges(node)
        .filter(|edge| is_member(graph, edge, whole) && test(edge.to))
        .count() as u32
}

fn slot_number(name: EdgeName<'_>) -> Option<u64> {
    match name {
        EdgeName::Index(index) => Some(u64::from(index)),
        EdgeName::Name(text) => text.split(' ').next()?.parse().ok(),
    }
}

/// Whether a collection is a Set, by its class or by what it inherits from.
pub(crate) fn is_set(graph: &Graph, node: NodeIndex) -> bool {
    /// Classes between a user's and the built-in one.
    const DEPTH: usize = 6;
    let mut at = node;
    for _ in 0..DEPTH {
        match graph.name(at) {
            "Set" | "WeakSet" => return true,
            "Map" | "WeakMap" => return false,
            _ => {}
        }
        let proto = graph
            .edges(at)
            .find(|edge| edge.name == EdgeName::Name("__proto__"));
        let Some(proto) = proto else { return false };
        at = proto.to;
    }
    false
}
