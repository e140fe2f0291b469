//! Reading series back.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;

use rusqlite::params;

use crate::chunk::read_chunk;
use crate::{Store, StoreError};

/// What to read.
#[derive(Debug, Clone)]
pub struct SeriesQuery {
    /// Row of the worker.
    pub worker: i64,
    /// Series by name; empty for all.
    pub names: Vec<String>,
    /// From this instant on.
    pub from_ms: i64,
    /// Until before this instant.
    pub to_ms: i64,
    /// Points per series at most; the least and the greatest of each stretch are kept.
    pub points_max: usize,
}

/// Instants in milliseconds and values, in time order.
pub type Points = Vec<(i64, f64)>;

impl Store {
    /// Series of a worker by name.
    ///
    /// # Errors
    /// When the database cannot be read or a chunk is damaged.
    pub fn series(&self, query: &SeriesQuery) -> Result<BTreeMap<String, Points>, StoreError> {
        let names: HashMap<i64, String> = {
            let names = self.shared.names.read().unwrap_or_else(PoisonError::into_inner);
            if query.names.is_empty() {
                names.iter().map(|(name, id)| (*id, name.to_string())).collect()
            } else {
                let wanted = query.names.iter();
                wanted
                    .filter_map(|name| Some((*names.get(name.as_str())?, name.clone())))
                    .collect()
            }
        };
        let mut found: HashMap<i64, Points> = HashMap::new();
        let mut keep = |id: i64, at_ms: i64, value: f64| {
            if (query.from_ms..query.to_ms).contains(&at_ms) {
                found.entry(id).or_default().push((at_ms, value));
            }
        };
        // What is open first: what is sealed meanwhile is then seen twice, never missed.
        let open = self
            .shared
            .open
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&query.worker)
            .cloned();
        if let Some(open) = open {
            open.read(|id| names.contains_key(&id), &mut keep);
        }
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT data FROM chunk WHERE worker = ?1 AND start_ms < ?3 AND end_ms >= ?2",
            )?;
            let mut rows = statement.query(params![query.worker, query.from_ms, query.to_ms])?;
            while let Some(row) = rows.next()? {
                let data = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
                read_chunk(data, |id| names.contains_key(&id), &mut keep).ok_or(StoreError::Damaged {
                    what: "chunk",
                    reason: "it is cut off".into(),
                })?;
            }
            Ok(())
        })?;
        let tidy = |(id, mut points): (i64, Points)| {
            points.sort_by_key(|(at, _)| *at);
            points.dedup_by_key(|(at, _)| *at);
            Some((names.get(&id)?.clone(), thin(points, query.points_max)))
        };
        Ok(found.into_iter().filter_map(tidy).collect())
    }
}

/// At most `most` points, of each stretch the least and the greatest, so that no peak is lost.
fn thin(points: Points, most: usize) -> Points {
    if points.len() <= most || most < 4 {
        return points;
    }
    let stretch = points.len().div_ceil(most / 2);
    let mut kept = Points::with_capacity(most);
    for part in points.chunks(stretch) {
        let least = part.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let greatest = part.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        if let (Some(least), Some(greatest)) = (least, greatest) {
            kept.push(*least.min_by_instant(greatest));
            if least.0 != greatest.0 {
                kept.push(*least.max_by_instant(greatest));
            }
        }
    }
    kept
}

trait ByInstant {
    fn min_by_instant<'a>(&'a self, other: &'a Self) -> &'a Self;
    fn max_by_instant<'a>(&'a self, other: &'a Self) -> &'a Self;
}

impl ByInstant for (i64, f64) {
    fn min_by_instant<'a>(&'a self, other: &'a Self) -> &'a Self {
        if self.0 <= other.0 { self } else { other }
    }

    fn max_by_instant<'a>(&'a self, other: &'a Self) -> &'a Self {
        if self.0 <= other.0 { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_peaks_and_order() {
        let mut points: Points = (0..10_000_i64).map(|n| (n, 1.0)).collect();
        points[7_777].1 = 99.0;
        points[3_333].1 = -5.0;
        let kept = thin(points, 500);
        assert!(kept.len() <= 500);
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(kept.contains(&(7_777, 99.0)) && kept.contains(&(3_333, -5.0)));
    }
}
