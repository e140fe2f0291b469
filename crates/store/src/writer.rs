//! The one writer: gathers what waits into one transaction, acknowledges after the commit, seals.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior, params};

use crate::chunk::ChunkBuilder;
use crate::codec::{put_varint, take_varint, unzigzag, zigzag};
use crate::{Point, StoreError};

/// Called once the write is on disk, or has failed.
pub type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Work on the tables, inside the transaction of its group.
pub type Work = Box<dyn FnOnce(&Connection) -> Result<(), StoreError> + Send>;

/// What the writer is asked to do.
pub enum Command {
    /// Keep these points.
    Append(Vec<Point>, Done),
    /// Change tables.
    Work(Work, Done),
    /// Turn the log into chunks now.
    Seal(Done),
}

/// Commands that one commit covers at most.
const GROUP_MAX: usize = 512;
/// Names of series in all; past it new ones are refused, so that a sender that invents names for ever
/// cannot fill memory.
const NAMES_MAX: usize = 200_000;

/// What readers share with the writer.
#[derive(Default)]
pub struct Shared {
    /// Points that are in the log but in no chunk yet, by worker.
    pub open: RwLock<HashMap<i64, ChunkBuilder>>,
    /// Series by name.
    pub names: RwLock<HashMap<Arc<str>, i64>>,
    /// Points refused because there were too many names.
    pub refused_points: std::sync::atomic::AtomicU64,
}

/// The writer's state.
pub struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    seal_after: Duration,
    seal_points: u64,
    unsealed: u64,
    unsealed_since: Option<Instant>,
}

impl Writer {
    /// A writer that has taken back in what the log holds.
    pub fn new(
        connection: Connection,
        shared: Arc<Shared>,
        seal_after: Duration,
        seal_points: u64,
    ) -> Result<Self, StoreError> {
        let mut writer = Writer {
            connection,
            shared,
            seal_after,
            seal_points,
            unsealed: 0,
            unsealed_since: None,
        };
        writer.recover()?;
        Ok(writer)
    }

    /// Works until every sender is gone; then seals what is open.
    pub fn run(mut self, commands: &Receiver<Command>) {
        loop {
            match commands.recv_timeout(self.until_seal()) {
                Ok(first) => {
                    let rest = commands.try_iter().take(GROUP_MAX - 1);
                    let group: Vec<Command> = std::iter::once(first).chain(rest).collect();
                    self.commit(group);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.until_seal().is_zero() || self.unsealed >= self.seal_points {
                self.try_seal();
            }
        }
        self.try_seal();
    }

    fn until_seal(&self) -> Duration {
        self.unsealed_since.map_or(self.seal_after, |since| {
            self.seal_after.saturating_sub(since.elapsed())
        })
    }

    /// A seal that fails (a full disk) leaves everything in the log and is tried again later.
    fn try_seal(&mut self) {
        if self.seal().is_err() {
            self.unsealed_since = Some(Instant::now());
        }
    }

    fn commit(&mut self, group: Vec<Command>) {
        let mut answers: Vec<(Done, Option<StoreError>)> = Vec::new();
        let mut taken: Vec<(i64, i64, i64, f64)> = Vec::new();
        let mut new_names: Vec<Arc<str>> = Vec::new();
        let mut seal = false;
        let shared = Arc::clone(&self.shared);
        let result = (|| -> Result<(), StoreError> {
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            for command in group {
                match command {
                    Command::Append(points, done) => {
                        let kept = append(&transaction, &shared, &points, &mut new_names);
                        let error = kept.map(|kept| taken.extend(kept)).err();
                        answers.push((done, error));
                    }
                    Command::Work(work, done) => {
                        let error = in_savepoint(&transaction, work).err();
                        answers.push((done, error));
                    }
                    Command::Seal(done) => {
                        seal = true;
                        answers.push((done, None));
                    }
                }
            }
            transaction.commit()?;
            Ok(())
        })();
        if result.is_ok() {
            self.open_up(&taken);
        } else {
            let mut names = shared.names.write().unwrap_or_else(PoisonError::into_inner);
            names.retain(|name, _| !new_names.contains(name));
        }
        let sealed = if seal { self.seal() } else { Ok(()) };
        for (done, error) in answers {
            done(match (&result, error, &sealed) {
                (Err(error), ..) => Err(error.again()),
                (_, Some(error), _) => Err(error),
                (_, None, Err(error)) if seal => Err(error.again()),
                _ => Ok(()),
            });
        }
    }

    fn open_up(&mut self, points: &[(i64, i64, i64, f64)]) {
        if points.is_empty() {
            return;
        }
        let mut open = self.shared.open.write().unwrap_or_else(PoisonError::into_inner);
        for (worker, series, at_ms, value) in points {
            open.entry(*worker).or_default().push(*series, *at_ms, *value);
        }
        self.unsealed += points.len() as u64;
        self.unsealed_since.get_or_insert_with(Instant::now);
    }

    /// Chunks in, log out, in one transaction.
    fn seal(&mut self) -> Result<(), StoreError> {
        if self.unsealed == 0 {
            return Ok(());
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let open = self.shared.open.read().unwrap_or_else(PoisonError::into_inner);
            let mut insert = transaction.prepare_cached(
                "INSERT INTO chunk (worker, resolution_ms, start_ms, end_ms, data) VALUES (?1, 0, ?2, ?3, ?4)",
            )?;
            for (worker, chunk) in open.iter() {
                insert.execute(params![worker, chunk.start_ms, chunk.end_ms, chunk.encode()])?;
            }
        }
        transaction.execute("DELETE FROM log", [])?;
        transaction.commit()?;
        // A reader that comes in between sees a point twice and drops one of the two.
        self.shared
            .open
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.unsealed = 0;
        self.unsealed_since = None;
        Ok(())
    }

    fn recover(&mut self) -> Result<(), StoreError> {
        let mut names: HashMap<Arc<str>, i64> = HashMap::new();
        let mut points = Vec::new();
        {
            let mut rows = self.connection.prepare("SELECT name, id FROM series")?;
            for row in rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))? {
                let (name, id) = row?;
                names.insert(name.into(), id);
            }
            let mut rows = self.connection.prepare("SELECT data FROM log ORDER BY id")?;
            for data in rows.query_map([], |row| row.get::<_, Vec<u8>>(0))? {
                decode_batch(&data?, &mut points).ok_or(StoreError::Damaged {
                    what: "append log",
                    reason: "a batch is cut off".into(),
                })?;
            }
        }
        *self.shared.names.write().unwrap_or_else(PoisonError::into_inner) = names;
        self.open_up(&points);
        Ok(())
    }
}

