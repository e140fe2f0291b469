//! Puts the agent on disk and into `NODE_OPTIONS`.
//!
//! `NODE_OPTIONS` is inherited, so wrappers (npm, npx, tsx), cluster workers and forked children load
//! the agent too; which of them is the worker is decided later, by who runs jobs.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/node_agent.rs"));

/// What can go wrong while the agent is put in place.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// The agent's files could not be written.
    #[error("could not write the agent to `{}`: {source}", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The agent's files on disk.
#[derive(Debug, Clone)]
pub struct AgentFiles {
    folder: PathBuf,
}

impl AgentFiles {
    /// Writes the embedded agent below `folder`, readable by the user alone.
    ///
    /// # Errors
    /// [`InjectError::Write`] with the path that could not be written.
    pub fn write(folder: &Path) -> Result<Self, InjectError> {
        let folder = folder.join("node");
        for (name, text) in FILES {
            let path = folder.join(name);
            write_private(&path, text).map_err(|source| InjectError::Write { path, source })?;
        }
        Ok(AgentFiles { folder })
    }

    /// The file that a worker has to load.
    pub fn entry(&self) -> PathBuf {
        self.folder.join("agent.cjs")
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}

/// `NODE_OPTIONS` that loads `entry` before the program, after what the user has there already.
///
/// Quoted as Node reads it: double quotes, backslash escapes the next character (node(1), NODE_OPTIONS).
pub fn node_options(entry: &Path, present: Option<&str>) -> String {
    let path = entry.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
    let ours = format!("--require \"{path}\"");
    match present.map(str::trim).filter(|options| !options.is_empty()) {
        Some(theirs) => format!("{theirs} {ours}"),
        None => ours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_chain_and_quote() {
        let entry = Path::new("/tmp/a \"b/agent.cjs");
        assert_eq!(node_options(entry, None), r#"--require "/tmp/a \"b/agent.cjs""#);
        assert_eq!(
            node_options(Path::new("/x"), Some(" --max-old-space-size=512 ")),
            r#"--max-old-space-size=512 --require "/x""#
        );
    }
}
