//! Finds assignments in Python source: by lines, without a parser.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::source::{Position, SourceLookup};

/// Sources longer than this are not read, nor more of them in one study.
const SOURCE_BYTES: usize = 8 << 20;
const FILES: usize = 256;

/// Where a name is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope<'n> {
    /// On the left of an assignment at the top of a module.
    Module,
    /// In the body of a class, by the last part of its qualified name.
    Class(&'n str),
    /// As `self.NAME` (whatever the first parameter is called) in the methods of a class.
    Instance(&'n str),
    /// Anywhere in a function that begins at this line.
    Function(u32),
}

/// Sources that were looked up, each once.
pub(super) struct PythonSources<'l> {
    lookup: &'l dyn SourceLookup,
    known: RefCell<HashMap<String, Option<Rc<str>>>>,
}

impl<'l> PythonSources<'l> {
    pub(super) fn new(lookup: &'l dyn SourceLookup) -> Self {
        Self {
            lookup,
            known: RefCell::default(),
        }
    }

    fn text(&self, file: &str) -> Option<Rc<str>> {
        let mut known = self.known.borrow_mut();
        if !known.contains_key(file) && known.len() < FILES {
            let text = match file.ends_with(".py") {
                true => self.lookup.source(file),
                false => None,
            };
            let text = text.filter(|text| text.len() <= SOURCE_BYTES).map(Rc::from);
            known.insert(file.to_owned(), text);
        }
        known.get(file).cloned().flatten()
    }

    /// The first assignment of a name in a scope of a file.
    pub(super) fn assignment(&self, file: &str, name: &str, scope: Scope<'_>) -> Option<Position> {
        let text = self.text(file)?;
        let (line, column) = find(&text, name, scope)?;
        Some(Position {
            file: file.to_owned(),
            line,
            column,
        })
    }

    /// Whether a source reads a collection by key: `NAME.get(…)`, `… in NAME`, `= NAME[…]`.
    pub(super) fn is_looked_up(&self, file: &str, name: &str) -> bool {
        let reads = [".get(", ".setdefault(", ".pop("].map(|call| format!("{name}{call}"));
        let subscript = format!("{name}[");
        let has_member = |line: &str| {
            [" in ", " in self.", " in cls."].iter().any(|word| {
                let found = line.split(&format!("{word}{name}")).nth(1);
                found
                    .is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
                    && !line.trim_start().starts_with("for ")
            })
        };
        let by_subscript = |line: &str| {
            line.find(&subscript).is_some_and(|at| {
                line[..at].contains("return ") || line[..at].contains('=') || line[..at].contains('(')
            })
        };
        self.text(file).is_some_and(|text| {
            text.lines().any(|line| {
                reads.iter().any(|read| line.contains(read)) || has_member(line) || by_subscript(line)
            })
        })
    }

    /// The line that a class begins in.
    pub(super) fn class(&self, file: &str, name: &str) -> Option<Position> {
        let text = self.text(file)?;
        let (line, _) = class_lines(&text, name)?;
        Some(Position {
            file: file.to_owned(),
            line,
            column: 1,
        })
    }
}

fn find(text: &str, name: &str, scope: Scope<'_>) -> Option<(u32, u32)> {
    /// Lines of one function that are looked at.
    const FUNCTION_LINES: u32 = 600;
    let (from, to) = match scope {
        Scope::Module => (1, u32::MAX),
        Scope::Class(class) | Scope::Instance(class) => class_lines(text, class)?,
        Scope::Function(line) => (line, line.saturating_add(FUNCTION_LINES)),
    };
    text.lines().zip(1u32..).find_map(|(content, line)| {
        if !(from..to).contains(&line) {
            return None;
        }
        let column = assigned_at(content, name, scope)?;
        Some((line, column as u32 + 1))
    })
}

