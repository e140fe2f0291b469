//! What piled up: its types, its functions, and the variables of its own that name it.

use std::collections::{BTreeMap, HashSet};

use crate::growth::FunctionSite;
use crate::growth_anatomy::{Anatomy, holds, is_context};
use crate::growth_weight::is_backing;
use crate::holder_place::Places;
use crate::holder_script::{Origin, Scripts};
use crate::{EdgeKind, Graph, NodeIndex, NodeKind};

/// Objects looked at below one sample.
const NODES_PER_SAMPLE: usize = 300;
/// Functions named in a report.
const FUNCTIONS: usize = 8;

/// What piled up, by its samples.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pile {
    /// The direct members that were looked at.
    pub(crate) samples: Vec<u32>,
    /// Everything looked at, the samples and what hangs from them, with the steps in between.
    pub(crate) nodes: Vec<(u32, u32)>,
    /// Type of the direct members, or of the most telling object below them.
    pub(crate) type_name: String,
    /// Functions of the program, those nearest to the samples first.
    pub(crate) functions: Vec<FunctionSite>,
    /// A variable of the program inside the pile: its context and the object that it holds.
    pub(crate) way: Option<(u32, u32)>,
}

impl Pile {
    pub(crate) fn of(anatomy: &Anatomy, scripts: &Scripts<'_>, places: &Places<'_>, samples: &[u32]) -> Self {
        let mut pile = Pile {
            samples: samples.to_vec(),
            ..Pile::default()
        };
        for sample in samples {
            pile.nodes.extend(below(anatomy, *sample));
        }
        pile.type_name = pile.name_type(anatomy);
        pile.functions = pile.find_functions(anatomy, scripts, places);
        pile.way = pile.find_variable(anatomy, scripts);
        pile
    }

    fn name_type(&self, anatomy: &Anatomy) -> String {
        let graph = &anatomy.graph;
        let of_runtime = self
            .samples
            .iter()
            .any(|node| is_of_runtime(graph, NodeIndex(*node)));
        let all: Vec<u32> = self.nodes.iter().map(|(node, _)| *node).collect();
        let candidates = if of_runtime { &all } else { &self.samples };
        let mut sums: BTreeMap<(u8, String), u64> = BTreeMap::new();
        for node in candidates {
            let index = NodeIndex(*node);
            let weight = if of_runtime {
                anatomy.retained[*node as usize]
            } else {
                1
            };
            *sums
                .entry((telling(graph, index), type_of(graph, index)))
                .or_default() += weight;
        }
        let best = sums
            .into_iter()
            .max_by_key(|((telling, _), sum)| (*telling, *sum));
        best.map_or_else(|| "(unknown)".to_owned(), |((_, name), _)| name)
    }

    fn find_functions(
        &self,
        anatomy: &Anatomy,
        scripts: &Scripts<'_>,
        places: &Places<'_>,
    ) -> Vec<FunctionSite> {
        let graph = &anatomy.graph;
        // By how far they are from what piled up: the listener itself comes before what it calls.
        let mut nearest: BTreeMap<(Origin, FunctionSite), (u32, u32)> = BTreeMap::new();
        for (node, steps) in self.nodes.iter().map(|(node, steps)| (NodeIndex(*node), *steps)) {
            if graph.kind(node) != NodeKind::Closure {
                continue;
            }
            let Some(site) = scripts.site(node) else { continue };
            let origin = scripts.origin(site.script);
            if origin != Origin::Runtime
                && let Some(source) = places.position(site)
            {
                let function = FunctionSite {
                    name: graph.name(node).to_owned(),
                    source,
                };
                let entry = nearest.entry((origin, function)).or_insert((steps, 0));
                *entry = (entry.0.min(steps), entry.1 + 1);
            }
        }
        let mut functions: Vec<_> = nearest.into_iter().collect();
        functions.sort_by_key(|((origin, _), (steps, count))| (*origin, *steps, std::cmp::Reverse(*count)));
        functions
            .into_iter()
            .take(FUNCTIONS)
            .map(|((_, function), _)| function)
            .collect()
    }

    /// The variable of the program, among those in the pile, that holds most.
    fn find_variable(&self, anatomy: &Anatomy, scripts: &Scripts<'_>) -> Option<(u32, u32)> {
        let graph = &anatomy.graph;
        let inside: HashSet<u32> = self.nodes.iter().map(|(node, _)| *node).collect();
        let contexts = self
            .nodes
            .iter()
            .map(|(node, _)| NodeIndex(*node))
            .filter(|node| is_context(graph, *node));
        let own = contexts.filter(|context| scripts.origin_of_context(*context) == Origin::Application);
        let held = own.flat_map(|context| {
            let edges = graph.edges(context).filter(|edge| edge.kind == EdgeKind::Context);
            edges.map(move |edge| (context.0, edge.to)).collect::<Vec<_>>()
        });
        held.filter(|(_, to)| inside.contains(&to.0) && graph.kind(*to) == NodeKind::Object)
            .max_by_key(|(_, to)| anatomy.retained[to.0 as usize])
            .map(|(context, to)| (context, to.0))
    }
}

/// A node and what hangs from it in the dominator tree, near it.
fn below(anatomy: &Anatomy, sample: u32) -> Vec<(u32, u32)> {
    let mut nodes = vec![(sample, 0)];
    let mut known: HashSet<u32> = HashSet::from([sample]);
    let mut at = 0;
    while at < nodes.len() && nodes.len() < NODES_PER_SAMPLE {
        let (from, steps) = nodes[at];
        for edge in anatomy
            .graph
            .edges(NodeIndex(from))
            .filter(|edge| holds(edge.kind))
        {
            let to = edge.to.0;
            if known.contains(&anatomy.above(to)) && known.insert(to) {
                nodes.push((to, steps + 1));
            }
        }
        at += 1;
    }
    nodes
}

/// How much a type says: objects of classes more than plain ones, those more than texts.
fn telling(graph: &Graph, node: NodeIndex) -> u8 {
    match graph.kind(node) {
        NodeKind::Object if is_context(graph, node) => 2,
        NodeKind::Object if graph.name(node) == "Object" || graph.name(node) == "Array" => 2,
        NodeKind::Object if is_of_runtime(graph, node) => 3,
        NodeKind::Object => 4,
        NodeKind::Closure => 3,
        NodeKind::Native => 2,
        NodeKind::Hidden if !is_backing(graph, node) => 2,
        NodeKind::String | NodeKind::ConcatenatedString | NodeKind::SlicedString => 1,
        _ => 0,
    }
}

/// A native object of the embedder, or the JavaScript object around one.
fn is_of_runtime(graph: &Graph, node: NodeIndex) -> bool {
    matches!(graph.kind(node), NodeKind::Synthetic | NodeKind::Native)
        || graph
            .edges(node)
            .any(|edge| edge.name == crate::EdgeName::Name("javascript_to_native"))
}

/// The type of a node, as reports name it.
pub(crate) fn type_of(graph: &Graph, node: NodeIndex) -> String {
    match graph.kind(node) {
        NodeKind::Closure => "(closure)".to_owned(),
        NodeKind::String | NodeKind::ConcatenatedString | NodeKind::SlicedString => "(string)".to_owned(),
        NodeKind::Array => "(array)".to_owned(),
        NodeKind::Symbol => "(symbol)".to_owned(),
        NodeKind::Number => "(number)".to_owned(),
        _ if is_context(graph, node) => "(closure variables)".to_owned(),
        _ => graph
            .name(node)
            .trim_start_matches("system / ")
            .trim_start_matches("Node / ")
            .to_owned(),
    }
}
