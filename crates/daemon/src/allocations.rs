//! Looks at the allocation sampler's tables while workers run, and turns the last one into what
//! `attribute` understands.
//!
//! A worker that ends by itself may free everything first, so the last look before that counts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use plimsoll_attribute::{NativeObject, NativeStack, NativeView, Survivor, Unit};
use plimsoll_model::{AllocationStack, JobCounts};
use plimsoll_runtimes::native::{Symbols, Table, TableError};

use crate::outside::Outside;
use crate::readings::counts_at;

/// Every forked child may leave a table; those that hold least are forgotten first.
const MAX_TABLES: usize = 64;
/// A last table with less than this share of what lived at the look before was taken on the way out.
const FAREWELL_SHARE: f64 = 0.75;
/// Frames in one stack of the report.
const MAX_FRAMES: usize = 40;

/// The tables of all processes below the worker.
#[derive(Debug, Default)]
pub struct Allocations {
    folder: Option<PathBuf>,
    next_at: f64,
    began: f64,
    tables: BTreeMap<PathBuf, Watched>,
    /// Not a reason to stop, but to say so.
    unreadable: Option<String>,
}

#[derive(Debug)]
struct Watched {
    before: Option<Look>,
    last: Look,
}

#[derive(Debug, Clone)]
struct Look {
    at: f64,
    table: Table,
}

impl Look {
    fn live_bytes(&self) -> f64 {
        self.table.live.iter().map(|live| live.weight_bytes).sum()
    }
}

impl Watched {
    fn chosen(&self) -> &Look {
        match &self.before {
            Some(before) if self.last.live_bytes() < FAREWELL_SHARE * before.live_bytes() => before,
            _ => &self.last,
        }
    }
}

impl Allocations {
    /// Tables in `folder`, if anything is sampled at all.
    pub fn new(folder: Option<&Path>) -> Self {
        Allocations {
            folder: folder.map(Path::to_owned),
            ..Allocations::default()
        }
    }

    /// Looks if it is time to. `now` in seconds since the Unix epoch.
    pub fn tick(&mut self, now: f64) {
        if now < self.next_at || self.folder.is_none() {
            return;
        }
        if self.began == 0.0 {
            self.began = now;
        }
        self.next_at = now + interval_seconds(now - self.began);
        self.look(now);
    }

    /// Takes a last look.
    pub fn finish(&mut self, now: f64) {
        self.look(now);
    }

