//! The heap graph in columns: nodes and edges as flat arrays, strings once.
//!
//! Invariants: node 0 is the root; every edge target is a node; every name is a known text. Readers
//! check them before they hand a graph out, so that accessors never fail on the input's account.

use std::sync::OnceLock;

use crate::column::{Column, Texts};
use crate::incoming::Incoming;

/// Index of a node; 0 is the synthetic root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeIndex(pub u32);

/// Index of an edge in the order of the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EdgeIndex(pub u32);

/// Number of a text in the graph: equal texts of one dump mostly share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextIndex(pub u32);

/// What a node is, over all runtimes. V8's names where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // V8's own words: `node_types` in the dump's meta section
pub enum NodeKind {
    Hidden,
    Array,
    String,
    Object,
    Code,
    Closure,
    RegExp,
    Number,
    Native,
    Synthetic,
    ConcatenatedString,
    SlicedString,
    Symbol,
    BigInt,
    ObjectShape,
    WasmObject,
    Unknown,
}

/// How a reference is held. V8's names: `edge_types` in the dump's meta section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EdgeKind {
    /// A variable in a function context.
    Context,
    /// An array element.
    Element,
    /// A named property.
    Property,
    /// A field of the runtime's own.
    Internal,
    /// A field that the runtime's tools hide.
    Hidden,
    /// A convenience link that keeps nothing alive by itself (V8 shortcut).
    Shortcut,
    /// Keeps nothing alive.
    Weak,
}

impl EdgeKind {
    /// Whether such an edge keeps its target alive.
    pub fn retains(self) -> bool {
        !matches!(self, EdgeKind::Weak)
    }

    /// Whether edges of this kind are labelled by a number.
    pub fn is_indexed(self) -> bool {
        matches!(self, EdgeKind::Element | EdgeKind::Hidden)
    }
}

/// The label of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EdgeName<'a> {
    /// Variable, property or internal field.
    Name(&'a str),
    /// Index of an element or hidden slot.
    Index(u32),
}

/// A reference from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge<'a> {
    /// How it is held.
    pub kind: EdgeKind,
    /// Its label.
    pub name: EdgeName<'a>,
    /// The node it points to.
    pub to: NodeIndex,
}

/// Where a function (or the constructor of an object) stands in its script; zero-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Location {
    /// Script id of the runtime.
    pub script_id: u32,
    /// Line, from 0.
    pub line: u32,
    /// Column, from 0.
    pub column: u32,
}

/// The runtime whose dump a graph comes from. It decides how types are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// V8 heap snapshots: the kind of a node names the type of all but objects.
    #[default]
    V8,
    /// HPROF dumps of a JVM: nodes are named after their class.
    Hprof,
    /// Pictures of a CPython process: nodes are named after their type.
    Cpython,
    /// Ruby's `ObjectSpace` dumps: nodes are named after their class.
    Ruby,
}

impl Format {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Format::V8 => "v8",
            Format::Hprof => "hprof",
            Format::Cpython => "cpython",
            Format::Ruby => "ruby",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Format::V8 => "V8 heap snapshot",
            Format::Hprof => "JVM heap dump",
            Format::Cpython => "CPython heap picture",
            Format::Ruby => "Ruby heap dump",
        }
    }
}

/// A heap graph. Node 0 is the root. Immutable once built.
#[derive(Debug, Default)]
pub struct Graph {
    pub(crate) format: Format,
    pub(crate) kinds: Vec<NodeKind>,
    pub(crate) names: Vec<u32>,
    pub(crate) ids: Column,
    pub(crate) self_bytes: Column,
    /// Edges of node `n` are `first_edge[n]..first_edge[n + 1]`.
    pub(crate) first_edge: Vec<u32>,
    pub(crate) edge_kinds: Vec<EdgeKind>,
    pub(crate) edge_names: Vec<u32>,
    pub(crate) edge_targets: Vec<u32>,
    /// Weak references that the reader left out, as they hold nothing.
    pub(crate) left_out: u32,
    pub(crate) texts: Texts,
    /// Texts that nodes read as, where that is not their name; sorted by node.
    pub(crate) values: Vec<(u32, u32)>,
    /// Sorted by node.
    pub(crate) locations: Vec<(u32, Location)>,
    /// Nodes that the runtime says are detached from its document; sorted.
    pub(crate) detached: Vec<u32>,
    pub(crate) incoming: OnceLock<Incoming>,
    /// Of a picture of CPython: modules, classes, code, and what was lost.
    pub(crate) python: Option<Box<crate::cpython::Facts>>,
}

impl Graph {
    /// The root of every graph that has nodes.
    pub const ROOT: NodeIndex = NodeIndex(0);

    /// The runtime that it comes from.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Number of nodes.
    pub fn node_count(&self) -> u32 {
        self.kinds.len() as u32
    }

