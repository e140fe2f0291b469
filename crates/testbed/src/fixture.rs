use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{Random, Seed, TestFolder, rename_words, repository};

/// A worker under `fixtures/workers/node` and what is true of it.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// Folder name, such as `global-map`.
    pub case: String,
    /// The worker.
    pub file: PathBuf,
    /// What its header says.
    pub truth: Truth,
}

/// The header of a worker: JSON between `/* truth` and `*/`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    /// `leaking`, or `sound`: never to be called leaking.
    pub verdict: String,
    /// Channels that may decide the verdict.
    #[serde(default)]
    pub channel: Vec<String>,
    /// Jobs that the worker runs unless told otherwise.
    pub jobs: u64,
    /// Its job classes.
    pub classes: Vec<String>,
    /// What leaks.
    #[serde(default)]
    pub leaks: Vec<Leak>,
    /// Jobs of a class after which what it fills is full.
    #[serde(default)]
    pub fills: BTreeMap<String, u64>,
    /// Classes that run once in a while.
    #[serde(default)]
    pub rare: Vec<String>,
    /// Leaking jobs that one run may have: each takes a descriptor.
    pub leaking_jobs_max: Option<u64>,
    /// Scripts of its threads, beside it.
    #[serde(default)]
    pub threads: Vec<String>,
    /// A peak that is no leak.
    pub spike: Option<Spike>,
    /// Names that mean nothing to Node and may be any others.
    pub rename: Vec<String>,
}

/// One leak of a worker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leak {
    /// The class whose jobs leave something behind.
    pub class: String,
    /// Names under which the holder may be told.
    pub holder: Vec<String>,
    /// Patterns that fit, the best first.
    pub pattern: Vec<String>,
    /// The comment on the line that declares the holder.
    #[serde(default = "holder_marker")]
    pub marker: String,
    /// Where the marked line must turn up.
    pub source: SourceRule,
    /// Measured growth per job of the class, from and to; none where memory does not grow.
    pub bytes_per_class_job: Option<[f64; 2]>,
}

/// Where the marked line must turn up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceRule {
    /// As the source of the suspect.
    Declared,
    /// As its source or in a stack of its allocations: no variable of the program holds it.
    Allocated,
    /// Nowhere: nothing in the heap points there.
    None,
}

/// A peak that is no leak.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spike {
    /// The class of the job.
    pub class: String,
    /// It needs at least so much.
    pub peak_bytes_min: u64,
    /// The function that allocates.
    pub function: String,
}

/// A worker ready to be started.
#[derive(Debug)]
pub struct Prepared {
    /// The case and, if so, that it was changed at random.
    pub name: String,
    /// The script.
    pub file: PathBuf,
    /// Environment to start it with.
    pub env: Vec<(String, String)>,
    /// Its truth, with the names of this copy.
    pub truth: Truth,
    /// How to get the same again.
    pub how: String,
    folder: Option<TestFolder>,
}

fn holder_marker() -> String {
    "HOLDER".to_owned()
}

fn workers() -> PathBuf {
    repository().join("fixtures/workers/node")
}

/// Every worker there is, as (case, variant).
///
/// # Panics
/// If the fixtures cannot be read.
pub fn fixture_cases() -> Vec<(String, String)> {
    let mut cases = Vec::new();
    for folder in std::fs::read_dir(workers())
        .expect("the fixtures are there")
        .flatten()
    {
        for variant in ["leaky", "sound"] {
            if script(&folder.path(), variant).is_some() {
                cases.push((
                    folder.file_name().to_string_lossy().into_owned(),
                    variant.to_owned(),
                ));
            }
        }
    }
    cases.sort();
    cases
}

fn script(folder: &Path, variant: &str) -> Option<PathBuf> {
    ["js", "mjs"]
        .iter()
        .map(|ending| folder.join(format!("{variant}.{ending}")))
        .find(|file| file.is_file())
}

