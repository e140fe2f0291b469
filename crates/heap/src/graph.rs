//! The heap graph in columns: nodes and edges as flat arrays, strings once.

/// Index of a node; 0 is the synthetic root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeIndex(pub u32);

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

/// A heap graph. Node 0 is the root. Immutable once built.
#[derive(Debug, Default)]
pub struct Graph {
    kinds: Vec<NodeKind>,
    names: Vec<u32>,
    ids: Vec<u64>,
    self_bytes: Vec<u32>,
    first_edge: Vec<u32>,
    edge_kinds: Vec<EdgeKind>,
    edge_names: Vec<u32>,
    edge_targets: Vec<u32>,
    strings: Vec<Box<str>>,
    locations: Vec<(u32, Location)>,
}

impl Graph {
    /// Number of nodes.
    pub fn node_count(&self) -> u32 {
        self.kinds.len() as u32
    }

    /// Number of edges.
    pub fn edge_count(&self) -> u32 {
        self.edge_targets.len() as u32
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
        &self.strings[self.names[node.0 as usize] as usize]
    }

    /// Identity over dumps of one process.
    pub fn id(&self, node: NodeIndex) -> u64 {
        self.ids[node.0 as usize]
    }

    /// Shallow size in bytes.
    pub fn self_bytes(&self, node: NodeIndex) -> u64 {
        u64::from(self.self_bytes[node.0 as usize])
    }

    /// References out of a node, in the order of the dump.
    pub fn edges(&self, node: NodeIndex) -> impl Iterator<Item = Edge<'_>> {
        let at = node.0 as usize;
        (self.first_edge[at] as usize..self.first_edge[at + 1] as usize).map(|edge| Edge {
            kind: self.edge_kinds[edge],
            name: match self.edge_kinds[edge] {
                EdgeKind::Element | EdgeKind::Hidden => EdgeName::Index(self.edge_names[edge]),
                _ => EdgeName::Name(&self.strings[self.edge_names[edge] as usize]),
            },
            to: NodeIndex(self.edge_targets[edge]),
        })
    }

    /// Where the function behind a node stands, if the dump says so.
    pub fn location(&self, node: NodeIndex) -> Option<Location> {
        let at = self.locations.binary_search_by_key(&node.0, |(index, _)| *index).ok()?;
        Some(self.locations[at].1)
    }
}

/// Builds small graphs by hand, for tests and for readers of other runtimes.
#[derive(Debug, Default)]
pub struct GraphBuilder {
    nodes: Vec<(NodeKind, String, u64, u32)>,
    edges: Vec<Vec<(EdgeKind, BuilderName, NodeIndex)>>,
    locations: Vec<(u32, Location)>,
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

    /// The finished graph.
    pub fn build(mut self) -> Graph {
        let mut graph = Graph::default();
        let mut known = std::collections::HashMap::new();
        let mut intern = |strings: &mut Vec<Box<str>>, text: String| {
            *known.entry(text.clone()).or_insert_with(|| {
                strings.push(text.into_boxed_str());
                strings.len() as u32 - 1
            })
        };
        for (kind, name, id, self_bytes) in self.nodes {
            graph.kinds.push(kind);
            graph.names.push(intern(&mut graph.strings, name));
            graph.ids.push(id);
            graph.self_bytes.push(self_bytes);
        }
        graph.first_edge.push(0);
        for edges in self.edges {
            for (kind, name, to) in edges {
                graph.edge_kinds.push(kind);
                graph.edge_names.push(match name {
                    BuilderName::Name(text) => intern(&mut graph.strings, text),
                    BuilderName::Index(index) => index,
                });
                graph.edge_targets.push(to.0);
            }
            graph.first_edge.push(graph.edge_targets.len() as u32);
        }
        self.locations.sort_by_key(|(node, _)| *node);
        graph.locations = self.locations;
        graph
    }
}
