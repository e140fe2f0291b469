//! Rows of numbers into the columns of a graph, on two cores where the dump is laid out as V8 does.

use super::lines::{self, read_rows};
use super::meta::{EdgeFields, LocationFields, Meta, NodeFields};
use super::numbers::Numbers;
use super::{Fault, ParseError};
use crate::column::{Column, Texts};
use crate::detached::detached_nodes;
use crate::graph::{EdgeKind, Graph, Location, NodeKind};
use crate::retaining::BitSet;

/// The sections that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Nodes,
    Edges,
    Locations,
    Strings,
}

/// V8's values of the field `detachedness`; 0 is unknown.
const ATTACHED: u64 = 1;
const DETACHED: u64 = 2;
/// Shorter pieces are not worth a thread: it takes some 50 µs to start, and 1 MiB 1 ms to parse.
const PARALLEL_BYTES: usize = 1 << 20;

/// A graph in the making, with what must be checked when all sections are there.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    nodes: Nodes,
    edges: Edges,
    /// Rows of the second half of a piece, for reuse.
    nodes_part: Nodes,
    edges_part: Edges,
    locations: Vec<(u32, Location)>,
    seen: [bool; 2],
    /// Set when a piece in parallel was in vain, lest a hostile dump makes that a habit.
    is_sequential: bool,
}

impl Columns {
    /// Takes whole rows out of `numbers`.
    pub(crate) fn rows(&mut self, section: Section, meta: &Meta, numbers: &mut Numbers) -> Result<(), Fault> {
        let width = section.width(meta);
        let values = numbers.values();
        let whole = values.len() - values.len() % width;
        for row in values[..whole].chunks_exact(width) {
            match section {
                Section::Nodes => self.nodes.take(row, &meta.node)?,
                Section::Edges => self.edges.take(row, &meta.edge)?,
                _ => self.location(row, meta.location.as_ref(), meta.node.width as u64)?,
            }
        }
        match section {
            Section::Nodes => self.seen[0] = true,
            Section::Edges => self.seen[1] = true,
            _ => {}
        }
        numbers.forget(whole);
        Ok(())
    }

    /// Takes rows in V8's own layout from the start of `bytes`; how many bytes they are. A row that is
    /// wrong is not taken: the general way will say what is wrong with it.
    pub(crate) fn lines(&mut self, section: Section, meta: &Meta, bytes: &[u8], is_first: bool) -> usize {
        let width = section.width(meta);
        if width > lines::WIDTH_LIMIT {
            return 0;
        }
        match section {
            Section::Nodes => self.nodes.lines(
                &mut self.nodes_part,
                bytes,
                is_first,
                &meta.node,
                &mut self.is_sequential,
            ),
            Section::Edges => self.edges.lines(
                &mut self.edges_part,
                bytes,
                is_first,
                &meta.edge,
                &mut self.is_sequential,
            ),
            _ => 0,
        }
    }

    fn location(
        &mut self,
        row: &[u64],
        fields: Option<&LocationFields>,
        node_width: u64,
    ) -> Result<(), Fault> {
        let Some(fields) = fields else { return Ok(()) };
        let node = u32::try_from(row[fields.object] / node_width);
        let node = node.map_err(|_| Fault::new(0, "the offset of a node"))?;
        let part = |at: usize| u32::try_from(row[at]).unwrap_or(u32::MAX);
        let location = Location {
            script_id: part(fields.script_id),
            line: part(fields.line),
            column: part(fields.column),
        };
        self.locations.push((node, location));
        Ok(())
    }

    /// The texts that name types or say which edges hold; `None` as long as nodes or edges are missing.
    pub(crate) fn type_texts(&self) -> Option<BitSet> {
        if self.seen != [true; 2] {
            return None;
        }
        let largest = self.nodes.largest_text.max(self.edges.largest_text) as usize;
        // A claim of the dump's that it has not made good yet: no memory on its word alone.
        if largest > self.nodes.kinds.len() + self.edges.kinds.len() {
            return None;
        }
        let mut texts = BitSet::with_len(largest + 1);
        for (kind, name) in self.nodes.kinds.iter().zip(&self.nodes.names) {
            if matches!(kind, NodeKind::Object | NodeKind::Native | NodeKind::Synthetic) {
                texts.insert(*name);
            }
        }
        for (kind, name) in self.edges.kinds.iter().zip(&self.edges.names) {
            if *kind == EdgeKind::Internal {
                texts.insert(*name);
            }
        }
        Some(texts)
    }

