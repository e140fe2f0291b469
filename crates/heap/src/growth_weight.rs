//! Which nodes count as growth: what a program holds, not what the runtime learns while warming up.

use crate::{Graph, NodeIndex, NodeKind};

/// Hidden V8 structures that describe code and shapes. They grow while a program warms up and are
/// bounded by its source, so they are never what leaks. Prefixes of the names in V8's dumps.
const LEARNT: [&str; 14] = [
    "system / Map",
    "system / DescriptorArray",
    "system / TransitionArray",
    "system / Feedback",
    "system / FunctionTemplate",
    "system / ObjectTemplate",
    "system / CallHandlerInfo",
    "system / AccessorPair",
    "system / AccessorInfo",
    "system / PropertyCell",
    "system / ClassPositions",
    "system / Prototype",
    "system / Allocation",
    "system / Weak",
];

/// Arrays of the same nature, which V8 names in parentheses.
const LEARNT_ARRAYS: [&str; 6] = [
    "(code",
    "(feedback",
    "(transition",
    "(enum cache",
    "(source position",
    "(script",
];

/// Whether a node belongs to code, shapes and what the runtime learnt about them.
pub(crate) fn is_learnt(graph: &Graph, node: NodeIndex) -> bool {
    match graph.kind(node) {
        NodeKind::Code | NodeKind::ObjectShape => true,
        NodeKind::Hidden => starts_with_any(graph.name(node), &LEARNT),
        NodeKind::Array => starts_with_any(graph.name(node), &LEARNT_ARRAYS),
        _ => false,
    }
}

fn starts_with_any(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a node is a store inside another object (elements, properties, the table of a Map) and
/// speaks for nothing by itself.
pub(crate) fn is_backing(graph: &Graph, node: NodeIndex) -> bool {
    if let Some(facts) = &graph.python {
        return facts.is_store(node);
    }
    match graph.kind(node) {
        NodeKind::Array => true,
        NodeKind::Hidden => graph.name(node) == "system / PropertyArray",
        _ => false,
    }
}
