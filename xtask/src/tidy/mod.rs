//! Checks over the whole tree. Each is a pure function from text to complaints.

mod files;
mod table;

use std::{fs, path::Path, process::Command};

use anyhow::{Context, ensure};

/// Prints what is wrong; whether nothing is.
pub fn run(root: &Path) -> anyhow::Result<bool> {
    let complaints = complaints(root)?;
    for complaint in &complaints {
        println!("{complaint}");
    }
    println!(
        "tidy: {}",
        if complaints.is_empty() {
            "ok".to_owned()
        } else {
            format!("{} complaints", complaints.len())
        }
    );
    Ok(complaints.is_empty())
}

fn complaints(root: &Path) -> anyhow::Result<Vec<String>> {
    let metadata = output(
        root,
        env!("CARGO"),
        &["metadata", "--no-deps", "--format-version", "1", "--offline"],
    )?;
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    let mut complaints = table::check(&architecture, &serde_json::from_str(&metadata)?);
    // Files that git does not know yet count too, unless they are ignored: they will be committed.
    let listed = output(
        root,
        "git",
        &["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    )?;
    for path in listed.split_terminator('\0') {
        // A file that is deleted but still in the index, or one that is no text, has nothing to check.
        if let Ok(content) = fs::read_to_string(root.join(path)) {
            complaints.extend(files::check(root, Path::new(path), &content));
        }
    }
    Ok(complaints)
}

fn output(root: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .context(program.to_owned())?;
    ensure!(
        output.status.success(),
        "`{program}` failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
