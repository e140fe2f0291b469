//! The points of one kind (floors, or live heap after ordinary collections) in bounded memory.
//!
//! Points are averaged into blocks of equal size; when the blocks run out, neighbours merge and blocks
//! hold twice as many. The model is linear in what a block averages, so merging loses no bias, only
//! detail of the noise. Blocks never span a restart.

/// How points of a block become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merge {
    /// The average: right for floors, whose noise is symmetric.
    Mean,
    /// The least: right for readings that hold more than what is live.
    Least,
}

/// One accepted point.
#[derive(Debug, Clone)]
pub(crate) struct Point<'a> {
    pub at_seconds: f64,
    /// Jobs of the incarnation so far.
    pub jobs: f64,
    pub counts: &'a [f64],
    pub heap_bytes: f64,
    pub external_bytes: f64,
    pub in_flight: f64,
    pub backlog: f64,
    /// Jobs per second of late.
    pub pace: f64,
    pub segment: u32,
}

/// The average (or least) of `weight` points.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    pub at_seconds: f64,
    pub jobs: f64,
    pub heap_bytes: f64,
    pub external_bytes: f64,
    pub in_flight: f32,
    pub backlog: f32,
    pub pace: f32,
    pub weight: u32,
    pub segment: u32,
}

/// Bytes that the blocks of one track may take, about half of a worker's state.
const TRACK_BYTES: usize = 3_800;
/// Fewer blocks than this would not show a shape.
const LEAST_BLOCKS: usize = 24;
/// More classes than this are counted in the total alone.
pub(crate) const CLASSES_MAX: usize = 24;

#[derive(Debug, Clone)]
pub(crate) struct Track {
    merge: Merge,
    blocks: Vec<Block>,
    /// Cumulative jobs per class: one column per class, one row per block.
    counts: Vec<Vec<f32>>,
    block_points: u32,
    points: u64,
}

impl Track {
    pub fn new(merge: Merge) -> Self {
        Track {
            merge,
            blocks: Vec::new(),
            counts: Vec::new(),
            block_points: 1,
            points: 0,
        }
    }

    /// Forgets everything: another track has taken over.
    pub fn clear(&mut self) {
        *self = Track::new(self.merge);
    }

    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    pub fn class_counts(&self, class: usize) -> Option<&[f32]> {
        self.counts.get(class).map(Vec::as_slice)
    }

    pub fn classes(&self) -> usize {
        self.counts.len()
    }

    /// Points taken so far, merged or not.
    pub fn points(&self) -> u64 {
        self.points
    }

    pub fn push(&mut self, point: &Point<'_>) {
        self.points += 1;
        self.widen(point.counts.len().min(CLASSES_MAX));
        let fresh = Block {
            at_seconds: point.at_seconds,
            jobs: point.jobs,
            heap_bytes: point.heap_bytes,
            external_bytes: point.external_bytes,
            in_flight: point.in_flight as f32,
            backlog: point.backlog as f32,
            pace: point.pace as f32,
            weight: 1,
            segment: point.segment,
        };
        let joins = self
            .blocks
            .last()
            .is_some_and(|b| b.weight < self.block_points && b.segment == point.segment);
        if !joins {
            if self.blocks.len() >= self.capacity() {
                self.halve();
            }
            self.append(fresh, |class| {
                point.counts.get(class).copied().unwrap_or(0.0) as f32
            });
            return;
        }
        self.append(fresh, |class| {
            point.counts.get(class).copied().unwrap_or(0.0) as f32
        });
        self.join_last();
    }

    fn append(&mut self, block: Block, count: impl Fn(usize) -> f32) {
        self.reserve();
        self.blocks.push(block);
        for (class, column) in self.counts.iter_mut().enumerate() {
            column.push(count(class));
        }
    }

    /// Growing by doubling would hold up to twice what is bounded.
    fn reserve(&mut self) {
        const STEP: usize = 8;
        let step = STEP.min(self.capacity().saturating_sub(self.blocks.len())).max(1);
        if self.blocks.len() == self.blocks.capacity() {
            self.blocks.reserve_exact(step);
        }
        for column in self.counts.iter_mut().filter(|c| c.len() == c.capacity()) {
            column.reserve_exact(step);
        }
    }

    fn join_last(&mut self) {
        let last = self.blocks.len() - 1;
        let (joined, kept_share) = join(self.merge, &self.blocks[last - 1], &self.blocks[last]);
        self.blocks.truncate(last);
        self.blocks[last - 1] = joined;
        for column in &mut self.counts {
            column[last - 1] = blend(column[last - 1], column[last], kept_share);
            column.truncate(last);
        }
    }

    fn widen(&mut self, classes: usize) {
        self.counts
            .reserve_exact(classes.saturating_sub(self.counts.len()));
        while self.counts.len() < classes {
            self.counts.push(vec![0.0; self.blocks.len()]);
        }
    }

    fn capacity(&self) -> usize {
        let row_bytes = size_of::<Block>() + self.counts.len() * size_of::<f32>();
        (TRACK_BYTES / row_bytes).max(LEAST_BLOCKS)
    }

    /// Merges neighbours of one segment; where restarts leave nothing to merge, the oldest half goes.
    fn halve(&mut self) {
        self.block_points = self.block_points.saturating_mul(2);
        let old = std::mem::take(&mut self.blocks);
        let old_counts = std::mem::take(&mut self.counts);
        self.counts = vec![Vec::new(); old_counts.len()];
        let mut i = 0;
        while i < old.len() {
            let pair = i + 1 < old.len() && old[i].segment == old[i + 1].segment;
            let (block, share) = if pair {
                join(self.merge, &old[i], &old[i + 1])
            } else {
                (old[i], 1.0)
            };
            let next = if pair { i + 1 } else { i };
            self.append(block, |class| {
                blend(old_counts[class][i], old_counts[class][next], share)
            });
            i = next + 1;
        }
        let capacity = self.capacity();
        if self.blocks.len() > capacity * 3 / 4 {
            let surplus = self.blocks.len() - capacity / 2;
            self.blocks.drain(..surplus);
            self.counts
                .iter_mut()
                .for_each(|column| drop(column.drain(..surplus)));
        }
    }

    /// Bytes held, for the bound.
    pub fn state_bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>()
            + self
                .counts
                .iter()
                .map(|c| c.capacity() * size_of::<f32>() + size_of::<Vec<f32>>())
                .sum::<usize>()
    }
}

fn blend(a: f32, b: f32, share_of_a: f64) -> f32 {
    (f64::from(a) * share_of_a + f64::from(b) * (1.0 - share_of_a)) as f32
}

/// The two as one, and the share of the first in it.
fn join(merge: Merge, a: &Block, b: &Block) -> (Block, f64) {
    let share = match merge {
        Merge::Mean => f64::from(a.weight) / f64::from(a.weight + b.weight),
        Merge::Least if a.heap_bytes <= b.heap_bytes => 1.0,
        Merge::Least => 0.0,
    };
    let mix = |x: f64, y: f64| {
        if share == 1.0 {
            x
        } else {
            x * share + y * (1.0 - share)
        }
    };
    let joined = Block {
        at_seconds: mix(a.at_seconds, b.at_seconds),
        jobs: mix(a.jobs, b.jobs),
        heap_bytes: mix(a.heap_bytes, b.heap_bytes),
        external_bytes: mix(a.external_bytes, b.external_bytes),
        in_flight: blend(a.in_flight, b.in_flight, share),
        backlog: blend(a.backlog, b.backlog, share),
        pace: blend(a.pace, b.pace, share),
        weight: a.weight + b.weight,
        segment: a.segment,
    };
    (joined, share)
}