impl Fixture {
    /// The worker of a case: `leaky` or `sound`.
    ///
    /// # Panics
    /// If there is none or its header cannot be read.
    pub fn load(case: &str, variant: &str) -> Fixture {
        let file = script(&workers().join(case), variant)
            .unwrap_or_else(|| panic!("no `{variant}` worker in `{case}`"));
        let text = std::fs::read_to_string(&file).expect("the fixture can be read");
        Fixture {
            case: case.to_owned(),
            truth: read_truth(&text, &file),
            file,
        }
    }

    /// As it stands in the repository.
    pub fn as_is(&self) -> Prepared {
        Prepared {
            name: format!("{}/{}", self.case, self.stem()),
            file: self.file.clone(),
            env: Vec::new(),
            truth: self.truth.clone(),
            how: String::new(),
            folder: None,
        }
    }

    /// A copy with other names, another mix of classes, another pace, concurrency and job count.
    ///
    /// # Panics
    /// If the copy cannot be written.
    pub fn at_random(&self, seed: Seed) -> Prepared {
        let mut random = seed.random(&format!("{}/{}", self.case, self.stem()));
        let names = new_names(&self.truth, &mut random);
        let folder = TestFolder::new(&self.case);
        copy_folder(
            self.file.parent().expect("a file has a folder"),
            &folder.join("app"),
            &names,
        );
        copy_folder(&workers().join("_lib"), &folder.join("_lib"), &BTreeMap::new());
        let file = folder
            .join("app")
            .join(self.file.file_name().expect("a file has a name"));
        let truth = read_truth(
            &std::fs::read_to_string(&file).expect("it was just written"),
            &file,
        );
        Prepared {
            name: format!("{}/{} at random", self.case, self.stem()),
            env: random_settings(&truth, &mut random),
            how: format!("PLIMSOLL_TEST_SEED={} ", seed.0),
            file,
            truth,
            folder: Some(folder),
        }
    }

    fn stem(&self) -> String {
        self.file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }
}

impl Prepared {
    /// The lines with a marker, as (file name, line number from 1), in the worker and its threads.
    ///
    /// # Panics
    /// If a script cannot be read.
    pub fn marked(&self, marker: &str) -> Vec<(String, u64)> {
        let folder = self.file.parent().expect("a file has a folder");
        let scripts = self
            .truth
            .threads
            .iter()
            .map(|name| folder.join(name))
            .chain([self.file.clone()]);
        scripts.flat_map(|script| marked_lines(&script, marker)).collect()
    }

    /// Where the copy is, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(TestFolder::path)
    }
}

/// The lines of a script that end with the comment `// marker`, as (file name, line number from 1).
///
/// # Panics
/// If the script cannot be read.
pub fn marked_lines(script: &Path, marker: &str) -> Vec<(String, u64)> {
    let ending = format!("// {marker}");
    let text = std::fs::read_to_string(script).expect("a script under test can be read");
    let name = script
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.trim_end().ends_with(&ending));
    lines.map(|(at, _)| (name.clone(), at as u64 + 1)).collect()
}

fn read_truth(text: &str, file: &Path) -> Truth {
    let header = text
        .strip_prefix("/* truth")
        .and_then(|rest| rest.split_once("*/"));
    let (json, _) = header.unwrap_or_else(|| panic!("`{}` has no truth in its header", file.display()));
    serde_json::from_str(json).unwrap_or_else(|error| panic!("the truth of `{}`: {error}", file.display()))
}

fn new_names(truth: &Truth, random: &mut Random) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for (number, old) in truth.rename.iter().enumerate() {
        let separator = if old.starts_with(char::is_uppercase) {
            capital(random)
        } else {
            word(random)
        };
        // The number keeps two draws of the same words apart.
        names.insert(old.clone(), format!("{separator}{}{number}", capital(random)));
    }
    for (number, old) in truth.classes.iter().enumerate() {
        names.insert(old.clone(), format!("{}-{}-{number}", word(random), word(random)));
    }
    names
}

fn word(random: &mut Random) -> String {
    const SYLLABLES: [&str; 16] = [
        "ba", "dor", "fe", "gim", "ka", "lu", "mer", "no", "pi", "ras", "su", "tel", "vo", "wen", "xi", "zan",
    ];
    (0..random.between(2, 3))
        .map(|_| *random.pick(&SYLLABLES))
        .collect()
}

