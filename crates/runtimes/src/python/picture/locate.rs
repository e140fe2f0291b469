//! Finds the interpreter in a process: the file that defines `_PyRuntime`, and its version.

use std::path::PathBuf;

use super::PictureError;
use super::pages::Pages;
use crate::freeze::Mapping;

/// The interpreter of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interpreter {
    /// Address of `_PyRuntime`.
    pub(super) runtime: u64,
    /// Version, such as 0x030b02f0; the last two bytes are 0 where only the minor one is known.
    pub(super) version: u32,
}

impl Interpreter {
    pub(super) fn minor(&self) -> u8 {
        (self.version >> 16) as u8
    }

    /// `3.11.2`, or `3.9` where that is all that is known.
    pub(super) fn version_text(&self) -> String {
        let [major, minor, micro, level] = self.version.to_be_bytes();
        match level {
            0 => format!("{major}.{minor}"),
            _ => format!("{major}.{minor}.{micro}"),
        }
    }
}

/// Files of one process that are looked into.
const FILES: usize = 2000;

/// Finds the interpreter.
pub(super) fn interpreter(
    pid: u32,
    mappings: &[Mapping],
    pages: &mut Pages<'_>,
) -> Result<Interpreter, PictureError> {
    let mut first: Vec<&Mapping> = mappings
        .iter()
        .filter(|mapping| mapping.offset == 0 && !mapping.is_anonymous())
        .collect();
    first.sort_by_key(|mapping| !is_likely(&mapping.path));
    for mapping in first.into_iter().take(FILES) {
        let path = PathBuf::from(format!("/proc/{pid}/root{}", mapping.path));
        let Some(symbols) = super::elf::symbols(&path, &["_PyRuntime", "Py_Version"]) else {
            continue;
        };
        let Some(runtime) = symbols.values[0] else {
            continue;
        };
        let bias = if symbols.is_fixed {
            0
        } else {
            mapping.start - symbols.first_address
        };
        let told = symbols.values[1].and_then(|address| pages.u32(bias + address));
        let version = told
            .filter(|version| version >> 24 == 3)
            .or_else(|| minor_of_paths(mapping, mappings).map(|minor| 0x0300_0000 | u32::from(minor) << 16));
        let version = version.ok_or(PictureError::UnknownVersion { pid })?;
        return Ok(Interpreter {
            runtime: bias + runtime,
            version,
        });
    }
    Err(PictureError::NoInterpreter { pid })
}

fn is_likely(path: &str) -> bool {
    path.rsplit('/')
        .next()
        .is_some_and(|name| name.contains("python"))
}

/// `…/libpython3.9.so.1.0`, `…/python3.9`, `…/lib/python3.9/lib-dynload/….cpython-39-….so`
fn minor_of_paths(own: &Mapping, all: &[Mapping]) -> Option<u8> {
    let paths = std::iter::once(own)
        .chain(all)
        .map(|mapping| mapping.path.as_str());
    paths.filter_map(minor_of).next()
}

fn minor_of(path: &str) -> Option<u8> {
    path.match_indices("python3.").find_map(|(at, found)| {
        let digits: String = path[at + found.len()..]
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_the_minor_version() {
        for (path, expected) in [
            ("/usr/lib/libpython3.9.so.1.0", Some(9)),
            ("/usr/bin/python3.10", Some(10)),
            ("/usr/lib/python3/dist-packages/a.so", None),
            ("/opt/lib/python3.12/lib-dynload/_json.so", Some(12)),
        ] {
            assert_eq!(minor_of(path), expected, "{path}");
        }
    }
}
