//! Puts the agent on disk and into `NODE_OPTIONS`.
//!
//! `NODE_OPTIONS` is inherited, so wrappers (npm, npx, tsx), cluster workers and forked children load
//! the agent too; which of them is the worker is decided later, by who runs jobs.

use std::fs::{self, DirBuilder, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
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
        // Each build has a folder of its own: another version's workers may be loading theirs.
        let mut hasher = DefaultHasher::new();
        FILES.hash(&mut hasher);
        let folder = folder.join(format!("node-{:016x}", hasher.finish()));
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
    if fs::read(path).is_ok_and(|present| present == text.as_bytes()) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    // Renamed into place, since a worker may be loading it at this moment.
    let part = path.with_extension(format!("{}.part", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)?
        .write_all(text.as_bytes())?;
    fs::rename(part, path)
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
