//! Embeds the agents: every file that an agent's `files.txt` lists.

use std::{env, fs, path::Path};

fn main() {
    let agent = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../../agents/node");
    let list = agent.join("files.txt");
    println!("cargo::rerun-if-changed={}", list.display());
    let names = fs::read_to_string(&list).expect("agents/node/files.txt lists the agent's files");
    let mut code = String::from(
        "/// The agent's files: path below its folder, and text.\nstatic FILES: &[(&str, &str)] = &[\n",
    );
    for name in names.lines().map(str::trim).filter(|name| !name.is_empty()) {
        let path = agent.join(name).canonicalize().expect("every listed file exists");
        println!("cargo::rerun-if-changed={}", path.display());
        code.push_str(&format!("    ({name:?}, include_str!({:?})),\n", path));
    }
    code.push_str("];\n");
    let out = Path::new(&env::var("OUT_DIR").expect("set by cargo")).join("node_agent.rs");
    fs::write(out, code).expect("OUT_DIR is writable");
}