    /// Checks that the sections agree and hands out the graph.
    pub(crate) fn into_graph(mut self, meta: &Meta, texts: Texts) -> Result<Graph, ParseError> {
        self.check(meta, texts.len())?;
        let nodes = self.nodes.kinds.len() as u32;
        self.nodes.first_edge.push(self.nodes.edges_claimed as u32);
        self.locations.retain(|(node, _)| *node < nodes);
        self.locations.sort_by_key(|(node, _)| *node);
        self.locations.dedup_by_key(|(node, _)| *node);
        let mut graph = Graph {
            kinds: self.nodes.kinds,
            names: self.nodes.names,
            ids: self.nodes.ids,
            self_bytes: self.nodes.self_bytes,
            first_edge: self.nodes.first_edge,
            edge_kinds: self.edges.kinds,
            edge_names: self.edges.names,
            edge_targets: self.edges.targets,
            texts,
            locations: self.locations,
            ..Graph::default()
        };
        graph.detached = detached_nodes(&graph, &self.nodes.attached, &self.nodes.detached);
        Ok(graph)
    }

    fn check(&self, meta: &Meta, texts: usize) -> Result<(), ParseError> {
        for (at, section) in ["nodes", "edges"].into_iter().enumerate() {
            if !self.seen[at] {
                return Err(ParseError::Missing { section });
            }
        }
        let (nodes, edges) = (self.nodes.kinds.len() as u64, self.edges.kinds.len() as u64);
        let claimed = self.nodes.edges_claimed;
        let largest_text = self.nodes.largest_text.max(self.edges.largest_text);
        let last_node = u64::from(self.edges.largest_target);
        let claims = [
            (nodes > 0, "it has no root node".to_owned()),
            (
                meta.node_count.is_none_or(|count| count == nodes),
                format!("{nodes} nodes, not as many as it says"),
            ),
            (
                meta.edge_count.is_none_or(|count| count == edges),
                format!("{edges} edges, not as many as it says"),
            ),
            (
                claimed == edges,
                format!("nodes claim {claimed} edges of {edges}"),
            ),
            (
                edges == 0 || last_node < nodes,
                "an edge leads past the last node".to_owned(),
            ),
            (
                (largest_text as usize) < texts,
                format!("string {largest_text} of {texts}"),
            ),
        ];
        match claims.into_iter().find(|(holds, _)| !holds) {
            Some((_, what)) => Err(ParseError::Contradiction { what }),
            None => Ok(()),
        }
    }
}

impl Section {
    /// Fields of a row.
    pub(crate) fn width(self, meta: &Meta) -> usize {
        match self {
            Section::Nodes => meta.node.width,
            Section::Edges => meta.edge.width,
            _ => meta.location.as_ref().map_or(1, |fields| fields.width),
        }
    }
}

/// Columns that rows go into, whole or in parts that are put together later.
trait Rows: Send {
    type Fields: Sync;
    fn width(fields: &Self::Fields) -> usize;
    fn take(&mut self, row: &[u64], fields: &Self::Fields) -> Result<(), Fault>;
    /// Forgets all rows but keeps the room for them.
    fn clear(&mut self);
    /// Adds the rows of another part; `false`, and nothing is added, if the whole would get too large.
    fn append(&mut self, other: &Self) -> bool;

    /// Takes rows from the start of `bytes`, where they allow it those of the second half by way of
    /// `part` at the same time; how many bytes they are.
    fn lines(
        &mut self,
        part: &mut Self,
        bytes: &[u8],
        is_first: bool,
        fields: &Self::Fields,
        is_sequential: &mut bool,
    ) -> usize {
        let cut = if *is_sequential || bytes.len() < PARALLEL_BYTES {
            None
        } else {
            middle(bytes)
        };
        let Some(cut) = cut else {
            return self.sequential(bytes, is_first, fields);
        };
        let (front, back) = bytes.split_at(cut);
        part.clear();
        let (taken, more) = std::thread::scope(|scope| {
            let worker = scope.spawn(|| part.sequential(back, false, fields));
            let taken = self.sequential(front, is_first, fields);
            (taken, worker.join().unwrap_or(0))
        });
        // Rows of the back count only if the front leads up to them.
        if taken == front.len() && self.append(part) {
            return taken + more;
        }
        *is_sequential = true;
        taken
    }

    fn sequential(&mut self, bytes: &[u8], is_first: bool, fields: &Self::Fields) -> usize {
        read_rows(bytes, is_first, Self::width(fields), |row| {
            self.take(row, fields).is_ok()
        })
    }
}

/// The end of a line near the middle.
fn middle(bytes: &[u8]) -> Option<usize> {
    let half = bytes.len() / 2;
    memchr::memchr(b'\n', &bytes[half..]).map(|end| half + end + 1)
}

