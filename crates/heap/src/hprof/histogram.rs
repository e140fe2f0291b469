//! Counts and shallow sizes by class alone: no graph, no memory for objects.

use std::collections::HashMap;

use super::classes::{BasicType, Classes};
use super::hash::Seeded;
use super::sizes::{Shape, Widths};
use crate::TypeRow;

/// What was counted. Sizes are those of compressed references: without addresses there is no evidence of
/// another layout, except that identifiers of 4 bytes mean the 32-bit virtual machine.
#[derive(Debug, Default)]
pub struct Histogram {
    instances: Counts,
    /// Elements by class of the array besides counts; sizes are rounded for each array.
    arrays: Counts,
    primitives: [(u64, u64); 16],
}

/// Count, and bytes or elements, by address of a class.
#[derive(Debug, Default)]
struct Counts {
    numbers: HashMap<u64, usize, Seeded>,
    rows: Vec<(u64, u64, u64)>,
    latest: usize,
}

impl Counts {
    #[inline]
    fn row(&mut self, class: u64) -> &mut (u64, u64, u64) {
        let is_latest = self.rows.get(self.latest).is_some_and(|row| row.0 == class);
        if !is_latest {
            let next = self.rows.len();
            self.latest = *self.numbers.entry(class).or_insert(next);
            if self.latest == next {
                self.rows.push((class, 0, 0));
            }
        }
        &mut self.rows[self.latest]
    }
}

/// Pairs of references fill 8 bytes; an odd one is rounded up.
fn array_bytes(count: u32) -> u64 {
    (u64::from(count) * 4 + 7) & !7
}

impl Histogram {
    #[inline]
    pub(crate) fn instance(&mut self, class: u64) {
        self.instances.row(class).1 += 1;
    }

    pub(crate) fn object_array(&mut self, class: u64, count: u32) {
        let row = self.arrays.row(class);
        row.1 += 1;
        row.2 += array_bytes(count);
    }

    pub(crate) fn primitive_array(&mut self, kind: BasicType, bytes: u64) {
        let row = &mut self.primitives[usize::from(kind.0 & 15)];
        row.0 += 1;
        row.1 += (bytes + 7) & !7;
    }

    /// Rows by class name, the most bytes first; retained sizes are those of the objects themselves.
    pub(crate) fn finish(self, classes: &mut Classes, id_bytes: usize) -> Vec<TypeRow> {
        let widths = Widths::assumed(id_bytes);
        let array_header = (widths.array_header + 7) & !7;
        let mut rows: HashMap<String, (u64, u64)> = HashMap::new();
        let mut add = |name: String, count: u64, bytes: u64| {
            let row = rows.entry(name).or_default();
            row.0 += count;
            row.1 += bytes;
        };
        for (class, count, _) in self.instances.rows {
            let found = classes.find(class);
            let shape = found
                .and_then(|class| classes.layout(class, id_bytes))
                .map(|layout| Shape {
                    is_array: false,
                    references: u64::from(layout.references),
                    primitive_bytes: u64::from(layout.primitive_bytes),
                });
            let bytes = shape.map_or(0, |shape| widths.bytes(shape));
            add(classes.name_at(class), count, count * bytes);
        }
        for (class, count, bytes) in self.arrays.rows {
            add(classes.name_at(class), count, count * array_header + bytes);
        }
        for (kind, (count, bytes)) in self
            .primitives
            .into_iter()
            .enumerate()
            .filter(|(_, row)| row.0 > 0)
        {
            let name = BasicType(kind as u8).name();
            add(format!("{name}[]"), count, count * array_header + bytes);
        }
        let mut rows: Vec<TypeRow> = rows
            .into_iter()
            .map(|(type_name, (count, self_bytes))| TypeRow {
                type_name,
                count,
                self_bytes,
                retained_bytes: self_bytes,
            })
            .collect();
        rows.sort_by(|a, b| (b.self_bytes, &a.type_name).cmp(&(a.self_bytes, &b.type_name)));
        rows
    }
}
