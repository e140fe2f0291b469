//! Patterns of collections: what is parked, cached, interned, mapped or queued.

use plimsoll_model::Pattern;

use crate::growth_interval::Place;
use crate::growth_members::{entries, is_set, table_of};
use crate::growth_weight::is_learnt;
use crate::pattern::{Case, Evidence};
use crate::{EdgeKind, EdgeName, Graph, NodeIndex, NodeKind};

/// Members that must show a trait before it counts as a trait of the collection.
fn most(matching: usize, all: usize) -> bool {
    all > 0 && matching * 5 >= all * 4
}

fn evidence(pattern: Pattern, sentence: impl Into<String>) -> Option<Evidence> {
    Some(Evidence {
        pattern,
        name: None,
        sentence: sentence.into(),
    })
}

fn in_collection(case: &Case<'_>) -> bool {
    case.finding.place == Place::Members
}

/// Texts under themselves: the key of each member is its value, or symbols in the runtime's registry.
pub(crate) fn interning(case: &Case<'_>) -> Option<Evidence> {
    let graph = &case.anatomy.graph;
    if case.words.variable.is_none() && case.pile.type_name == "(symbol)" {
        return Some(Evidence {
            pattern: Pattern::Interning,
            name: Some("Symbol.for registry".to_owned()),
            sentence: "each registers new symbols with `Symbol.for`, and the registry never forgets one"
                .to_owned(),
        });
    }
    if !in_collection(case) {
        return None;
    }
    let members: Vec<(String, NodeIndex)> = named_members(case);
    let texts = members.iter().filter(|(_, node)| is_text(graph, *node));
    let interned = texts.filter(|(key, node)| key == graph.name(*node)).count();
    most(interned, members.len()).then(|| {
        evidence(
            Pattern::Interning,
            "each adds texts under themselves, and none is ever forgotten",
        )
    })?
}

fn is_text(graph: &Graph, node: NodeIndex) -> bool {
    matches!(
        graph.kind(node),
        NodeKind::String | NodeKind::ConcatenatedString | NodeKind::SlicedString
    )
}

/// Members by key: properties of a dictionary, or the entries of a Map with texts as keys.
fn named_members(case: &Case<'_>) -> Vec<(String, NodeIndex)> {
    /// Members looked at.
    const LOOKED_AT: usize = 400;
    let graph = &case.anatomy.graph;
    let owner = NodeIndex(case.finding.owner);
    if let Some(table) = table_of(graph, owner) {
        let set = is_set(graph, owner);
        let of_entry = |entry: crate::growth_members::Entry| {
            let value = if set { None } else { entry.value };
            Some((
                entry
                    .key
                    .map(|key| graph.name(key).to_owned())
                    .unwrap_or_default(),
                value?,
            ))
        };
        return entries(graph, owner, table)
            .into_iter()
            .rev()
            .take(LOOKED_AT)
            .filter_map(of_entry)
            .collect();
    }
    let dictionary = graph.edges(owner).filter(|edge| edge.kind == EdgeKind::Property);
    dictionary
        .filter(|edge| !is_learnt(graph, edge.to) && edge.name != EdgeName::Name("__proto__"))
        .take(LOOKED_AT)
        .filter_map(|edge| match edge.name {
            EdgeName::Name(name) => Some((name.to_owned(), edge.to)),
            EdgeName::Index(_) => None,
        })
        .collect()
}

/// Members come and go, and more come than go.
pub(crate) fn backlog(case: &Case<'_>) -> Option<Evidence> {
    /// Share of the arrivals that left again from which on it is a queue and no heap of leftovers.
    const LEFT: f64 = 0.2;
    let (arrived, gained) = (case.finding.arrived, case.finding.count);
    let left = case.finding.left;
    (in_collection(case) && arrived > 0.0 && left >= LEFT * arrived && gained > 0.0).then(|| Evidence {
        pattern: Pattern::Backlog,
        name: None,
        sentence: format!(
            "more is put in than taken out ({left:.0} went and {arrived:.0} came between the last two dumps)"
        ),
    })
}

/// Errors are kept together with what failed.
pub(crate) fn retry_buffer(case: &Case<'_>) -> Option<Evidence> {
    let graph = &case.anatomy.graph;
    let with_error = case
        .pile
        .samples
        .iter()
        .filter(|node| holds_error_and_more(graph, NodeIndex(**node)))
        .count();
    (in_collection(case) && most(with_error, case.pile.samples.len())).then(|| Evidence {
        pattern: Pattern::RetryBuffer,
        name: None,
        sentence: "each member keeps an error together with what failed, and nothing takes it out again"
            .to_owned(),
    })
}

fn holds_error_and_more(graph: &Graph, node: NodeIndex) -> bool {
    let fields = || {
        graph
            .edges(node)
            .filter(|edge| edge.kind == EdgeKind::Property && edge.name != EdgeName::Name("__proto__"))
    };
    let error = fields().take(32).any(|edge| is_error(graph, edge.to));
    error
        && fields()
            .take(32)
            .any(|edge| graph.kind(edge.to) == NodeKind::Object && !is_error(graph, edge.to))
}