fn capital(random: &mut Random) -> String {
    let word = word(random);
    word[..1].to_uppercase() + &word[1..]
}

fn copy_folder(from: &Path, to: &Path, names: &BTreeMap<String, String>) {
    std::fs::create_dir_all(to).expect("the temporary folder can be written");
    for entry in std::fs::read_dir(from)
        .expect("the fixtures can be read")
        .flatten()
    {
        let text = std::fs::read_to_string(entry.path()).expect("a fixture is text");
        std::fs::write(to.join(entry.file_name()), rename_words(&text, names))
            .expect("the copy can be written");
    }
}

fn random_settings(truth: &Truth, random: &mut Random) -> Vec<(String, String)> {
    let weight = |class: &String, random: &mut Random| match truth.rare.contains(class) {
        true => 0.05,
        false => random.real(1.0, 5.0),
    };
    let mix: BTreeMap<_, _> = truth
        .classes
        .iter()
        .map(|class| (class.clone(), weight(class, random)))
        .collect();
    let jobs = enough_jobs(truth, &mix, (truth.jobs as f64 * random.real(0.6, 2.0)) as u64);
    let mix = serde_json::to_string(&mix).expect("a map of numbers is JSON");
    let settings = [
        ("MIX", mix),
        ("JOBS", jobs.to_string()),
        ("CONCURRENCY", random.between(1, 10).to_string()),
        ("PACE_MS", random.between(0, 3).to_string()),
        ("SEED", random.between(1, 1_000_000).to_string()),
    ];
    settings.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// A lookalike must be full long before the end, else nothing tells it from a leak; a leak must have had
/// a few hundred jobs.
fn enough_jobs(truth: &Truth, mix: &BTreeMap<String, f64>, drawn: u64) -> u64 {
    let total: f64 = mix.values().sum();
    let jobs_for = |class: &str, wanted: u64| (wanted as f64 * total / mix[class]) as u64;
    let fills = truth.fills.iter().map(|(class, jobs)| jobs_for(class, jobs * 4));
    let leaks = truth.leaks.iter().map(|leak| jobs_for(&leak.class, 400));
    let wanted = fills.chain(leaks).fold(drawn, u64::max);
    let most = truth
        .leaking_jobs_max
        .and_then(|most| truth.leaks.iter().map(|leak| jobs_for(&leak.class, most)).min());
    wanted.min(most.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_states_a_truth_that_its_source_bears_out() {
        let cases = fixture_cases();
        assert!(cases.len() >= 30, "{cases:?}");
        for (case, variant) in cases {
            let prepared = Fixture::load(&case, &variant).as_is();
            assert_eq!(
                prepared.truth.leaks.is_empty(),
                prepared.truth.verdict == "sound",
                "{case}/{variant}"
            );
            for leak in &prepared.truth.leaks {
                assert!(
                    prepared.truth.classes.contains(&leak.class),
                    "{case}: {}",
                    leak.class
                );
                assert!(
                    !prepared.marked(&leak.marker).is_empty(),
                    "{case}: no line is marked {}",
                    leak.marker
                );
            }
        }
    }

    #[test]
    fn a_random_copy_keeps_its_lines_and_changes_its_names() {
        let fixture = Fixture::load("retry-buffer", "leaky");
        let copy = fixture.at_random(Seed(3));
        assert_eq!(copy.marked("HOLDER")[0].1, fixture.as_is().marked("HOLDER")[0].1);
        assert_ne!(copy.truth.leaks[0].holder, fixture.truth.leaks[0].holder);
        let text = std::fs::read_to_string(&copy.file).unwrap();
        assert!(
            !text.contains("undelivered") && !text.contains("deliver-webhook"),
            "{text}"
        );
        assert!(text.contains(&copy.truth.leaks[0].holder[0]), "{text}");
    }

    #[test]
    fn a_lookalike_is_given_time_to_fill() {
        let truth = Fixture::load("two-leaks", "sound").truth;
        let mix: BTreeMap<_, _> = truth.classes.iter().map(|class| (class.clone(), 1.0)).collect();
        assert_eq!(enough_jobs(&truth, &mix, 100), 4 * 400 * 4);
    }
}
