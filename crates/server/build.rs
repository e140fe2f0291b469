//! Embeds the dashboard: builds it with npm when its sources have changed, and where that cannot be
//! done embeds a page that says how to get it.
//!
//! Nothing is written into the source tree: npm works in a copy below `target/`, which all builds of
//! one target folder share, so that it runs once per change of `ui/`. `PLIMSOLL_UI=skip` leaves it out.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// npm without a network gives up by itself; this is for one that does not.
const PATIENCE: Duration = Duration::from_secs(180);

fn main() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=PLIMSOLL_UI");
    for name in SOURCES {
        println!("cargo:rerun-if-changed={}", ui.join(name).display());
    }
    let built = match std::env::var_os("PLIMSOLL_UI") {
        Some(word) if word == "skip" => Err("PLIMSOLL_UI is `skip`".into()),
        _ => dashboard(&ui, &out),
    };
    let files = built.and_then(|dist| files_in(&dist).map_err(|error| error.to_string()));
    let files = files.unwrap_or_else(|why: String| {
        println!("cargo:warning=the dashboard is not in this build ({why}); everything else is");
        let page = out.join("missing.html");
        std::fs::write(&page, MISSING).expect("OUT_DIR is writable");
        vec![("index.html".to_owned(), page)]
    });
    embed(&out, &files);
}

const SOURCES: &[&str] = &[
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
    "public",
    "src",
];

const MISSING: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Plimsoll</title>
<h1>Plimsoll collects</h1>
<p>The dashboard is not in this build, because npm was not there or could not reach its packages when it was
compiled. To get it: install Node.js 20 or later with npm, run <code>touch ui/index.html</code> in the source
folder, and build again with <code>cargo build</code>.</p>
<p>Everything else works: <a href=/api/v1/workers>workers</a>, <a href=/api/v1/incidents>incidents</a>,
<a href=/api/v1/openapi.json>the API</a>, <a href=/metrics>metrics</a>, and <code>plimsoll incident list</code>.</p>
";

/// The folder with the built dashboard.
fn dashboard(ui: &Path, out: &Path) -> Result<PathBuf, String> {
    // OUT_DIR is TARGET/PROFILE/build/NAME-HASH/out.
    let target = out
        .ancestors()
        .nth(4)
        .ok_or("OUT_DIR is not where it should be")?;
    let work = target.join("ui");
    let text = |error: io::Error| error.to_string();
    let stamp = stamp(ui).map_err(text)?;
    let dist = work.join(format!("dist-{stamp:016x}"));
    if dist.join("index.html").is_file() {
        return Ok(dist);
    }
    for name in SOURCES {
        let copy = work.join(name);
        let _ = std::fs::remove_dir_all(&copy); // what was deleted from the sources goes
        copy_all(&ui.join(name), &copy).map_err(text)?;
    }
    npm(
        &work,
        &[
            "ci",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
            "--prefer-offline",
            "--fetch-retries=1",
        ],
    )?;
    let fresh = work.join("dist");
    let _ = std::fs::remove_dir_all(&fresh);
    npm(&work, &["run", "--silent", "build"])?;
    // Whole or not at all, also when two builds run at once.
    match std::fs::rename(&fresh, &dist) {
        Err(error) if !dist.join("index.html").is_file() => Err(error.to_string()),
        _ => Ok(dist),
    }
}

fn npm(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let mut child = Command::new("npm")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("npm: {error}"))?;
    let since = Instant::now();
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("`npm {}`: {status}", arguments[0])),
            None if since.elapsed() > PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!(
                    "`npm {}` took longer than {} s",
                    arguments[0],
                    PATIENCE.as_secs()
                ));
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        std::fs::create_dir_all(to.parent().unwrap_or(to))?;
        return std::fs::copy(from, to).map(drop);
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Over the names and contents of all sources.
fn stamp(ui: &Path) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    for name in SOURCES {
        for (name, path) in files_below(&ui.join(name), name)? {
            name.hash(&mut hasher);
            std::fs::read(path)?.hash(&mut hasher);
        }
    }
    Ok(hasher.finish())
}

fn files_in(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    files_below(folder, "")
}

fn files_below(path: &Path, name: &str) -> io::Result<Vec<(String, PathBuf)>> {
    if !path.is_dir() {
        return Ok(vec![(name.to_owned(), path.to_owned())]);
    }
    let mut entries: Vec<_> = std::fs::read_dir(path)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let mut files = Vec::new();
    for entry in entries {
        let below = entry.file_name().to_string_lossy().into_owned();
        let name = if name.is_empty() {
            below
        } else {
            format!("{name}/{below}")
        };
        files.extend(files_below(&entry.path(), &name)?);
    }
    Ok(files)
}

fn embed(out: &Path, files: &[(String, PathBuf)]) {
    let mut text = String::from("/// Name and content of every file.\nstatic PAGES: &[(&str, &[u8])] = &[\n");
    for (name, path) in files {
        writeln!(text, "    ({name:?}, include_bytes!({path:?})),").expect("writing to memory cannot fail");
    }
    text.push_str("];\n");
    std::fs::write(out.join("pages.rs"), text).expect("OUT_DIR is writable");
}
