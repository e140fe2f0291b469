//! The way from a name of the program to a holder.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::facts::Facts;
use crate::growth_anatomy::{Anatomy, holds};
use crate::holder_script::Origin;
use crate::{Edge, EdgeKind, EdgeName, Graph, NodeIndex, NodeKind};

/// What a way begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// An attribute of a module.
    Module(u32),
    /// An attribute of a class.
    Class(u32),
    /// A variable that a function sees from the one around it; the function.
    Closure(u32),
    /// A default value of a parameter; the function.
    Default(u32),
    /// A variable of a frame, generator or coroutine, or of a root that stands for a running frame.
    Local(u32),
    /// A root of the interpreter or of C code.
    Root(u32),
}

/// A step of a way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'g> {
    pub(crate) from: NodeIndex,
    pub(crate) edge: Edge<'g>,
}

/// From a name to a holder.
#[derive(Debug, Clone)]
pub(crate) struct Way<'g> {
    pub(crate) start: Start,
    pub(crate) origin: Origin,
    pub(crate) steps: Vec<Step<'g>>,
}

/// Nodes that are looked at for one way, and references into one of them.
const VISITS: usize = 60_000;
const RETAINERS: usize = 500;

/// Facts with what is looked up in them all the time.
pub(crate) struct Names<'g> {
    pub(crate) anatomy: &'g Anatomy,
    pub(crate) facts: &'g Facts,
    /// Classes by full name.
    classes: HashMap<String, u32>,
    /// Modules by name.
    modules: HashMap<&'g str, u32>,
}

impl<'g> Names<'g> {
    pub(crate) fn new(anatomy: &'g Anatomy, facts: &'g Facts) -> Self {
        let graph = &anatomy.graph;
        let full = |(module, name): &(u32, u32)| match graph.texts.get(*module) {
            "builtins" => graph.texts.get(*name).to_owned(),
            module => format!("{module}.{}", graph.texts.get(*name)),
        };
        Self {
            anatomy,
            facts,
            classes: facts
                .classes
                .iter()
                .map(|(node, names)| (full(names), *node))
                .collect(),
            modules: facts
                .modules
                .iter()
                .map(|(node, (name, _))| (graph.texts.get(*name), *node))
                .collect(),
        }
    }

    pub(crate) fn graph(&self) -> &'g Graph {
        &self.anatomy.graph
    }

    /// The class of an object, by the name of its type.
    pub(crate) fn class_of(&self, node: u32) -> Option<u32> {
        self.classes.get(self.graph().name(NodeIndex(node))).copied()
    }

    pub(crate) fn class_name(&self, class: u32) -> String {
        let Some((module, name)) = self.facts.classes.get(&class) else {
            return String::new();
        };
        match self.graph().texts.get(*module) {
            "builtins" => self.graph().texts.get(*name).to_owned(),
            module => format!("{module}.{}", self.graph().texts.get(*name)),
        }
    }

    /// The last part of a class's qualified name, as its `class` line has it.
    pub(crate) fn short_class_name(&self, class: u32) -> &'g str {
        let name = self
            .facts
            .classes
            .get(&class)
            .map_or("", |(_, name)| self.graph().texts.get(*name));
        name.rsplit('.').next().unwrap_or(name)
    }

    /// The file of a module.
    pub(crate) fn module_file(&self, module: u32) -> Option<&'g str> {
        let (_, file) = self.facts.modules.get(&module)?;
        Some(self.graph().texts.get(*file)).filter(|file| !file.is_empty())
    }

    pub(crate) fn module_name(&self, module: u32) -> &'g str {
        self.facts
            .modules
            .get(&module)
            .map_or("", |(name, _)| self.graph().texts.get(*name))
    }

    /// The file of a class: that of its module.
    pub(crate) fn class_file(&self, class: u32) -> Option<&'g str> {
        let (module, _) = self.facts.classes.get(&class)?;
        let module = self.modules.get(self.graph().texts.get(*module))?;
        self.module_file(*module)
    }

    /// Code of a function, frame, generator or root that stands for a frame: name, file, line.
    pub(crate) fn code_of(&self, node: u32) -> Option<(&'g str, &'g str, u32)> {
        /// A generator refers to its code among its first fields.
        const LOOKED_AT: usize = 64;
        let graph = self.graph();
        let code = |edge: Edge<'_>| self.facts.codes.get(&edge.to.0);
        let (name, file, line) = graph.edges(NodeIndex(node)).take(LOOKED_AT).find_map(code)?;
        Some((graph.texts.get(*name), graph.texts.get(*file), *line))
    }

    /// What a step begins at, if that is a name of a program.
    fn start(&self, step: &Step<'g>) -> Option<(Start, Origin)> {
        let graph = self.graph();
        let from = step.from.0;
        if self.facts.is_store(step.from) && step.edge.kind == EdgeKind::Property {
            let owner = self.anatomy.above(from);
            if self.facts.modules.contains_key(&owner) {
                return Some((Start::Module(owner), origin_of(self.module_file(owner))));
            }
            if self.facts.classes.contains_key(&owner) {
                return Some((Start::Class(owner), origin_of(self.class_file(owner))));
            }
            return None;
        }
        if from == 0 || graph.kind(step.from) == NodeKind::Synthetic {
            let name = graph.name(step.from);
            return match step.edge.kind {
                EdgeKind::Context => self.local(from),
                EdgeKind::Property if name == MODULES => None,
                _ => Some((Start::Root(from), Origin::Runtime)),
            };
        }
        let is_function = graph.name(step.from) == "function";
        match (step.edge.kind, step.edge.name) {
            (EdgeKind::Context, _) if is_function => {
                let (_, file, _) = self.code_of(from)?;
                Some((Start::Closure(from), origin_of(Some(file))))
            }
            (EdgeKind::Context, _) => self.local(from),
            (EdgeKind::Property, EdgeName::Name("__defaults__" | "__kwdefaults__")) if is_function => {
                let (_, file, _) = self.code_of(from)?;
                Some((Start::Default(from), origin_of(Some(file))))
            }
            _ => None,
        }
    }

    fn local(&self, from: u32) -> Option<(Start, Origin)> {
        let file = self.code_of(from).map(|(_, file, _)| file);
        Some((Start::Local(from), origin_of(file)))
    }

    /// The cheapest way to a holder from a name that belongs to at least `least`.
    pub(crate) fn way(&self, node: u32, least: Origin) -> Option<Way<'g>> {
        let graph = self.graph();
        let mut cost: HashMap<u32, u32> = HashMap::from([(node, 0)]);
        let mut below: HashMap<u32, Step<'g>> = HashMap::new();
        let mut ends: Vec<(Start, Origin, Step<'g>)> = Vec::new();
        // Nodes, and ends behind them, in the order of costs.
        let mut heap = BinaryHeap::from([Reverse((0u32, 0u32, node))]);
        const END: u32 = 1;
        let mut visits = 0;
        while let Some(Reverse((so_far, kind, at))) = heap.pop() {
            if kind == END {
                let (start, origin, first) = &ends[at as usize];
                return Some(unwind(*start, *origin, *first, &below, node));
            }
            visits += 1;
            if cost.get(&at) != Some(&so_far) || visits > VISITS {
                continue;
            }
            for (from, edge) in graph.retainers(NodeIndex(at)).take(RETAINERS) {
                if !holds(edge.kind) || from.0 == at || self.anatomy.dominates(node, from.0) && from.0 != node
                {
                    continue;
                }
                let step = Step { from, edge };
                let reached = so_far + step_cost(&edge);
                if let Some((start, origin)) = self.start(&step) {
                    if origin <= least {
                        ends.push((start, origin, step));
                        let whole = reached + start_cost(start, origin);
                        heap.push(Reverse((whole, END, ends.len() as u32 - 1)));
                    }
                    if !matches!(start, Start::Class(_)) {
                        continue;
                    }
                }
                if cost.get(&from.0).is_none_or(|known| reached < *known) {
                    cost.insert(from.0, reached);
                    below.insert(from.0, step);
                    heap.push(Reverse((reached, 0, from.0)));
                }
            }
        }
        None
    }
}

