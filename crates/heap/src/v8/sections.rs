//! Rows of numbers into the columns of a graph.

use super::meta::{LocationFields, Meta};
use super::numbers::Numbers;
use super::{Fault, ParseError};
use crate::column::Texts;
use crate::detached::detached_nodes;
use crate::graph::{Graph, Location};

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

/// A graph in the making, with what must be checked when all sections are there.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    graph: Graph,
    attached: Vec<u32>,
    detached: Vec<u32>,
    seen: [bool; 2],
    edges_claimed: u64,
    largest_target: u32,
    largest_text: u32,
}

impl Columns {
    /// Takes whole rows out of `numbers`.
    pub(crate) fn rows(&mut self, section: Section, meta: &Meta, numbers: &mut Numbers) -> Result<(), Fault> {
        let width = match section {
            Section::Nodes => meta.node.width,
            Section::Edges => meta.edge.width,
            _ => meta.location.as_ref().map_or(1, |fields| fields.width),
        };
        let values = numbers.values();
        let whole = values.len() - values.len() % width;
        let rows = values[..whole].chunks_exact(width);
        match section {
            Section::Nodes => self.nodes(rows, meta)?,
            Section::Edges => self.edges(rows, meta)?,
            _ => self.locations(rows, meta.location.as_ref(), meta.node.width as u64)?,
        }
        numbers.forget(whole);
        Ok(())
    }

    fn nodes<'a>(&mut self, rows: impl Iterator<Item = &'a [u64]>, meta: &Meta) -> Result<(), Fault> {
        let fields = &meta.node;
        self.seen[0] = true;
        let graph = &mut self.graph;
        for row in rows {
            let Some(kind) = fields.kinds.get(row[fields.kind] as usize) else {
                return Err(Fault::new(0, "a node type that `snapshot.meta` names"));
            };
            if graph.kinds.len() == u32::MAX as usize {
                return Err(Fault::new(0, "fewer than 2^32 nodes"));
            }
            let name =
                u32::try_from(row[fields.name]).map_err(|_| Fault::new(0, "the number of a string"))?;
            self.largest_text = self.largest_text.max(name);
            match fields.detachedness.map(|at| row[at]) {
                Some(ATTACHED) => self.attached.push(graph.kinds.len() as u32),
                Some(DETACHED) => self.detached.push(graph.kinds.len() as u32),
                _ => {}
            }
            graph.first_edge.push(self.edges_claimed as u32);
            self.edges_claimed = self.edges_claimed.saturating_add(row[fields.edge_count]);
            if self.edges_claimed > u64::from(u32::MAX) {
                return Err(Fault::new(0, "fewer than 2^32 edges"));
            }
            graph.kinds.push(*kind);
            graph.names.push(name);
            graph.ids.push(row[fields.id]);
            graph.self_bytes.push(row[fields.self_size]);
        }
        Ok(())
    }

    fn edges<'a>(&mut self, rows: impl Iterator<Item = &'a [u64]>, meta: &Meta) -> Result<(), Fault> {
        let fields = &meta.edge;
        let node_width = meta.node.width as u64;
        self.seen[1] = true;
        let graph = &mut self.graph;
        for row in rows {
            let Some(kind) = fields.kinds.get(row[fields.kind] as usize) else {
                return Err(Fault::new(0, "an edge type that `snapshot.meta` names"));
            };
            let name =
                u32::try_from(row[fields.name]).map_err(|_| Fault::new(0, "an edge name below 2^32"))?;
            let (to, odd) = (row[fields.to] / node_width, row[fields.to] % node_width);
            let to = u32::try_from(to).ok().filter(|_| odd == 0);
            let to = to.ok_or_else(|| Fault::new(0, "the offset of a node"))?;
            self.largest_target = self.largest_target.max(to);
            if !kind.is_indexed() {
                self.largest_text = self.largest_text.max(name);
            }
            graph.edge_kinds.push(*kind);
            graph.edge_names.push(name);
            graph.edge_targets.push(to);
        }
        Ok(())
    }

    fn locations<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a [u64]>,
        fields: Option<&LocationFields>,
        node_width: u64,
    ) -> Result<(), Fault> {
        let Some(fields) = fields else { return Ok(()) };
        for row in rows {
            let node = u32::try_from(row[fields.object] / node_width);
            let node = node.map_err(|_| Fault::new(0, "the offset of a node"))?;
            let part = |at: usize| u32::try_from(row[at]).unwrap_or(u32::MAX);
            let location = Location {
                script_id: part(fields.script_id),
                line: part(fields.line),
                column: part(fields.column),
            };
            self.graph.locations.push((node, location));
        }
        Ok(())
    }

    /// Checks that the sections agree and hands out the graph.
    pub(crate) fn into_graph(mut self, meta: &Meta, texts: Texts) -> Result<Graph, ParseError> {
        self.graph.texts = texts;
        self.check(meta)?;
        let graph = &mut self.graph;
        graph.first_edge.push(self.edges_claimed as u32);
        let nodes = graph.kinds.len() as u32;
        graph.locations.retain(|(node, _)| *node < nodes);
        graph.locations.sort_by_key(|(node, _)| *node);
        graph.locations.dedup_by_key(|(node, _)| *node);
        graph.detached = detached_nodes(graph, &self.attached, &self.detached);
        Ok(self.graph)
    }

    fn check(&self, meta: &Meta) -> Result<(), ParseError> {
        let graph = &self.graph;
        for (at, section) in ["nodes", "edges"].into_iter().enumerate() {
            if !self.seen[at] {
                return Err(ParseError::Missing { section });
            }
        }
        let (nodes, edges) = (graph.kinds.len() as u64, graph.edge_kinds.len() as u64);
        let has_edges = edges > 0;
        let has_names = nodes > 0 || has_edges;
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
                self.edges_claimed == edges,
                format!("nodes claim {} edges of {edges}", self.edges_claimed),
            ),
            (
                !has_edges || u64::from(self.largest_target) < nodes,
                "an edge leads past the last node".to_owned(),
            ),
            (
                !has_names || (self.largest_text as usize) < graph.texts.len(),
                format!("string {} of {}", self.largest_text, graph.texts.len()),
            ),
        ];
        match claims.into_iter().find(|(holds, _)| !holds) {
            Some((_, what)) => Err(ParseError::Contradiction { what }),
            None => Ok(()),
        }
    }
}
