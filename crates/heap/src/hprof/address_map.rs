//! From addresses to nodes: one bit for each unit of the heap and a count beside every 64, so that most
//! questions cost one look at memory. Heaps that are spread too thin for that are searched by halves.

use crate::column::{Column, WIDE};

/// Where the nodes are.
#[derive(Debug)]
pub(crate) struct AddressMap {
    near: Near,
    /// Addresses beside the column's range, ascending, with their nodes.
    far: Vec<(u64, u32)>,
}

#[derive(Debug)]
enum Near {
    Dense {
        first: u32,
        blocks: Vec<Block>,
        /// Node by position among all addresses; empty if the two are the same.
        order: Vec<u32>,
    },
    Sparse(Vec<(u32, u32)>),
}

#[derive(Debug, Clone, Copy, Default)]
struct Block {
    bits: u64,
    /// Addresses in the blocks before.
    before: u32,
}

/// Memory that a bit map may take for each node, before searching by halves is better: what a sorted
/// list takes, twice.
const DENSE_BYTES_PER_NODE: u64 = 16;
/// Small bit maps are always fine.
const DENSE_BYTES: u64 = 1 << 20;

impl AddressMap {
    pub(crate) fn of(addresses: &Column) -> Self {
        let mut far: Vec<(u64, u32)> = addresses.wide().iter().map(|(node, at)| (*at, *node)).collect();
        far.sort_unstable();
        let low = addresses.low();
        let near = || low.iter().copied().filter(|low| *low != WIDE);
        let (first, last) = (near().min().unwrap_or(0), near().max().unwrap_or(0));
        let blocks = u64::from(last - first) / 64 + 1;
        let bytes = blocks * size_of::<Block>() as u64;
        let near = if bytes <= DENSE_BYTES.max(low.len() as u64 * DENSE_BYTES_PER_NODE) {
            Near::dense(low, first, blocks as usize)
        } else {
            let mut list: Vec<(u32, u32)> = low
                .iter()
                .copied()
                .zip(0..)
                .filter(|(low, _)| *low != WIDE)
                .collect();
            list.sort_unstable();
            Near::Sparse(list)
        };
        Self { near, far }
    }

    /// The node at a number of the column.
    #[inline]
    pub(crate) fn find_low(&self, low: u32) -> Option<u32> {
        match &self.near {
            Near::Dense { first, blocks, order } => {
                let at = low.wrapping_sub(*first);
                let block = blocks.get(at as usize / 64)?;
                let bit = 1u64 << (at % 64);
                if block.bits & bit == 0 {
                    return None;
                }
                let position = block.before + (block.bits & (bit - 1)).count_ones();
                Some(order.get(position as usize).copied().unwrap_or(position))
            }
            Near::Sparse(list) => {
                let at = list.binary_search_by_key(&low, |(low, _)| *low).ok()?;
                Some(list[at].1)
            }
        }
    }

    /// The node at an address beside the column's range.
    pub(crate) fn find_far(&self, address: u64) -> Option<u32> {
        let at = self
            .far
            .binary_search_by_key(&address, |(address, _)| *address)
            .ok()?;
        Some(self.far[at].1)
    }

    /// Nodes in the order of their addresses, those of the column's range, up to `limit`, with the
    /// distance to the next in the column's unit.
    pub(crate) fn gaps(&self, limit: usize) -> Vec<(u32, u32)> {
        let mut sorted: Vec<(u32, u32)> = Vec::new();
        match &self.near {
            Near::Dense { first, blocks, .. } => {
                let set = blocks.iter().zip(0u32..).flat_map(|(block, at)| {
                    let bits = (0..64).filter(move |bit| block.bits >> bit & 1 == 1);
                    bits.map(move |bit| first + at * 64 + bit)
                });
                sorted.extend(
                    set.take(limit + 1)
                        .filter_map(|low| Some((low, self.find_low(low)?))),
                );
            }
            Near::Sparse(list) => sorted.extend(list.iter().take(limit + 1)),
        }
        sorted
            .windows(2)
            .map(|pair| (pair[0].1, pair[1].0 - pair[0].0))
            .collect()
    }
}

impl Near {
    fn dense(low: &[u32], first: u32, blocks: usize) -> Self {
        let mut blocks = vec![Block::default(); blocks];
        let near = || low.iter().copied().zip(0u32..).filter(|(low, _)| *low != WIDE);
        for (low, _) in near() {
            let at = low - first;
            blocks[at as usize / 64].bits |= 1 << (at % 64);
        }
        let mut before = 0;
        for block in &mut blocks {
            block.before = before;
            before += block.bits.count_ones();
        }
        let is_ascending = before as usize == low.len() && low.is_sorted();
        let mut order = Vec::new();
        if !is_ascending {
            order = vec![0; before as usize];
            for (low, node) in near() {
                let at = low - first;
                let block = blocks[at as usize / 64];
                let below = (block.bits & ((1 << (at % 64)) - 1)).count_ones();
                order[(block.before + below) as usize] = node;
            }
        }
        Near::Dense { first, blocks, order }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: u64, addresses: &[u64]) {
        let mut column = Column::scaled(base, 3);
        for address in addresses {
            column.push(*address);
        }
        let map = AddressMap::of(&column);
        for (node, address) in addresses.iter().enumerate() {
            let found = match column.low()[node] {
                WIDE => map.find_far(*address),
                low => map.find_low(low),
            };
            assert_eq!(found, Some(node as u32), "{address:#x}");
        }
        assert_eq!((map.find_low(77), map.find_far(77)), (None, None));
    }

    #[test]
    fn addresses_lead_to_their_nodes() {
        check(0, &[8, 16, 24, 4096]);
        check(0, &[4096, 24, 8, 1 << 20, 16, 40_000]);
        // Far apart, outside the range, odd.
        check(
            1 << 40,
            &[1 << 40, (1 << 40) + (1 << 34), 3, 8, (1 << 40) + 1, u64::MAX],
        );
    }
}
