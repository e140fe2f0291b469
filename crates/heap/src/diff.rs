//! Two dumps of one process compared: what came, what went, by type and object id.

use std::collections::HashMap;

use crate::column::Column;
use crate::dominators::Dominators;
use crate::graph::{Format, Graph};
use crate::types::{TypeRow, Types, rows_by_type};

/// What a comparison needs of a dump: 12 bytes an object, so that the graph itself can go before
/// the next dump is read.
#[derive(Debug)]
pub struct Census {
    rows: Vec<TypeRow>,
    /// Object ids, ascending; type and shallow size of each.
    ids: Column,
    types: Vec<u32>,
    self_bytes: Column,
    /// Whether objects keep their ids from dump to dump; else only totals can be compared.
    has_lasting_ids: bool,
}

impl Census {
    /// Takes the census of a graph.
    pub fn of(graph: &Graph, types: &Types, dominators: &Dominators) -> Self {
        let has_lasting_ids = graph.format() != Format::Hprof;
        let count = if has_lasting_ids { graph.node_count() } else { 0 };
        let mut order: Vec<u32> = (0..count).collect();
        // A stable sort: dumps are mostly in the order of ids, and it makes use of that.
        order.sort_by_key(|node| graph.ids.get(*node));
        let mut ids = Column::default();
        let mut self_bytes = Column::default();
        let mut type_of = Vec::with_capacity(order.len());
        for node in order.into_iter().map(crate::graph::NodeIndex) {
            ids.push(graph.id(node));
            type_of.push(types.of_node(graph, node).0);
            self_bytes.push(graph.self_bytes(node));
        }
        Self {
            rows: rows_by_type(graph, types, dominators),
            ids,
            types: type_of,
            self_bytes,
            has_lasting_ids,
        }
    }

    fn object(&self, at: usize) -> Option<(u64, u32, u64)> {
        let of = *self.types.get(at)?;
        Some((self.ids.get(at as u32), of, self.self_bytes.get(at as u32)))
    }
}

/// How one type changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeChange {
    /// Name of the type.
    pub type_name: String,
    /// Objects that only the later dump has.
    pub new: u64,
    /// Objects that only the earlier dump has.
    pub deleted: u64,
    /// Shallow size of the new ones, and what others grew by in place.
    pub new_bytes: u64,
    /// Shallow size of the deleted ones, and what others shrank by in place.
    pub freed_bytes: u64,
    /// Change of the retained size.
    pub retained_delta_bytes: i64,
}

impl TypeChange {
    /// Change of the count.
    pub fn count_delta(&self) -> i64 {
        self.new as i64 - self.deleted as i64
    }

    /// Change of the shallow size.
    pub fn self_delta_bytes(&self) -> i64 {
        self.new_bytes as i64 - self.freed_bytes as i64
    }

    fn is_nothing(&self) -> bool {
        self.new == 0
            && self.deleted == 0
            && self.new_bytes == 0
            && self.freed_bytes == 0
            && self.retained_delta_bytes == 0
    }
}

/// Compares two dumps; types that did not change are left out, the largest change comes first.
///
/// The size of a change is that of the shallow size: retained sizes overlap between types. An object
/// whose type changed counts as deleted in the one and new in the other. Where objects do not keep their
/// ids (a JVM moves them), new and deleted are the differences of the totals.
pub fn compare(before: &Census, after: &Census) -> Vec<TypeChange> {
    let mut changes = Changes::of(before, after);
    if !(before.has_lasting_ids && after.has_lasting_ids) {
        changes.of_totals(before, after);
        return changes.finish();
    }
    let (mut old_at, mut new_at) = (0, 0);
    loop {
        match (before.object(old_at), after.object(new_at)) {
            (None, None) => break,
            (Some(old), Some(new)) if old.0 == new.0 => {
                changes.survived(old, new);
                old_at += 1;
                new_at += 1;
            }
            (Some(old), new) if new.is_none_or(|new| old.0 < new.0) => {
                changes.deleted(old);
                old_at += 1;
            }
            (_, Some(new)) => {
                changes.came(new);
                new_at += 1;
            }
            (Some(_), None) => break,
        }
    }
    changes.finish()
}

/// Changes by type; types of both dumps are matched by name.
struct Changes {
    changes: Vec<TypeChange>,
    /// Position in `changes` of each type of the earlier and of the later dump.
    before: Vec<usize>,
    after: Vec<usize>,
}

impl Changes {
    fn of(before: &Census, after: &Census) -> Self {
        let mut this = Self {
            changes: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
        };
        let mut known = HashMap::new();
        for (rows, positions, sign) in [
            (&before.rows, &mut this.before, -1),
            (&after.rows, &mut this.after, 1),
        ] {
            for row in rows {
                let at = *known.entry(row.type_name.as_str()).or_insert_with(|| {
                    this.changes.push(TypeChange {
                        type_name: row.type_name.clone(),
                        ..TypeChange::default()
                    });
                    this.changes.len() - 1
                });
                this.changes[at].retained_delta_bytes += sign * row.retained_bytes as i64;
                positions.push(at);
            }
        }
        this
    }

    /// Differences of the totals by type.
    fn of_totals(&mut self, before: &Census, after: &Census) {
        let mut sums = vec![[0u64; 4]; self.changes.len()];
        for (row, at) in before.rows.iter().zip(&self.before) {
            sums[*at][0] += row.count;
            sums[*at][1] += row.self_bytes;
        }
        for (row, at) in after.rows.iter().zip(&self.after) {
            sums[*at][2] += row.count;
            sums[*at][3] += row.self_bytes;
        }
        for (change, [old, old_bytes, new, new_bytes]) in self.changes.iter_mut().zip(sums) {
            change.new = new.saturating_sub(old);
            change.deleted = old.saturating_sub(new);
            change.new_bytes = new_bytes.saturating_sub(old_bytes);
            change.freed_bytes = old_bytes.saturating_sub(new_bytes);
        }
    }

    fn survived(&mut self, old: (u64, u32, u64), new: (u64, u32, u64)) {
        if self.before[old.1 as usize] != self.after[new.1 as usize] {
            self.deleted(old);
            self.came(new);
            return;
        }
        let change = &mut self.changes[self.after[new.1 as usize]];
        change.new_bytes += new.2.saturating_sub(old.2);
        change.freed_bytes += old.2.saturating_sub(new.2);
    }

    fn deleted(&mut self, old: (u64, u32, u64)) {
        let change = &mut self.changes[self.before[old.1 as usize]];
        change.deleted += 1;
        change.freed_bytes = change.freed_bytes.saturating_add(old.2);
    }

    fn came(&mut self, new: (u64, u32, u64)) {
        let change = &mut self.changes[self.after[new.1 as usize]];
        change.new += 1;
        change.new_bytes = change.new_bytes.saturating_add(new.2);
    }

    fn finish(mut self) -> Vec<TypeChange> {
        self.changes.retain(|change| !change.is_nothing());
        self.changes.sort_by_key(|change| {
            let size = change.self_delta_bytes().unsigned_abs();
            std::cmp::Reverse((size, change.retained_delta_bytes.unsigned_abs(), change.new))
        });
        self.changes
    }
}