/// Whether an object inherits from `Error`.
fn is_error(graph: &Graph, node: NodeIndex) -> bool {
    /// Classes between an error's own and `Error`.
    const DEPTH: usize = 6;
    let mut at = node;
    for _ in 0..DEPTH {
        if graph.kind(at) != NodeKind::Object {
            return false;
        }
        if graph.name(at) == "Error" {
            return true;
        }
        let Some(proto) = graph
            .edges(at)
            .find(|edge| edge.name == EdgeName::Name("__proto__"))
        else {
            return false;
        };
        at = proto.to;
    }
    false
}

/// Instances of classes that carry a second copy of their own fields, under a key: loaded entities
/// with their original state, as sessions and entity managers keep them.
pub(crate) fn identity_map(case: &Case<'_>) -> Option<Evidence> {
    let graph = &case.anatomy.graph;
    let members = named_members(case);
    let entities = members
        .iter()
        .filter(|(_, node)| has_original(graph, *node))
        .count();
    (in_collection(case) && most(entities, members.len())).then(|| Evidence {
        pattern: Pattern::SessionIdentityMap,
        name: None,
        sentence: "each loaded entity stays in the map together with a copy of its original state".to_owned(),
    })
}

fn has_original(graph: &Graph, node: NodeIndex) -> bool {
    if graph.kind(node) != NodeKind::Object || graph.name(node) == "Object" {
        return false;
    }
    let names = |node: NodeIndex| -> Vec<&str> {
        let fields = graph.edges(node).filter(|edge| edge.kind == EdgeKind::Property);
        fields
            .take(64)
            .filter_map(|edge| match edge.name {
                EdgeName::Name(name) if name != "__proto__" => Some(name),
                _ => None,
            })
            .collect()
    };
    let own = names(node);
    graph
        .edges(node)
        .filter(|edge| edge.kind == EdgeKind::Property)
        .take(64)
        .any(|edge| {
            let plain = graph.kind(edge.to) == NodeKind::Object && graph.name(edge.to) == "Object";
            plain && edge.name != EdgeName::Name("__proto__") && {
                let copy = names(edge.to);
                !copy.is_empty() && copy.iter().all(|name| own.contains(name))
            }
        })
}

/// Keyed, and the program looks keys up again.
pub(crate) fn cache(case: &Case<'_>) -> Option<Evidence> {
    let graph = &case.anatomy.graph;
    let owner = NodeIndex(case.finding.owner);
    let keyed = table_of(graph, owner).is_some_and(|_| !is_set(graph, owner)) || is_dictionary(graph, owner);
    if !in_collection(case) || !keyed {
        return None;
    }
    if is_behind_function(case) {
        return evidence(
            Pattern::UnboundedCache,
            "it belongs to a function that remembers a result for every key and forgets none",
        );
    }
    is_looked_up(case).then(|| Evidence {
        pattern: Pattern::UnboundedCache,
        name: None,
        sentence: "it is looked up by key, takes in every new key and evicts none".to_owned(),
    })
}

/// Whether the way leads through a function: what a memoised function remembers hangs from it, either
/// as one of its variables or as its value in a WeakMap.
fn is_behind_function(case: &Case<'_>) -> bool {
    let graph = &case.anatomy.graph;
    let steps = case.way.map(|way| way.steps.as_slice()).unwrap_or_default();
    steps.iter().any(|step| {
        let variables = step.edge.name == EdgeName::Name("context") || step.edge.kind == EdgeKind::Context;
        let remembered = step.edge.kind == EdgeKind::Internal
            && matches!(step.edge.name, EdgeName::Name(name) if name.contains(" pair in WeakMap"));
        graph.kind(step.from) == NodeKind::Closure && (variables || remembered)
    })
}

fn is_dictionary(graph: &Graph, node: NodeIndex) -> bool {
    graph.kind(node) == NodeKind::Object && graph.name(node) != "Array"
}

/// Whether source that sees the holder reads it by key.
fn is_looked_up(case: &Case<'_>) -> bool {
    let (Some(position), Some(way)) = (case.position, case.way) else {
        return false;
    };
    let property = case.words.property.as_ref().map(|(_, name)| name.as_str());
    let Some(name) = property.or(case.words.variable.as_deref()) else {
        return false;
    };
    let in_script = |script: &str| {
        case.sources.script(script).is_some_and(|script| {
            let scan = script.scan();
            scan.calls(name, &["get", "has"]) || scan.reads_by_key(name)
        })
    };
    let readers = way.top().map(|top| case.scripts.readers(top)).unwrap_or_default();
    let mut scripts: Vec<&str> = readers
        .iter()
        .filter_map(|site| case.scripts.name(site.script))
        .collect();
    scripts.push(&position.file);
    scripts.dedup();
    scripts.into_iter().any(in_script)
}

/// Any other collection, or chain, of the program.
pub(crate) fn collection(case: &Case<'_>) -> Option<Evidence> {
    if case.words.variable.is_none() && matches!(case.finding.place, Place::Flock(_)) {
        return None;
    }
    let graph = &case.anatomy.graph;
    let what = graph.name(NodeIndex(case.finding.owner));
    match &case.finding.place {
        Place::Members => evidence(
            Pattern::GrowingCollection,
            format!("what is put into this long-lived {what} is never taken out"),
        ),
        _ if case.words.variable.is_some() => evidence(
            Pattern::GrowingCollection,
            "a chain hangs from it that gets longer and is never cut",
        ),
        _ => None,
    }
}
