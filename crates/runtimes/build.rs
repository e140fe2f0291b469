//! Embeds the agents: every source file of theirs, as it lies in `agents`.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// An agent: its folder, the folders and files in it that are embedded, the ending of source files, the static's name.
struct Agent {
    folder: &'static str,
    parts: &'static [&'static str],
    ending: &'static str,
}

const AGENTS: &[Agent] = &[
    Agent {
        folder: "node",
        parts: &["agent.cjs", "lib"],
        ending: "cjs",
    },
    Agent {
        folder: "python",
        parts: &["sitecustomize.py", "_plimsoll", "plimsoll"],
        ending: "py",
    },
];

fn main() {
    let agents = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../../agents");
    let out = PathBuf::from(env::var("OUT_DIR").expect("set by cargo"));
    for agent in AGENTS {
        let root = agents.join(agent.folder);
        let mut names = Vec::new();
        for part in agent.parts {
            println!("cargo::rerun-if-changed={}", root.join(part).display());
            gather(&root, Path::new(part), agent.ending, &mut names);
        }
        names.sort();
        let mut code = String::from(
            "/// The agent's files: path below its folder, and text.\nstatic FILES: &[(&str, &str)] = &[\n",
        );
        for name in names {
            let path = root
                .join(&name)
                .canonicalize()
                .expect("every listed file exists");
            code.push_str(&format!("    ({name:?}, include_str!({path:?})),\n"));
        }
        code.push_str("];\n");
        fs::write(out.join(format!("{}_agent.rs", agent.folder)), code).expect("OUT_DIR is writable");
    }
}

fn gather(root: &Path, part: &Path, ending: &str, names: &mut Vec<String>) {
    let path = root.join(part);
    if path.is_dir() {
        for entry in fs::read_dir(&path).expect("a readable folder") {
            let name = entry.expect("a readable folder").file_name();
            gather(root, &part.join(name), ending, names);
        }
    } else if path.extension().is_some_and(|extension| extension == ending) {
        names.push(part.to_str().expect("plain names").to_owned());
    }
}
