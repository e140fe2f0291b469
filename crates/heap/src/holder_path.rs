//! One retainer path for people: from the roots over the variable to one of the objects.

use crate::growth_weight::is_backing;
use crate::holder_search::{Step, Way};
use crate::{Graph, NodeIndex, describe_node, describe_step};

/// Steps shown of a long path, at either end.
const SHOWN: usize = 6;

/// The path over `way` to `sample`; stores inside objects are left out.
pub(crate) fn retainer_path(graph: &Graph, way: Option<&Way<'_>>, sample: Option<u32>) -> Vec<String> {
    let mut path = vec!["(GC roots)".to_owned()];
    let mut last = None;
    if let Some(way) = way {
        path.push("…".to_owned());
        for step in &way.steps {
            last = Some(step.edge.to);
            if !is_backing(graph, step.edge.to) {
                path.push(describe(graph, way, path.len() == 2, step));
            }
        }
    }
    if let Some(sample) = sample.map(NodeIndex).filter(|sample| last != Some(*sample)) {
        path.push(last_step(graph, last, sample));
    }
    elide(path)
}

fn describe(graph: &Graph, way: &Way<'_>, is_first: bool, step: &Step<'_>) -> String {
    match way.variable.filter(|_| is_first) {
        Some(name) => format!("{name} :: {}", describe_node(graph, step.edge.to)),
        None => describe_step(graph, step.edge),
    }
}

fn last_step(graph: &Graph, holder: Option<NodeIndex>, sample: NodeIndex) -> String {
    let retainers = || graph.retainers(sample).take(200);
    let direct = retainers().find(|(from, _)| Some(*from) == holder);
    let store = || {
        retainers().find(|(from, _)| {
            is_backing(graph, *from) && graph.retainers(*from).any(|(owner, _)| Some(owner) == holder)
        })
    };
    match direct.or_else(store) {
        Some((_, edge)) => describe_step(graph, edge),
        None => describe_node(graph, sample),
    }
}

fn elide(path: Vec<String>) -> Vec<String> {
    if path.len() <= 2 * SHOWN + 1 {
        return path;
    }
    let mut short = path[..SHOWN].to_vec();
    short.push("…".to_owned());
    short.extend_from_slice(&path[path.len() - SHOWN..]);
    short
}
