//! Alerts on their way out: kept until they are sent, so that a crash loses none.

use rusqlite::params;

use crate::{Store, StoreError};

/// One alert for one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Row.
    pub id: i64,
    /// Incident that it is about.
    pub incident: i64,
    /// Who is to hear of it.
    pub receiver: String,
    /// The kind of event, as in the incident's history.
    pub kind: String,
    /// Tries so far.
    pub attempts: u32,
}

impl Store {
    /// Alerts to be sent by now, the oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn due_notifications(&self, now_ms: i64, most: usize) -> Result<Vec<Notification>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, incident, receiver, kind, attempts FROM notification
                 WHERE sent_ms IS NULL AND due_ms <= ?1 ORDER BY due_ms, id LIMIT ?2",
            )?;
            let rows = statement.query_map(params![now_ms, most as i64], |row| {
                Ok(Notification {
                    id: row.get(0)?,
                    incident: row.get(1)?,
                    receiver: row.get(2)?,
                    kind: row.get(3)?,
                    attempts: row.get(4)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Notes that an alert was sent, or given up with the last error.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn settle_notification(&self, id: i64, now_ms: i64, error: Option<String>) -> Result<(), StoreError> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE notification SET sent_ms = ?2, attempts = attempts + 1, error = ?3 WHERE id = ?1",
                params![id, now_ms, error],
            )?;
            Ok(())
        })
    }

    /// Notes that an alert could not be sent and is to be tried again.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn defer_notification(&self, id: i64, due_ms: i64, error: String) -> Result<(), StoreError> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE notification SET due_ms = ?2, attempts = attempts + 1, error = ?3 WHERE id = ?1",
                params![id, due_ms, error],
            )?;
            Ok(())
        })
    }
}
