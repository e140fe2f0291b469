//! The embedded store: series of workers, what was found about them, and who did what.
//!
//! SQLite in WAL mode, one writer. Points go to an append log and are acknowledged once their
//! transaction is on disk; about once a minute everything in the log becomes one delta-encoded chunk a
//! worker, and the log is emptied in the same transaction. So a crash at any instant loses nothing
//! that was acknowledged, and a point is never stored twice. Reading never waits for writing.
//!
//! What it does not do: judge, listen, or know the time. The caller passes every instant in, in
//! milliseconds since the Unix epoch.

mod access;
mod audit;
mod chunk;
mod codec;
mod error;
mod incident;
mod notification;
mod retention;
mod schema;
mod series;
mod store;
mod worker;
mod writer;

pub use access::{Desk, Role, TokenRow};
pub use audit::{AuditEntry, AuditFault, AuditRow};
pub use error::StoreError;
pub use incident::{Incident, IncidentEvent, IncidentState, Silence};
pub use notification::Notification;
pub use retention::{Limits, Swept};
pub use series::{Points, SeriesQuery};
pub use store::{Counts, Store, StoreOptions};
pub use worker::WorkerRow;
pub use writer::Done;

/// One value of one series of one worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Row of the worker, from [`Store::worker`].
    pub worker: i64,
    /// Name of the series, such as `rss_bytes` or `jobs{class="email"}`.
    pub series: std::sync::Arc<str>,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The value.
    pub value: f64,
}
