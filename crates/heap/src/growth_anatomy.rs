//! One dump with its dominator tree and the retained sizes of what counts.

use std::collections::HashSet;

use crate::growth_weight::{is_backing, is_learnt};
use crate::{Dominators, Edge, EdgeKind, EdgeName, Graph, NodeIndex, NodeKind};

/// No node.
pub(crate) const NONE: u32 = u32::MAX;

/// A graph, its dominators, and retained sizes without code, shapes and excluded objects.
#[derive(Debug)]
pub(crate) struct Anatomy {
    pub(crate) graph: Graph,
    pub(crate) idom: Vec<u32>,
    /// Nodes, each after its dominator.
    pub(crate) order: Vec<u32>,
    /// Retained bytes that count.
    pub(crate) retained: Vec<u64>,
    /// Per node: its number in a walk down the dominator tree, and the number after its subtree.
    span: Vec<(u32, u32)>,
}

impl Anatomy {
    pub(crate) fn new(graph: Graph, dominators: Dominators, excluded_script: Option<&str>) -> Self {
        let mut span = vec![(0, 0); graph.node_count() as usize];
        for (position, (node, subtree)) in dominators.preorder().enumerate() {
            span[node.0 as usize] = (position as u32, position as u32 + subtree);
        }
        let (idom, order) = dominators.into_tree();
        let mut anatomy = Anatomy {
            graph,
            idom,
            order,
            retained: Vec::new(),
            span,
        };
        anatomy.rehang_table_strings();
        anatomy.retained = anatomy.weigh(excluded_script);
        anatomy
    }

    /// V8 lists all internalized strings below one root, as if its string table kept them; it does not
    /// (strings in it are collected like others). Those that one other node holds hang from that.
    fn rehang_table_strings(&mut self) {
        let table = self.graph.nodes().take(TABLE_SEARCHED).find(|node| {
            self.graph.kind(*node) == NodeKind::Synthetic
                && self.graph.name(*node) == "(Internalized strings)"
        });
        let Some(table) = table else { return };
        let listed: Vec<NodeIndex> = self.graph.edges(table).map(|edge| edge.to).collect();
        let mut moved = vec![false; self.order.len()];
        for string in listed {
            let hangs_high = [0, table.0].contains(&self.idom[string.0 as usize])
                || self.is_root(self.idom[string.0 as usize]);
            if let Some(holder) = self.only_holder(string, table).filter(|_| hangs_high) {
                self.idom[string.0 as usize] = holder;
                moved[string.0 as usize] = true;
            }
        }
        // Strings dominate nothing, so they may come last.
        self.order.sort_by_key(|node| moved[*node as usize]);
    }

    fn is_root(&self, node: u32) -> bool {
        self.graph.kind(NodeIndex(node)) == NodeKind::Synthetic
    }

    fn only_holder(&self, string: NodeIndex, table: NodeIndex) -> Option<u32> {
        if self.graph.kind(string) != NodeKind::String {
            return None;
        }
        let mut only = None;
        for (from, edge) in self.graph.retainers(string).take(FEW_RETAINERS) {
            let counts = from != table && holds(edge.kind) && !is_learnt(&self.graph, from);
            if counts && only.is_some_and(|known| known != from.0) {
                return None;
            }
            if counts {
                only = Some(from.0);
            }
        }
        only
    }

    fn weigh(&self, excluded_script: Option<&str>) -> Vec<u64> {
        let excluded = excluded_script.map(|script| match &self.graph.python {
            Some(facts) => crate::cpython::below_agent(self, facts, script),
            None => self.below_script(script),
        });
        let counts = |node: u32| {
            excluded.as_ref().is_none_or(|set| !set[node as usize])
                && !is_learnt(&self.graph, NodeIndex(node))
        };
        let mut retained = vec![0u64; self.order.len()];
        for &node in self.order.iter().rev() {
            if counts(node) {
                retained[node as usize] += self.graph.self_bytes(NodeIndex(node));
            }
            if node != 0 {
                retained[self.idom[node as usize] as usize] += retained[node as usize];
            }
        }
        retained
    }

    /// Nodes that only functions of one script, or their variables, keep alive.
    /// What hangs below the objects of the script, down to where the program begins: a job's promise
    /// that the agent follows leads to all of the worker.
    fn below_script(&self, script: &str) -> Vec<bool> {
        let (own, others) = script_ids(&self.graph, script);
        let mut below = vec![false; self.order.len()];
        if own.is_empty() {
            return below;
        }
        for &node in &self.order {
            let above = node != 0 && below[self.idom[node as usize] as usize];
            let node_index = NodeIndex(node);
            below[node as usize] = match above {
                true => !self.belongs(node_index, &others),
                false => self.belongs(node_index, &own),
            };
        }
        below
    }

    fn belongs(&self, node: NodeIndex, scripts: &HashSet<u32>) -> bool {
        let written_in = |at: NodeIndex| {
            self.graph
                .location(at)
                .is_some_and(|location| scripts.contains(&location.script_id))
        };
        match self.graph.kind(node) {
            NodeKind::Object if is_context(&self.graph, node) => self
                .graph
                .retainers(node)
                .take(RETAINERS_READ)
                .any(|(from, edge)| {
                    edge.name == EdgeName::Name("context")
                        && self.graph.kind(from) == NodeKind::Closure
                        && written_in(from)
                }),
            NodeKind::Closure | NodeKind::Object => written_in(node),
            _ => false,
        }
    }

    /// The nearest dominator of a node.
    pub(crate) fn above(&self, node: u32) -> u32 {
        self.idom[node as usize]
    }

