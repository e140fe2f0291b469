//! The folder of one run: evidence, reports, the agent and its socket.

use std::fs::{self, DirBuilder, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::DaemonError;

/// Where a run keeps its files. Heap dumps hold secrets: 0700 and 0600 throughout.
#[derive(Debug)]
pub struct Folder {
    out: PathBuf,
    /// The socket, away from the evidence: socket paths are short by law (108 bytes).
    private: PathBuf,
    /// Where allocation tables are written, if there is such a place.
    tables: Option<PathBuf>,
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
        let private = new_private_dir().map_err(failed(&runtime_base()))?;
        let tables = new_tables_dir(&private);
        Ok(Folder { out, private, tables })
    }

    /// The folder itself.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// Folder of captured files.
    pub fn evidence(&self) -> PathBuf {
        self.out.join("evidence")
    }

    /// Folder of the agents' files.
    pub fn agents(&self) -> PathBuf {
        lasting_base().unwrap_or_else(|| self.private.clone())
    }

    /// Path of the agents' socket.
    pub fn socket(&self) -> PathBuf {
        self.private.join("agent.sock")
    }

    /// Folder of the allocation sampler's tables.
    pub fn tables(&self) -> Option<&Path> {
        self.tables.as_deref()
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
        // Only our socket lies here; an agent that finds none stays silent.
        let _ = fs::remove_dir_all(&self.private);
        if let Some(tables) = &self.tables {
            let _ = fs::remove_dir_all(tables);
        }
    }
}

/// Tables are memory that workers write to through a map: on a disk its write-back would stall them.
const MEMORY_FOLDER: &str = "/dev/shm";

fn new_tables_dir(private: &Path) -> Option<PathBuf> {
    let random = RandomState::new().build_hasher().finish();
    let name = format!("plimsoll-{}-{random:016x}", std::process::id());
    let places = [Path::new(MEMORY_FOLDER).join(name), private.join("tables")];
    places
        .into_iter()
        .find(|path| DirBuilder::new().mode(0o700).create(path).is_ok())
}

/// A folder that nobody else can have made before us: `/tmp` is everybody's.
fn new_private_dir() -> io::Result<PathBuf> {
    let mut tries = 0;
    loop {
        // The standard library seeds its hasher from the system's randomness.
        let random = RandomState::new().build_hasher().finish();
        let path = runtime_base().join(format!("plimsoll-{}-{random:016x}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < 16 => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Where the agent's files stay for good: processes that the worker leaves behind go on loading them
/// after we are gone, and must find them. Only a folder that is ours alone will do.
fn lasting_base() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
    let base = state.join("plimsoll/agent");
    private_dir(&base).ok()?;
    let meta = fs::symlink_metadata(&base).ok()?;
    let ours = meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0;
    ours.then_some(base)
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
