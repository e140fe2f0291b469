//! Puts an agent's files on disk.

use std::fs::{self, DirBuilder, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What can go wrong while an agent is put in place.
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

/// Writes `files` into a folder of their own below `folder`, readable by the user alone; tells which.
pub(crate) fn write_agent(
    folder: &Path,
    runtime: &str,
    files: &[(&str, &str)],
) -> Result<PathBuf, InjectError> {
    // Each build has a folder of its own: another version's workers may be loading theirs.
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    let folder = folder.join(format!("{runtime}-{:016x}", hasher.finish()));
    for (name, text) in files {
        let path = folder.join(name);
        write_private(&path, text).map_err(|source| InjectError::Write { path, source })?;
    }
    Ok(folder)
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
