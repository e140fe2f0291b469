//! Which edges keep their target alive, as the runtime's own tools see it.

use crate::graph::{EdgeKind, Graph};

/// Decides edge by edge. V8's rules, as its DevTools apply them: weak edges never count; shortcut
/// edges only out of the root, where they mark the global objects.
#[derive(Debug)]
pub(crate) struct Retaining {}

impl Retaining {
    pub(crate) fn of(_graph: &Graph) -> Self {
        Self {}
    }

    pub(crate) fn counts(&self, graph: &Graph, from: u32, edge: u32) -> bool {
        match graph.edge_kinds[edge as usize] {
            EdgeKind::Weak => false,
            EdgeKind::Shortcut => from == 0,
            _ => true,
        }
    }
}
