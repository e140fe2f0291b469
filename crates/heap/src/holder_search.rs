//! From an object up to the variable that people know it by.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::growth_anatomy::{Anatomy, holds, is_context, variable_name};
use crate::holder_script::{Origin, Scripts};
use crate::{Edge, EdgeKind, EdgeName, NodeIndex, NodeKind};

/// Nodes visited per question: real ways are a few dozen edges long.
const VISITS: usize = 20_000;
/// Retainers read of one node: a busy socket has one for every request that ever used it.
const RETAINERS: usize = 200_000;

/// One edge on a way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'g> {
    pub(crate) from: NodeIndex,
    pub(crate) edge: Edge<'g>,
}

/// Where a way begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// A variable of a function or module; the first step's edge names it.
    Variable,
    /// A property of the global object; the first step's edge names it.
    Global,
    /// A root of the runtime.
    Root,
}

/// The way from a variable down to an object.
#[derive(Debug, Clone)]
pub(crate) struct Way<'g> {
    pub(crate) start: Start,
    pub(crate) origin: Origin,
    /// Name of the variable or global property.
    pub(crate) variable: Option<&'g str>,
    pub(crate) steps: Vec<Step<'g>>,
}

impl Way<'_> {
    /// The node that holds the first step: a context, the global object, or a root.
    pub(crate) fn top(&self) -> Option<NodeIndex> {
        self.steps.first().map(|step| step.from)
    }
}

/// What steps and starts cost; chosen so that one property of a variable of the program beats any way
/// through the runtime, and a package's variable is taken only if the program's is four steps further.
fn step_cost(edge: &Edge<'_>) -> u32 {
    match (edge.kind, edge.name) {
        (EdgeKind::Property, EdgeName::Name("__proto__" | "constructor" | "prototype")) => 80,
        (EdgeKind::Property, EdgeName::Name(name)) if name.starts_with("<symbol") => 20,
        (EdgeKind::Property, _) => 10,
        (EdgeKind::Element, _) => 12,
        (EdgeKind::Internal, EdgeName::Name("elements" | "properties" | "table")) => 2,
        (EdgeKind::Internal, EdgeName::Name(name)) if name.bytes().all(|byte| byte.is_ascii_digit()) => 8,
        (EdgeKind::Internal, EdgeName::Name("previous")) => 60,
        (EdgeKind::Context, _) => 10,
        _ => 25,
    }
}

fn start_cost(start: Start, origin: Origin) -> u32 {
    match (start, origin) {
        (Start::Variable, Origin::Application) => 0,
        (Start::Global, _) => 15,
        (Start::Variable, Origin::Package) => 40,
        (Start::Variable, Origin::Runtime) => 150,
        (Start::Root, _) => 400,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Goal {
    Node(u32),
    /// Index into the found ends.
    End(u32),
}

struct Found<'g> {
    start: Start,
    origin: Origin,
    first: Step<'g>,
}

/// Finds ways for one dump.
pub(crate) struct Search<'g> {
    pub(crate) anatomy: &'g Anatomy,
    pub(crate) scripts: &'g Scripts<'g>,
}

