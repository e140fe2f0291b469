//! News for those who look on.

use tokio::sync::broadcast;

/// News that a slow reader may be behind; past it that reader is told to read anew.
const BEHIND_MAX: usize = 1024;

/// Something changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// `worker`, `verdict` or `incident`.
    pub kind: &'static str,
    /// Row of what changed.
    pub id: i64,
}

/// Where news are called out.
#[derive(Debug, Clone)]
pub struct Crier(broadcast::Sender<News>);

impl Default for Crier {
    fn default() -> Self {
        Crier(broadcast::Sender::new(BEHIND_MAX))
    }
}

impl Crier {
    /// Calls out; nobody has to listen.
    pub fn cry(&self, kind: &'static str, id: i64) {
        let _ = self.0.send(News { kind, id });
    }

    /// Listens from now on.
    pub fn listen(&self) -> broadcast::Receiver<News> {
        self.0.subscribe()
    }
}
