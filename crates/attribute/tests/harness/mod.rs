//! Runs a worker under a real Node with names and job counts of its own, and studies its dumps.

#![allow(clippy::unwrap_used)] // a harness: whatever fails here is a failed test

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use plimsoll_heap::{Growth, GrowthStudy, Point, SourceLookup, v8};

/// A worker with renamed variables in a folder of its own.
pub struct Case {
    pub folder: String,
    file: String,
    renames: BTreeMap<String, String>,
    text: String,
    /// File that the marks are in.
    pub marked_file: String,
}

/// Where a worker finds the one package that there is.
const PACKAGE: &str = "node_modules/tiny-memo/index.js";

/// Lines that a compiler put before the program.
const SHIFT: usize = 5;

/// Reads sources from the file system.
struct Files;

impl SourceLookup for Files {
    fn source(&self, script: &str) -> Option<String> {
        fs::read_to_string(script.strip_prefix("file://").unwrap_or(script)).ok()
    }
}

/// Seeds of names and job counts: one, or those in `WORKER_SEEDS` (`1,2,3`).
pub fn seeds() -> Vec<u64> {
    let given = std::env::var("WORKER_SEEDS").unwrap_or_default();
    let seeds: Vec<u64> = given
        .split(',')
        .filter_map(|seed| seed.trim().parse().ok())
        .collect();
    if seeds.is_empty() { vec![77] } else { seeds }
}

/// A small generator (splitmix64): the same seed gives the same names and counts.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut value = *state;
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

impl Case {
    /// Copies the worker into a folder of its own with every `$$name` renamed by the seed.
    pub fn new(file: &str, seed: u64) -> Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workers");
        let folder =
            std::env::temp_dir().join(format!("plimsoll-workers-{}-{file}-{seed}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("node_modules/tiny-memo")).unwrap();
        for (shared, to) in [("loop.js", "loop.js"), ("tiny-memo.js", PACKAGE)] {
            fs::copy(from.join(shared), folder.join(to)).unwrap();
        }
        let text = fs::read_to_string(from.join(file)).unwrap();
        let mut renames = BTreeMap::new();
        let mut state = seed;
        for word in text.split(|letter: char| !letter.is_alphanumeric() && letter != '$' && letter != '_') {
            if word.starts_with("$$") && !renames.contains_key(word) {
                let upper = word[2..].starts_with(|letter: char| letter.is_uppercase());
                renames.insert(word.to_owned(), random_name(&mut state, upper));
            }
        }
        let mut case = Case {
            folder: fs::canonicalize(&folder).unwrap().to_string_lossy().into_owned(),
            file: file.to_owned(),
            renames,
            text: String::new(),
            marked_file: file.to_owned(),
        };
        case.text = case.renamed(&text);
        fs::write(folder.join(file), &case.text).unwrap();
        if case.text.contains("sourceMappingURL") {
            // The author knows the original; the text that runs stands five lines further down.
            let original: String = case
                .text
                .lines()
                .skip(SHIFT)
                .map(|line| format!("{line}\n"))
                .collect();
            let lines = original.lines().count();
            let mappings = ";".repeat(SHIFT) + "AAAA" + &";AACA".repeat(lines.saturating_sub(1));
            let map = format!(r#"{{"version":3,"sources":["src/worker.ts"],"mappings":"{mappings}"}}"#);
            fs::write(folder.join("compiled.js.map"), map).unwrap();
            case.text = original;
            case.marked_file = "src/worker.ts".to_owned();
        }
        if let Ok(package) = fs::read_to_string(folder.join(PACKAGE))
            && !case.text.contains("// HOLDER")
            && case.text.contains("tiny-memo")
        {
            case.text = package;
            case.marked_file = PACKAGE.to_owned();
        }
        case
    }

    /// A text with the names of this run.
    pub fn renamed(&self, text: &str) -> String {
        let mut longest_first: Vec<_> = self.renames.iter().collect();
        longest_first.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        longest_first
            .into_iter()
            .fold(text.to_owned(), |text, (from, to)| {
                text.replace(from.as_str(), to)
            })
    }

    /// The line (from 1) that carries a mark, if any does.
    pub fn marked_line(&self, mark: &str) -> Option<usize> {
        self.text
            .lines()
            .position(|line| line.contains(&format!("// {mark}")) || line.contains(&format!("/* {mark} */")))
            .map(|at| at + 1)
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn random_name(state: &mut u64, upper: bool) -> String {
    const SYLLABLES: [&str; 16] = [
        "ka", "lo", "mi", "ru", "ten", "vo", "shi", "bel", "dro", "fen", "gal", "hux", "jor", "ple", "qui",
        "zam",
    ];
    let count = 2 + next(state) % 3;
    let mut name: String = (0..count)
        .map(|_| SYLLABLES[(next(state) % 16) as usize])
        .collect();
    if upper {
        name[..1].make_ascii_uppercase();
    }
    name + &(next(state) % 90).to_string()
}

/// Runs the worker and compares its three dumps.
pub fn growth_of(case: &Case, seed: u64) -> Growth {
    let mut state = seed ^ 0xA5A5;
    let jobs = 300 + next(&mut state) % 200;
    let points = [jobs / 10, jobs * 55 / 100, jobs];
    let dumps = Path::new(&case.folder).join("dumps");
    fs::create_dir_all(&dumps).unwrap();
    run(case, jobs, &points, &dumps);
    let mut study = GrowthStudy::new(None);
    for jobs in points {
        study.make_room();
        let graph = read(&dumps.join(format!("{jobs}.heapsnapshot")));
        study.add(
            Point {
                label: jobs.to_string(),
                jobs,
                ..Point::default()
            },
            graph,
        );
    }
    study.finish(&Files)
}

fn read(path: &PathBuf) -> plimsoll_heap::Graph {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut parser = v8::Parser::default();
    parser.feed(&bytes).unwrap();
    parser.finish().unwrap()
}

/// Longest that a worker may take.
const DEADLINE: Duration = Duration::from_secs(120);

fn run(case: &Case, jobs: u64, points: &[u64], dumps: &Path) {
    let at: Vec<String> = points.iter().map(ToString::to_string).collect();
    let mut child = Command::new("node")
        .arg("--no-warnings")
        .arg(&case.file)
        .current_dir(&case.folder)
        .env("JOBS", jobs.to_string())
        .env("DUMP_AT", at.join(","))
        .env("DUMP_DIR", dumps)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("these tests run workers under Node (https://nodejs.org, 18 or later): `node` was not found");
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > DEADLINE {
            child.kill().unwrap();
            panic!("{} did not end in {DEADLINE:?}", case.file);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
