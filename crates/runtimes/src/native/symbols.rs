//! From return addresses to functions, files and lines.

use std::collections::HashMap;
use std::path::Path;

use addr2line::Loader;

use super::table::Table;

/// Objects with more than this are not opened: symbols of the largest browsers are smaller.
const MAX_OBJECT_BYTES: u64 = 2 << 30;
/// Objects kept open at once.
const MAX_OBJECTS: usize = 256;

/// Symbols of the objects that stacks lead through, opened when they are first needed.
#[derive(Default)]
pub struct Symbols {
    objects: HashMap<String, Option<Loader>>,
    known: HashMap<(String, u64), Vec<String>>,
}

impl std::fmt::Debug for Symbols {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Symbols")
            .field("objects", &self.objects.len())
            .finish_non_exhaustive()
    }
}

impl Symbols {
    /// The native frames of a stack, innermost first: `function file:line` where the object has debug
    /// information, else `function (object)`, else `object+0x1234`.
    pub fn native(&mut self, table: &Table, stack: u32) -> Vec<String> {
        let Some(stack) = table.stacks.get(stack as usize) else {
            return Vec::new();
        };
        let mut frames = Vec::new();
        for (module, offset) in &stack.native {
            let path = table
                .modules
                .get(usize::from(*module))
                .map_or("", |module| &module.path);
            frames.extend(self.at(path, *offset));
        }
        frames
    }

    fn at(&mut self, path: &str, return_address: u64) -> Vec<String> {
        let key = (path.to_owned(), return_address);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let object = self.object(path);
        // The call is before the address that it returns to.
        let frames = describe(object, path, return_address.saturating_sub(1));
        self.known.insert(key, frames.clone());
        frames
    }

    fn object(&mut self, path: &str) -> Option<&Loader> {
        if !self.objects.contains_key(path) {
            let opened = (self.objects.len() < MAX_OBJECTS).then(|| open(path)).flatten();
            self.objects.insert(path.to_owned(), opened);
        }
        self.objects.get(path)?.as_ref()
    }
}

/// Only plain files: the path comes from the worker.
fn open(path: &str) -> Option<Loader> {
    let meta = std::fs::metadata(path).ok()?;
    if !path.starts_with('/') || !meta.is_file() || meta.len() > MAX_OBJECT_BYTES {
        return None;
    }
    Loader::new(path).ok()
}

fn describe(object: Option<&Loader>, path: &str, address: u64) -> Vec<String> {
    let name = file_name(path);
    let lines = object.map(|object| lines(object, address)).unwrap_or_default();
    if !lines.is_empty() {
        return lines;
    }
    match object.and_then(|object| object.find_symbol(address)) {
        Some(symbol) => vec![format!("{} ({name})", plain(symbol))],
        None if name.is_empty() => vec![format!("{address:#x}")],
        None => vec![format!("{name}+{address:#x}")],
    }
}

/// From debug information, inlined functions included.
fn lines(object: &Loader, address: u64) -> Vec<String> {
    let mut found = Vec::new();
    let Ok(mut frames) = object.find_frames(address) else {
        return found;
    };
    while let Ok(Some(frame)) = frames.next() {
        let function = frame
            .function
            .as_ref()
            .and_then(|function| function.raw_name().ok());
        let (Some(function), Some(place)) = (function, frame.location) else {
            continue;
        };
        let (Some(file), Some(line)) = (place.file, place.line) else {
            continue;
        };
        found.push(format!("{} {file}:{line}", plain(&function)));
    }
    found
}

fn plain(symbol: &str) -> String {
    addr2line::demangle_auto(symbol.into(), None).into_owned()
}

pub(super) fn file_name(path: &str) -> &str {
    Path::new(path)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("")
}
