//! Objects of Plimsoll's own agent, which do not count.

use super::facts::Facts;
use crate::growth_anatomy::{Anatomy, is_script_of};
use crate::{EdgeKind, NodeIndex};

/// Per node: whether it hangs from a module, class, function or frame written below `folder`, and from
/// nothing of the program further down.
pub(crate) fn below_agent(anatomy: &Anatomy, facts: &Facts, folder: &str) -> Vec<bool> {
    let graph = &anatomy.graph;
    let written_in = |file: u32| is_script_of(graph.texts.get(file), folder);
    let mut below = vec![false; anatomy.order.len()];
    let has_agent = facts.modules.values().any(|(_, file)| written_in(*file));
    if !has_agent {
        return below;
    }
    let file_of = |node: u32| {
        if let Some((_, file)) = facts.modules.get(&node) {
            return Some(*file);
        }
        if !matches!(
            graph.name(NodeIndex(node)),
            "function" | "frame" | "generator" | "coroutine"
        ) && !graph.name(NodeIndex(node)).starts_with("(frame of ")
        {
            return None;
        }
        graph
            .edges(NodeIndex(node))
            .filter(|edge| edge.kind == EdgeKind::Internal)
            .take(8)
            .find_map(|edge| facts.codes.get(&edge.to.0))
            .map(|(_, file, _)| *file)
    };
    for &node in &anatomy.order {
        let above = node != 0 && below[anatomy.above(node) as usize];
        below[node as usize] = match file_of(node) {
            Some(file) => written_in(file),
            None => above,
        };
    }
    below
}
