//! Embeds the agents (every source file of theirs, as it lies in `agents`), and builds the allocation sampler.

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
    build_sampler();
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
            let path = root.join(&name).canonicalize().expect("every listed file exists");
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

/// One shared object from the C files of `agents/native`, by the compiler that Rust links with.
fn build_sampler() {
    let source =
        Path::new(&env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../../agents/native/src");
    let out = Path::new(&env::var("OUT_DIR").expect("set by cargo")).join("libplimsoll_alloc.so");
    println!("cargo::rerun-if-changed={}", source.display());
    println!("cargo::rerun-if-env-changed=CC");
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut command = std::process::Command::new(&compiler);
    command
        .args([
            "-std=gnu11",
            "-O2",
            "-g0",
            "-Wall",
            "-Wextra",
            "-Wno-cast-function-type",
            "-fPIC",
            "-shared",
        ])
        // The thread's state is reached without a call, which could allocate.
        .args([
            "-ftls-model=initial-exec",
            "-fvisibility=hidden",
            "-fno-builtin",
            "-Wl,-z,now",
        ])
        .arg("-o")
        .arg(&out);
    for name in ["interpose.c", "sample.c", "table.c", "stack.c", "python.c"] {
        command.arg(source.join(name));
    }
    command.args(["-Wl,--as-needed", "-ldl"]);
    let status = command.status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "the C compiler `{compiler}` could not build agents/native ({status:?}); CC names another one"
    );
}
