//! Embeds the Node agent: its entry and every file of its `lib`.

use std::{env, fs, path::Path};

fn main() {
    let agent = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../../agents/node");
    let mut names = vec!["agent.cjs".to_owned()];
    for entry in fs::read_dir(agent.join("lib")).expect("agents/node/lib is there") {
        let name = entry
            .expect("a readable folder")
            .file_name()
            .into_string()
            .expect("plain names");
        if name.ends_with(".cjs") {
            names.push(format!("lib/{name}"));
        }
    }
    names.sort();
    let mut code = String::from(
        "/// The agent's files: path below its folder, and text.\nstatic FILES: &[(&str, &str)] = &[\n",
    );
    for name in names {
        let path = agent
            .join(&name)
            .canonicalize()
            .expect("every listed file exists");
        code.push_str(&format!("    ({name:?}, include_str!({path:?})),\n"));
    }
    code.push_str("];\n");
    println!("cargo::rerun-if-changed={}", agent.join("lib").display());
    println!("cargo::rerun-if-changed={}", agent.join("agent.cjs").display());
    let out = Path::new(&env::var("OUT_DIR").expect("set by cargo")).join("node_agent.rs");
    fs::write(out, code).expect("OUT_DIR is writable");
}
