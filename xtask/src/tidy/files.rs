//! What each tracked file must keep to.

use std::{ffi::OsStr, path::Path};

/// Beyond this a file holds more than one idea (STYLE: mostly under 400).
const LINES_MAX: usize = 800;

/// ARCHITECTURE.md is a map: it must stay one.
const MAP_LINES_MAX: usize = 300;

/// Starts of paths that exist on one machine only. Split, so that this file does not complain of itself.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
];

/// Complaints about one file; `path` is below `root`.
pub fn check(root: &Path, path: &Path, content: &str) -> Vec<String> {
    let checks = [
        machine_path,
        too_long,
        undocumented_crate,
        ignored_test,
        no_unreleased_section,
    ];
    let complaints = checks.iter().filter_map(|check| check(path, content));
    let complaints = complaints.chain(dead_links(root, path, content));
    complaints
        .map(|complaint| format!("{}: {complaint}", path.display()))
        .collect()
}

fn machine_path(path: &Path, content: &str) -> Option<String> {
    // Fixtures and golden files show what other people's machines say.
    if path.starts_with("fixtures") || path.components().any(|part| part.as_os_str() == "golden") {
        return None;
    }
    let (number, line) = content
        .lines()
        .enumerate()
        .find(|(_, line)| MACHINE_PATHS.iter().any(|start| line.contains(start)))?;
    Some(format!(
        "line {} holds a path of one machine: {}",
        number + 1,
        line.trim()
    ))
}

fn too_long(path: &Path, content: &str) -> Option<String> {
    let is_map = path == Path::new("ARCHITECTURE.md");
    let source_endings = ["rs", "cjs", "mjs", "js", "ts", "css"];
    let is_source = path
        .extension()
        .is_some_and(|ending| source_endings.iter().any(|known| ending == *known));
    let limit = if is_map { MAP_LINES_MAX } else { LINES_MAX };
    let lines = content.lines().count();
    ((is_map || is_source) && lines > limit).then(|| format!("{lines} lines, {limit} at most"))
}

fn undocumented_crate(path: &Path, content: &str) -> Option<String> {
    let is_crate_root = path.ends_with("src/lib.rs") || path.ends_with("src/main.rs");
    (is_crate_root && !content.starts_with("//! ")).then(|| "opens without module docs (`//!`)".to_owned())
}

fn ignored_test(path: &Path, content: &str) -> Option<String> {
    let is_rust = path.extension()? == "rs";
    let attribute = concat!("#[ig", "nore");
    (is_rust && content.contains(attribute)).then(|| "holds an ignored test".to_owned())
}

fn no_unreleased_section(path: &Path, content: &str) -> Option<String> {
    let has_section = content
        .lines()
        .any(|line| line.starts_with("## ") && line.contains("Unreleased"));
    (path == Path::new("CHANGELOG.md") && !has_section).then(|| "has no section `## Unreleased`".to_owned())
}

/// Links of Markdown to files of ours that are not there.
fn dead_links(root: &Path, path: &Path, content: &str) -> Vec<String> {
    if path.extension() != Some(OsStr::new("md")) || path.starts_with("fixtures") {
        return Vec::new();
    }
    let folder = root
        .join(path)
        .parent()
        .expect("a file lies in a folder")
        .to_path_buf();
    let targets = content
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#', ' ']).next());
    let own =
        targets.filter(|target| !target.is_empty() && !target.contains("://") && !target.contains('\n'));
    own.filter(|target| !folder.join(target).exists())
        .map(|target| format!("links to `{target}`, which is not there"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, content: &str, expected: &str) {
        let complaints = check(Path::new(env!("CARGO_MANIFEST_DIR")), Path::new(path), content);
        match expected {
            "" => assert_eq!(complaints, [""; 0], "{path}"),
            expected => assert!(
                complaints.iter().any(|complaint| complaint.contains(expected)),
                "{path}: {complaints:?}"
            ),
        }
    }

    #[test]
    fn files_are_judged() {
        let long = "x\n".repeat(LINES_MAX + 1);
        let machine = format!("see {}me/notes", MACHINE_PATHS[2]);
        for (path, content, expected) in [
            ("crates/a/src/b.rs", "fn b() {}", ""),
            (
                "crates/a/src/b.rs",
                machine.as_str(),
                "line 1 holds a path of one machine",
            ),
            ("fixtures/a.js", machine.as_str(), ""),
            ("crates/a/src/b.rs", long.as_str(), "801 lines, 800 at most"),
            ("ui/a.txt", long.as_str(), ""),
            ("ARCHITECTURE.md", &long[..602], "301 lines, 300 at most"),
            ("crates/a/src/lib.rs", "mod b;", "module docs"),
            ("crates/a/src/lib.rs", "//! A.", ""),
            ("crates/a/tests/b.rs", concat!("#[ig", "nore]"), "ignored test"),
            ("CHANGELOG.md", "# Changelog\n## 1.0", "no section"),
            ("CHANGELOG.md", "## [Unreleased]", ""),
            ("README.md", "[a](src/main.rs#x) [b](https://x.y) [c](#d)", ""),
            ("README.md", "[a](src/none.rs)", "links to `src/none.rs`"),
        ] {
            check_one(path, content, expected);
        }
    }
}