fn unwind<'g>(
    start: Start,
    origin: Origin,
    first: Step<'g>,
    below: &HashMap<u32, Step<'g>>,
    node: u32,
) -> Way<'g> {
    let mut steps = vec![first];
    let mut at = first.edge.to.0;
    while at != node {
        let Some(step) = below.get(&at) else { break };
        steps.push(*step);
        at = step.edge.to.0;
    }
    Way { start, origin, steps }
}

/// Name of the root that holds all modules.
pub(crate) const MODULES: &str = "(modules)";

fn step_cost(edge: &Edge<'_>) -> u32 {
    match (edge.kind, edge.name) {
        (EdgeKind::Property | EdgeKind::Element | EdgeKind::Context, _) => 2,
        (EdgeKind::Internal, EdgeName::Name(super::members::STORE | "cell_contents")) => 1,
        // Whoever has it as a key does not keep it for its sake.
        (EdgeKind::Internal, EdgeName::Name(super::members::KEY)) => 8,
        _ => 5,
    }
}

/// A name of the module is the best known, a variable of a frame the least; whose code it is comes first.
fn start_cost(start: Start, origin: Origin) -> u32 {
    let by_kind = match start {
        Start::Module(_) => 0,
        Start::Class(_) => 1,
        Start::Default(_) | Start::Closure(_) => 2,
        Start::Local(_) => 5,
        Start::Root(_) => 60,
    };
    let by_origin = match origin {
        Origin::Application => 0,
        Origin::Package => 8,
        Origin::Runtime => 30,
    };
    by_kind + by_origin
}

/// Whose code a file is.
pub(crate) fn origin_of(file: Option<&str>) -> Origin {
    match file {
        None => Origin::Runtime,
        Some(file) if file.contains("/site-packages/") || file.contains("/dist-packages/") => Origin::Package,
        Some(file) if file.starts_with('<') || is_standard(file) => Origin::Runtime,
        Some(_) => Origin::Application,
    }
}

/// `…/lib/python3.11/json/decoder.py`
fn is_standard(file: &str) -> bool {
    file.match_indices("/lib/python3.").any(|(at, found)| {
        file[at + found.len()..]
            .trim_start_matches(|letter: char| letter.is_ascii_digit())
            .starts_with('/')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_tell_whose_code_it_is() {
        for (file, expected) in [
            (Some("/app/worker.py"), Origin::Application),
            (Some("/usr/lib/python3.11/json/decoder.py"), Origin::Runtime),
            (
                Some("/v/lib/python3.11/site-packages/aiohttp/client.py"),
                Origin::Package,
            ),
            (
                Some("/usr/lib/python3/dist-packages/yaml/reader.py"),
                Origin::Package,
            ),
            (Some("<frozen importlib._bootstrap>"), Origin::Runtime),
            (Some("/app/lib/python3.x/own.py"), Origin::Application),
            (None, Origin::Runtime),
        ] {
            assert_eq!(origin_of(file), expected, "{file:?}");
        }
    }
}
