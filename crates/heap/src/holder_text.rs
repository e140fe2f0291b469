//! Ways in words: `cache.entries`, `shutdown.signal → abort listeners`, `agent.sockets[…]`.

use crate::growth_members::{entries, member_count, table_of};
use crate::holder_search::{Start, Step, Way};
use crate::{EdgeKind, EdgeName, Graph, NodeIndex, NodeKind};

/// Records have fewer properties than this; what has more is a dictionary whose keys are data.
const RECORD_PROPERTIES: u32 = 24;

/// What a way says in words.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Words {
    /// The whole: variable, properties, what hangs there.
    pub(crate) text: String,
    /// The variable (or global property) that it begins with.
    pub(crate) variable: Option<String>,
    /// The last named property of the program's own on the way, and its object.
    pub(crate) property: Option<(NodeIndex, String)>,
    /// The event whose listeners hang here.
    pub(crate) event: Option<String>,
    /// The object whose listeners they are.
    pub(crate) emitter: Option<NodeIndex>,
}

/// What the words are about at the moment.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Plain,
    /// Behind `_events`: the next property is an event.
    Events,
    /// Behind an EventTarget's table: the key of the next entry is an event.
    TargetEvents,
    /// Inside a listener list: what comes is its machinery.
    Listeners,
    /// Inside the reactions of a promise.
    Reactions,
}

/// Puts a way into words, ending with the place that grows.
pub(crate) fn words(graph: &Graph, way: &Way<'_>, place: Option<&str>) -> Words {
    let mut words = Words::default();
    let mut mode = Mode::Plain;
    for (number, step) in way.steps.iter().enumerate() {
        mode = if number == 0 {
            begin(&mut words, way)
        } else {
            add(graph, &mut words, mode, step)
        };
    }
    if let Some(place) = place {
        let owner = way.steps.last().map(|step| step.edge.to);
        end(&mut words, mode, owner, place);
    }
    words
}

fn begin(words: &mut Words, way: &Way<'_>) -> Mode {
    let Some(name) = way.variable else {
        return Mode::Plain;
    };
    match way.start {
        Start::Variable => words.text = name.to_owned(),
        Start::Global if WELL_KNOWN.contains(&name) => words.text = name.to_owned(),
        Start::Global => words.text = format!("globalThis.{name}"),
        Start::Root => return Mode::Plain,
    }
    words.variable = Some(name.to_owned());
    Mode::Plain
}

/// Global properties that everybody knows without `globalThis`.
const WELL_KNOWN: [&str; 2] = ["process", "console"];

fn add(graph: &Graph, words: &mut Words, mode: Mode, step: &Step<'_>) -> Mode {
    match (step.edge.kind, step.edge.name) {
        (EdgeKind::Internal, EdgeName::Name("context"))
            if matches!(mode, Mode::Listeners | Mode::Reactions) =>
        {
            // What a listener or waiter sees is no listener any more.
            (words.event, words.emitter) = (None, None);
            Mode::Plain
        }
        (_, _) if matches!(mode, Mode::Listeners | Mode::Reactions) => mode,
        (EdgeKind::Property, EdgeName::Name("_events")) => {
            words.emitter = Some(step.from);
            Mode::Events
        }
        (EdgeKind::Property, EdgeName::Name("<symbol kEvents>")) => {
            words.emitter = Some(step.from);
            Mode::TargetEvents
        }
        (EdgeKind::Property, EdgeName::Name(event)) if mode == Mode::Events => listeners(words, event),
        (EdgeKind::Internal, EdgeName::Name("table")) => mode,
        (EdgeKind::Internal, _) if mode == Mode::TargetEvents => {
            listeners(words, key_of(graph, step).unwrap_or("event"))
        }
        (_, EdgeName::Name("reactions_or_result")) => {
            words.text.push_str(" → waiting reactions");
            Mode::Reactions
        }
        (EdgeKind::Property, EdgeName::Name(name)) => {
            property(graph, words, step.from, name);
            mode
        }
        (EdgeKind::Internal, EdgeName::Name(name)) if name.contains(" pair in WeakMap") => {
            words.text.push_str(" → WeakMap value");
            words.property = None;
            mode
        }
        (EdgeKind::Element, _) => {
            bracket(words);
            mode
        }
        (EdgeKind::Internal, EdgeName::Name(slot)) if is_number(slot) && is_table(graph, step.from) => {
            bracket(words);
            mode
        }
        (EdgeKind::Context, EdgeName::Name(name)) => {
            words.text.push_str(" → ");
            words.text.push_str(name);
            words.property = None;
            mode
        }
        _ => mode,
    }
}

