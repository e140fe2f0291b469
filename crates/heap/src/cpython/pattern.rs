//! How a Python holder leaks: rules over the shape of the graph, the most specific first. They look at
//! types of the interpreter and its library, never at names that a user chose.

use plimsoll_model::Pattern;

use super::lost::{CYCLES, LOST};
use super::members::members;
use super::pile::{Pile, inherits, is_exception, parts};
use super::place::CACHE_WRAPPER;
use super::way::{Names, Start, Way};
use crate::growth_interval::{Finding, Place};
use crate::{EdgeKind, EdgeName, NodeIndex};

/// Everything that rules may look at.
pub(crate) struct Case<'c, 'g> {
    pub(crate) names: &'c Names<'g>,
    pub(crate) finding: &'c Finding,
    pub(crate) way: Option<&'c Way<'g>>,
    pub(crate) pile: &'c Pile,
    /// Whether source near the holder reads it by key.
    pub(crate) is_looked_up: bool,
    /// Extension module that lost objects likely belong to.
    pub(crate) extension: Option<&'c str>,
}

/// What a rule found: the pattern, and the evidence as the end of a sentence.
pub(crate) struct Evidence {
    pub(crate) pattern: Pattern,
    pub(crate) sentence: String,
}

type Rule = fn(&Case<'_, '_>) -> Option<Evidence>;

const RULES: [Rule; 13] = [
    lost,
    cycle,
    in_c,
    cached,
    thread_local,
    listener,
    task,
    handle,
    backlog,
    retry_buffer,
    identity_map,
    closure,
    collection,
];

/// The first rule that answers decides.
pub(crate) fn recognise(case: &Case<'_, '_>) -> Evidence {
    RULES
        .iter()
        .find_map(|rule| rule(case))
        .unwrap_or_else(|| Evidence {
            pattern: Pattern::Unknown,
            sentence: "the pictures show no name of the program that holds it".to_owned(),
        })
}

fn evidence(pattern: Pattern, sentence: impl Into<String>) -> Option<Evidence> {
    Some(Evidence {
        pattern,
        sentence: sentence.into(),
    })
}

/// Members that must show a trait before it counts as a trait of all.
fn most(matching: usize, all: usize) -> bool {
    all > 0 && matching * 5 >= all * 4
}

impl Case<'_, '_> {
    fn owner_name(&self) -> &str {
        self.names.graph().name(NodeIndex(self.finding.owner))
    }

    fn is_below(&self, root: &str) -> bool {
        matches!(self.finding.place, Place::Flock(_)) && self.owner_name() == root
    }

    fn most_samples(&self, test: impl Fn(u32) -> bool) -> bool {
        let matching = self.pile.samples.iter().filter(|node| test(**node)).count();
        most(matching, self.pile.samples.len())
    }
}

fn lost(case: &Case<'_, '_>) -> Option<Evidence> {
    if !case.is_below(LOST) {
        return None;
    }
    let who = case.extension.map_or_else(
        || "an extension module".to_owned(),
        |name| format!("an extension module, likely `{name}`,"),
    );
    evidence(
        Pattern::Refcount,
        format!(
            "nothing reachable refers to them, yet their reference count is not 0: {who} did not give a reference back"
        ),
    )
}

fn cycle(case: &Case<'_, '_>) -> Option<Evidence> {
    let who = case
        .extension
        .map_or(String::new(), |name| format!(" (likely of `{name}`)"));
    case.is_below(CYCLES).then(|| Evidence {
        pattern: Pattern::ReferenceCycle,
        sentence: format!(
            "they refer to each other and nothing else refers to them, and the collector does not free them: one of their types{who} does not show it what it holds"
        ),
    })
}

fn in_c(case: &Case<'_, '_>) -> Option<Evidence> {
    let is_root =
        matches!(case.finding.place, Place::Flock(_)) && case.owner_name().starts_with("(C variables of ");
    is_root.then(|| Evidence {
        pattern: Pattern::Native,
        sentence: format!("only {} hold them", case.owner_name().trim_matches(['(', ')'])),
    })
}

