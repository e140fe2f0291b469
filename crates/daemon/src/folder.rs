//! The folder of one run: evidence, reports, the agent and its socket.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::DaemonError;

/// Where a run keeps its files. Heap dumps hold secrets: 0700 and 0600 throughout.
#[derive(Debug)]
pub struct Folder {
    out: PathBuf,
    /// Agent files and socket, away from the evidence: socket paths are short by law (108 bytes).
    private: PathBuf,
}

impl Folder {
    /// Makes the folder, or takes over one that is there, and shows that it can be written.
    ///
    /// # Errors
    /// [`DaemonError::Folder`].
    pub fn create(out: &Path) -> Result<Self, DaemonError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| DaemonError::Folder { path, source }
        };
        private_dir(out).map_err(failed(out))?;
        let out = fs::canonicalize(out).map_err(failed(out))?;
        let evidence = out.join("evidence");
        private_dir(&evidence).map_err(failed(&evidence))?;
        fs::set_permissions(&evidence, fs::Permissions::from_mode(0o700)).map_err(failed(&evidence))?;
        let private = runtime_base().join(format!("plimsoll-{}", std::process::id()));
        private_dir(&private).map_err(failed(&private))?;
        Ok(Folder { out, private })
    }

    /// The folder itself.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// Folder of captured files.
    pub fn evidence(&self) -> PathBuf {
        self.out.join("evidence")
    }

    /// Folder of the agent's files.
    pub fn private(&self) -> &Path {
        &self.private
    }

    /// Path of the agents' socket.
    pub fn socket(&self) -> PathBuf {
        self.private.join("agent.sock")
    }

    /// Opens the agents' socket, for this user alone.
    ///
    /// # Errors
    /// [`DaemonError::Socket`].
    pub fn listen(&self) -> Result<UnixListener, DaemonError> {
        let path = self.socket();
        let _ = fs::remove_file(&path); // left by a run with our pid that was killed
        let listener = UnixListener::bind(&path).map_err(|source| DaemonError::Socket {
            path: path.clone(),
            source,
        })?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .map_err(|source| DaemonError::Socket { path, source })?;
        Ok(listener)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Only our own files lie here; a worker that is still starting finds no agent and runs without.
        let _ = fs::remove_dir_all(&self.private);
    }
}

fn runtime_base() -> PathBuf {
    let base = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|dir| dir.is_dir());
    base.filter(|dir| dir.as_os_str().len() < 60)
        .unwrap_or_else(|| PathBuf::from("/tmp"))
}

fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file that only the user can read, at once or not at all.
///
/// # Errors
/// The system's.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}