    /// Number of edges.
    pub fn edge_count(&self) -> u32 {
        self.edge_targets.len() as u32
    }

    /// References that the dump has: edges, and weak ones that the reader left out.
    pub fn reference_count(&self) -> u64 {
        u64::from(self.edge_count()) + u64::from(self.left_out)
    }

    /// All nodes, the root first.
    pub fn nodes(&self) -> impl Iterator<Item = NodeIndex> + use<> {
        (0..self.node_count()).map(NodeIndex)
    }

    /// What a node is.
    pub fn kind(&self, node: NodeIndex) -> NodeKind {
        self.kinds[node.0 as usize]
    }

    /// The runtime's name of a node: constructor, function name, text of a string.
    pub fn name(&self, node: NodeIndex) -> &str {
        self.texts.get(self.names[node.0 as usize])
    }

    /// What a node reads as besides its name, if the reader kept it: the text of a string in formats
    /// whose nodes are named after their types.
    pub fn value(&self, node: NodeIndex) -> Option<&str> {
        let at = self
            .values
            .binary_search_by_key(&node.0, |(node, _)| *node)
            .ok()?;
        Some(self.texts.get(self.values[at].1))
    }

    /// The number of a node's name, to compare or count names without touching their text.
    pub fn name_index(&self, node: NodeIndex) -> TextIndex {
        TextIndex(self.names[node.0 as usize])
    }

    /// The text behind a number.
    pub fn text(&self, index: TextIndex) -> &str {
        self.texts.get(index.0)
    }

    /// How many texts there are; their numbers are below it.
    pub fn text_count(&self) -> u32 {
        self.texts.len() as u32
    }

    /// Identity over dumps of one process.
    pub fn id(&self, node: NodeIndex) -> u64 {
        self.ids.get(node.0)
    }

    /// Shallow size in bytes.
    pub fn self_bytes(&self, node: NodeIndex) -> u64 {
        self.self_bytes.get(node.0)
    }

    /// References out of a node, in the order of the dump.
    pub fn edges(&self, node: NodeIndex) -> impl ExactSizeIterator<Item = Edge<'_>> {
        self.edge_range(node).map(|edge| self.edge(EdgeIndex(edge)))
    }

    /// Indices of the references out of a node: consecutive numbers, the first of them included.
    pub fn edge_range(&self, node: NodeIndex) -> std::ops::Range<u32> {
        let at = node.0 as usize;
        self.first_edge[at]..self.first_edge[at + 1]
    }

    /// One reference.
    pub fn edge(&self, edge: EdgeIndex) -> Edge<'_> {
        let at = edge.0 as usize;
        let to = NodeIndex(self.edge_targets[at]);
        let Some(kind) = self.edge_kinds.get(at).copied() else {
            return Edge {
                kind: EdgeKind::Hidden,
                name: EdgeName::Index(0),
                to,
            };
        };
        let name = self.edge_names[at];
        Edge {
            kind,
            name: if kind.is_indexed() {
                EdgeName::Index(name)
            } else {
                EdgeName::Name(self.texts.get(name))
            },
            to,
        }
    }

    /// Forgets what edges are and how they are called, 5 bytes an edge, for questions about nodes
    /// alone: from now on each reads as hidden slot 0. Sort out [`crate::RetainingEdges`] before.
    pub fn forget_labels(&mut self) {
        self.edge_kinds = Vec::new();
        self.edge_names = Vec::new();
    }

    /// The node that a reference belongs to.
    pub fn edge_source(&self, edge: EdgeIndex) -> NodeIndex {
        NodeIndex(self.first_edge.partition_point(|first| *first <= edge.0) as u32 - 1)
    }

    /// References into a node with the nodes that hold them, in the order of the dump. The first
    /// call builds the reverse adjacency of the whole graph (4 bytes an edge and a node).
    pub fn retainers(&self, node: NodeIndex) -> impl ExactSizeIterator<Item = (NodeIndex, Edge<'_>)> {
        self.incoming_edges(node).iter().map(|edge| {
            let edge = EdgeIndex(*edge);
            (self.edge_source(edge), self.edge(edge))
        })
    }

    /// Indices of the references into a node; costs as [`Graph::retainers`].
    pub fn incoming_edges(&self, node: NodeIndex) -> &[u32] {
        self.incoming
            .get_or_init(|| Incoming::of(self.kinds.len(), &self.edge_targets))
            .edges_into(node.0)
    }

    /// Where the function behind a node stands, if the dump says so.
    pub fn location(&self, node: NodeIndex) -> Option<Location> {
        let at = self
            .locations
            .binary_search_by_key(&node.0, |(index, _)| *index)
            .ok()?;
        Some(self.locations[at].1)
    }

    /// Whether the runtime says that this node is detached from its document.
    pub fn is_detached(&self, node: NodeIndex) -> bool {
        !self.detached.is_empty() && self.detached.binary_search(&node.0).is_ok()
    }
}