#[derive(Debug, Default)]
struct Nodes {
    kinds: Vec<NodeKind>,
    names: Vec<u32>,
    ids: Column,
    self_bytes: Column,
    first_edge: Vec<u32>,
    attached: Vec<u32>,
    detached: Vec<u32>,
    edges_claimed: u64,
    largest_text: u32,
}

impl Rows for Nodes {
    type Fields = NodeFields;

    fn width(fields: &NodeFields) -> usize {
        fields.width
    }

    #[inline]
    fn take(&mut self, row: &[u64], fields: &NodeFields) -> Result<(), Fault> {
        let Some(kind) = fields.kinds.get(row[fields.kind] as usize) else {
            return Err(Fault::new(0, "a node type that `snapshot.meta` names"));
        };
        if self.kinds.len() == u32::MAX as usize {
            return Err(Fault::new(0, "fewer than 2^32 nodes"));
        }
        let name = u32::try_from(row[fields.name]).map_err(|_| Fault::new(0, "the number of a string"))?;
        let edges_claimed = self.edges_claimed.saturating_add(row[fields.edge_count]);
        if edges_claimed > u64::from(u32::MAX) {
            return Err(Fault::new(0, "fewer than 2^32 edges"));
        }
        match fields.detachedness.map(|at| row[at]) {
            Some(ATTACHED) => self.attached.push(self.kinds.len() as u32),
            Some(DETACHED) => self.detached.push(self.kinds.len() as u32),
            _ => {}
        }
        self.largest_text = self.largest_text.max(name);
        self.first_edge.push(self.edges_claimed as u32);
        self.edges_claimed = edges_claimed;
        self.kinds.push(*kind);
        self.names.push(name);
        self.ids.push(row[fields.id]);
        self.self_bytes.push(row[fields.self_size]);
        Ok(())
    }

    fn clear(&mut self) {
        self.kinds.clear();
        self.names.clear();
        self.ids.clear();
        self.self_bytes.clear();
        self.first_edge.clear();
        self.attached.clear();
        self.detached.clear();
        self.edges_claimed = 0;
    }

    fn append(&mut self, other: &Self) -> bool {
        let nodes = self.kinds.len() as u32;
        let claimed = self.edges_claimed + other.edges_claimed;
        if claimed > u64::from(u32::MAX) || self.kinds.len() + other.kinds.len() > u32::MAX as usize {
            return false;
        }
        let edges = self.edges_claimed as u32;
        self.first_edge
            .extend(other.first_edge.iter().map(|first| edges + first));
        self.attached
            .extend(other.attached.iter().map(|node| nodes + node));
        self.detached
            .extend(other.detached.iter().map(|node| nodes + node));
        self.kinds.extend_from_slice(&other.kinds);
        self.names.extend_from_slice(&other.names);
        self.ids.append(&other.ids);
        self.self_bytes.append(&other.self_bytes);
        self.edges_claimed = claimed;
        self.largest_text = self.largest_text.max(other.largest_text);
        true
    }
}

#[derive(Debug, Default)]
struct Edges {
    kinds: Vec<EdgeKind>,
    names: Vec<u32>,
    targets: Vec<u32>,
    largest_target: u32,
    largest_text: u32,
}

impl Rows for Edges {
    type Fields = EdgeFields;

    fn width(fields: &EdgeFields) -> usize {
        fields.width
    }

    #[inline]
    fn take(&mut self, row: &[u64], fields: &EdgeFields) -> Result<(), Fault> {
        let Some(kind) = fields.kinds.get(row[fields.kind] as usize) else {
            return Err(Fault::new(0, "an edge type that `snapshot.meta` names"));
        };
        let name = u32::try_from(row[fields.name]).map_err(|_| Fault::new(0, "an edge name below 2^32"))?;
        let to = fields
            .node_at(row[fields.to])
            .ok_or_else(|| Fault::new(0, "the offset of a node"))?;
        self.largest_target = self.largest_target.max(to);
        self.largest_text = self.largest_text.max(if kind.is_indexed() { 0 } else { name });
        self.kinds.push(*kind);
        self.names.push(name);
        self.targets.push(to);
        Ok(())
    }

    fn clear(&mut self) {
        self.kinds.clear();
        self.names.clear();
        self.targets.clear();
    }

    fn append(&mut self, other: &Self) -> bool {
        self.kinds.extend_from_slice(&other.kinds);
        self.names.extend_from_slice(&other.names);
        self.targets.extend_from_slice(&other.targets);
        self.largest_target = self.largest_target.max(other.largest_target);
        self.largest_text = self.largest_text.max(other.largest_text);
        true
    }
}
