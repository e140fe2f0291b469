//! Patterns of things that wait to be called: listeners, timers, promises, closures, async contexts.

use plimsoll_model::Pattern;

use crate::growth_interval::Place;
use crate::pattern::{Case, Evidence};
use crate::{EdgeKind, EdgeName, Graph, NodeIndex, NodeKind};

fn evidence(pattern: Pattern, sentence: String) -> Option<Evidence> {
    Some(Evidence {
        pattern,
        name: None,
        sentence,
    })
}

/// The way leads through the listener table of an EventEmitter or EventTarget.
pub(crate) fn listener(case: &Case<'_>) -> Option<Evidence> {
    let event = case.words.event.as_ref()?;
    let emitter = case
        .words
        .emitter
        .map_or("emitter", |node| case.anatomy.graph.name(node));
    let from = first_function(case)
        .map(|at| format!(", added at {at}"))
        .unwrap_or_default();
    evidence(
        Pattern::ListenerPerJob,
        format!("each adds a `{event}` listener to a long-lived {emitter} that is never removed{from}"),
    )
}

fn first_function(case: &Case<'_>) -> Option<String> {
    case.pile
        .functions
        .first()
        .map(|function| function.source.to_string())
}

/// Each store of an AsyncLocalStorage holds the one before, or hangs from what outlives its job.
pub(crate) fn async_context(case: &Case<'_>) -> Option<Evidence> {
    let graph = &case.anatomy.graph;
    let is_store = |name: EdgeName<'_>| name == EdgeName::Name("<symbol kResourceStore>");
    let on_way = case
        .way
        .is_some_and(|way| way.steps.iter().any(|step| is_store(step.edge.name)));
    let in_slot = matches!(&case.finding.place, Place::Slot(name) if name == "<symbol kResourceStore>");
    let chained = chain_of_stores(graph, &case.pile.samples);
    if !on_way && !in_slot && !chained {
        return None;
    }
    let sentence = if chained {
        "each store of an AsyncLocalStorage keeps the store before it, all the way back"
    } else {
        "the store of an AsyncLocalStorage is kept by a timer, socket or promise that outlives its job"
    };
    let storage = case.storages.first().map(|name| format!("{name} → store"));
    Some(Evidence {
        pattern: Pattern::Closure,
        name: storage,
        sentence: sentence.to_owned(),
    })
}

/// Whether the latest link is the store of an async resource.
fn chain_of_stores(graph: &Graph, links: &[u32]) -> bool {
    links.len() > 2
        && links.first().is_some_and(|link| {
            graph
                .retainers(NodeIndex(*link))
                .take(64)
                .any(|(_, edge)| edge.name == EdgeName::Name("<symbol kResourceStore>"))
        })
}

/// What piled up are timers: objects with the callback and the list links of Node's timers.
pub(crate) fn timer(case: &Case<'_>) -> Option<Evidence> {
    let graph = &case.anatomy.graph;
    let timers = case
        .pile
        .samples
        .iter()
        .filter(|node| is_timer(graph, NodeIndex(**node)))
        .count();
    if timers * 2 <= case.pile.samples.len() || timers == 0 {
        return None;
    }
    let first = NodeIndex(case.pile.samples.first().copied().unwrap_or_default());
    let kind = if has(graph, first, "_onImmediate") {
        "a setImmediate that has not run"
    } else if case
        .pile
        .samples
        .iter()
        .any(|node| repeats(graph, NodeIndex(*node)))
    {
        "an interval that is never cleared"
    } else {
        "a timer that has not fired and is not cleared"
    };
    let at = first_function(case)
        .map(|at| format!(", with its callback at {at}"))
        .unwrap_or_default();
    let name = runtime_name(case, &format!("{} list", case.pile.type_name));
    Some(Evidence {
        pattern: Pattern::TimerPerJob,
        name,
        sentence: format!("each starts {kind}{at}"),
    })
}

