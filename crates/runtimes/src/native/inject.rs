//! Puts the sampler on disk and into `LD_PRELOAD`.

use std::fs::{self, DirBuilder, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Built by this crate's build script from `agents/native`.
static LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libplimsoll_alloc.so"));

/// The sampler on disk.
#[derive(Debug, Clone)]
pub struct SamplerFiles {
    library: PathBuf,
}

/// Which processes below the one that is started are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those that hold a Python interpreter.
    Python,
    /// All but those whose runtime has a sampler of its own (Node, JVM).
    Native,
}

impl SamplerFiles {
    /// Writes the embedded sampler below `folder`, for the user alone.
    ///
    /// # Errors
    /// The system's.
    pub fn write(folder: &Path) -> io::Result<Self> {
        let mut hasher = DefaultHasher::new();
        LIBRARY.hash(&mut hasher);
        // Each build has a name of its own: a running worker has mapped what was there before.
        let library = folder.join(format!("native-{:016x}/libplimsoll_alloc.so", hasher.finish()));
        if !fs::read(&library).is_ok_and(|present| present == LIBRARY) {
            write_renamed(&library)?;
        }
        Ok(SamplerFiles { library })
    }

    /// The shared object.
    pub fn library(&self) -> &Path {
        &self.library
    }
}

fn write_renamed(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let part = path.with_extension(format!("{}.part", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)?
        .write_all(LIBRARY)?;
    fs::rename(part, path)
}

/// Variables that load the sampler, before what the user preloads already: it samples whatever
/// allocator comes after it. `None` where the loader could not read the path (it splits at colons
/// and spaces).
pub fn environment(
    files: &SamplerFiles,
    tables: &Path,
    scope: Scope,
    preloaded: Option<&str>,
) -> Option<Vec<(&'static str, String)>> {
    let library = files.library.to_str().filter(|path| !path.contains([':', ' ']))?;
    let preload = match preloaded.map(str::trim).filter(|present| !present.is_empty()) {
        Some(present) => format!("{library}:{present}"),
        None => library.to_owned(),
    };
    let scope = match scope {
        Scope::Python => "python",
        Scope::Native => "native",
    };
    Some(vec![
        ("LD_PRELOAD", preload),
        ("PLIMSOLL_ALLOC_DIR", tables.to_str()?.to_owned()),
        ("PLIMSOLL_ALLOC_SCOPE", scope.to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_preloads_stays() {
        let check = |library: &str, preloaded: Option<&str>, expected: Option<&str>| {
            let files = SamplerFiles {
                library: library.into(),
            };
            let variables = environment(&files, Path::new("/t"), Scope::Native, preloaded);
            let preload = variables.as_ref().map(|variables| variables[0].1.as_str());
            assert_eq!(preload, expected);
        };
        check("/x/s.so", None, Some("/x/s.so"));
        check("/x/s.so", Some(" "), Some("/x/s.so"));
        check(
            "/x/s.so",
            Some("libjemalloc.so.2"),
            Some("/x/s.so:libjemalloc.so.2"),
        );
        check("/a b/s.so", None, None);
        check("/a:b/s.so", None, None);
    }
}