    fn look(&mut self, now: f64) {
        let Some(folder) = &self.folder else { return };
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        let paths: BTreeSet<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "table"))
            .collect();
        for path in paths {
            match Table::read(&path) {
                Ok(table) => self.take(path, Look { at: now, table }),
                Err(TableError::Io(_) | TableError::NotATable) => {} // gone, or being made
                Err(error) => self.unreadable = Some(error.to_string()),
            }
        }
        self.forget_least();
    }

    fn take(&mut self, path: PathBuf, look: Look) {
        match self.tables.get_mut(&path) {
            Some(watched) => {
                let before = std::mem::replace(&mut watched.last, look);
                watched.before = Some(before);
            }
            None => {
                self.tables.insert(
                    path,
                    Watched {
                        before: None,
                        last: look,
                    },
                );
            }
        }
    }

    /// Only of processes that are gone: a table in use stays.
    fn forget_least(&mut self) {
        while self.tables.len() > MAX_TABLES {
            let gone = |pid: u32| !Path::new("/proc").join(pid.to_string()).exists();
            let least = self
                .tables
                .iter()
                .filter(|(_, watched)| gone(watched.last.table.pid))
                .min_by(|a, b| a.1.last.live_bytes().total_cmp(&b.1.last.live_bytes()));
            let Some((path, _)) = least else { return };
            let path = path.clone();
            let _ = std::fs::remove_file(&path); // or it would be read again
            self.tables.remove(&path);
        }
    }

    /// CPU time that sampling took, in all processes.
    pub fn sampler_seconds(&self) -> Option<f64> {
        let spent = self
            .tables
            .values()
            .map(|watched| watched.last.table.sampler_seconds);
        (!self.tables.is_empty()).then(|| spent.sum())
    }

    /// Samples that did not fit, in all processes.
    pub fn dropped(&self) -> u64 {
        self.tables
            .values()
            .map(|watched| watched.last.table.dropped)
            .sum()
    }

    /// What the user should know.
    pub fn notes(&self) -> Vec<String> {
        self.unreadable.iter().cloned().collect()
    }

    /// All that lives in the process that holds most, for the flame graph.
    pub fn flame(&self) -> Vec<AllocationStack> {
        let chosen = self.tables.values().map(Watched::chosen);
        let Some(look) = chosen.max_by(|a, b| a.live_bytes().total_cmp(&b.live_bytes())) else {
            return Vec::new();
        };
        let total = |stack: &NativeStack| {
            stack
                .survivors
                .iter()
                .map(|survivor| survivor.weight_bytes)
                .sum::<f64>()
        };
        stacks(&look.table, &|at| at)
            .into_iter()
            .map(|stack| AllocationStack {
                bytes: total(&stack) as u64,
                frames: stack.frames,
            })
            .collect()
    }

    /// The processes that were sampled, the one that holds most first.
    pub fn pids(&self) -> Vec<u32> {
        let mut all: Vec<&Look> = self.tables.values().map(Watched::chosen).collect();
        all.sort_by(|a, b| b.live_bytes().total_cmp(&a.live_bytes()));
        all.iter().map(|look| look.table.pid).collect()
    }

    /// What survives in a process, by completed jobs where `jobs` has any, else by hours. The latest
    /// program of the process counts, if it replaced itself.
    pub fn view(&self, pid: u32, jobs: &[(f64, JobCounts)], outside: &Outside) -> Option<NativeView> {
        let of_pid = self
            .tables
            .values()
            .filter(|watched| watched.last.table.pid == pid);
        let watched = of_pid.max_by(|a, b| a.last.table.started_at.total_cmp(&b.last.table.started_at))?;
        let look = watched.chosen();
        let hours = |at: f64| (at - look.table.started_at) / 3600.0;
        let done = |at: f64| counts_at(jobs, at).values().sum::<u64>() as f64;
        let by_jobs = done(look.at) > 0.0;
        let (unit, axis): (Unit, &dyn Fn(f64) -> f64) = if by_jobs {
            (Unit::Jobs, &done)
        } else {
            (Unit::Hours, &hours)
        };
        Some(NativeView {
            stacks: stacks(&look.table, axis),
            unit,
            end: axis(look.at),
            hours: hours(look.at),
            resident_growth_bytes: outside.resident_growth_bytes(pid, look.table.started_at),
        })
    }
}

/// A short run needs looks close to its end; a long one has time.
fn interval_seconds(elapsed: f64) -> f64 {
    match elapsed {
        ..10.0 => 0.4,
        ..120.0 => 2.0,
        ..3600.0 => 15.0,
        _ => 60.0,
    }
}

fn stacks(table: &Table, axis: &dyn Fn(f64) -> f64) -> Vec<NativeStack> {
    let mut by_stack: BTreeMap<u32, Vec<Survivor>> = BTreeMap::new();
    for live in &table.live {
        by_stack.entry(live.stack).or_default().push(Survivor {
            born: axis(live.born_at),
            weight_bytes: live.weight_bytes,
            bytes: live.bytes,
        });
    }
    let mut symbols = Symbols::default();
    by_stack
        .into_iter()
        .map(|(index, survivors)| stack(table, index, survivors, &mut symbols))
        .collect()
}

fn stack(table: &Table, index: u32, survivors: Vec<Survivor>, symbols: &mut Symbols) -> NativeStack {
    let Some(found) = table.stacks.get(index as usize) else {
        return NativeStack {
            survivors,
            ..NativeStack::default()
        };
    };
    let mut frames = symbols.native(table, index);
    // What runs before `main` is alike in every stack.
    if let Some(main) = frames.iter().position(|frame| frame.starts_with("main ")) {
        frames.truncate(main + 1);
    }
    let python: Vec<&_> = found
        .python
        .iter()
        .filter_map(|frame| table.python_frames.get(*frame as usize))
        .collect();
    let place = |file: &str, line: u32| format!("{file}:{line}");
    let source = python
        .iter()
        .find(|frame| is_own_python(&frame.file))
        .or(python.first())
        .map(|frame| place(&frame.file, frame.line))
        .or_else(|| frames.iter().find_map(|frame| source_of(frame)));
    frames.extend(
        python
            .iter()
            .map(|frame| format!("{} {}", frame.function, place(&frame.file, frame.line))),
    );
    frames.truncate(MAX_FRAMES);
    NativeStack {
        frames,
        object: object(table, &found.native),
        source,
        survivors,
    }
}

