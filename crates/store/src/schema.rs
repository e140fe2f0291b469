//! Tables, and how older ones become newer ones.

use rusqlite::Connection;

use crate::StoreError;

/// One step each; the number of steps done is the schema version (`PRAGMA user_version`). A step that
/// has been released is never changed.
pub const MIGRATIONS: &[&str] = &[SERIES, GOVERNANCE];

const SERIES: &str = "
CREATE TABLE worker (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    service TEXT NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    identity TEXT NOT NULL,
    verdict TEXT,
    report TEXT
);
CREATE INDEX worker_seen ON worker (last_seen_ms);
CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE log (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY,
    worker INTEGER NOT NULL,
    resolution_ms INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX chunk_of_worker ON chunk (worker, start_ms);
CREATE INDEX chunk_by_age ON chunk (resolution_ms, end_ms);
";

const GOVERNANCE: &str = "
CREATE TABLE incident (
    id INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    state TEXT NOT NULL,
    opened_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    resolved_ms INTEGER,
    body TEXT NOT NULL
);
CREATE INDEX incident_state ON incident (state, service);
CREATE TABLE incident_event (
    id INTEGER PRIMARY KEY,
    incident INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX event_of_incident ON incident_event (incident);
CREATE TABLE silence (
    id INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    made_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE TABLE notification (
    id INTEGER PRIMARY KEY,
    incident INTEGER NOT NULL,
    receiver TEXT NOT NULL,
    kind TEXT NOT NULL,
    due_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    sent_ms INTEGER,
    error TEXT
);
CREATE INDEX notification_due ON notification (due_ms) WHERE sent_ms IS NULL;
CREATE TABLE token (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    made_ms INTEGER NOT NULL
);
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash BLOB NOT NULL
);
";

/// Settings of every connection. A commit is on disk before it is acknowledged.
pub fn configure(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(())
}

/// Brings the tables up to date.
pub fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(found.max(0) as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", step as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_becomes_the_newest_and_keeps_its_rows() {
        for version in 0..=MIGRATIONS.len() {
            let mut connection = Connection::open_in_memory().expect("memory");
            for sql in &MIGRATIONS[..version] {
                connection.execute_batch(sql).expect("a step");
            }
            connection
                .pragma_update(None, "user_version", version as i64)
                .expect("version");
            if version > 0 {
                connection
                    .execute("INSERT INTO series (name) VALUES ('rss_bytes')", [])
                    .expect("a row");
            }
            migrate(&mut connection).expect("migrates");
            let rows: i64 = connection
                .query_row("SELECT count(*) FROM series", [], |row| row.get(0))
                .expect("counts");
            assert_eq!(rows, i64::from(version > 0));
            connection
                .query_row("SELECT count(*) FROM audit", [], |row| row.get::<_, i64>(0))
                .expect("the newest table is there");
        }
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let mut connection = Connection::open_in_memory().expect("memory");
        connection
            .pragma_update(None, "user_version", 99)
            .expect("version");
        assert!(matches!(
            migrate(&mut connection),
            Err(StoreError::TooNew { found: 99, .. })
        ));
    }
}