/// First line of a class and the line behind its last.
fn class_lines(text: &str, name: &str) -> Option<(u32, u32)> {
    let mut begin: Option<(u32, usize)> = None;
    let mut last = 0;
    for (content, line) in text.lines().zip(1u32..) {
        let bare = content.trim_start();
        let indent = content.len() - bare.len();
        last = line;
        match begin {
            None => {
                let named = bare
                    .strip_prefix("class ")
                    .and_then(|rest| rest.strip_prefix(name));
                if named.is_some_and(|rest| rest.starts_with(['(', ':', ' ', '['])) {
                    begin = Some((line, indent));
                }
            }
            Some((first, outer)) => {
                let ends = indent <= outer && !bare.is_empty() && !bare.starts_with(['#', ')', '"', '\'']);
                if ends {
                    return Some((first, line));
                }
            }
        }
    }
    begin.map(|(first, _)| (first, last + 1))
}

/// The column at which a line assigns a name, from 0.
fn assigned_at(line: &str, name: &str, scope: Scope<'_>) -> Option<usize> {
    let bare = line.trim_start();
    let indent = line.len() - bare.len();
    if bare.starts_with('#') || scope == Scope::Module && indent > 0 {
        return None;
    }
    line.match_indices(name)
        .map(|(at, _)| at)
        .find(|at| is_target(line, *at, name, scope))
}

fn is_target(line: &str, at: usize, name: &str, scope: Scope<'_>) -> bool {
    let (before, after) = (&line[..at], &line[at + name.len()..]);
    let starts = match scope {
        // `self.NAME`, where a statement begins with what is before the dot: one bare name.
        Scope::Instance(_) => before.strip_suffix('.').is_some_and(|owner| {
            let statement = owner.trim_end_matches(|letter: char| letter.is_alphanumeric() || letter == '_');
            statement.len() < owner.len()
                && (statement.trim().is_empty() || statement.trim_end().ends_with([';', ':', ',']))
        }),
        _ => {
            before.trim_start().is_empty()
                || before.ends_with(", ")
                || before.ends_with("= ")
                || before.ends_with("as ")
        }
    };
    starts && is_assigned(after)
}

/// Whether what follows a name makes the line an assignment to it: `=`, `: type =`, `: type`, `, … =`.
fn is_assigned(after: &str) -> bool {
    let rest = after.trim_start();
    let plain = |text: &str| text.starts_with('=') && !text.starts_with("==");
    if plain(rest) || rest.starts_with("+=") || rest.starts_with("|=") || after == ":" {
        return true;
    }
    match rest.chars().next() {
        Some(':') => !rest.starts_with(":="),
        Some(',') => rest.contains(" = "),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
import x
CACHE = {}
a, b = 1, 2
SEEN: set[str] = set()
CACHE['a'] = 1
if CACHE == 1: pass

class Base:
    registry = []

class Worker(Base):
    \"\"\"A worker.\"\"\"
    shared: dict = {}

    def __init__(self):
        self.jobs: list = []
        self.done = self.jobs
        other.late = 1

class Other:
    jobs = 1

def outer():
    buf = []
    def inner():
        return buf
";

    #[test]
    fn assignments_are_found_in_their_scope() {
        for (name, scope, expected) in [
            ("CACHE", Scope::Module, Some((2, 1))),
            ("b", Scope::Module, Some((3, 4))),
            ("SEEN", Scope::Module, Some((4, 1))),
            ("buf", Scope::Module, None),
            ("registry", Scope::Class("Base"), Some((9, 5))),
            ("shared", Scope::Class("Worker"), Some((13, 5))),
            ("jobs", Scope::Instance("Worker"), Some((16, 14))),
            ("done", Scope::Instance("Worker"), Some((17, 14))),
            ("jobs", Scope::Instance("Other"), None),
            ("buf", Scope::Function(23), Some((24, 5))),
        ] {
            assert_eq!(find(TEXT, name, scope), expected, "{name} in {scope:?}");
        }
    }
}
