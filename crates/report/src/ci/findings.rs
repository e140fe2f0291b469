//! What is to be shown at source lines.

use plimsoll_model::{Gate, Report, Suspect};

use super::{outcome, sentence};

/// Suspects shown; whoever is not among the first five is not worth a line in a review.
const SHOWN: usize = 5;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The gate fails for it.
    Error,
    /// Worth a look.
    Warning,
}

/// Where paths are reckoned from. Absolute, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Root of the repository.
    pub root: String,
    /// Working folder of the worker.
    pub cwd: String,
}

/// A line of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Relative to the root where it lies below it, else absolute.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: Option<u32>,
}

/// One thing to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `leak/PATTERN`, `memory-limit`, `not-verified` or `not-settled`.
    pub rule: String,
    /// Its weight.
    pub level: Level,
    /// In plain words.
    pub message: String,
    /// The line to change; `None` where none is known.
    pub place: Option<Place>,
    /// Where such objects are allocated.
    pub related: Vec<Place>,
}

/// Findings of a report, the most important first.
pub fn findings(report: &Report, places: &Places) -> Vec<Finding> {
    let plain = |rule: &str, level| Finding {
        rule: rule.to_owned(),
        level,
        message: sentence(report),
        place: None,
        related: Vec::new(),
    };
    match outcome(report) {
        Gate::Passed => Vec::new(),
        Gate::CouldNot => vec![plain("not-verified", Level::Error)],
        Gate::Inconclusive => vec![plain("not-settled", Level::Warning)],
        Gate::Failed if report.suspects.is_empty() => {
            let limit = report
                .verify
                .as_ref()
                .and_then(|verify| verify.memory_limit.as_ref());
            let rule = if limit.is_some_and(|limit| limit.hit) {
                "memory-limit"
            } else {
                "leak/unknown"
            };
            vec![plain(rule, Level::Error)]
        }
        Gate::Failed => report
            .suspects
            .iter()
            .take(SHOWN)
            .map(|suspect| finding(suspect, places))
            .collect(),
    }
}

fn finding(suspect: &Suspect, places: &Places) -> Finding {
    let frames = suspect.allocation_stacks.iter().flat_map(|stack| &stack.frames);
    let mut related: Vec<Place> = frames
        .filter_map(|frame| places.of_source(frame.rsplit(' ').next()?))
        .filter(|place| is_own(&place.file))
        .collect();
    related.dedup();
    related.truncate(SHOWN);
    let declared = suspect
        .source
        .as_deref()
        .and_then(|source| places.of_source(source));
    // A line in a package is nobody's to change; the line that fills it is.
    let own = declared
        .clone()
        .filter(|place| is_own(&place.file))
        .or_else(|| related.first().cloned());
    let remedy = suspect
        .remedies
        .first()
        .map_or_else(String::new, |remedy| format!(" {remedy}"));
    Finding {
        rule: format!("leak/{}", pattern_name(suspect)),
        level: if suspect.rank == 1 {
            Level::Error
        } else {
            Level::Warning
        },
        message: format!("{}{remedy}", suspect.explanation),
        place: own.or(declared),
        related,
    }
}

/// As in `plimsoll.report/1`.
pub(super) fn pattern_name(suspect: &Suspect) -> String {
    let name = format!("{:?}", suspect.pattern);
    let mut out = String::new();
    for (at, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && at > 0 {
            out.push('-');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

/// Below the root, and not a package that was installed there.
fn is_own(file: &str) -> bool {
    let installed = ["node_modules", "site-packages", "dist-packages", ".venv"];
    !file.starts_with('/') && !file.split('/').any(|part| installed.contains(&part))
}

impl Places {
    /// Reads `file:line:column` or `file:line`.
    pub fn of_source(&self, source: &str) -> Option<Place> {
        let (head, last) = source.rsplit_once(':')?;
        let last: u32 = last.parse().ok()?;
        let numbered = head
            .rsplit_once(':')
            .and_then(|(file, line)| Some((file, line.parse::<u32>().ok()?)));
        let (file, line, column) = match numbered {
            Some((file, line)) => (file, line, Some(last)),
            None => (head, last, None),
        };
        let is_file = !file.is_empty() && !file.starts_with("node:") && !file.starts_with('<');
        (is_file && line > 0).then(|| Place {
            file: self.relative(file),
            line,
            column: column.filter(|column| *column > 0),
        })
    }

    fn relative(&self, file: &str) -> String {
        let whole = if file.starts_with('/') {
            file.to_owned()
        } else {
            format!("{}/{}", self.cwd, file.trim_start_matches("./"))
        };
        match whole.strip_prefix(&self.root) {
            Some(rest) if rest.starts_with('/') => rest.trim_start_matches('/').to_owned(),
            _ => whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_from_the_root_of_the_repository() {
        let places = Places {
            root: "/repo".into(),
            cwd: "/repo/jobs".into(),
        };
        for (source, expected) in [
            ("worker.js:12:7", Some(("jobs/worker.js", 12, Some(7)))),
            ("./lib/a.py:3", Some(("jobs/lib/a.py", 3, None))),
            ("/repo/src/a b.ts:1:2", Some(("src/a b.ts", 1, Some(2)))),
            ("/repository/x.js:1:2", Some(("/repository/x.js", 1, Some(2)))),
            ("node:events:12:3", None),
            ("<anonymous>:1:1", None),
            ("worker.js", None),
            ("worker.js:0:0", None),
        ] {
            let place = places.of_source(source);
            let place = place
                .as_ref()
                .map(|place| (place.file.as_str(), place.line, place.column));
            assert_eq!(place, expected, "{source}");
        }
    }
}