impl<'g> Search<'g> {
    /// The best way to `node`, with variables of at least the origin `least` (the program's are best).
    pub(crate) fn way(&self, node: u32, least: Origin) -> Option<Way<'g>> {
        let mut cost: HashMap<u32, u32> = HashMap::from([(node, 0)]);
        let mut below: HashMap<u32, Step<'g>> = HashMap::new();
        let mut ends: Vec<Found<'g>> = Vec::new();
        let mut heap = BinaryHeap::from([Reverse((0u32, Goal::Node(node)))]);
        let mut visits = 0;
        while let Some(Reverse((so_far, goal))) = heap.pop() {
            let at = match goal {
                Goal::End(end) => return Some(self.way_from(&ends[end as usize], &below, node)),
                Goal::Node(at) => at,
            };
            visits += 1;
            if cost.get(&at) != Some(&so_far) || visits > VISITS {
                continue;
            }
            for (from, edge) in self.anatomy.graph.retainers(NodeIndex(at)).take(RETAINERS) {
                if !holds(edge.kind) || from.0 == at || self.hangs_from(from.0, node) {
                    continue;
                }
                let step = Step { from, edge };
                let reached = so_far + step_cost(&edge);
                let start = self
                    .start(&step)
                    .filter(|(start, origin)| *start != Start::Variable || *origin <= least);
                if let Some((start, origin)) = start {
                    ends.push(Found {
                        start,
                        origin,
                        first: step,
                    });
                    let end = Goal::End(ends.len() as u32 - 1);
                    heap.push(Reverse((reached + start_cost(start, origin), end)));
                } else if cost.get(&from.0).is_none_or(|known| reached < *known) {
                    cost.insert(from.0, reached);
                    below.insert(from.0, step);
                    heap.push(Reverse((reached, Goal::Node(from.0))));
                }
            }
        }
        None
    }

    fn start(&self, step: &Step<'g>) -> Option<(Start, Origin)> {
        let graph = &self.anatomy.graph;
        if graph.name(step.from) == LAST_JOB {
            return Some((Start::Root, Origin::Runtime));
        }
        if is_context(graph, step.from) && variable_name(graph, step.from, &step.edge).is_some() {
            return Some((Start::Variable, self.scripts.origin_of_context(step.from)));
        }
        if step.edge.kind == EdgeKind::Property && is_global(&self.anatomy.graph, step.from) {
            return Some((Start::Global, Origin::Application));
        }
        let is_root = step.from.0 == 0 || graph.kind(step.from) == NodeKind::Synthetic;
        is_root.then_some((Start::Root, Origin::Runtime))
    }

    fn way_from(&self, found: &Found<'g>, below: &HashMap<u32, Step<'g>>, node: u32) -> Way<'g> {
        let mut steps = vec![found.first];
        let mut at = found.first.edge.to.0;
        while at != node {
            let Some(step) = below.get(&at) else { break };
            steps.push(*step);
            at = step.edge.to.0;
        }
        let variable = first_name(&self.anatomy.graph, &found.first);
        Way {
            start: found.start,
            origin: found.origin,
            variable,
            steps,
        }
    }

    fn hangs_from(&self, node: u32, holder: u32) -> bool {
        holder != 0 && self.anatomy.dominates(holder, node)
    }
}

/// The agent's hold on the last job's function, for the picture at the worker's exit: what hangs from
/// it was the program's own, so the way to it begins there.
const LAST_JOB: &str = "PlimsollLastJob";

/// The object behind `globalThis`.
pub(crate) fn is_global(graph: &crate::Graph, node: NodeIndex) -> bool {
    graph.kind(node) == NodeKind::Object && {
        let name = graph.name(node);
        name == "global" || name.starts_with("global / ") || name == "Object [global]"
    }
}

/// The way that is just a variable of `context`.
pub(crate) fn own_variable<'g>(
    anatomy: &'g Anatomy,
    scripts: &Scripts<'g>,
    context: NodeIndex,
    name: &str,
) -> Option<Way<'g>> {
    let graph = &anatomy.graph;
    let is_it = |edge: &Edge<'_>| match edge.name {
        EdgeName::Name(text) => text == name,
        EdgeName::Index(index) => index.to_string() == name,
    };
    let edge = graph.edges(context).find(is_it)?;
    let variable = variable_name(graph, context, &edge);
    let start = if variable.is_some() {
        Start::Variable
    } else {
        Start::Root
    };
    let origin = scripts.origin_of_context(context);
    Some(Way {
        start,
        origin,
        variable,
        steps: vec![Step { from: context, edge }],
    })
}

/// The way that is just the variable of `context` that holds `target`.
pub(crate) fn variable_of<'g>(
    anatomy: &'g Anatomy,
    scripts: &Scripts<'g>,
    context: u32,
    target: u32,
) -> Option<Way<'g>> {
    let context = NodeIndex(context);
    let graph = &anatomy.graph;
    let edge = graph
        .edges(context)
        .find(|edge| edge.to.0 == target && variable_name(graph, context, edge).is_some())?;
    let variable = variable_name(graph, context, &edge);
    let origin = scripts.origin_of_context(context);
    Some(Way {
        start: Start::Variable,
        origin,
        variable,
        steps: vec![Step { from: context, edge }],
    })
}

/// What the first step of a way is called: a variable, or a property of the global object.
fn first_name<'g>(graph: &'g crate::Graph, step: &Step<'g>) -> Option<&'g str> {
    match step.edge.name {
        EdgeName::Name(name) => Some(name),
        EdgeName::Index(_) => variable_name(graph, step.from, &step.edge),
    }
}
