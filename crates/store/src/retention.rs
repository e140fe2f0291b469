//! What is thinned out and thrown away, and when.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use rusqlite::{Connection, params};

use crate::chunk::{ChunkBuilder, read_chunk};
use crate::writer::Shared;
use crate::{Store, StoreError};

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Every point is kept this long.
    pub raw_ms: i64,
    /// One point in five minutes is kept this long.
    pub coarse_ms: i64,
    /// Size of the database past which the oldest series go.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const DAY_MS: i64 = 86_400_000;
        Limits {
            raw_ms: 7 * DAY_MS,
            coarse_ms: 400 * DAY_MS,
            max_bytes: 8 << 30,
        }
    }
}

/// What one sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Chunks thinned out.
    pub thinned: u64,
    /// Chunks past their age.
    pub expired: u64,
    /// Chunks thrown away because the database was too large.
    pub over_quota: u64,
}

/// Instants of thinned points lie this far apart.
const COARSE_STEP_MS: i64 = 300_000;
const HOUR_MS: i64 = 3_600_000;
/// Chunks that one step takes at most, so that writing never waits long.
const STEP_CHUNKS: i64 = 500;

impl Store {
    /// One bounded step of thinning and throwing away. Call it again while it does something.
    ///
    /// # Errors
    /// When the database cannot be changed.
    pub fn sweep(&self, limits: Limits, now_ms: i64) -> Result<Swept, StoreError> {
        let shared = std::sync::Arc::clone(&self.shared);
        self.write(move |connection| {
            let swept = Swept {
                thinned: thin_step(connection, &shared, now_ms - limits.raw_ms)?,
                expired: expire_step(connection, now_ms - limits.coarse_ms)?,
                over_quota: quota_step(connection, limits.max_bytes)?,
            };
            connection.execute(
                "DELETE FROM notification WHERE sent_ms < ?1",
                [now_ms - limits.raw_ms],
            )?;
            connection.execute(
                "DELETE FROM silence WHERE until_ms < ?1",
                [now_ms - limits.coarse_ms],
            )?;
            Ok(swept)
        })
    }
}

/// An hour of one worker becomes one chunk with a point in five minutes: the last value under the
/// series' own name, the least and the greatest beside it.
fn thin_step(connection: &Connection, shared: &Shared, before_ms: i64) -> Result<u64, StoreError> {
    let mut groups: BTreeMap<(i64, i64), Vec<Stored>> = BTreeMap::new();
    {
        // Whole hours only, so that no hour is thinned in two parts.
        let hour = before_ms.div_euclid(HOUR_MS) * HOUR_MS;
        let mut statement = connection.prepare_cached(
            "SELECT id, worker, start_ms, data FROM chunk WHERE resolution_ms = 0 AND end_ms < ?1
             ORDER BY end_ms LIMIT ?2",
        )?;
        let mut rows = statement.query(params![hour, STEP_CHUNKS])?;
        while let Some(row) = rows.next()? {
            let start: i64 = row.get(2)?;
            let key = (row.get(1)?, start.div_euclid(HOUR_MS));
            groups.entry(key).or_default().push((row.get(0)?, row.get(3)?));
        }
    }
    let mut thinned = 0;
    for ((worker, _), chunks) in groups {
        let coarse = coarse(connection, shared, &chunks)?;
        connection
            .prepare_cached(
                "INSERT INTO chunk (worker, resolution_ms, start_ms, end_ms, data) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                worker,
                COARSE_STEP_MS,
                coarse.start_ms,
                coarse.end_ms,
                coarse.encode()
            ])?;
        for (id, _) in &chunks {
            connection
                .prepare_cached("DELETE FROM chunk WHERE id = ?1")?
                .execute([id])?;
            thinned += 1;
        }
    }
    Ok(thinned)
}

/// Row and content of a chunk.
type Stored = (i64, Vec<u8>);
/// A stretch of one series: last instant and value, least, greatest.
type Stretch = (i64, f64, f64, f64);

fn coarse(connection: &Connection, shared: &Shared, chunks: &[Stored]) -> Result<ChunkBuilder, StoreError> {
    let mut stretches: BTreeMap<(i64, i64), Stretch> = BTreeMap::new();
    for (id, data) in chunks {
        read_chunk(
            data,
            |_| true,
            |series, at, value| {
                let stretch = stretches
                    .entry((series, at.div_euclid(COARSE_STEP_MS)))
                    .or_insert((at, value, value, value));
                if at >= stretch.0 {
                    (stretch.0, stretch.1) = (at, value);
                }
                stretch.2 = stretch.2.min(value);
                stretch.3 = stretch.3.max(value);
            },
        )
        .ok_or_else(|| StoreError::Damaged {
            what: "chunk",
            reason: format!("chunk {id} is cut off"),
        })?;
    }
    let mut builder = ChunkBuilder::default();
    let mut beside: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for ((series, _), (at, last, least, greatest)) in stretches {
        builder.push(series, at, last);
        if least < greatest {
            let (low, high) = match beside.get(&series) {
                Some(pair) => *pair,
                None => *beside
                    .entry(series)
                    .or_insert(beside_of(connection, shared, series)?),
            };
            builder.push(low, at, least);
            builder.push(high, at, greatest);
        }
    }
    Ok(builder)
}

/// Rows of `NAME:min` and `NAME:max`.
fn beside_of(connection: &Connection, shared: &Shared, series: i64) -> Result<(i64, i64), StoreError> {
    let row = |ending: &str| -> Result<i64, StoreError> {
        let (id, name): (i64, String) = connection.query_row(
            "INSERT INTO series (name) SELECT name || ?2 FROM series WHERE id = ?1
             ON CONFLICT (name) DO UPDATE SET name = name RETURNING id, name",
            params![series, ending],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut names = shared.names.write().unwrap_or_else(PoisonError::into_inner);
        names.insert(name.into(), id);
        Ok(id)
    };
    Ok((row(":min")?, row(":max")?))
}

fn expire_step(connection: &Connection, before_ms: i64) -> Result<u64, StoreError> {
    Ok(connection.execute(
        "DELETE FROM chunk WHERE id IN (SELECT id FROM chunk WHERE end_ms < ?1 AND resolution_ms > 0 LIMIT ?2)",
        params![before_ms, STEP_CHUNKS],
    )? as u64)
}

fn quota_step(connection: &Connection, max_bytes: u64) -> Result<u64, StoreError> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u64>(0));
    let used = (pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?;
    if used <= max_bytes {
        return Ok(0);
    }
    Ok(connection.execute(
        "DELETE FROM chunk WHERE id IN (SELECT id FROM chunk ORDER BY end_ms LIMIT ?1)",
        [STEP_CHUNKS],
    )? as u64)
}
