//! The sections of a picture, into columns.

use super::cursor::Cursor;
use super::facts::Facts;
use crate::graph::{EdgeKind, Graph, NodeKind};

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    End,
    Info,
    Texts,
    Roots,
    Objects,
    Facts,
    Libraries,
    /// One of a later version: skipped.
    Unknown,
}

impl Tag {
    pub(super) fn of(number: u8) -> Self {
        match number {
            0 => Tag::End,
            1 => Tag::Info,
            2 => Tag::Texts,
            3 => Tag::Roots,
            4 => Tag::Objects,
            5 => Tag::Facts,
            6 => Tag::Libraries,
            _ => Tag::Unknown,
        }
    }
}

/// A root: its name, and its references as they stand in the file.
#[derive(Debug)]
struct Root {
    name: u32,
    references: Vec<(EdgeKind, u32, u32)>,
}

#[derive(Debug, Clone, Copy)]
struct FactRow {
    fact: u8,
    object: u32,
    first: u32,
    second: u32,
    number: u32,
}

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Picture {
    graph: Graph,
    roots: Vec<Root>,
    has_roots: bool,
    objects: u64,
    references: u64,
    facts: Vec<FactRow>,
    libraries: Vec<String>,
    /// Largest numbers seen, to be held against what there is.
    largest_target: u32,
    largest_text: u32,
    ends_with: Option<(u64, u64)>,
}

/// What is wrong with a section.
type Wrong = &'static str;

const SHORT: Wrong = "it ends inside a row";

impl Picture {
    pub(super) fn take(&mut self, tag: Tag, body: &[u8]) -> Result<(), Wrong> {
        let (count, rest) = body.split_first_chunk::<4>().ok_or(SHORT)?;
        let count = u32::from_le_bytes(*count);
        let mut cursor = Cursor { rest };
        for _ in 0..count {
            match tag {
                Tag::End => self.end(&mut cursor)?,
                Tag::Info => {
                    cursor.text().ok_or(SHORT)?;
                    cursor.text().ok_or(SHORT)?;
                }
                Tag::Texts => self
                    .graph
                    .texts
                    .push(cursor.text().ok_or("it has a text that is none")?),
                Tag::Roots => self.root(&mut cursor)?,
                Tag::Objects => self.object(&mut cursor).ok_or(SHORT)??,
                Tag::Facts => self.fact(&mut cursor).ok_or(SHORT)?,
                Tag::Libraries => {
                    let library = cursor.text().ok_or("it has a text that is none")?;
                    self.libraries.push(library.to_owned());
                }
                Tag::Unknown => return Ok(()),
            }
        }
        if cursor.rest.is_empty() {
            Ok(())
        } else {
            Err("it has more bytes than rows")
        }
    }

