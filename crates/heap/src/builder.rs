//! Graphs by hand, for tests and for readers of runtimes whose dumps are small.

use std::collections::HashMap;

use crate::column::Texts;
use crate::graph::{EdgeKind, Graph, Location, NodeIndex, NodeKind};

/// Builds small graphs by hand, for tests and for readers of other runtimes.
#[derive(Debug, Default)]
pub struct GraphBuilder {
    nodes: Vec<(NodeKind, String, u64, u32)>,
    edges: Vec<Vec<(EdgeKind, BuilderName, NodeIndex)>>,
    locations: Vec<(u32, Location)>,
    detached: Vec<u32>,
}

#[derive(Debug)]
enum BuilderName {
    Name(String),
    Index(u32),
}

impl GraphBuilder {
    /// Adds a node and tells its index; the first one is the root.
    pub fn node(&mut self, kind: NodeKind, name: &str, id: u64, self_bytes: u32) -> NodeIndex {
        self.nodes.push((kind, name.to_owned(), id, self_bytes));
        self.edges.push(Vec::new());
        NodeIndex(self.nodes.len() as u32 - 1)
    }

    /// Adds a named edge.
    pub fn edge(&mut self, from: NodeIndex, kind: EdgeKind, name: &str, to: NodeIndex) {
        self.edges[from.0 as usize].push((kind, BuilderName::Name(name.to_owned()), to));
    }

    /// Adds an element edge.
    pub fn element(&mut self, from: NodeIndex, index: u32, to: NodeIndex) {
        self.edges[from.0 as usize].push((EdgeKind::Element, BuilderName::Index(index), to));
    }

    /// Says where the function behind a node stands.
    pub fn location(&mut self, node: NodeIndex, location: Location) {
        self.locations.push((node.0, location));
    }

    /// Marks a node as detached from its document.
    pub fn detached(&mut self, node: NodeIndex) {
        self.detached.push(node.0);
    }

    /// The finished graph.
    pub fn build(mut self) -> Graph {
        let mut graph = Graph::default();
        let mut known = HashMap::new();
        let mut intern = |texts: &mut Texts, text: String| {
            let next = texts.len() as u32;
            *known.entry(text).or_insert_with_key(|text| {
                texts.push(text);
                next
            })
        };
        for (kind, name, id, self_bytes) in self.nodes {
            graph.kinds.push(kind);
            graph.names.push(intern(&mut graph.texts, name));
            graph.ids.push(id);
            graph.self_bytes.push(u64::from(self_bytes));
        }
        graph.first_edge.push(0);
        for edges in self.edges {
            for (kind, name, to) in edges {
                graph.edge_kinds.push(kind);
                graph.edge_names.push(match name {
                    BuilderName::Name(text) => intern(&mut graph.texts, text),
                    BuilderName::Index(index) => index,
                });
                graph.edge_targets.push(to.0);
            }
            graph.first_edge.push(graph.edge_targets.len() as u32);
        }
        self.locations.sort_by_key(|(node, _)| *node);
        graph.locations = self.locations;
        self.detached.sort_unstable();
        graph.detached = self.detached;
        graph
    }
}
