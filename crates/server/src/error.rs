use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the collector could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Beyond loopback, without what that needs.
    #[error("refusing to listen on `{address}`, which is not loopback: {lacks}")]
    Exposed {
        /// Where it was to listen.
        address: SocketAddr,
        /// What is missing.
        lacks: String,
    },
    /// The address is taken or not ours.
    #[error("cannot listen on `{address}`: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        #[source]
        source: std::io::Error,
    },
    /// A certificate or key cannot be used.
    #[error("cannot use `{path}` for TLS: {reason}")]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] plimsoll_store::StoreError),
    /// No threads, no signals.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

impl ServeError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ServeError::Exposed { .. } => Some(
                "give `--tls-cert FILE --tls-key FILE`, and make a token with `plimsoll token add NAME --role operator --data DIR`",
            ),
            ServeError::Listen { .. } => Some("choose another port with `--listen ADDR:PORT`"),
            ServeError::Store(plimsoll_store::StoreError::InUse { .. }) => {
                Some("stop the other one, or give this one a folder of its own with `--data DIR`")
            }
            _ => None,
        }
    }
}