    /// The object (or root of the runtime) that a backing store belongs to; any other node is its own owner.
    pub(crate) fn owner(&self, node: u32) -> u32 {
        let mut at = node;
        while at != 0 && is_backing(&self.graph, NodeIndex(at)) {
            at = self.idom[at as usize];
        }
        at
    }

    /// The dominators of a node, the nearest first, without the root.
    pub(crate) fn chain(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(Some(node), |at| (*at != 0).then(|| self.idom[*at as usize]))
            .skip(1)
            .take_while(|at| *at != 0)
    }

    /// Whether every way to `node` leads through `holder`.
    pub(crate) fn dominates(&self, holder: u32, node: u32) -> bool {
        let (from, to) = self.span[holder as usize];
        (from..to).contains(&self.span[node as usize].0)
    }

    /// The edge by which one node holds another directly, the most telling kind first.
    pub(crate) fn edge_between(&self, from: u32, to: u32) -> Option<Edge<'_>> {
        self.graph
            .retainers(NodeIndex(to))
            .take(RETAINERS_READ)
            .filter(|(source, edge)| source.0 == from && holds(edge.kind))
            .map(|(_, edge)| edge)
            .min_by_key(|edge| telling(edge.kind))
    }
}

/// Retainers of one node that are looked at: an interned string or a shared shape has millions.
pub(crate) const RETAINERS_READ: usize = 2000;

/// V8's root categories are among the first nodes of a dump.
const TABLE_SEARCHED: usize = 200;
/// A string with more retainers than this is shared.
const FEW_RETAINERS: usize = 16;

/// Whether growth follows an edge: weak and shortcut edges keep nothing alive by themselves.
pub(crate) fn holds(kind: EdgeKind) -> bool {
    kind.retains() && kind != EdgeKind::Shortcut
}

fn telling(kind: EdgeKind) -> u8 {
    match kind {
        EdgeKind::Context => 0,
        EdgeKind::Property => 1,
        EdgeKind::Element => 2,
        EdgeKind::Internal => 3,
        _ => 4,
    }
}

/// Whether a node is the table of a function's variables.
pub(crate) fn is_context(graph: &Graph, node: NodeIndex) -> bool {
    graph.kind(node) == NodeKind::Object && graph.name(node).starts_with("system / ") && {
        let name = graph.name(node);
        name.ends_with("Context") && name != "system / NativeContext"
    }
}

/// Ids of the scripts that are `path` or lie below it, and those of all other files.
fn script_ids(graph: &Graph, path: &str) -> (HashSet<u32>, HashSet<u32>) {
    let (mut own, mut others) = (HashSet::new(), HashSet::new());
    for node in graph
        .nodes()
        .filter(|node| graph.kind(*node) == NodeKind::Closure)
    {
        let Some(location) = graph.location(node) else {
            continue;
        };
        if own.contains(&location.script_id) || others.contains(&location.script_id) {
            continue;
        }
        match script_name(graph, node) {
            Some(name) if is_script_of(name, path) => own.insert(location.script_id),
            Some(name) if !name.starts_with("node:") => others.insert(location.script_id),
            _ => false,
        };
    }
    (own, others)
}

/// Whether a script is `path`, or lies in the folder `path`.
pub(crate) fn is_script_of(name: &str, path: &str) -> bool {
    strip_scheme(name)
        .strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path of a script name that is a `file:` URL.
pub(crate) fn strip_scheme(name: &str) -> &str {
    name.strip_prefix("file://").unwrap_or(name)
}

/// The script that a function was written in: closure → shared function info → script.
pub(crate) fn script_name(graph: &Graph, closure: NodeIndex) -> Option<&str> {
    let shared = graph
        .edges(closure)
        .find(|edge| edge.name == EdgeName::Name("shared"))?;
    graph
        .edges(shared.to)
        .find(|edge| matches!(edge.name, EdgeName::Name("script_or_debug_info" | "script")))
        .map(|edge| graph.name(edge.to))
        .filter(|name| !name.is_empty() && !name.starts_with("system / "))
}

/// The variable that an edge out of a context stands for. V8 names the variables of functions and
/// modules; those of blocks are hidden slots, whose names stand in the scope info in the same order.
pub(crate) fn variable_name<'g>(graph: &'g Graph, context: NodeIndex, edge: &Edge<'g>) -> Option<&'g str> {
    match (edge.kind, edge.name) {
        (EdgeKind::Context, EdgeName::Name(name)) => Some(name),
        (EdgeKind::Hidden, EdgeName::Index(slot)) => block_variable(graph, context, slot),
        _ => None,
    }
}

/// Small integers are no nodes and take no slot, so with one among them the order tells no more.
fn block_variable(graph: &Graph, context: NodeIndex, slot: u32) -> Option<&str> {
    let hidden = |node: NodeIndex| graph.edges(node).filter(|edge| edge.kind == EdgeKind::Hidden);
    let info = graph
        .edges(context)
        .find(|edge| edge.name == EdgeName::Name("scope_info"))?
        .to;
    let names: Vec<&str> = hidden(info)
        .filter(|edge| graph.kind(edge.to) == NodeKind::String)
        .map(|edge| graph.name(edge.to))
        .collect();
    let slots = hidden(context).count();
    let first = hidden(context)
        .map(|edge| edge.name)
        .position(|name| name == EdgeName::Index(slot))?;
    // As many names as slots, or a lone name, leave no doubt.
    (slots == names.len() || names.len() == 1).then(|| names.get(first).copied())?
}
