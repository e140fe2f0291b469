//! Graphs part by part, for tests and for readers of other runtimes.

use std::collections::HashMap;

use crate::column::{Column, Texts};
use crate::graph::{EdgeKind, Format, Graph, Location, NodeIndex, NodeKind, TextIndex};

/// Builds graphs in any order: nodes before the edges that name them, the root first.
///
/// Costs 17 bytes a node and 13 an edge until [`GraphBuilder::build`], texts once each. Readers of large
/// dumps intern names with [`GraphBuilder::text`] and pass their numbers.
///
/// ```
/// use plimsoll_heap::{EdgeKind, Format, GraphBuilder, NodeKind};
///
/// let mut builder = GraphBuilder::of_format(Format::Cpython);
/// let root = builder.node(NodeKind::Synthetic, "", 0, 0);
/// let dict = builder.text("dict");
/// let cache = builder.add_node(NodeKind::Object, dict, 0x7f00, 232);
/// builder.edge(root, EdgeKind::Property, "worker.cache", cache);
/// let graph = builder.build();
/// assert_eq!((graph.name(cache), graph.node_count()), ("dict", 2));
/// ```
#[derive(Debug, Default)]
pub struct GraphBuilder {
    format: Format,
    kinds: Vec<NodeKind>,
    names: Vec<u32>,
    ids: Column,
    self_bytes: Column,
    sources: Vec<u32>,
    edge_kinds: Vec<EdgeKind>,
    edge_names: Vec<u32>,
    edge_targets: Vec<u32>,
    texts: Texts,
    known: HashMap<String, u32>,
    values: Vec<(u32, u32)>,
    locations: Vec<(u32, Location)>,
    detached: Vec<u32>,
}

impl GraphBuilder {
    /// A builder of a graph whose types are named as those of `format`.
    pub fn of_format(format: Format) -> Self {
        Self {
            format,
            ..Self::default()
        }
    }

    /// The number of a text; equal texts share one.
    pub fn text(&mut self, text: &str) -> TextIndex {
        if let Some(known) = self.known.get(text) {
            return TextIndex(*known);
        }
        let next = self.texts.len() as u32;
        self.texts.push(text);
        self.known.insert(text.to_owned(), next);
        TextIndex(next)
    }

    /// Adds a node and tells its index; the first one is the root.
    pub fn node(&mut self, kind: NodeKind, name: &str, id: u64, self_bytes: u32) -> NodeIndex {
        let name = self.text(name);
        self.add_node(kind, name, id, u64::from(self_bytes))
    }

    /// The same with an interned name and any size.
    pub fn add_node(&mut self, kind: NodeKind, name: TextIndex, id: u64, self_bytes: u64) -> NodeIndex {
        self.kinds.push(kind);
        self.names.push(name.0);
        self.ids.push(id);
        self.self_bytes.push(self_bytes);
        NodeIndex(self.kinds.len() as u32 - 1)
    }

    /// Adds a named edge.
    pub fn edge(&mut self, from: NodeIndex, kind: EdgeKind, name: &str, to: NodeIndex) {
        let name = self.text(name);
        self.add_edge(from, kind, name, to);
    }

    /// The same with an interned name.
    pub fn add_edge(&mut self, from: NodeIndex, kind: EdgeKind, name: TextIndex, to: NodeIndex) {
        self.push_edge(from, kind, name.0, to);
    }

    /// Adds an element edge.
    pub fn element(&mut self, from: NodeIndex, index: u32, to: NodeIndex) {
        self.push_edge(from, EdgeKind::Element, index, to);
    }

    fn push_edge(&mut self, from: NodeIndex, kind: EdgeKind, name: u32, to: NodeIndex) {
        self.sources.push(from.0);
        self.edge_kinds.push(kind);
        self.edge_names.push(name);
        self.edge_targets.push(to.0);
    }

    /// Says what a node reads as, such as the text of a string, besides its name; for formats whose
    /// nodes are named after their types.
    pub fn value(&mut self, node: NodeIndex, value: &str) {
        let value = self.text(value);
        self.values.push((node.0, value.0));
    }

    /// Says where the function behind a node stands.
    pub fn location(&mut self, node: NodeIndex, location: Location) {
        self.locations.push((node.0, location));
    }

    /// Marks a node as detached from its document.
    pub fn detached(&mut self, node: NodeIndex) {
        self.detached.push(node.0);
    }

    /// The finished graph. Edges from or to nodes that were never added are left out.
    pub fn build(mut self) -> Graph {
        let nodes = self.kinds.len();
        self.values.sort_by_key(|(node, _)| *node);
        self.locations.sort_by_key(|(node, _)| *node);
        self.detached.sort_unstable();
        let order = self.edges_by_source(nodes);
        let mut first_edge = vec![0u32; nodes + 1];
        for edge in &order {
            first_edge[self.sources[*edge as usize] as usize + 1] += 1;
        }
        for at in 0..nodes {
            first_edge[at + 1] += first_edge[at];
        }
        let pick = |column: &[u32]| order.iter().map(|edge| column[*edge as usize]).collect();
        Graph {
            format: self.format,
            first_edge,
            edge_kinds: order.iter().map(|edge| self.edge_kinds[*edge as usize]).collect(),
            edge_names: pick(&self.edge_names),
            edge_targets: pick(&self.edge_targets),
            kinds: self.kinds,
            names: self.names,
            ids: self.ids,
            self_bytes: self.self_bytes,
            texts: self.texts,
            values: self.values,
            locations: self.locations,
            detached: self.detached,
            ..Graph::default()
        }
    }

    /// Edges between known nodes, those of one node in the order of their coming.
    fn edges_by_source(&self, nodes: usize) -> Vec<u32> {
        let known = |edge: &u32| {
            (self.sources[*edge as usize] as usize) < nodes
                && (self.edge_targets[*edge as usize] as usize) < nodes
        };
        let mut order: Vec<u32> = (0..self.sources.len() as u32).filter(known).collect();
        order.sort_by_key(|edge| self.sources[*edge as usize]);
        order
    }
}
