//! Incidents, what happened to them, and silences.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::audit::{self, AuditEntry};
use crate::{Store, StoreError};

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IncidentState {
    /// Nobody has taken it up.
    Open,
    /// Somebody works on it: no more alerts.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl IncidentState {
    /// The name in tables and documents.
    pub fn name(self) -> &'static str {
        match self {
            IncidentState::Open => "open",
            IncidentState::Acknowledged => "acknowledged",
            IncidentState::Resolved => "resolved",
        }
    }

    /// From a name.
    pub fn parse(name: &str) -> Option<Self> {
        [
            IncidentState::Open,
            IncidentState::Acknowledged,
            IncidentState::Resolved,
        ]
        .into_iter()
        .find(|state| state.name() == name)
    }
}

/// One incident. The body is JSON; the store does not look into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Row; 0 for one that is yet to be stored.
    pub id: i64,
    /// Service that it is about.
    pub service: String,
    /// Where it stands.
    pub state: IncidentState,
    /// When it was opened.
    pub opened_ms: i64,
    /// When something last changed.
    pub updated_ms: i64,
    /// When it was over.
    pub resolved_ms: Option<i64>,
    /// What is known of it.
    pub body: String,
}

/// Something that happened to an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentEvent {
    /// When.
    pub at_ms: i64,
    /// `opened`, `refined`, `acknowledged`, `resolved`, `notified`, …
    pub kind: String,
    /// Who.
    pub actor: String,
    /// More about it.
    pub text: String,
}

/// A silence: no alerts for a service until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Row; 0 for one that is yet to be stored.
    pub id: i64,
    /// The service; `*` for all.
    pub service: String,
    /// Until when.
    pub until_ms: i64,
    /// When it was made.
    pub made_ms: i64,
    /// Who made it.
    pub actor: String,
    /// Why.
    pub reason: String,
}

const COLUMNS: &str = "id, service, state, opened_ms, updated_ms, resolved_ms, body";

fn incident(row: &Row<'_>) -> rusqlite::Result<Incident> {
    let state: String = row.get(2)?;
    Ok(Incident {
        id: row.get(0)?,
        service: row.get(1)?,
        // An unknown state was written by a newer version; it is shown rather than lost.
        state: IncidentState::parse(&state).unwrap_or(IncidentState::Open),
        opened_ms: row.get(3)?,
        updated_ms: row.get(4)?,
        resolved_ms: row.get(5)?,
        body: row.get(6)?,
    })
}

fn add_event(connection: &Connection, id: i64, event: &IncidentEvent) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO incident_event (incident, at_ms, kind, actor, text) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![id, event.at_ms, event.kind, event.actor, event.text],
    )?;
    audit::append(
        connection,
        &AuditEntry {
            at_ms: event.at_ms,
            actor: event.actor.clone(),
            action: format!("incident.{}", event.kind),
            object: id.to_string(),
            detail: event.text.clone(),
        },
    )
}

impl Store {
    /// Stores a new incident or a changed one, with what happened and who is to hear of it, all or
    /// nothing. Gives its row.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_incident(
        &self,
        incident: Incident,
        event: Option<IncidentEvent>,
        receivers: Vec<String>,
    ) -> Result<i64, StoreError> {
        self.write(move |connection| {
            let row = (incident.id != 0).then_some(incident.id);
            let id: i64 = connection.query_row(
                "INSERT INTO incident (id, service, state, opened_ms, updated_ms, resolved_ms, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (id) DO UPDATE SET state = ?3, updated_ms = ?5, resolved_ms = ?6, body = ?7
                 RETURNING id",
                params![
                    row,
                    incident.service,
                    incident.state.name(),
                    incident.opened_ms,
                    incident.updated_ms,
                    incident.resolved_ms,
                    incident.body
                ],
                |row| row.get(0),
            )?;
            if let Some(event) = &event {
                add_event(connection, id, event)?;
                for receiver in &receivers {
                    connection.execute(
                        "INSERT INTO notification (incident, receiver, kind, due_ms) VALUES (?1, ?2, ?3, ?4)",
                        params![id, receiver, event.kind, event.at_ms],
                    )?;
                }
            }
            Ok(id)
        })
    }

    /// Incidents, the latest first; `None` for every state.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn incidents(&self, state: Option<IncidentState>, most: usize) -> Result<Vec<Incident>, StoreError> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM incident WHERE ?1 IS NULL OR state = ?1 ORDER BY updated_ms DESC, id DESC LIMIT ?2"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![state.map(IncidentState::name), most as i64], incident)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// One incident.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn incident(&self, id: i64) -> Result<Option<Incident>, StoreError> {
        self.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM incident WHERE id = ?1");
            Ok(connection.query_row(&sql, [id], incident).optional()?)
        })
    }

    /// What happened to an incident, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn incident_events(&self, id: i64) -> Result<Vec<IncidentEvent>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT at_ms, kind, actor, text FROM incident_event WHERE incident = ?1 ORDER BY id LIMIT 1000",
            )?;
            let rows = statement.query_map([id], |row| {
                Ok(IncidentEvent {
                    at_ms: row.get(0)?,
                    kind: row.get(1)?,
                    actor: row.get(2)?,
                    text: row.get(3)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Stores a silence.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_silence(&self, silence: Silence) -> Result<(), StoreError> {
        self.write(move |connection| {
            connection.execute(
                "INSERT INTO silence (service, until_ms, made_ms, actor, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    silence.service,
                    silence.until_ms,
                    silence.made_ms,
                    silence.actor,
                    silence.reason
                ],
            )?;
            audit::append(
                connection,
                &AuditEntry {
                    at_ms: silence.made_ms,
                    actor: silence.actor,
                    action: "silence.add".into(),
                    object: silence.service,
                    detail: silence.reason,
                },
            )
        })
    }

    /// Silences that hold at an instant.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn silences(&self, now_ms: i64) -> Result<Vec<Silence>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, service, until_ms, made_ms, actor, reason FROM silence WHERE until_ms > ?1 ORDER BY id LIMIT 1000",
            )?;
            let rows = statement.query_map([now_ms], |row| {
                Ok(Silence {
                    id: row.get(0)?,
                    service: row.get(1)?,
                    until_ms: row.get(2)?,
                    made_ms: row.get(3)?,
                    actor: row.get(4)?,
                    reason: row.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
