//! Whether the sampler can reach a program.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use object::elf;
use object::read::elf::{Dyn, FileHeader, ProgramHeader};

/// Programs above it are not read: the headers looked at are at the beginning, the dynamic section not.
const MAX_BYTES: u64 = 512 << 20;
/// A script that names a script that names a script: the kernel stops at four (fs/binfmt_script.c).
const MAX_SCRIPTS: usize = 4;

/// Whether a program loads the sampler, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It does.
    Loads,
    /// It cannot; in the report's words.
    Cannot(&'static str),
    /// There is no such program, or it cannot be read.
    Unknown,
}

/// The binary that a command's first word leads to: a script's interpreter rather than the script.
pub fn binary_of(command: &str, search: Option<&OsStr>) -> Option<PathBuf> {
    let mut path = find(command, search)?;
    for _ in 0..MAX_SCRIPTS {
        match interpreter(&path) {
            Some(next) => path = find(&next, search)?,
            None => break,
        }
    }
    Some(path)
}

fn find(command: &str, search: Option<&OsStr>) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if command.contains('/') {
        return Some(PathBuf::from(command)).filter(is_program);
    }
    std::env::split_paths(search?)
        .map(|folder| folder.join(command))
        .find(is_program)
}

/// The program in a script's first line; of `/usr/bin/env NAME` it is NAME.
fn interpreter(path: &Path) -> Option<String> {
    let mut first = Vec::new();
    File::open(path).ok()?.take(256).read_to_end(&mut first).ok()?;
    let line = first.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_whitespace();
    let program = words.next()?;
    if !program.ends_with("/env") {
        return Some(program.to_owned());
    }
    words
        .find(|word| !word.starts_with('-') && !word.contains('='))
        .map(str::to_owned)
}

/// Looks at a binary.
pub fn reach(path: &Path) -> Reach {
    let Ok(meta) = std::fs::metadata(path) else {
        return Reach::Unknown;
    };
    if meta.permissions().mode() & 0o6000 != 0 {
        return Reach::Cannot("it is setuid or setgid, so the loader ignores LD_PRELOAD");
    }
    if meta.len() > MAX_BYTES {
        return Reach::Unknown;
    }
    std::fs::read(path).map_or(Reach::Unknown, |bytes| of_bytes(&bytes))
}

fn of_bytes(bytes: &[u8]) -> Reach {
    type Header = elf::FileHeader64<object::Endianness>;
    let Ok(header) = Header::parse(bytes) else {
        return Reach::Cannot("it is no 64-bit ELF program");
    };
    let Ok(endian) = header.endian() else {
        return Reach::Unknown;
    };
    let Ok(segments) = header.program_headers(endian, bytes) else {
        return Reach::Unknown;
    };
    let loader = segments
        .iter()
        .find_map(|segment| segment.interpreter(endian, bytes).ok().flatten());
    let Some(loader) = loader else {
        return Reach::Cannot("it is linked statically");
    };
    if loader.windows(4).any(|part| part == b"musl") {
        return Reach::Cannot("it is linked against musl, the sampler against glibc");
    }
    match needed(bytes) {
        // An address sanitizer ends a program where it is not the first library.
        Some(names) if names.iter().any(|name| is_sanitizer(name)) => {
            Reach::Cannot("it is built with a sanitizer, which has an allocator of its own")
        }
        _ => Reach::Loads,
    }
}

fn is_sanitizer(name: &str) -> bool {
    ["libasan", "libtsan", "liblsan", "libhwasan", "libclang_rt."]
        .iter()
        .any(|known| name.starts_with(known))
}

fn needed(bytes: &[u8]) -> Option<Vec<String>> {
    type Header = elf::FileHeader64<object::Endianness>;
    let header = Header::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, bytes).ok()?;
    let (entries, strings) = sections.dynamic(endian, bytes).ok()??;
    let strings = sections.strings(endian, bytes, strings).ok()?;
    let name = |entry: &elf::Dyn64<object::Endianness>| {
        let name = entry.string(endian, strings).ok()?;
        Some(String::from_utf8_lossy(name).into_owned())
    };
    Some(
        entries
            .iter()
            .filter(|entry| entry.tag(endian) == elf::DT_NEEDED)
            .filter_map(name)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_apart() {
        let search = Some(OsStr::new("/usr/bin:/bin"));
        let shell = binary_of("sh", search).expect("every system has one");
        assert_eq!(reach(&shell), Reach::Loads);
        assert_eq!(binary_of("no-such-program-anywhere", search), None);
        assert_eq!(of_bytes(b"\x7fELF"), Reach::Cannot("it is no 64-bit ELF program"));
    }

    #[test]
    fn scripts_lead_to_their_interpreter() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |first: &str, expected: Option<&str>| {
            let path = folder.path().join("script");
            std::fs::write(&path, first).expect("writable");
            assert_eq!(interpreter(&path).as_deref(), expected);
        };
        check("#!/usr/bin/python3 -u\nx", Some("/usr/bin/python3"));
        check("#!/usr/bin/env -S FOO=1 python3\n", Some("python3"));
        check("plain", None);
        check("", None);
    }

    #[test]
    fn a_program_cut_off_anywhere_is_survived() {
        let bytes = std::fs::read("/bin/true").expect("every system has it");
        for end in (0..bytes.len().min(4096)).chain((4096..bytes.len()).step_by(97)) {
            of_bytes(&bytes[..end]);
        }
    }
}
