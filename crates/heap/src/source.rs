//! Sources of scripts: where a variable or property that the dump names is declared.
//!
//! Pure: texts come through [`SourceLookup`]. Source maps (inline, or a file next to the script) are
//! followed, so that a compiled `.ts` is named as its author knows it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::source_map::SourceMap;
use crate::source_scan::{Scan, Spot};

/// Gives the text of a script, by the name that the dump gives it (a path or a URL).
pub trait SourceLookup {
    /// The text, or `None` if there is none to be had.
    fn source(&self, script: &str) -> Option<String>;
}

/// Knows no source.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSources;

impl SourceLookup for NoSources {
    fn source(&self, _script: &str) -> Option<String> {
        None
    }
}

impl SourceLookup for HashMap<String, String> {
    fn source(&self, script: &str) -> Option<String> {
        self.get(script).cloned()
    }
}

/// A place in a file, as people count: lines and columns from 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Path of the file.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl std::fmt::Display for Position {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Sources longer than this are not read: 8 MiB is beyond any script that people write.
const SOURCE_BYTES: usize = 8 << 20;
/// Scripts read for one study.
const SCRIPTS: usize = 256;

/// A script's text and map.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) text: String,
    map: Option<SourceMap>,
}

impl Script {
    /// Takes the text apart; do it once per question round, it is linear in the text.
    pub(crate) fn scan(&self) -> Scan<'_> {
        Scan::new(&self.text)
    }
}

/// Scripts that were looked up, each once.
pub(crate) struct Sources<'l> {
    lookup: &'l dyn SourceLookup,
    known: RefCell<HashMap<String, Option<Rc<Script>>>>,
}

impl<'l> Sources<'l> {
    pub(crate) fn new(lookup: &'l dyn SourceLookup) -> Self {
        Sources {
            lookup,
            known: RefCell::new(HashMap::new()),
        }
    }

    pub(crate) fn script(&self, name: &str) -> Option<Rc<Script>> {
        if name.starts_with("node:") || name.is_empty() {
            return None;
        }
        let mut known = self.known.borrow_mut();
        if let Some(script) = known.get(name) {
            return script.clone();
        }
        if known.len() >= SCRIPTS {
            return None;
        }
        let script = self.read(name).map(Rc::new);
        known.insert(name.to_owned(), script.clone());
        script
    }

    fn read(&self, name: &str) -> Option<Script> {
        let text = self
            .lookup
            .source(name)
            .filter(|text| text.len() <= SOURCE_BYTES)?;
        let map = SourceMap::of_script(&text, name, self.lookup);
        Some(Script {
            name: name.to_owned(),
            text,
            map,
        })
    }

    /// A spot in a script as people know it: in the original where there is a source map.
    pub(crate) fn position(&self, script: &str, spot: Spot) -> Position {
        let mapped = self
            .script(script)
            .and_then(|script| script.map.as_ref()?.original(spot));
        let (file, spot) = mapped.unwrap_or_else(|| (path_of(script), spot));
        Position {
            file,
            line: spot.line + 1,
            column: spot.column + 1,
        }
    }
}

/// The path of a script: `file:` URLs without scheme and escapes.
pub(crate) fn path_of(script: &str) -> String {
    match script.strip_prefix("file://") {
        Some(path) => unescape(path),
        None => script.to_owned(),
    }
}

/// Undoes percent escapes; what is not one stays as it is.
pub(crate) fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = (bytes[at] == b'%')
            .then(|| u8::from_str_radix(text.get(at + 1..at + 3)?, 16).ok())
            .flatten();
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}
