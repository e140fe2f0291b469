//! Types: what a node is called, and what all nodes of a name come to.
//!
//! Names are those of the runtime's own tools. V8's DevTools: an object by its constructor, everything
//! else by its kind in parentheses; a JVM, CPython, Ruby: the class or type. Sizes are the dump's own: DevTools besides counts the backing store of an array or map
//! to its owner, so its shallow size of `Array` is larger and that of `(array)` smaller; the sums agree.

use std::collections::HashMap;

use crate::dominators::Dominators;
use crate::graph::{Format, Graph, NodeIndex, NodeKind};

/// Number of a type within one graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeIndex(pub u32);

/// The types of a graph.
#[derive(Debug)]
pub struct Types {
    names: Vec<String>,
    /// Type by text, for nodes that are named by their text; `UNNAMED` for texts that name no type.
    by_text: Vec<u32>,
    /// The same for detached nodes.
    detached_by_text: HashMap<u32, u32>,
}

const UNNAMED: u32 = u32::MAX;
/// Set on the type of a text that detached nodes have too: asking which is slow, and they are rare.
const HAS_DETACHED: u32 = 1 << 31;

/// Kinds whose nodes all share one type; its number is the position here.
const SHARED: [(NodeKind, &str); 15] = [
    (NodeKind::Hidden, "(system)"),
    (NodeKind::Array, "(array)"),
    (NodeKind::String, "(string)"),
    (NodeKind::Code, "(compiled code)"),
    (NodeKind::Closure, "(closure)"),
    (NodeKind::RegExp, "(regexp)"),
    (NodeKind::Number, "(number)"),
    (NodeKind::Synthetic, "(synthetic)"),
    (NodeKind::ConcatenatedString, "(concatenated string)"),
    (NodeKind::SlicedString, "(sliced string)"),
    (NodeKind::Symbol, "(symbol)"),
    (NodeKind::BigInt, "(bigint)"),
    (NodeKind::ObjectShape, "(object shape)"),
    (NodeKind::WasmObject, "(wasm object)"),
    (NodeKind::Unknown, "(unknown)"),
];

/// The type of all nodes of a kind: V8's only, other runtimes name each node after its type.
/// The type of class objects of a JVM.
const CLASSES: u32 = 12;

fn shared(format: Format, kind: NodeKind) -> Option<u32> {
    match (format, kind) {
        (Format::V8, _) => {}
        // Class objects, each of which has the name of its class.
        (Format::Hprof, NodeKind::ObjectShape) => return Some(CLASSES),
        _ => return None,
    }
    Some(match kind {
        NodeKind::Object | NodeKind::Native => return None,
        NodeKind::Hidden => 0,
        NodeKind::Array => 1,
        NodeKind::String => 2,
        NodeKind::Code => 3,
        NodeKind::Closure => 4,
        NodeKind::RegExp => 5,
        NodeKind::Number => 6,
        NodeKind::Synthetic => 7,
        NodeKind::ConcatenatedString => 8,
        NodeKind::SlicedString => 9,
        NodeKind::Symbol => 10,
        NodeKind::BigInt => 11,
        NodeKind::ObjectShape => 12,
        NodeKind::WasmObject => 13,
        NodeKind::Unknown => 14,
    })
}

impl Types {
    /// Finds all types: 4 bytes a text are kept.
    pub fn of(graph: &Graph) -> Self {
        let mut this = Self {
            names: SHARED
                .iter()
                .map(|(kind, name)| match (graph.format(), kind) {
                    (Format::Hprof, NodeKind::ObjectShape) => "(class)".to_owned(),
                    _ => (*name).to_owned(),
                })
                .collect(),
            by_text: vec![UNNAMED; graph.texts.len()],
            detached_by_text: HashMap::new(),
        };
        let mut known = HashMap::new();
        for node in graph.nodes() {
            let text = graph.name_index(node).0;
            if shared(graph.format(), graph.kind(node)).is_none() && this.by_text[text as usize] == UNNAMED {
                let name = match graph.format() {
                    Format::V8 => constructor(graph.texts.get(text)).into_owned(),
                    _ => graph.texts.get(text).to_owned(),
                };
                this.by_text[text as usize] = this.known_as(&mut known, name);
            }
        }
        for text in graph
            .detached
            .iter()
            .map(|node| graph.name_index(NodeIndex(*node)).0)
        {
            if !this.detached_by_text.contains_key(&text) {
                let name = constructor(&format!("Detached {}", graph.texts.get(text))).into_owned();
                let of = this.known_as(&mut known, name);
                this.detached_by_text.insert(text, of);
                this.by_text[text as usize] |= HAS_DETACHED;
            }
        }
        this
    }

