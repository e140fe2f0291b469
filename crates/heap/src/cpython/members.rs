//! What a Python object holds as members: entries, items, attributes, variables.

use crate::{Edge, EdgeKind, EdgeName, Graph, NodeIndex};

/// Label of the references from a dict to its keys.
pub(crate) const KEY: &str = "(key)";
/// Label of the references to the attributes of an object.
pub(crate) const STORE: &str = "__dict__";

/// The dict with the attributes of an object.
pub(crate) fn store_of(graph: &Graph, node: NodeIndex) -> Option<NodeIndex> {
    graph
        .edges(node)
        .find(|edge| edge.kind == EdgeKind::Internal && edge.name == EdgeName::Name(STORE))
        .map(|edge| edge.to)
}

/// An entry of a dict, or any other member, which has no key.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Member {
    pub(crate) key: Option<NodeIndex>,
    pub(crate) value: Option<NodeIndex>,
}

/// Members of one object, its attributes left out.
pub(crate) fn members(graph: &Graph, node: NodeIndex) -> impl Iterator<Item = Member> + '_ {
    let mut edges = graph.edges(node).peekable();
    std::iter::from_fn(move || {
        loop {
            let edge = edges.next()?;
            if is_key(&edge) {
                let value = edges.next_if(|next| is_member(next)).map(|next| next.to);
                return Some(Member {
                    key: Some(edge.to),
                    value,
                });
            }
            if is_member(&edge) {
                return Some(Member {
                    key: None,
                    value: Some(edge.to),
                });
            }
        }
    })
}

fn is_key(edge: &Edge<'_>) -> bool {
    edge.kind == EdgeKind::Internal && edge.name == EdgeName::Name(KEY)
}

fn is_member(edge: &Edge<'_>) -> bool {
    matches!(
        edge.kind,
        EdgeKind::Element | EdgeKind::Property | EdgeKind::Context
    )
}

/// Members of an object that a test holds for, by key or value; those of its own dict count.
pub(crate) fn count_where(graph: &Graph, node: NodeIndex, test: impl Fn(NodeIndex) -> bool) -> u32 {
    let fresh = |member: &Member| member.key.is_some_and(&test) || member.value.is_some_and(&test);
    let own = members(graph, node).filter(|member| fresh(member)).count();
    let stored = store_of(graph, node).map_or(0, |store| {
        members(graph, store).filter(|member| fresh(member)).count()
    });
    (own + stored) as u32
}
