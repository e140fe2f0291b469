use std::path::PathBuf;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made or is not ours.
    #[error("cannot use the data folder `{path}`: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the store open.
    #[error("the data folder `{path}` is in use by another plimsoll")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Written by a newer version.
    #[error("the data folder has schema version {found}, this plimsoll knows {known} at most")]
    TooNew {
        /// Version found.
        found: i64,
        /// Newest version known.
        known: i64,
    },
    /// SQLite said no.
    #[error("the store failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A stored value cannot be read.
    #[error("stored {what} is damaged: {reason}")]
    Damaged {
        /// Which value.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// More waits to be written than the queue holds: try again later.
    #[error("the store is behind: {waiting} batches wait to be written")]
    Busy {
        /// Batches that wait.
        waiting: usize,
    },
    /// The writer has ended.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the disk is full, which passes when somebody makes room.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, StoreError::Sqlite(rusqlite::Error::SqliteFailure(error, _)) if error.code == rusqlite::ErrorCode::DiskFull)
    }
}

impl StoreError {
    /// The same failure for another one who waited for the same commit.
    pub(crate) fn again(&self) -> StoreError {
        match self {
            StoreError::Sqlite(rusqlite::Error::SqliteFailure(error, text)) => {
                StoreError::Sqlite(rusqlite::Error::SqliteFailure(*error, text.clone()))
            }
            other => StoreError::Damaged {
                what: "group commit",
                reason: other.to_string(),
            },
        }
    }
}