fn listeners(words: &mut Words, event: &str) -> Mode {
    words
        .text
        .push_str(&format!(" → {} listeners", bare_symbol(event)));
    words.event = Some(bare_symbol(event).to_owned());
    Mode::Listeners
}

fn bare_symbol(name: &str) -> &str {
    name.strip_prefix("<symbol ")
        .and_then(|name| name.strip_suffix('>'))
        .unwrap_or(name)
}

fn property(graph: &Graph, words: &mut Words, owner: NodeIndex, name: &str) {
    if name.starts_with("<symbol") {
        return;
    }
    if !is_identifier(name) || member_count(graph, owner) > RECORD_PROPERTIES && !is_record(graph, owner) {
        bracket(words);
        return;
    }
    let shown = if is_runtime_private(graph, owner) {
        name.trim_start_matches('#')
    } else {
        name
    };
    words.text.push('.');
    words.text.push_str(shown);
    words.property = Some((owner, name.to_owned()));
}

/// Instances of classes are records however many properties they have.
fn is_record(graph: &Graph, node: NodeIndex) -> bool {
    graph.kind(node) == NodeKind::Closure || graph.name(node) != "Object"
}

/// Private fields of the runtime's own classes have accessors without the hash sign.
fn is_runtime_private(graph: &Graph, node: NodeIndex) -> bool {
    matches!(
        graph.name(node),
        "AbortController" | "AbortSignal" | "EventTarget" | "MessagePort" | "BroadcastChannel"
    )
}

fn bracket(words: &mut Words) {
    if !words.text.ends_with("[…]") {
        words.text.push_str("[…]");
    }
}

fn end(words: &mut Words, mode: Mode, owner: Option<NodeIndex>, place: &str) {
    match mode {
        Mode::Listeners | Mode::Reactions => {}
        Mode::Events | Mode::TargetEvents => {
            listeners(words, place);
        }
        Mode::Plain if place == "reactions_or_result" => words.text.push_str(" → waiting reactions"),
        Mode::Plain if is_identifier(place) && !words.text.is_empty() => {
            words.text.push('.');
            words.text.push_str(place);
            words.property = owner.map(|owner| (owner, place.to_owned()));
        }
        Mode::Plain => {}
    }
}

fn is_table(graph: &Graph, node: NodeIndex) -> bool {
    graph.kind(node) == NodeKind::Array
}

/// The key of the Map entry whose value a step leads to.
fn key_of<'g>(graph: &'g Graph, step: &Step<'_>) -> Option<&'g str> {
    let owner = graph
        .retainers(step.from)
        .find(|(_, edge)| edge.name == EdgeName::Name("table"))?
        .0;
    let table = table_of(graph, owner)?;
    let entry = entries(graph, owner, table)
        .into_iter()
        .find(|entry| entry.value == Some(step.edge.to))?;
    entry.key.map(|key| graph.name(key))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a name can stand after a dot.
pub(crate) fn is_identifier(name: &str) -> bool {
    let bare = name.strip_prefix('#').unwrap_or(name);
    !bare.is_empty()
        && !bare.starts_with(|letter: char| letter.is_ascii_digit())
        && bare
            .chars()
            .all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '$')
}