/// Code of the program, not of a package or the interpreter's library.
fn is_own_python(file: &str) -> bool {
    let foreign = ["/site-packages/", "/dist-packages/", "/lib/python", "<frozen "];
    !foreign.iter().any(|part| file.contains(part))
}

/// The place in `function file:line`, where a frame has one.
fn source_of(frame: &str) -> Option<String> {
    let place = frame.rsplit(' ').next()?;
    let (file, line) = place.rsplit_once(':')?;
    (file.contains('/') && line.parse::<u32>().is_ok()).then(|| place.to_owned())
}

/// The innermost object that is no allocator, no interpreter and no plumbing between them.
fn object(table: &Table, native: &[(u16, u64)]) -> Option<NativeObject> {
    let path = |module: u16| {
        table
            .modules
            .get(usize::from(module))
            .map_or("", |module| &module.path)
    };
    let program = native.last().map_or("", |(module, _)| path(*module));
    let found = native
        .iter()
        .map(|(module, _)| path(*module))
        .find(|path| !path.is_empty() && !is_plumbing(path))?;
    let (name, package) = name_of(found);
    Some(NativeObject {
        name,
        package,
        is_program: found == program,
    })
}

/// Objects that allocate on behalf of others, whichever program they are in.
fn is_plumbing(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let plumbing = [
        "libc.so",
        "libc-",
        "ld-linux",
        "libstdc++",
        "libgcc_s",
        "libpython",
        "python",
        "libffi",
        "libdl",
        "libpthread",
        "libm.so",
        "libjemalloc",
        "libtcmalloc",
        "libmimalloc",
    ];
    plumbing.iter().any(|prefix| name.starts_with(prefix))
}

/// `pandas/_libs/parsers.so` of package `pandas`; a library outside of packages by its file name.
fn name_of(path: &str) -> (String, Option<String>) {
    for folder in ["/site-packages/", "/dist-packages/", "/lib-dynload/"] {
        let Some((_, below)) = path.rsplit_once(folder) else {
            continue;
        };
        let name = shorter(below);
        let first = below.split('/').next().unwrap_or(below);
        let package = first.split('.').next().unwrap_or(first).to_owned();
        return (name, (folder != "/lib-dynload/").then_some(package));
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    (shorter(name), None)
}

/// Without the tag of the interpreter's ABI.
fn shorter(name: &str) -> String {
    match name.find(".cpython-").or_else(|| name.find(".abi3")) {
        Some(at) => format!("{}.so", &name[..at]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_by_package() {
        let check = |path: &str, name: &str, package: Option<&str>| {
            assert_eq!(name_of(path), (name.to_owned(), package.map(str::to_owned)));
        };
        check(
            "/v/lib/python3.11/site-packages/pandas/_libs/parsers.cpython-311-x86_64-linux-gnu.so",
            "pandas/_libs/parsers.so",
            Some("pandas"),
        );
        check(
            "/v/site-packages/numpy.libs/libopenblas.so.0",
            "numpy.libs/libopenblas.so.0",
            Some("numpy"),
        );
        check("/usr/lib/x86_64-linux-gnu/libxml2.so.2", "libxml2.so.2", None);
        check(
            "/v/lib/python3.11/lib-dynload/_json.cpython-311-x86_64-linux-gnu.so",
            "_json.so",
            None,
        );
    }

    #[test]
    fn places_are_taken_from_frames() {
        assert_eq!(source_of("keep /tmp/leak.c:6").as_deref(), Some("/tmp/leak.c:6"));
        assert_eq!(source_of("malloc (libc.so.6)"), None);
        assert_eq!(source_of("leak+0x1234"), None);
    }
}
