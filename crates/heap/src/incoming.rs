//! The reverse adjacency: which edges point at a node, compressed.

/// Edge indices by target.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// Edges into node `n` are `edges[first[n]..first[n + 1]]`, ascending.
    first: Vec<u32>,
    edges: Vec<u32>,
}

impl Incoming {
    pub(crate) fn of(node_count: usize, edge_targets: &[u32]) -> Self {
        // Counting sort: `first` counts, then sums to the end of each bucket, then walks down to its start.
        let mut first = vec![0u32; node_count + 1];
        for target in edge_targets {
            first[*target as usize] += 1;
        }
        let mut total = 0;
        for slot in &mut first {
            total += *slot;
            *slot = total;
        }
        let mut edges = vec![0u32; edge_targets.len()];
        for (edge, target) in edge_targets.iter().enumerate().rev() {
            let slot = &mut first[*target as usize];
            *slot -= 1;
            edges[*slot as usize] = edge as u32;
        }
        Self { first, edges }
    }

    pub(crate) fn edges_into(&self, node: u32) -> &[u32] {
        let at = node as usize;
        &self.edges[self.first[at] as usize..self.first[at + 1] as usize]
    }
}
