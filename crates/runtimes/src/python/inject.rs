//! Puts the agent on disk and its folder onto `PYTHONPATH`, whose `sitecustomize` every interpreter loads.
//!
//! The variable is inherited, so wrappers, forked and spawned children load the agent too; which of them is the
//! worker is decided later, by who runs jobs.

use std::path::{Path, PathBuf};

use crate::files::{InjectError, write_agent};

include!(concat!(env!("OUT_DIR"), "/python_agent.rs"));

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
        let folder = write_agent(folder, "python", FILES)?;
        Ok(AgentFiles { folder })
    }

    /// The folder that has to be the first of `PYTHONPATH`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// `PYTHONPATH` with `folder` before what the user has there already.
pub fn python_path(folder: &Path, present: Option<&str>) -> String {
    let ours = folder.to_string_lossy();
    match present.filter(|path| !path.is_empty()) {
        Some(theirs) => format!("{ours}:{theirs}"),
        None => ours.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_path_is_kept() {
        let folder = Path::new("/a/python-1");
        assert_eq!(python_path(folder, None), "/a/python-1");
        assert_eq!(python_path(folder, Some("")), "/a/python-1");
        assert_eq!(python_path(folder, Some("/x:/y")), "/a/python-1:/x:/y");
    }

    #[test]
    fn every_file_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = AgentFiles::write(folder.path()).expect("can be written");
        for name in ["sitecustomize.py", "_plimsoll/agent.py", "plimsoll/__init__.py"] {
            assert!(files.folder().join(name).is_file(), "{name}");
        }
    }
}
