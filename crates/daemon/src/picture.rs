//! Pictures of Python workers: taken at the instant at which the agent holds the worker still, read and written by a
//! thread of their own while the worker runs on.

use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

use plimsoll_runtimes::freeze::Frame;
use plimsoll_runtimes::python::picture::{PictureError, write_picture};
use plimsoll_wire::agent::{
    AgentCommand, AgentEvidence, AgentLine, AgentMessage, PictureReady, command_line,
};

use crate::event::{ConnectionId, Event};

/// Frozen copies at once: each costs the worker the pages that it writes meanwhile.
const AT_ONCE: usize = 2;

/// What takes pictures.
#[derive(Debug)]
pub struct Pictures {
    events: SyncSender<Event>,
    folder: PathBuf,
    taken: u32,
    busy: Arc<AtomicUsize>,
}

/// How one picture went.
#[derive(Debug)]
pub struct Taken {
    /// How long the worker stood still.
    pub pause: Duration,
    /// Size of the file.
    pub bytes: u64,
}

impl Pictures {
    /// Pictures that are written below `folder` and told to `events`.
    pub fn new(events: SyncSender<Event>, folder: PathBuf) -> Self {
        Pictures {
            events,
            folder,
            taken: 0,
            busy: Arc::new(AtomicUsize::new(0)),
        }
    }

    /// Whether some are still being read.
    pub fn are_pending(&self) -> bool {
        self.busy.load(Ordering::Acquire) > 0
    }

    /// Takes one of the process at the other end of `stream`, which waits for the answer.
    pub fn take(&mut self, id: ConnectionId, at: f64, ready: PictureReady, stream: UnixStream) {
        // What the kernel says of the other end, not what came over the socket.
        let pid = rustix::net::sockopt::socket_peercred(&stream).map(|peer| peer.pid.as_raw_nonzero().get());
        let Some(pid) = pid.ok().and_then(|pid| u32::try_from(pid).ok()) else {
            return answer(&stream, true);
        };
        if self.busy.load(Ordering::Acquire) >= AT_ONCE {
            let _ = self
                .events
                .try_send(skipped(id, at, &ready, "others were still being read"));
            return answer(&stream, true);
        }
        self.taken += 1;
        let file = format!("picture-{pid}-{}-{}.cpython", self.taken, ready.jobs);
        let path = self.folder.join(&file);
        let (events, busy) = (self.events.clone(), Arc::clone(&self.busy));
        busy.fetch_add(1, Ordering::AcqRel);
        thread::spawn(move || {
            let mut answered = false;
            // Whatever the process's memory holds, the run goes on without its picture.
            let taken = catch_unwind(AssertUnwindSafe(|| {
                take_picture(pid, &path, &mut || {
                    answered = true;
                    answer(&stream, false);
                })
            }));
            let taken = taken.unwrap_or_else(|_| Err("the picture could not be read".to_owned()));
            if !answered {
                answer(&stream, true);
            }
            // The loop may be over, and then nobody asks for it.
            let _ = events.send(match taken {
                Ok(taken) => evidence(id, at, &ready, file, &taken),
                Err(reason) => skipped(id, at, &ready, &reason),
            });
            busy.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

fn answer(mut stream: &UnixStream, refused: bool) {
    // A worker that is gone needs no answer.
    let _ = stream.write_all(&command_line(AgentCommand::PictureTaken { refused }));
}

fn evidence(id: ConnectionId, at: f64, ready: &PictureReady, file: String, taken: &Taken) -> Event {
    let evidence = AgentEvidence {
        kind: "heap-snapshot".into(),
        file,
        jobs: ready.jobs,
        jobs_by_class: ready.jobs_by_class.clone(),
        in_flight: ready.in_flight,
        pause_seconds: Some(taken.pause.as_secs_f64()),
        bytes: Some(taken.bytes),
        reason: ready.reason.clone(),
    };
    let message = AgentMessage::Evidence(evidence);
    Event::Said(id, AgentLine { t: at, message })
}

fn skipped(id: ConnectionId, at: f64, ready: &PictureReady, reason: &str) -> Event {
    let message = AgentMessage::EvidenceSkipped {
        reason: reason.to_owned(),
        jobs: Some(ready.jobs),
    };
    Event::Said(id, AgentLine { t: at, message })
}

fn take_picture(pid: u32, path: &Path, resumed: &mut dyn FnMut()) -> Result<Taken, String> {
    let refused = |error: &PictureError| match error.hint() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    };
    let frame = Frame::take(pid).map_err(|error| refused(&error.into()))?;
    resumed();
    let unwritten = |error: std::io::Error| format!("`{}`: {error}", path.display());
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(unwritten)?;
    let taken = write_picture(&frame, &mut BufWriter::new(&mut file)).map_err(|error| refused(&error));
    if taken.is_err() {
        // Half a picture is of no use to anybody.
        let _ = fs::remove_file(path);
    }
    taken.map(|taken| Taken {
        pause: taken.pause,
        bytes: taken.bytes,
    })
}
