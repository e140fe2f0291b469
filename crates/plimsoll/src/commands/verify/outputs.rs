//! The files and lines that CI reads.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use plimsoll_daemon::{Outcome, write_private};
use plimsoll_report::ci::{self, Places};

use super::VerifyArgs;

/// Writes every form that was asked for.
pub fn write(args: &VerifyArgs, outcome: &Outcome) -> anyhow::Result<()> {
    let failed = |path: &Path| format!("could not write the report `{}`", path.display());
    let put = |path: &Option<PathBuf>, text: &dyn Fn() -> String| match path {
        Some(path) => write_private(path, text().as_bytes()).with_context(|| failed(path)),
        None => Ok(()),
    };
    for path in &args.report {
        outcome.write_report(path).with_context(|| failed(path))?;
    }
    let places = places();
    put(&args.junit, &|| ci::junit(&outcome.report))?;
    put(&args.sarif, &|| {
        ci::sarif(&outcome.report, &places, env!("CARGO_PKG_VERSION")) + "\n"
    })?;
    put(&args.markdown, &|| outcome.summary())?;
    if args.github {
        github(args, outcome, &places)?;
    }
    Ok(())
}

/// Annotations go to stdout, where the runner reads commands, unless that is for data.
fn github(args: &VerifyArgs, outcome: &Outcome, places: &Places) -> anyhow::Result<()> {
    let lines = ci::annotations(&outcome.report, places);
    if args.json {
        eprint!("{lines}");
    } else {
        write!(std::io::stdout(), "{lines}").context("could not write to stdout")?;
    }
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .with_context(|| {
            format!(
                "could not add to the step summary `{}`",
                Path::new(&path).display()
            )
        })?;
    file.write_all(outcome.summary().as_bytes())
        .context("could not add to the step summary")
}

/// The repository is where GitHub says, or the nearest folder above with `.git`, or our own.
fn places() -> Places {
    let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let told = std::env::var_os("GITHUB_WORKSPACE").map(PathBuf::from);
    let root = told
        .filter(|root| !root.as_os_str().is_empty() && cwd.starts_with(root))
        .or_else(|| {
            cwd.ancestors()
                .find(|folder| folder.join(".git").exists())
                .map(Path::to_owned)
        })
        .unwrap_or_else(|| cwd.clone());
    let text = |path: &Path| path.to_string_lossy().trim_end_matches('/').to_owned();
    Places {
        root: text(&root),
        cwd: text(&cwd),
    }
}