    fn end(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Wrong> {
        let (objects, references) = (cursor.number().ok_or(SHORT)?, cursor.number().ok_or(SHORT)?);
        self.ends_with = Some((objects, references));
        Ok(())
    }

    fn root(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Wrong> {
        if self.has_roots {
            return Err("roots come after objects");
        }
        let name = cursor.small().ok_or(SHORT)?;
        self.largest_text = self.largest_text.max(name);
        let count = cursor.number().ok_or(SHORT)?;
        let mut references = Vec::new();
        let mut last = 0;
        for _ in 0..count {
            let (kind, label, to) = self.reference(cursor, last).ok_or(SHORT)?;
            references.push((kind, label, to));
            last = to;
        }
        self.roots.push(Root { name, references });
        Ok(())
    }

    fn reference(&mut self, cursor: &mut Cursor<'_>, last: u32) -> Option<(EdgeKind, u32, u32)> {
        let word = cursor.number()?;
        let label = u32::try_from(word >> 3).ok()?;
        let kind = match word & 7 {
            0 => EdgeKind::Internal,
            1 => EdgeKind::Property,
            2 => EdgeKind::Element,
            3 => EdgeKind::Context,
            4 => EdgeKind::Weak,
            _ => return None,
        };
        if kind != EdgeKind::Element {
            self.largest_text = self.largest_text.max(label);
        }
        let to = cursor.step(last)?;
        self.largest_target = self.largest_target.max(to);
        Some((kind, label, to))
    }

    /// Nodes before the first object: the root of all, and the roots by name.
    fn first_object(&self) -> u32 {
        1 + self.roots.len() as u32
    }

    /// Turns the roots into nodes; no more can come.
    fn close_roots(&mut self) {
        self.has_roots = true;
        let first = self.first_object();
        let graph = &mut self.graph;
        let empty = graph.texts.len() as u32;
        graph.texts.push("");
        graph.first_edge.push(0);
        graph.kinds.push(NodeKind::Synthetic);
        graph.names.push(empty);
        graph.ids.push(0);
        graph.self_bytes.push(0);
        for at in 0..self.roots.len() as u32 {
            push_edge(graph, (EdgeKind::Hidden, at, 1 + at)); // it has no name of its own
        }
        graph.first_edge.push(graph.edge_targets.len() as u32);
        for root in &self.roots {
            graph.kinds.push(NodeKind::Synthetic);
            graph.names.push(root.name);
            // Roots of one name are one over all pictures; objects have no odd addresses.
            graph.ids.push(u64::from(root.name) << 1 | 1);
            graph.self_bytes.push(0);
            for (kind, label, to) in &root.references {
                push_edge(graph, (*kind, *label, to.saturating_add(first)));
            }
            graph.first_edge.push(graph.edge_targets.len() as u32);
        }
    }

    fn object(&mut self, cursor: &mut Cursor<'_>) -> Option<Result<(), Wrong>> {
        if !self.has_roots {
            self.close_roots();
        }
        let first = self.first_object();
        let own = u32::try_from(self.objects).ok()?;
        let (address, name, bytes, count) = (
            cursor.number()?,
            cursor.small()?,
            cursor.number()?,
            cursor.number()?,
        );
        self.largest_text = self.largest_text.max(name);
        self.graph.kinds.push(NodeKind::Object);
        self.graph.names.push(name);
        self.graph.ids.push(address);
        self.graph.self_bytes.push(bytes.min(MOST_BYTES));
        let mut last = own;
        for _ in 0..count {
            let (kind, label, to) = self.reference(cursor, last)?;
            push_edge(&mut self.graph, (kind, label, to.saturating_add(first)));
            last = to;
        }
        if self.graph.edge_targets.len() >= u32::MAX as usize || self.graph.kinds.len() >= u32::MAX as usize {
            return Some(Err("it has more objects or references than a graph can hold"));
        }
        self.graph.first_edge.push(self.graph.edge_targets.len() as u32);
        self.objects += 1;
        self.references += count;
        Some(Ok(()))
    }

    fn fact(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let row = FactRow {
            fact: cursor.byte()?,
            object: cursor.small()?,
            first: cursor.small()?,
            second: cursor.small()?,
            number: cursor.small()?,
        };
        self.largest_target = self.largest_target.max(row.object);
        self.largest_text = self.largest_text.max(row.first).max(row.second);
        self.facts.push(row);
        Some(())
    }

    pub(super) fn finish(mut self) -> Result<Graph, Wrong> {
        if !self.has_roots {
            self.close_roots();
        }
        if self.ends_with != Some((self.objects, self.references)) {
            return Err("it counts other objects or references than the picture has");
        }
        // The last text is our own.
        let has_any = self.objects > 0 || !self.roots.is_empty();
        if has_any && self.largest_text as usize + 1 >= self.graph.texts.len() {
            return Err("a text is missing");
        }
        if self.largest_target > 0 && u64::from(self.largest_target) >= self.objects {
            return Err("a reference leads to no object");
        }
        if self.objects == 0
            && (!self.facts.is_empty() || self.roots.iter().any(|root| !root.references.is_empty()))
        {
            return Err("a reference leads to no object");
        }
        self.name_ids();
        self.graph.python = Some(Box::new(self.facts()));
        self.graph.texts.shrink();
        Ok(self.graph)
    }

    /// Ids of roots follow from their names, which have other numbers in each picture.
    fn name_ids(&mut self) {
        let mut ids = crate::column::Column::default();
        for at in 0..self.graph.kinds.len() as u32 {
            let is_root = self.graph.kinds[at as usize] == NodeKind::Synthetic && at > 0;
            ids.push(match is_root {
                true => {
                    crate::growth_reduce::hash_of(&self.graph.texts.get(self.graph.names[at as usize])) | 1
                }
                false => self.graph.ids.get(at),
            });
        }
        self.graph.ids = ids;
    }

    fn facts(&mut self) -> Facts {
        let first = self.first_object();
        let mut facts = Facts::new(self.graph.kinds.len());
        for row in &self.facts {
            let node = row.object + first;
            match row.fact {
                1 => {
                    facts.modules.insert(node, (row.first, row.second));
                }
                2 => {
                    facts.classes.insert(node, (row.first, row.second));
                }
                3 => {
                    facts.codes.insert(node, (row.first, row.second, row.number));
                }
                4 => {
                    facts.stores.insert(node);
                }
                5 => {
                    facts.lost.insert(node, row.number);
                }
                _ => {}
            }
        }
        facts.libraries = std::mem::take(&mut self.libraries);
        facts
    }
}

/// A single object of more bytes is corrupt: 1 TiB.
const MOST_BYTES: u64 = 1 << 40;

fn push_edge(graph: &mut Graph, (kind, label, to): (EdgeKind, u32, u32)) {
    graph.edge_kinds.push(kind);
    graph.edge_names.push(label);
    graph.edge_targets.push(to);
}
