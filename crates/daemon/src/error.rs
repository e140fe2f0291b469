use std::io;
use std::path::PathBuf;

/// Why a run could not start, or could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// There is no such program.
    #[error("no program `{program}`")]
    NotFound {
        /// As it was asked for.
        program: String,
    },
    /// The program is there and may not be run.
    #[error("`{program}` cannot be executed: {source}")]
    NotExecutable {
        /// As it was asked for.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The worker could not be started for another reason.
    #[error("could not start `{program}`: {source}")]
    Start {
        /// As it was asked for.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The folder of the run cannot be written.
    #[error("cannot write to the output folder `{}`: {source}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The agents' socket could not be made.
    #[error("could not listen on `{}`: {source}", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Signals could not be caught.
    #[error("could not install signal handlers: {0}")]
    Signals(io::Error),
    /// The agent could not be put in place.
    #[error(transparent)]
    Inject(#[from] plimsoll_runtimes::InjectError),
    /// The process could not be attached to.
    #[error(transparent)]
    Attach(#[from] plimsoll_runtimes::node::AttachError),
    /// The second Ctrl-C.
    #[error("stopped by a second signal, no report was written")]
    Interrupted,
}

impl DaemonError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            DaemonError::NotFound { program } => Some(format!(
                "check the spelling, or give the path: `plimsoll run -- ./{program}`"
            )),
            DaemonError::NotExecutable { program, .. } => Some(format!(
                "make it executable with `chmod +x {program}`, or start it with its interpreter"
            )),
            DaemonError::Folder { .. } => Some("choose another folder with `--out DIR`".into()),
            DaemonError::Attach(error) => error.hint(),
            DaemonError::Start { .. }
            | DaemonError::Socket { .. }
            | DaemonError::Signals(_)
            | DaemonError::Inject(_)
            | DaemonError::Interrupted => None,
        }
    }
}
