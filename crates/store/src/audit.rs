//! The audit log: each entry's hash covers the one before, so that nothing can be changed or taken out
//! in the middle unseen.

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::{Store, StoreError};

/// Something that somebody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who: the name of a token, `local`, or `plimsoll` itself.
    pub actor: String,
    /// What, such as `incident.acknowledge`.
    pub action: String,
    /// To what.
    pub object: String,
    /// More about it.
    pub detail: String,
}

/// An entry with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Number, from 1, without gaps.
    pub seq: i64,
    /// The entry.
    pub entry: AuditEntry,
    /// Hash over the entry and the hash before it, in hexadecimal.
    pub hash: String,
}

/// The first place where the chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFault {
    /// Number of the entry.
    pub seq: i64,
    /// What is wrong.
    pub reason: String,
}

fn hash_of(before: &[u8], seq: i64, entry: &AuditEntry) -> Vec<u8> {
    let mut hasher = Sha256::new();
    hasher.update(before);
    hasher.update(seq.to_le_bytes());
    hasher.update(entry.at_ms.to_le_bytes());
    for field in [&entry.actor, &entry.action, &entry.object, &entry.detail] {
        // Lengths first, so that text cannot move from one field to the next.
        hasher.update((field.len() as u64).to_le_bytes());
        hasher.update(field.as_bytes());
    }
    hasher.finalize().to_vec()
}

/// Appends inside the caller's transaction.
pub fn append(connection: &Connection, entry: &AuditEntry) -> Result<(), StoreError> {
    let last = connection
        .query_row(
            "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)),
        )
        .optional()?;
    let (seq, before) = last.unwrap_or_default();
    let seq = seq + 1;
    connection.execute(
        "INSERT INTO audit (seq, at_ms, actor, action, object, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            seq,
            entry.at_ms,
            entry.actor,
            entry.action,
            entry.object,
            entry.detail,
            hash_of(&before, seq, entry)
        ],
    )?;
    Ok(())
}

fn rows(
    connection: &Connection,
    after: i64,
    most: usize,
    mut each: impl FnMut(i64, AuditEntry, Vec<u8>) -> bool,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, at_ms, actor, action, object, detail, hash FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let mut found = statement.query(params![after, most as i64])?;
    while let Some(row) = found.next()? {
        let entry = AuditEntry {
            at_ms: row.get(1)?,
            actor: row.get(2)?,
            action: row.get(3)?,
            object: row.get(4)?,
            detail: row.get(5)?,
        };
        if !each(row.get(0)?, entry, row.get(6)?) {
            break;
        }
    }
    Ok(())
}

/// Entries after number `after`, in order.
pub fn list(connection: &Connection, after: i64, most: usize) -> Result<Vec<AuditRow>, StoreError> {
    let mut listed = Vec::new();
    rows(connection, after, most, |seq, entry, hash| {
        let hash = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        listed.push(AuditRow { seq, entry, hash });
        true
    })?;
    Ok(listed)
}

/// How many entries there are, and the first fault if there is one.
pub fn verify(connection: &Connection) -> Result<(u64, Option<AuditFault>), StoreError> {
    let (mut count, mut expected, mut before, mut fault) = (0, 1, Vec::new(), None);
    rows(connection, 0, i64::MAX as usize, |seq, entry, hash| {
        if seq != expected {
            fault = Some(AuditFault {
                seq,
                reason: format!("entry {expected} is missing"),
            });
        } else if hash_of(&before, seq, &entry) != hash {
            fault = Some(AuditFault {
                seq,
                reason: "the entry does not match its hash".into(),
            });
        }
        count += 1;
        expected += 1;
        before = hash;
        fault.is_none()
    })?;
    Ok((count, fault))
}

impl Store {
    /// Appends an entry.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.write(move |connection| append(connection, &entry))
    }

    /// Entries after number `after`, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn audit_after(&self, after: i64, most: usize) -> Result<Vec<AuditRow>, StoreError> {
        self.read(|connection| list(connection, after, most))
    }

    /// How many entries there are, and the first fault if there is one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn verify_audit(&self) -> Result<(u64, Option<AuditFault>), StoreError> {
        self.read(verify)
    }
}
