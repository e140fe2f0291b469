//! Pictures of real interpreters, held against what they say of themselves.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use plimsoll_heap::{Dominators, Graph, Growth, GrowthStudy, NoSources, Point, Trend, cpython};
use plimsoll_model::Pattern;
use plimsoll_runtimes::python::picture::{PictureError, capture};

/// Versions whose layout is known; what is not installed is named and left out.
const VERSIONS: [&str; 5] = ["3.9", "3.10", "3.11", "3.12", "3.13"];

/// Makes objects of most kinds, says how many of each the collector lists, then leaks a step at a time.
const WORKER: &str = r#"
import collections, ctypes, functools, gc, sys
class Plain:
    def __init__(self, i):
        self.number, self.items, self.named = i, [i], {"x": i}
class Slots:
    __slots__ = ("left", "right")
    def __init__(self, i):
        self.left, self.right = (i,), "t" * 300
def make(i):
    seen = [i]
    return lambda: seen
def half_way(i):
    kept = [i]
    yield i
    yield kept
@functools.lru_cache(maxsize=None)
def remember(i):
    return {i}
class Session:
    def __init__(self):
        self.rows = []
keep = [[Plain(i) for i in range(900)], [Slots(i) for i in range(800)], [make(i) for i in range(700)],
        [half_way(i) for i in range(600)], collections.deque([i] for i in range(500)), {("s", i) for i in range(400)}]
for i, generator in enumerate(keep[3]):
    next(generator)
    remember(i)
session = Session()
def lose(value):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))
gc.collect()
counts = collections.Counter(type(o).__qualname__ for o in gc.get_objects())
print("counts", *(counts[name] for name in ("Plain", "Slots", "function", "generator", "list", "set", "deque")), flush=True)
for line in sys.stdin:
    for i in range(300):
        session.rows.append(Plain(i))
        lose(Slots(i))
    gc.collect()
    print("ready", flush=True)
"#;

fn interpreter(version: &str) -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let installed = std::fs::read_dir(home.join(".pyenv/versions"))
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<PathBuf> = installed
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with(&format!("{version}."))
        })
        .map(|entry| entry.path().join(format!("bin/python{version}")))
        .collect();
    found.push(PathBuf::from(format!("/usr/bin/python{version}")));
    found.into_iter().find(|path| path.exists())
}

fn picture(pid: u32) -> Graph {
    let mut bytes = Vec::new();
    let taken = capture(pid, &mut bytes).unwrap();
    assert_eq!(taken.bytes, bytes.len() as u64);
    let mut parser = cpython::Parser::default();
    parser.feed(&bytes).unwrap();
    parser.finish().unwrap()
}

fn check(python: &Path) {
    let mut child = Command::new(python)
        .args(["-c", WORKER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = lines.next().unwrap().unwrap();
    let expected: Vec<u64> = told
        .split(' ')
        .skip(1)
        .map(|count| count.parse().unwrap())
        .collect();
    let graph = picture(child.id());
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for node in graph.nodes() {
        *counts.entry(graph.name(node)).or_default() += 1;
    }
    let names = [
        "__main__.Plain",
        "__main__.Slots",
        "function",
        "generator",
        "list",
        "set",
        "collections.deque",
    ];
    for (name, expected) in names.iter().zip(expected) {
        let found = counts.get(name).copied().unwrap_or(0);
        let most = (expected / 100).max(3); // 1 %; what runs the census makes a few itself
        assert!(
            found.abs_diff(expected) <= most,
            "{}: {found} {name}, {expected} by the collector",
            python.display()
        );
    }
    let mut study = GrowthStudy::new(None);
    for step in 1..=3u64 {
        writeln!(child.stdin.as_mut().unwrap(), "go").unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let graph = picture(child.id());
        let dominators = Dominators::of(&graph);
        let point = Point {
            jobs: step * 300,
            ..Point::default()
        };
        study.add_weighed(point, graph, dominators);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    check_growth(python, &study.finish(&NoSources));
}

fn check_growth(python: &Path, growth: &Growth) {
    let held = growth
        .holders
        .iter()
        .find(|holder| holder.name == "__main__.session.rows");
    let held = held.unwrap_or_else(|| panic!("{}: {:#?}", python.display(), growth.holders));
    assert_eq!(
        (held.type_name.as_str(), held.trend),
        ("__main__.Plain", Trend::Proportional)
    );
    assert_eq!(held.counts, [300, 600, 900].map(Some), "{}", python.display());
    let lost = growth
        .holders
        .iter()
        .find(|holder| holder.pattern == Pattern::Refcount)
        .unwrap();
    assert_eq!(lost.type_name, "__main__.Slots", "{}", python.display());
    assert!(
        (lost.count_per_job - 1.0).abs() < 0.02,
        "{}: {}",
        python.display(),
        lost.count_per_job
    );
}

#[test]
fn every_installed_version_is_read() {
    let mut missing = Vec::new();
    let mut checked = 0;
    for version in VERSIONS {
        match interpreter(version) {
            Some(python) => {
                check(&python);
                checked += 1;
            }
            None => missing.push(version),
        }
    }
    // Debian's is stripped.
    let system = PathBuf::from("/usr/bin/python3");
    if system.exists() {
        check(&system);
        checked += 1;
    }
    if !missing.is_empty() {
        eprintln!("not installed and not tested: Python {}", missing.join(", "));
    }
    assert!(
        checked > 0,
        "no Python to test with: install the package `python3`"
    );
}

#[test]
fn what_is_no_python_is_told() {
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let error = capture(child.id(), &mut Vec::new()).unwrap_err();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(error, PictureError::NoInterpreter { .. }), "{error}");
}