/// A holder of the runtime's own is better named after the function that it will call.
fn runtime_name(case: &Case<'_>, what: &str) -> Option<String> {
    let own = case
        .way
        .is_some_and(|way| way.origin != crate::holder_script::Origin::Runtime);
    if own {
        return None;
    }
    let function = case
        .pile
        .functions
        .first()
        .map(|function| match function.name.as_str() {
            "" => format!(
                " → callbacks at {}:{}",
                file_name(&function.source.file),
                function.source.line
            ),
            name => format!(" → {name} callbacks"),
        });
    Some(format!("{what}{}", function.unwrap_or_default()))
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn is_timer(graph: &Graph, node: NodeIndex) -> bool {
    has(graph, node, "_onTimeout") && has(graph, node, "_idleNext") || has(graph, node, "_onImmediate")
}

fn has(graph: &Graph, node: NodeIndex, name: &str) -> bool {
    graph.edges(node).any(|edge| edge.name == EdgeName::Name(name))
}

/// An interval keeps its period; of a timeout it is null.
fn repeats(graph: &Graph, node: NodeIndex) -> bool {
    let period = graph
        .edges(node)
        .find(|edge| edge.name == EdgeName::Name("_repeat"));
    // Small integers are no nodes, so a missing edge is a period too; null is an oddball.
    period.is_none_or(|edge| graph.kind(edge.to) == NodeKind::Number)
}

/// Reactions pile up on a pending promise, or pending promises pile up.
pub(crate) fn promise(case: &Case<'_>) -> Option<Evidence> {
    let graph = &case.anatomy.graph;
    let on_promise = graph.name(NodeIndex(case.finding.owner)) == "Promise"
        || matches!(&case.finding.place, Place::Slot(name) if name == "reactions_or_result");
    if on_promise {
        return evidence(
            Pattern::UnsettledPromise,
            "each waits (`then`, `await` or `Promise.race`) on a promise that stays pending, which keeps every waiter".into(),
        );
    }
    let pending = case
        .pile
        .samples
        .iter()
        .filter(|node| leads_to_pending(graph, NodeIndex(**node)))
        .count();
    (pending * 2 > case.pile.samples.len()).then(|| Evidence {
        pattern: Pattern::UnsettledPromise,
        name: None,
        sentence: "each leaves a promise behind that is never settled, with everything that waits for it"
            .into(),
    })
}

/// A promise with reactions, or a resolving function of one, at or right below a node.
fn leads_to_pending(graph: &Graph, node: NodeIndex) -> bool {
    if graph.name(node) == "system / PromiseReaction"
        || is_pending(graph, node)
        || resolves_pending(graph, node)
    {
        return true;
    }
    let direct = graph
        .edges(node)
        .filter(|edge| edge.kind == EdgeKind::Property && edge.name != EdgeName::Name("__proto__"));
    direct
        .take(32)
        .any(|edge| is_pending(graph, edge.to) || resolves_pending(graph, edge.to))
}

fn is_pending(graph: &Graph, node: NodeIndex) -> bool {
    graph.kind(node) == NodeKind::Object
        && graph.edges(node).any(|edge| {
            edge.name == EdgeName::Name("reactions_or_result")
                && graph.name(edge.to) == "system / PromiseReaction"
        })
}

/// V8's resolve and reject functions keep their promise in the first slot of their context.
fn resolves_pending(graph: &Graph, node: NodeIndex) -> bool {
    graph.kind(node) == NodeKind::Closure
        && graph.location(node).is_none()
        && graph
            .edges(node)
            .filter(|edge| edge.name == EdgeName::Name("context"))
            .any(|context| {
                graph
                    .edges(context.to)
                    .any(|edge| edge.kind != EdgeKind::Weak && is_pending(graph, edge.to))
            })
}

/// Functions pile up, or a chain of closures in which each keeps the one before.
pub(crate) fn closure(case: &Case<'_>) -> Option<Evidence> {
    let graph = &case.anatomy.graph;
    let closures = case
        .pile
        .samples
        .iter()
        .filter(|node| graph.kind(NodeIndex(**node)) == NodeKind::Closure)
        .count();
    let at = first_function(case)
        .map(|at| format!(" written at {at}"))
        .unwrap_or_default();
    if closures * 2 > case.pile.samples.len() {
        return evidence(
            Pattern::Closure,
            format!("each leaves a function behind{at}, and with it every variable that it can see"),
        );
    }
    let chained = matches!(case.finding.place, Place::Slot(_)) && case.finding.samples.len() > 2;
    (chained && links_by_context(graph, &case.finding.samples)).then(|| Evidence {
        pattern: Pattern::Closure,
        name: None,
        sentence: format!(
            "each keeps the one before alive through the variables that a function{at} can see"
        ),
    })
}

/// Whether the links of a chain hold each other through function contexts.
fn links_by_context(graph: &Graph, links: &[u32]) -> bool {
    let by_context = links.iter().filter(|link| {
        graph
            .retainers(NodeIndex(**link))
            .take(16)
            .any(|(_, edge)| edge.kind == EdgeKind::Context)
    });
    by_context.count() * 2 > links.len()
}
