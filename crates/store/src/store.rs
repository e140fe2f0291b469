use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use crate::schema::{configure, migrate};
use crate::writer::{Command, Done, Shared, Writer};
use crate::{Point, StoreError};

/// Batches that may wait for the writer.
const QUEUE: usize = 1024;
/// Connections for reading; one a core of a small machine.
const READERS: usize = 2;

/// How the store behaves.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Age at which the log becomes chunks.
    pub seal_after: Duration,
    /// Points in the log at which it becomes chunks in any case: some 4 bytes of memory each.
    pub seal_points: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            seal_after: Duration::from_secs(60),
            seal_points: 10_000_000,
        }
    }
}

/// What is in the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Workers ever seen and not yet expired.
    pub workers: u64,
    /// Chunks.
    pub chunks: u64,
    /// Size of the database.
    pub bytes: u64,
    /// Points refused since the start because there were too many names.
    pub refused_points: u64,
}

/// The open store.
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    pub(crate) dir: PathBuf,
    commands: Option<SyncSender<Command>>,
    writer: Option<JoinHandle<()>>,
    readers: Vec<Mutex<Connection>>,
    next_reader: std::sync::atomic::AtomicUsize,
    _lock: File,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Store")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `dir`, made if it is not there; takes in what a crash left in the log.
    ///
    /// # Errors
    /// When the folder cannot be used, is in use, or was written by a newer version.
    pub fn open(dir: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        let lock = lock(dir)?;
        let connection = connect(dir)?;
        let shared = Arc::new(Shared::default());
        let writer = Writer::new(
            connection,
            Arc::clone(&shared),
            options.seal_after,
            options.seal_points,
        )?;
        let (commands, waiting) = mpsc::sync_channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || writer.run(&waiting))
            .map_err(|source| folder_error(dir, source))?;
        let readers = (0..READERS)
            .map(|_| connect(dir).map(Mutex::new))
            .collect::<Result<_, _>>()?;
        Ok(Store {
            shared,
            dir: dir.to_owned(),
            commands: Some(commands),
            writer: Some(writer),
            readers,
            next_reader: 0.into(),
            _lock: lock,
        })
    }

    /// Hands points over; `done` is called once they are on disk. Never waits: a queue that is full
    /// answers [`StoreError::Busy`] through `done`.
    pub fn append(&self, points: Vec<Point>, done: Done) {
        self.send(Command::Append(points, done));
    }

    fn send(&self, command: Command) {
        let Some(commands) = &self.commands else { return };
        let (command, error) = match commands.try_send(command) {
            Ok(()) => return,
            Err(TrySendError::Full(command)) => (command, StoreError::Busy { waiting: QUEUE }),
            Err(TrySendError::Disconnected(command)) => (command, StoreError::Closed),
        };
        match command {
            Command::Append(_, done) | Command::Work(_, done) | Command::Seal(done) => done(Err(error)),
        }
    }

    /// Points handed over and waited for.
    ///
    /// # Errors
    /// When they are not on disk.
    pub fn append_now(&self, points: Vec<Point>) -> Result<(), StoreError> {
        self.wait(|done| Command::Append(points, done))
    }

    /// Turns the log into chunks now.
    ///
    /// # Errors
    /// When they are not on disk; the log is whole then.
    pub fn seal(&self) -> Result<(), StoreError> {
        self.wait(Command::Seal)
    }

    fn wait(&self, command: impl FnOnce(Done) -> Command) -> Result<(), StoreError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let done: Done = Box::new(move |result| {
            // Whoever asked may have gone away.
            let _ = answer.send(result);
        });
        let commands = self.commands.as_ref().ok_or(StoreError::Closed)?;
        commands.send(command(done)).map_err(|_| StoreError::Closed)?;
        answered.recv().map_err(|_| StoreError::Closed)?
    }

    /// Changes tables in a transaction and waits for it to be on disk.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let slot = Arc::new(Mutex::new(None));
        let filled = Arc::clone(&slot);
        self.wait(move |done| {
            let work = move |connection: &Connection| {
                let value = work(connection)?;
                *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                Ok(())
            };
            Command::Work(Box::new(work), done)
        })?;
        let value = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or(StoreError::Closed)
    }

    /// Reads tables.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let turn = self.next_reader.fetch_add(1, Ordering::Relaxed) % self.readers.len();
        let connection = self.readers[turn].lock().unwrap_or_else(PoisonError::into_inner);
        work(&connection)
    }

    /// What is in the store.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        let refused_points = self.shared.refused_points.load(Ordering::Relaxed);
        self.read(|connection| {
            let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u64>(0));
            Ok(Counts {
                workers: count("SELECT count(*) FROM worker")?,
                chunks: count("SELECT count(*) FROM chunk")?,
                bytes: count("PRAGMA page_count")? * count("PRAGMA page_size")?,
                refused_points,
            })
        })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The writer ends when nobody can send any more.
        self.commands = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// A connection to the database of `dir`, which is made if it is not there.
pub fn connect(dir: &Path) -> Result<Connection, StoreError> {
    make_private(dir).map_err(|source| folder_error(dir, source))?;
    let path = dir.join("plimsoll.db");
    // SQLite gives its other files the mode of this one.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|source| folder_error(dir, source))?;
    let mut connection = Connection::open(&path)?;
    // Counts only before the first table is made.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    configure(&connection)?;
    migrate(&mut connection)?;
    Ok(connection)
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    make_private(dir).map_err(|source| folder_error(dir, source))?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(dir.join("lock"))
        .map_err(|source| folder_error(dir, source))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|error| {
        if error == rustix::io::Errno::WOULDBLOCK {
            StoreError::InUse { path: dir.to_owned() }
        } else {
            folder_error(dir, error.into())
        }
    })?;
    Ok(file)
}

fn make_private(dir: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn folder_error(dir: &Path, source: std::io::Error) -> StoreError {
    StoreError::Folder {
        path: dir.to_owned(),
        source,
    }
}
