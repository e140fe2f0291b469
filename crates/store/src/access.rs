//! Tokens: kept as hashes, shown once.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::audit::{self, AuditEntry, AuditFault, AuditRow};
use crate::store::connect;
use crate::{Store, StoreError};

/// What a token may do; each may what the one before may, but an agent only sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends what workers do; reads nothing.
    Agent,
    /// Reads all but evidence.
    Viewer,
    /// Reads evidence, acknowledges, silences, resolves.
    Operator,
}

impl Role {
    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Role::Agent => "agent",
            Role::Viewer => "viewer",
            Role::Operator => "operator",
        }
    }

    /// From a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Role::Agent, Role::Viewer, Role::Operator]
            .into_iter()
            .find(|role| role.name() == name)
    }
}

/// A token as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub made_ms: i64,
}

/// Recognisable, so that scanners for leaked secrets can find it.
const PREFIX: &str = "plim_";

fn hash(token: &str) -> Vec<u8> {
    // 256 bits from the system: nothing to guess, so no slow hash is needed.
    Sha256::digest(token.as_bytes()).to_vec()
}

fn new_secret() -> std::io::Result<String> {
    let mut bytes = [0_u8; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{PREFIX}{digits}"))
}

fn tokens(connection: &Connection) -> Result<Vec<TokenRow>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT name, role, made_ms FROM token ORDER BY name")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?))
    })?;
    let mut listed = Vec::new();
    for row in rows {
        let (name, role, made_ms) = row?;
        let role = Role::parse(&role).ok_or_else(|| StoreError::Damaged {
            what: "token",
            reason: format!("its role is `{role}`"),
        })?;
        listed.push(TokenRow { name, role, made_ms });
    }
    Ok(listed)
}

impl Store {
    /// Whose token this is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn token(&self, secret: &str) -> Result<Option<TokenRow>, StoreError> {
        self.read(|connection| {
            let name: Option<String> = connection
                .query_row("SELECT name FROM token WHERE hash = ?1", [hash(secret)], |row| {
                    row.get(0)
                })
                .optional()?;
            Ok(tokens(connection)?
                .into_iter()
                .find(|token| Some(&token.name) == name.as_ref()))
        })
    }

    /// Every token.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        self.read(tokens)
    }
}

/// The tables of governance beside a server that may be running: for the command line.
#[derive(Debug)]
pub struct Desk {
    connection: Connection,
}

impl Desk {
    /// Opens the tables of `dir`.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        connect(dir).map(|connection| Desk { connection })
    }

    /// Makes a token and gives its secret, which is kept nowhere.
    ///
    /// # Errors
    /// When the name is taken or it cannot be written.
    pub fn add_token(&mut self, name: &str, role: Role, now_ms: i64) -> Result<String, StoreError> {
        let secret = new_secret().map_err(|source| StoreError::Folder {
            path: "/dev/urandom".into(),
            source,
        })?;
        let hash = hash(&secret);
        self.change(
            &AuditEntry {
                at_ms: now_ms,
                actor: "local".into(),
                action: "token.add".into(),
                object: name.into(),
                detail: role.name().into(),
            },
            |connection| {
                connection.execute(
                    "INSERT INTO token (name, role, hash, made_ms) VALUES (?1, ?2, ?3, ?4)",
                    params![name, role.name(), hash, now_ms],
                )
            },
        )?;
        Ok(secret)
    }

    /// Takes a token back; whether there was one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn revoke_token(&mut self, name: &str, now_ms: i64) -> Result<bool, StoreError> {
        let entry = AuditEntry {
            at_ms: now_ms,
            actor: "local".into(),
            action: "token.revoke".into(),
            object: name.into(),
            detail: String::new(),
        };
        let rows = self.change(&entry, |connection| {
            connection.execute("DELETE FROM token WHERE name = ?1", [name])
        })?;
        Ok(rows > 0)
    }

    fn change(
        &mut self,
        entry: &AuditEntry,
        work: impl FnOnce(&Connection) -> rusqlite::Result<usize>,
    ) -> Result<usize, StoreError> {
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let rows = work(&transaction)?;
        audit::append(&transaction, entry)?;
        transaction.commit()?;
        Ok(rows)
    }

    /// Every token.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        tokens(&self.connection)
    }

    /// Entries after number `after`, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn audit_after(&self, after: i64, most: usize) -> Result<Vec<AuditRow>, StoreError> {
        audit::list(&self.connection, after, most)
    }

    /// How many entries there are, and the first fault if there is one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn verify_audit(&self) -> Result<(u64, Option<AuditFault>), StoreError> {
        audit::verify(&self.connection)
    }
}