fn in_savepoint(connection: &Connection, work: Work) -> Result<(), StoreError> {
    connection.execute_batch("SAVEPOINT work")?;
    let result = work(connection);
    connection.execute_batch(if result.is_ok() {
        "RELEASE work"
    } else {
        "ROLLBACK TO work; RELEASE work"
    })?;
    result
}

type Kept = Vec<(i64, i64, i64, f64)>;

fn append(
    connection: &Connection,
    shared: &Shared,
    points: &[Point],
    new_names: &mut Vec<Arc<str>>,
) -> Result<Kept, StoreError> {
    let mut kept = Vec::with_capacity(points.len());
    for point in points.iter().filter(|point| point.value.is_finite()) {
        match series_id(connection, shared, &point.series, new_names)? {
            Some(series) => kept.push((point.worker, series, point.at_ms, point.value)),
            None => {
                shared
                    .refused_points
                    .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
    }
    if !kept.is_empty() {
        connection
            .prepare_cached("INSERT INTO log (data) VALUES (?1)")?
            .execute([encode_batch(&kept)])?;
    }
    Ok(kept)
}

fn series_id(
    connection: &Connection,
    shared: &Shared,
    name: &Arc<str>,
    new_names: &mut Vec<Arc<str>>,
) -> Result<Option<i64>, StoreError> {
    {
        let names = shared.names.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = names.get(name) {
            return Ok(Some(*id));
        }
        if names.len() >= NAMES_MAX {
            return Ok(None);
        }
    }
    let id = connection
        .prepare_cached(
            "INSERT INTO series (name) VALUES (?1) ON CONFLICT (name) DO UPDATE SET name = name RETURNING id",
        )?
        .query_row([&**name], |row| row.get(0))?;
    new_names.push(Arc::clone(name));
    shared
        .names
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(Arc::clone(name), id);
    Ok(Some(id))
}

/// The log's own form: points as they came, with deltas to the one before.
fn encode_batch(points: &Kept) -> Vec<u8> {
    let mut out = Vec::with_capacity(points.len() * 8);
    let mut before = 0_i64;
    for (worker, series, at_ms, value) in points {
        put_varint(&mut out, *worker as u64);
        put_varint(&mut out, *series as u64);
        put_varint(&mut out, zigzag(at_ms.wrapping_sub(before)));
        out.extend_from_slice(&value.to_le_bytes());
        before = *at_ms;
    }
    out
}

fn decode_batch(mut bytes: &[u8], points: &mut Kept) -> Option<()> {
    let mut at_ms = 0_i64;
    while !bytes.is_empty() {
        let worker = take_varint(&mut bytes)? as i64;
        let series = take_varint(&mut bytes)? as i64;
        at_ms = at_ms.wrapping_add(unzigzag(take_varint(&mut bytes)?));
        let (raw, rest) = bytes.split_first_chunk::<8>()?;
        bytes = rest;
        points.push((worker, series, at_ms, f64::from_le_bytes(*raw)));
    }
    Some(())
}
