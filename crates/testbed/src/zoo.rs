//! Released packages that leak, from `fixtures/zoo`: what to install, what is true, and the table of a run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::packages::{installed, missing_npm, test_packages};
use crate::report::told;
use crate::{Launch, Missing, ReportFile, repository};

/// A suspect below this rank does not help anybody.
const RANK_MAX: usize = 3;
/// Packages come over the network; a slow mirror is no failure yet.
const INSTALL_SECONDS_MAX: u64 = 300;

/// A worker on a released package.
#[derive(Debug, Clone)]
pub struct ZooCase {
    /// Folder name.
    pub name: String,
    /// `leaky`, `fixed`, or `only` for a program that never leaked.
    pub variant: String,
    /// `node` or `python`.
    pub runtime: String,
    /// Jobs to run.
    pub jobs: u64,
    /// Whether it is to be called leaking.
    pub leaks: bool,
    /// Live memory per job as measured.
    pub bytes_per_job: Option<f64>,
    holder: Option<HolderTruth>,
}

#[derive(Debug, Clone, Deserialize)]
struct HolderTruth {
    /// Of each group one word must turn up, in any case, in what a suspect says.
    words: Vec<Vec<String>>,
    pattern: Vec<String>,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct ZooRow {
    case: String,
    variant: String,
    verdict: String,
    expected: &'static str,
    alarm: &'static str,
    holder: String,
    bytes_per_job: String,
    /// What is wrong; empty for a case that is right or not yet run.
    pub wrong: Vec<String>,
}

/// Every case and variant, by name.
///
/// # Panics
/// If the zoo cannot be read.
pub fn zoo_cases() -> Vec<ZooCase> {
    let zoo = repository().join("fixtures/zoo");
    let truth = std::fs::read_to_string(zoo.join("truth.json")).expect("the zoo has its truth");
    let holders: BTreeMap<String, HolderTruth> = serde_json::from_str(&truth).expect("the truth is JSON");
    let mut cases = Vec::new();
    for folder in std::fs::read_dir(&zoo).expect("the zoo is there").flatten() {
        let Ok(text) = std::fs::read_to_string(folder.path().join("case.json")) else {
            continue;
        };
        let case: Value = serde_json::from_str(&text).expect("a case is JSON");
        let leaks = case["label"] == "leak";
        let variants: &[&str] = if leaks { &["leaky", "fixed"] } else { &["only"] };
        let name = case["name"].as_str().expect("a case has a name");
        cases.extend(
            variants
                .iter()
                .map(|variant| zoo_case(&case, variant, holders.get(name).cloned())),
        );
    }
    cases.sort_by(|left, right| {
        (&left.runtime, &left.name, &right.variant).cmp(&(&right.runtime, &right.name, &left.variant))
    });
    cases
}

fn zoo_case(case: &Value, variant: &str, holder: Option<HolderTruth>) -> ZooCase {
    let text = |name: &str| case[name].as_str().unwrap_or_default().to_owned();
    let bytes = match variant {
        "only" => &case["bytes_per_job_late"],
        _ => &case[format!("bytes_per_job_{variant}")],
    };
    ZooCase {
        name: text("name"),
        variant: variant.to_owned(),
        runtime: text("runtime"),
        jobs: case["jobs"].as_u64().unwrap_or(1000),
        leaks: variant == "leaky",
        bytes_per_job: bytes.as_f64(),
        holder: holder.filter(|_| variant == "leaky"),
    }
}

impl ZooCase {
    /// Installs its packages and lays its worker beside them; tells the folder.
    ///
    /// # Errors
    /// If the packages cannot be installed.
    ///
    /// # Panics
    /// If the worker cannot be copied.
    pub fn install(&self) -> Result<PathBuf, Missing> {
        let source = repository().join("fixtures/zoo");
        let folder = test_packages().join("zoo").join(&self.name).join(&self.variant);
        let script = source.join(&self.name).join("install.sh");
        let version = std::fs::read_to_string(&script).expect("a case can be installed");
        installed(&folder, &version, || {
            let install = Launch::new("/bin/sh")
                .arg(&script)
                .arg(&self.variant)
                .arg(&folder);
            let finished = install.deadline(INSTALL_SECONDS_MAX).run();
            let failed = || missing_npm(format!("{}: {}", self.name, finished.stderr.trim()));
            if finished.code == Some(0) {
                Ok(())
            } else {
                Err(failed())
            }
        })?;
        std::fs::create_dir_all(folder.join("_lib")).expect("the folder of packages can be written");
        // Python looks for modules beside the worker, Node where the worker says.
        let files = match self.runtime.as_str() {
            "python" => [("_lib/zooloop.py", "zooloop.py"), ("", "worker.py")],
            _ => [("_lib/loop.js", "_lib/loop.js"), ("", "worker.js")],
        };
        for (from, name) in files {
            let from = match from {
                "" => source.join(&self.name).join(name),
                shared => source.join(shared),
            };
            std::fs::copy(from, folder.join(name)).expect("the worker can be copied");
        }
        Ok(folder)
    }

