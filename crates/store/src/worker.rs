//! Workers: who they are and what was last found about them.

use rusqlite::{OptionalExtension, Row, params};

use crate::{Store, StoreError};

/// A worker as stored. Documents are JSON; the store does not look into them.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerRow {
    /// Row.
    pub id: i64,
    /// Name that its sender gives it, the same for its whole life.
    pub key: String,
    /// Its service.
    pub service: String,
    /// First heard of.
    pub first_seen_ms: i64,
    /// Last heard of.
    pub last_seen_ms: i64,
    /// When it ended, if it has.
    pub ended_ms: Option<i64>,
    /// Who it is.
    pub identity: String,
    /// The latest verdict.
    pub verdict: Option<String>,
    /// The report of the end of its run.
    pub report: Option<String>,
}

const COLUMNS: &str = "id, key, service, first_seen_ms, last_seen_ms, ended_ms, identity, verdict, report";

fn worker_row(row: &Row<'_>) -> rusqlite::Result<WorkerRow> {
    Ok(WorkerRow {
        id: row.get(0)?,
        key: row.get(1)?,
        service: row.get(2)?,
        first_seen_ms: row.get(3)?,
        last_seen_ms: row.get(4)?,
        ended_ms: row.get(5)?,
        identity: row.get(6)?,
        verdict: row.get(7)?,
        report: row.get(8)?,
    })
}

impl Store {
    /// The row of the worker called `key`, made if it is new.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn worker(&self, key: &str, service: &str, identity: &str, now_ms: i64) -> Result<i64, StoreError> {
        let (key, service, identity) = (key.to_owned(), service.to_owned(), identity.to_owned());
        self.write(move |connection| {
            Ok(connection.query_row(
                "INSERT INTO worker (key, service, first_seen_ms, last_seen_ms, identity)
                 VALUES (?1, ?2, ?4, ?4, ?3)
                 ON CONFLICT (key) DO UPDATE SET service = ?2, identity = ?3, last_seen_ms = ?4, ended_ms = NULL
                 RETURNING id",
                params![key, service, identity, now_ms],
                |row| row.get(0),
            )?)
        })
    }

    /// Notes what was found about workers: row, last heard of, verdict.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_workers(&self, notes: Vec<(i64, i64, Option<String>)>) -> Result<(), StoreError> {
        self.write(move |connection| {
            let mut update = connection.prepare_cached(
                "UPDATE worker SET last_seen_ms = ?2, verdict = coalesce(?3, verdict) WHERE id = ?1",
            )?;
            for (id, seen_ms, verdict) in &notes {
                update.execute(params![id, seen_ms, verdict])?;
            }
            Ok(())
        })
    }

    /// Notes the end of a worker and its report, if it left one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end_worker(&self, id: i64, ended_ms: i64, report: Option<String>) -> Result<(), StoreError> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE worker SET ended_ms = ?2, last_seen_ms = max(last_seen_ms, ?2),
                 report = coalesce(?3, report) WHERE id = ?1",
                params![id, ended_ms, report],
            )?;
            Ok(())
        })
    }

    /// Workers heard of at or after an instant, the latest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn workers_since(&self, since_ms: i64, most: usize) -> Result<Vec<WorkerRow>, StoreError> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM worker WHERE last_seen_ms >= ?1 ORDER BY last_seen_ms DESC LIMIT ?2"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![since_ms, most as i64], worker_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// One worker.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn worker_row(&self, id: i64) -> Result<Option<WorkerRow>, StoreError> {
        self.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM worker WHERE id = ?1");
            Ok(connection.query_row(&sql, [id], worker_row).optional()?)
        })
    }
}
