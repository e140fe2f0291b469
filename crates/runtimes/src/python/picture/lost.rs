//! Objects that nothing reachable refers to: lost references, and cycles that the collector missed.
//!
//! An object whose counted references are more than those found was lost by code that forgot to give
//! one back. If all of them are found, and all among other lost objects, it is a cycle: not collected
//! yet, or through a type that does not show the collector what it holds.

use super::output::{Fact, Held, Reference};
use super::walk::Walk;

/// Reference counts from here on mean that an object is never freed (3.12 and later).
const IMMORTAL: u32 = 0x3fff_ffff;

/// Name of the root of objects with lost references.
pub(super) const LOST: &str = "(lost references)";
/// Name of the root of cycles that nothing refers to.
pub(super) const CYCLES: &str = "(unreachable cycles)";

impl Walk<'_> {
    /// Sorts objects from number `from` on out under the two roots.
    pub(super) fn sort_lost(&mut self, from: u32) {
        let end = self.out.addresses.len() as u32;
        if from == end {
            return;
        }
        let mut found = vec![0u32; (end - from) as usize];
        for reference in &self.out.references[self.out.first[from as usize]..] {
            if reference.to >= from && reference.held() != Held::Weak as u8 {
                found[(reference.to - from) as usize] += 1;
            }
        }
        let mut seen = vec![false; found.len()];
        let mut lost = Vec::new();
        let none = self.labels.none;
        for node in from..end {
            let counted = self.pages.u32(self.out.addresses[node as usize]).unwrap_or(0);
            let excess = counted.saturating_sub(found[(node - from) as usize]);
            if excess > 0 && counted < IMMORTAL {
                self.fact(Fact::Lost, node, "", "", excess);
                lost.push(Reference::new(Held::Internal, none, node));
                self.mark(node, from, &mut seen);
            }
        }
        self.root_row(LOST, lost);
        let mut cycles = Vec::new();
        // What the collector does not list stands for a cycle best: it is why nobody saw it.
        for listed in [false, true] {
            for node in from..end {
                if !seen[(node - from) as usize] && self.is_collected(node) == listed {
                    cycles.push(Reference::new(Held::Internal, none, node));
                    self.mark(node, from, &mut seen);
                }
            }
        }
        self.root_row(CYCLES, cycles);
    }

    /// Marks all that an object leads to among the lost.
    fn mark(&self, node: u32, from: u32, seen: &mut [bool]) {
        let mut todo = vec![node];
        while let Some(node) = todo.pop() {
            if std::mem::replace(&mut seen[(node - from) as usize], true) {
                continue;
            }
            let edges = self.out.first[node as usize]..self.out.first[node as usize + 1];
            let next = self.out.references[edges].iter().map(|reference| reference.to);
            todo.extend(next.filter(|to| *to >= from && !seen[(*to - from) as usize]));
        }
    }
}
