//! A heap picture of a running process, taken from outside.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use plimsoll_model::HumanBytes;
use plimsoll_runtimes::python::picture::{PictureTaken, capture};
use serde_json::json;

use super::table::grouped;
use super::{CaptureArgs, to_json};

pub fn answer(args: &CaptureArgs) -> Result<String> {
    let path = match &args.output {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{}.pypicture", args.pid)),
    };
    let taken = match take(args.pid, &path) {
        Ok(taken) => taken,
        Err(error) => {
            // Half a picture is of no use to anybody.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
    };
    match args.json {
        true => to_json(&json!({
            "schema": "plimsoll.heap-capture/1",
            "format": "cpython",
            "path": path.display().to_string(),
            "runtime_version": taken.version,
            "pause_seconds": taken.pause.as_secs_f64(),
            "objects": taken.objects,
            "references": taken.references,
            "lost": taken.lost,
            "bytes": taken.bytes,
        })),
        false => Ok(as_text(&path, &taken)),
    }
}

/// Pictures hold names of variables and keys: for their owner alone. An existing file is not replaced.
fn create(path: &Path) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create `{}`", path.display()))
}

fn take(pid: u32, path: &Path) -> Result<PictureTaken> {
    let mut file = BufWriter::with_capacity(1 << 20, create(path)?);
    let taken = capture(pid, &mut file).map_err(|error| match error.hint() {
        Some(hint) => anyhow!("{error}\nhint: {hint}"),
        None => anyhow!("{error}"),
    })?;
    file.flush()
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(taken)
}

fn as_text(path: &Path, taken: &PictureTaken) -> String {
    format!(
        "{} ({}): CPython {}, {} objects, {} references, {} objects that nothing refers to; the worker stood still for {:.1} ms\n",
        path.display(),
        HumanBytes(taken.bytes as f64),
        taken.version,
        grouped(taken.objects),
        grouped(taken.references),
        grouped(taken.lost),
        taken.pause.as_secs_f64() * 1e3,
    )
}
