//! Embeds the Node agent (its entry and every file of its `lib`), and builds the allocation sampler.

use std::{env, fs, path::Path};

fn main() {
    build_sampler();
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
