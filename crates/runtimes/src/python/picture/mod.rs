//! Heap pictures of CPython from outside: the process is frozen ([`crate::freeze`]), and the copy's
//! interpreter is walked by its own structures.
//!
//! CPython 3.9 to 3.13 on 64-bit Linux. Nothing is needed in the process, and nothing in it runs.
//! Free-threaded builds keep their objects elsewhere and are refused.
//!
//! The walk itself is pure over [`ReadMemory`]. It never trusts what it reads: each pointer is looked
//! up among what is mapped, each object must have a type that is a type, and loops are bounded.

mod dict;
mod elf;
mod frame;
mod layout;
mod locate;
mod lost;
mod output;
mod pages;
mod roots;
mod table;
mod text;
mod types;
mod visit;
mod walk;
mod write;

use std::io::Write;
use std::time::{Duration, Instant};

use crate::freeze::{Frame, FreezeError, Mapping, ReadMemory};
use layout::Layout;
use locate::Interpreter;
use output::Output;
use pages::Pages;
use walk::Walk;

/// A picture that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureTaken {
    /// How long the process stood still.
    pub pause: Duration,
    /// How long it took to walk and write.
    pub took: Duration,
    /// Version of the interpreter, such as `3.11.2`.
    pub version: String,
    /// Objects in the picture.
    pub objects: u64,
    /// References between them.
    pub references: u64,
    /// Objects that nothing reachable refers to.
    pub lost: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Why no picture was taken. The process runs on as before.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The process could not be frozen.
    #[error(transparent)]
    Freeze(#[from] FreezeError),
    /// No file of the process defines an interpreter.
    #[error("process `{pid}` runs no CPython that can be read: no mapped file defines `_PyRuntime`")]
    NoInterpreter {
        /// The process.
        pid: u32,
    },
    /// The interpreter's version cannot be told.
    #[error("process `{pid}` runs a CPython of unknown version")]
    UnknownVersion {
        /// The process.
        pid: u32,
    },
    /// The interpreter's layout is not known.
    #[error("process `{pid}` runs CPython {version}, whose layout is not known: 3.9 to 3.13 are")]
    Unsupported {
        /// The process.
        pid: u32,
        /// Its version, with what is special about it.
        version: String,
    },
    /// The interpreter is not set up yet, or is going down.
    #[error("the interpreter of process `{pid}` has no modules: it starts or ends just now")]
    NotRunning {
        /// The process.
        pid: u32,
    },
    /// The picture could not be written, or the process not be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl PictureError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            PictureError::Freeze(error) => error.hint(),
            _ => None,
        }
    }
}

/// Freezes a Python process and writes its picture. The process stands still for a small part of that.
///
/// # Errors
/// If the process cannot be frozen or is no CPython that is known; if the picture cannot be written.
pub fn capture(pid: u32, into: &mut dyn Write) -> Result<PictureTaken, PictureError> {
    let frame = Frame::take(pid)?;
    write_picture(&frame, into)
}

/// Writes the picture of a process that is frozen already, so that it runs on meanwhile.
///
/// # Errors
/// If the process is no CPython that is known; if the picture cannot be written.
pub fn write_picture(frame: &Frame, into: &mut dyn Write) -> Result<PictureTaken, PictureError> {
    let begin = Instant::now();
    let memory = frame.memory();
    let mappings = frame.mappings()?;
    let (output, interpreter, lost) = walk(frame.clone_pid(), &memory, &mappings)?;
    let info = [
        ("runtime", "cpython".to_owned()),
        ("version", interpreter.version_text()),
        ("pid", frame.pid().to_string()),
        ("pause_seconds", format!("{:.6}", frame.pause().as_secs_f64())),
    ];
    let bytes = write::write(&output, &info, into)?;
    Ok(PictureTaken {
        pause: frame.pause(),
        took: begin.elapsed(),
        version: interpreter.version_text(),
        objects: output.addresses.len() as u64,
        references: output.references.len() as u64,
        lost,
        bytes,
    })
}

/// Walks a frozen interpreter. `pid` tells where its files are.
fn walk(
    pid: u32,
    memory: &dyn ReadMemory,
    mappings: &[Mapping],
) -> Result<(Output, Interpreter, u64), PictureError> {
    let mut pages = Pages::new(memory, mappings);
    let interpreter = locate::interpreter(pid, mappings, &mut pages)?;
    let layout = layout_of(pid, &interpreter, &mut pages)?;
    let mut walk = Walk::new(pages, layout);
    let interpreters = walk.interpreters(interpreter.runtime);
    for at in &interpreters {
        walk.add_modules(*at);
    }
    if walk.out.roots.is_empty() {
        return Err(PictureError::NotRunning { pid });
    }
    walk.run();
    for at in &interpreters {
        walk.add_threads(*at);
        walk.add_interpreter(*at);
    }
    walk.add_globals(pid, mappings);
    walk.run();
    let from = walk.out.addresses.len() as u32;
    for at in &interpreters {
        walk.add_collected(*at);
    }
    walk.run();
    walk.sort_lost(from);
    let lost = walk.out.addresses.len() as u64 - u64::from(from);
    walk.out.libraries = libraries(mappings);
    Ok((walk.out, interpreter, lost))
}

fn layout_of(
    pid: u32,
    interpreter: &Interpreter,
    pages: &mut Pages<'_>,
) -> Result<&'static Layout, PictureError> {
    let unsupported = |version: String| PictureError::Unsupported { pid, version };
    let version = interpreter.version_text();
    // From 3.13 on `_PyRuntime` begins with a description of itself; its second word after the cookie
    // says whether the build is free-threaded.
    if pages.u64(interpreter.runtime) == Some(u64::from_le_bytes(*b"xdebugpy"))
        && pages.u64(interpreter.runtime + 16).is_some_and(|word| word != 0)
    {
        return Err(unsupported(format!("{version} (free-threaded)")));
    }
    Layout::of(interpreter.minor()).ok_or_else(|| unsupported(version))
}

/// Extension modules that the process has loaded, those of the standard library left out.
fn libraries(mappings: &[Mapping]) -> Vec<String> {
    /// Any program has fewer.
    const LIBRARIES: usize = 4096;
    let mut found: Vec<String> = Vec::new();
    for mapping in mappings.iter().filter(|mapping| mapping.executable) {
        let is_package = mapping.path.contains("-packages/") && mapping.path.contains(".so");
        if is_package && found.last() != Some(&mapping.path) && found.len() < LIBRARIES {
            found.push(mapping.path.clone());
        }
    }
    found
}