    /// The row of a case that was run.
    pub fn row(&self, report: &ReportFile) -> ZooRow {
        let mut row = self.empty_row(report.status());
        if self.leaks != (report.status() == "leaking") {
            row.alarm = if self.leaks { "missed" } else { "FALSE ALARM" };
            row.wrong
                .push(format!("verdict `{}`: {}", report.status(), report.reasons()));
        }
        if let Some(holder) = &self.holder {
            let rank = report
                .suspects()
                .iter()
                .take(RANK_MAX)
                .position(|suspect| holder.fits(suspect));
            row.holder = rank.map_or_else(|| "no".to_owned(), |at| format!("yes, {}", at + 1));
            if rank.is_none() {
                let told: Vec<_> = report
                    .suspects()
                    .iter()
                    .take(RANK_MAX)
                    .map(|s| format!("{} {}", s["pattern"], told(s)))
                    .collect();
                row.wrong.push(format!("the holder is not among {told:?}"));
            }
        }
        let truth = self
            .bytes_per_job
            .map_or_else(|| "?".to_owned(), |bytes| format!("{bytes:.0}"));
        let estimate = report
            .bytes_per_job()
            .map_or_else(|| "?".to_owned(), |bytes| format!("{bytes:.0}"));
        row.bytes_per_job = format!("{estimate} of {truth}");
        row
    }

    /// The row of a case that cannot be run yet.
    pub fn not_yet(&self) -> ZooRow {
        self.empty_row("not yet")
    }

    /// The row of a case that failed to give a report.
    pub fn failed(&self, why: String) -> ZooRow {
        ZooRow {
            wrong: vec![why],
            ..self.empty_row("no report")
        }
    }

    fn empty_row(&self, verdict: &str) -> ZooRow {
        ZooRow {
            case: self.name.clone(),
            variant: self.variant.clone(),
            verdict: verdict.to_owned(),
            expected: if self.leaks { "leaking" } else { "not leaking" },
            alarm: "",
            holder: String::new(),
            bytes_per_job: String::new(),
            wrong: Vec::new(),
        }
    }
}

impl ZooRow {
    /// A complaint with the case that it is about.
    pub fn told(&self, wrong: &str) -> String {
        format!("{} {}: {wrong}", self.case, self.variant)
    }
}

impl HolderTruth {
    fn fits(&self, suspect: &Value) -> bool {
        let told = told(suspect).to_lowercase();
        let worded = self
            .words
            .iter()
            .all(|group| group.iter().any(|word| told.contains(word.as_str())));
        worded
            && self
                .pattern
                .iter()
                .any(|pattern| suspect["pattern"] == pattern.as_str())
    }
}

/// The table that a run of the zoo prints.
pub fn zoo_table(rows: &[ZooRow]) -> String {
    let heads = [
        "case",
        "variant",
        "verdict",
        "expected",
        "alarm",
        "holder right",
        "bytes per job",
    ]
    .map(str::to_owned);
    let cells = |row: &ZooRow| {
        let expected = row.expected.to_owned();
        let alarm = row.alarm.to_owned();
        [
            row.case.clone(),
            row.variant.clone(),
            row.verdict.clone(),
            expected,
            alarm,
            row.holder.clone(),
            row.bytes_per_job.clone(),
        ]
    };
    let lines: Vec<[String; 7]> = std::iter::once(heads).chain(rows.iter().map(cells)).collect();
    let widths: Vec<usize> = (0..7)
        .map(|at| lines.iter().map(|line| line[at].len()).max().unwrap_or(0))
        .collect();
    let padded = |line: &[String; 7]| {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    lines.iter().map(padded).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaky_node_case_has_a_truth_about_its_holder() {
        let cases = zoo_cases();
        let leaky: Vec<_> = cases
            .iter()
            .filter(|case| case.leaks && case.runtime == "node")
            .collect();
        assert_eq!(leaky.len(), 4);
        assert!(
            leaky
                .iter()
                .all(|case| case.holder.is_some() && case.bytes_per_job.is_some()),
            "{leaky:?}"
        );
    }

    #[test]
    fn a_case_that_cannot_run_yet_is_shown() {
        let case = zoo_cases()
            .into_iter()
            .find(|case| case.runtime == "python")
            .unwrap();
        assert!(zoo_table(&[case.not_yet()]).contains("not yet"));
    }
}