/// `functools.lru_cache`: its dict, or its list of links.
fn cached(case: &Case<'_, '_>) -> Option<Evidence> {
    let graph = case.names.graph();
    let through = |node: NodeIndex| graph.name(node) == CACHE_WRAPPER;
    let on_way = case.way.is_some_and(|way| {
        way.steps
            .iter()
            .any(|step| through(step.edge.to) || through(step.from))
    });
    let own = through(NodeIndex(case.finding.owner));
    (on_way || own).then(|| Evidence {
        pattern: Pattern::UnboundedCache,
        sentence:
            "each call with new arguments adds a result to its `lru_cache`, arguments and `self` included"
                .to_owned(),
    })
}

/// Values that threads keep for themselves.
fn thread_local(case: &Case<'_, '_>) -> Option<Evidence> {
    let graph = case.names.graph();
    let is_local = |node: NodeIndex| {
        inherits(case.names, node.0, "_thread._local") || graph.name(node) == "_thread._localdummy"
    };
    let on_way = case.way.is_some_and(|way| {
        way.steps
            .iter()
            .any(|step| is_local(step.edge.to) || is_local(step.from))
    });
    let piled = case.most_samples(|node| is_local(NodeIndex(node)));
    (on_way || piled).then(|| Evidence {
        pattern: Pattern::GrowingCollection,
        sentence: "a thread keeps them in its `threading.local`, and lives as long as the worker".to_owned(),
    })
}

/// Handlers and callbacks that are added to something that stays.
fn listener(case: &Case<'_, '_>) -> Option<Evidence> {
    let graph = case.names.graph();
    if case.finding.place != Place::Members {
        return None;
    }
    if case.most_samples(|node| inherits(case.names, node, "logging.Handler")) {
        return evidence(
            Pattern::ListenerPerJob,
            "each job adds a handler to a logger, and none is removed",
        );
    }
    let is_bound = |node: u32| matches!(graph.name(NodeIndex(node)), "method" | "functools.partial");
    case.most_samples(is_bound).then(|| Evidence {
        pattern: Pattern::ListenerPerJob,
        sentence: "each job adds a callback, and none is removed".to_owned(),
    })
}

fn task(case: &Case<'_, '_>) -> Option<Evidence> {
    const WAITING: [&str; 6] = [
        "_asyncio.Task",
        "_asyncio.Future",
        "asyncio.tasks.Task",
        "asyncio.futures.Future",
        "coroutine",
        "concurrent.futures._base.Future",
    ];
    case.most_samples(|node| WAITING.iter().any(|class| inherits(case.names, node, class)))
        .then(|| Evidence {
            pattern: Pattern::UnsettledPromise,
            sentence: "tasks or futures are kept after the job, done or never finished".to_owned(),
        })
}

/// Files, sockets, generators: what has a `close`.
fn handle(case: &Case<'_, '_>) -> Option<Evidence> {
    const HANDLES: [&str; 7] = [
        "_io._IOBase",
        "_socket.socket",
        "socket",
        "subprocess.Popen",
        "_ssl._SSLSocket",
        "sqlite3.Connection",
        "mmap.mmap",
    ];
    if case.most_samples(|node| HANDLES.iter().any(|class| inherits(case.names, node, class))) {
        return evidence(
            Pattern::UnclosedHandle,
            "each job opens one that is kept and not closed",
        );
    }
    let graph = case.names.graph();
    let is_generator = |node: u32| matches!(graph.name(NodeIndex(node)), "generator" | "async_generator");
    case.most_samples(is_generator).then(|| Evidence {
        pattern: Pattern::UnclosedHandle,
        sentence: "generators are kept half-way: neither run to their end nor closed, they keep the variables of their frames".to_owned(),
    })
}

