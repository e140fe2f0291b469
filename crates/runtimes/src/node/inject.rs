//! Puts the agent on disk and into `NODE_OPTIONS`.
//!
//! `NODE_OPTIONS` is inherited, so wrappers (npm, npx, tsx), cluster workers and forked children load
//! the agent too; which of them is the worker is decided later, by who runs jobs.

use std::path::{Path, PathBuf};

use crate::files::{InjectError, write_agent};

include!(concat!(env!("OUT_DIR"), "/node_agent.rs"));

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
        let folder = write_agent(folder, "node", FILES)?;
        Ok(AgentFiles { folder })
    }

    /// The file that a worker has to load.
    pub fn entry(&self) -> PathBuf {
        self.folder.join("agent.cjs")
    }
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