    fn known_as(&mut self, known: &mut HashMap<String, u32>, name: String) -> u32 {
        *known.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            self.names.len() as u32 - 1
        })
    }

    /// The type of a node.
    pub fn of_node(&self, graph: &Graph, node: NodeIndex) -> TypeIndex {
        let by_text = || {
            let text = graph.name_index(node).0;
            let of = self.by_text[text as usize];
            if of & HAS_DETACHED == 0 || !graph.is_detached(node) {
                return of & !HAS_DETACHED;
            }
            self.detached_by_text
                .get(&text)
                .copied()
                .unwrap_or(of & !HAS_DETACHED)
        };
        TypeIndex(shared(graph.format(), graph.kind(node)).unwrap_or_else(by_text))
    }

    /// Its name.
    pub fn name(&self, index: TypeIndex) -> &str {
        &self.names[index.0 as usize]
    }

    /// How many there are, those without nodes included.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Never: some types are there in any graph.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// Elements of a document are named with their attributes: `<div id="a">` is a `<div>`.
fn constructor(name: &str) -> std::borrow::Cow<'_, str> {
    let from = if name.starts_with("Detached <") {
        "Detached <".len()
    } else {
        0
    };
    if from == 0 && !name.starts_with('<') {
        return name.into();
    }
    match name[from..].find(' ') {
        Some(blank) => format!("{}>", &name[..from + blank]).into(),
        None => name.into(),
    }
}

/// What the nodes of one type come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeRow {
    /// Name of the type.
    pub type_name: String,
    /// How many nodes.
    pub count: u64,
    /// Their shallow sizes.
    pub self_bytes: u64,
    /// What would be freed with all of them: nodes below another of the same type count once.
    pub retained_bytes: u64,
}

/// A graph by type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Number of nodes.
    pub nodes: u32,
    /// Number of references.
    pub edges: u64,
    /// All shallow sizes.
    pub self_bytes: u64,
    /// Every type that has nodes, the largest retained size first.
    pub types: Vec<TypeRow>,
}

impl Summary {
    /// Adds up a graph by type.
    pub fn of(graph: &Graph, types: &Types, dominators: &Dominators) -> Self {
        let rows = rows_by_type(graph, types, dominators);
        Self {
            nodes: graph.node_count(),
            ..Self::of_rows(rows, graph.reference_count())
        }
    }

    /// Rows that were added up elsewhere: those that have nodes, sorted.
    pub(crate) fn of_rows(mut rows: Vec<TypeRow>, references: u64) -> Self {
        rows.retain(|row| row.count > 0);
        rows.sort_by(|a, b| {
            (b.retained_bytes, b.self_bytes, &a.type_name).cmp(&(
                a.retained_bytes,
                a.self_bytes,
                &b.type_name,
            ))
        });
        let nodes: u64 = rows.iter().map(|row| row.count).sum();
        Self {
            nodes: u32::try_from(nodes).unwrap_or(u32::MAX),
            edges: references,
            self_bytes: rows.iter().map(|row| row.self_bytes).sum(),
            types: rows,
        }
    }
}

/// Counts and shallow sizes, one row for each type, in the order of their numbers.
pub(crate) fn shallow_rows(graph: &Graph, types: &Types) -> Vec<TypeRow> {
    let row = |name: &String| TypeRow {
        type_name: name.clone(),
        count: 0,
        self_bytes: 0,
        retained_bytes: 0,
    };
    let mut rows: Vec<TypeRow> = types.names.iter().map(row).collect();
    for node in graph.nodes() {
        let row = &mut rows[types.of_node(graph, node).0 as usize];
        row.count += 1;
        row.self_bytes = row.self_bytes.saturating_add(graph.self_bytes(node));
    }
    rows
}

/// One row for each type, in the order of their numbers.
pub(crate) fn rows_by_type(graph: &Graph, types: &Types, dominators: &Dominators) -> Vec<TypeRow> {
    let mut rows = shallow_rows(graph, types);
    // In the order of a walk down the dominator tree, a node below another of its type comes before
    // the end of that one's subtree. Nodes without a size of their own (roots) stand for nothing.
    let mut covered_to = vec![0u32; rows.len()];
    for (position, (node, subtree)) in dominators.preorder().enumerate() {
        let of = types.of_node(graph, node).0 as usize;
        if position as u32 >= covered_to[of] && graph.self_bytes(node) > 0 {
            rows[of].retained_bytes += dominators.retained_bytes(node);
            covered_to[of] = position as u32 + subtree;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_lose_their_attributes() {
        for (name, expected) in [
            ("Job", "Job"),
            ("<div>", "<div>"),
            ("<div id=\"a\">", "<div>"),
            ("Detached <p class=\"é\">", "Detached <p>"),
            ("", ""),
        ] {
            assert_eq!(constructor(name), expected);
        }
    }

    #[test]
    fn shared_types_are_at_their_number() {
        for (at, (kind, _)) in SHARED.iter().enumerate() {
            assert_eq!(shared(Format::V8, *kind), Some(at as u32));
        }
    }
}