/// Members come and go, and more come than go.
fn backlog(case: &Case<'_, '_>) -> Option<Evidence> {
    /// Share of the arrivals that left again from which on it is a queue and no heap of leftovers.
    const LEFT: f64 = 0.2;
    let finding = case.finding;
    let flows = finding.arrived > 0.0 && finding.left >= LEFT * finding.arrived && finding.count > 0.0;
    (finding.place == Place::Members && flows).then(|| Evidence {
        pattern: Pattern::Backlog,
        sentence: format!(
            "more is put in than taken out ({:.0} went and {:.0} came between the last two pictures)",
            finding.left, finding.arrived
        ),
    })
}

/// Errors are kept together with what failed.
fn retry_buffer(case: &Case<'_, '_>) -> Option<Evidence> {
    let graph = case.names.graph();
    let with_error = |node: u32| {
        let parts = parts(graph, NodeIndex(node));
        let errors = parts
            .iter()
            .filter(|part| is_exception(case.names, **part))
            .count();
        errors > 0 && parts.len() > errors && !is_exception(case.names, NodeIndex(node))
    };
    (case.finding.place == Place::Members && case.most_samples(with_error)).then(|| Evidence {
        pattern: Pattern::RetryBuffer,
        sentence: "each member keeps an error together with what failed, and nothing takes it out again"
            .to_owned(),
    })
}

/// Objects under a key that says which they are: their class and something that tells them apart.
fn identity_map(case: &Case<'_, '_>) -> Option<Evidence> {
    /// Members looked at.
    const LOOKED_AT: usize = 200;
    let graph = case.names.graph();
    if case.finding.place != Place::Members {
        return None;
    }
    let has_class = |key: NodeIndex| {
        graph.name(key) == "tuple"
            && graph
                .edges(key)
                .any(|edge| case.names.facts.classes.contains_key(&edge.to.0))
    };
    let all: Vec<_> = members(graph, NodeIndex(case.finding.owner))
        .take(LOOKED_AT)
        .collect();
    let keyed = all
        .iter()
        .filter(|member| member.key.is_some_and(has_class))
        .count();
    most(keyed, all.len()).then(|| Evidence {
        pattern: Pattern::SessionIdentityMap,
        sentence:
            "objects are kept under their class and identity, as a session does for objects that it loaded"
                .to_owned(),
    })
}

/// Functions, and what they see.
fn closure(case: &Case<'_, '_>) -> Option<Evidence> {
    let graph = case.names.graph();
    let sees = |node: u32| {
        graph.name(NodeIndex(node)) == "function"
            && graph
                .edges(NodeIndex(node))
                .any(|edge| edge.kind == EdgeKind::Context)
    };
    case.most_samples(sees).then(|| Evidence {
        pattern: Pattern::Closure,
        sentence: "functions are kept, and with each the variables of the function around it".to_owned(),
    })
}

fn collection(case: &Case<'_, '_>) -> Option<Evidence> {
    let graph = case.names.graph();
    let way = case.way?;
    if matches!(way.start, Start::Root(_)) && case.finding.place != Place::Members {
        return None;
    }
    let owner = NodeIndex(case.finding.owner);
    let keyed = graph
        .edges(owner)
        .any(|edge| edge.kind == EdgeKind::Internal && edge.name == EdgeName::Name(super::members::KEY));
    // One that makes an entry of every look-up needs no source to be read by key.
    let remembers = inherits(case.names, case.finding.owner, "collections.defaultdict");
    if keyed && case.finding.place == Place::Members && (remembers || case.is_looked_up) {
        return evidence(
            Pattern::UnboundedCache,
            "it is looked up by key, takes in every new key and evicts none",
        );
    }
    let sentence = match case.finding.place {
        Place::Members => "each job adds members, and nothing removes them",
        _ => "what hangs there grows with each job",
    };
    evidence(Pattern::GrowingCollection, sentence)
}
