//! A chunk: the points of one worker between two instants, all series together.

use std::collections::BTreeMap;

use crate::codec::{SeriesEncoder, decode_series, put_varint, take_varint};

/// A chunk in the making.
#[derive(Debug, Clone)]
pub struct ChunkBuilder {
    series: BTreeMap<i64, SeriesEncoder>,
    /// The earliest instant.
    pub start_ms: i64,
    /// The latest instant.
    pub end_ms: i64,
}

impl Default for ChunkBuilder {
    fn default() -> Self {
        ChunkBuilder {
            series: BTreeMap::new(),
            start_ms: i64::MAX,
            end_ms: i64::MIN,
        }
    }
}

impl ChunkBuilder {
    /// Adds a point.
    pub fn push(&mut self, series: i64, at_ms: i64, value: f64) {
        self.start_ms = self.start_ms.min(at_ms);
        self.end_ms = self.end_ms.max(at_ms);
        self.series.entry(series).or_default().push(at_ms, value);
    }

    /// Points added.
    #[cfg(test)]
    pub fn count(&self) -> u64 {
        self.series.values().map(SeriesEncoder::count).sum()
    }

    /// The bytes that are stored.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.series.len() as u64);
        for (id, series) in &self.series {
            put_varint(&mut out, *id as u64);
            put_varint(&mut out, series.count());
            put_varint(&mut out, series.bytes().len() as u64);
            out.extend_from_slice(series.bytes());
        }
        out
    }

    /// Gives every point of the series that are wanted.
    pub fn read(&self, wanted: impl Fn(i64) -> bool, mut each: impl FnMut(i64, i64, f64)) {
        for (id, series) in self.series.iter().filter(|(id, _)| wanted(**id)) {
            decode_series(series.bytes(), series.count(), |at, value| each(*id, at, value))
                .expect("what was just encoded reads back");
        }
    }
}

/// Gives every point of the series that are wanted; `None` where the chunk is damaged.
pub fn read_chunk(
    mut bytes: &[u8],
    wanted: impl Fn(i64) -> bool,
    mut each: impl FnMut(i64, i64, f64),
) -> Option<()> {
    let count = take_varint(&mut bytes)?;
    for _ in 0..count {
        let id = take_varint(&mut bytes)? as i64;
        let points = take_varint(&mut bytes)?;
        let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
        let series = bytes.get(..length)?;
        bytes = &bytes[length..];
        if wanted(id) {
            decode_series(series, points, |at, value| each(id, at, value))?;
        }
    }
    bytes.is_empty().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_reads_back_by_series() {
        let mut builder = ChunkBuilder::default();
        for at in 0..100_i64 {
            builder.push(at % 3, at * 1000, at as f64 * 1.5);
        }
        assert_eq!(
            (builder.count(), builder.start_ms, builder.end_ms),
            (100, 0, 99_000)
        );
        let bytes = builder.encode();
        let mut read = 0;
        read_chunk(
            &bytes,
            |id| id == 1,
            |id, at, value| {
                assert_eq!((id, value), (1, at as f64 / 1000.0 * 1.5));
                read += 1;
            },
        )
        .expect("whole");
        assert_eq!(read, 33);
        for length in 0..bytes.len() {
            assert!(read_chunk(&bytes[..length], |_| true, |_, _, _| {}).is_none());
        }
    }
}
