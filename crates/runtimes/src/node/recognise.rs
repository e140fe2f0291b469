//! Which part a process plays, judged by its command line alone.
//!
//! Only a tie-breaker: a process that runs jobs is a worker whatever its name.

use std::path::Path;

use super::arguments;

/// The part that a process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Node with a program of the user's.
    Node,
    /// Starts another program and waits for it: npm, npx, tsx, nodemon, a shell, …
    Wrapper,
    /// Anything else.
    Other,
}

/// Packages whose program starts another one, by the folder that their files lie in.
const WRAPPER_PACKAGES: &[&str] = &[
    "npm",
    "yarn",
    "pnpm",
    "corepack",
    "npx",
    "tsx",
    "ts-node-dev",
    "nodemon",
    "cross-env",
    "cross-env-shell",
    "dotenv-cli",
    "env-cmd",
    "concurrently",
    "npm-run-all",
    "npm-run-all2",
    "npm-run-all-next",
    "wait-on",
    "forever",
    "onchange",
    "turbo",
    "nx",
    "lerna",
    "wireit",
];

/// Scripts without a package around them, by name without extension.
const WRAPPER_SCRIPTS: &[&str] = &[
    "npm",
    "npm-cli",
    "npx",
    "npx-cli",
    "yarn",
    "pnpm",
    "pnpx",
    "pnpm-dlx",
    "corepack",
    "nodemon",
    "tsx",
    "cross-env",
    "cross-env-shell",
    "dotenv",
    "env-cmd",
    "concurrently",
    "npm-run-all",
    "run-s",
    "run-p",
];

/// Programs, other than Node, that start another one.
const WRAPPER_PROGRAMS: &[&str] = &[
    "sh",
    "bash",
    "dash",
    "ash",
    "zsh",
    "busybox",
    "env",
    "timeout",
    "nice",
    "nohup",
    "sudo",
    "su",
    "setsid",
    "tini",
    "dumb-init",
    "docker-init",
    "catatonit",
    "su-exec",
    "gosu",
    "npm",
    "npx",
    "yarn",
    "pnpm",
    "time",
    "stdbuf",
    "watch",
];

/// Judges a process by its arguments (program first) and its program file.
///
/// What runs the program in its own process (`ts-node`, the inner process of `tsx`) is no wrapper.
pub fn recognise(argv: &[String], executable: Option<&Path>) -> Role {
    let program = executable
        .or(argv.first().map(Path::new))
        .map(stem)
        .unwrap_or_default();
    if !is_node(&program, argv) {
        return if WRAPPER_PROGRAMS.contains(&program.as_str()) {
            Role::Wrapper
        } else {
            Role::Other
        };
    }
    if is_wrapper_title(argv) {
        return Role::Wrapper;
    }
    match arguments::split(argv.get(1..).unwrap_or_default()) {
        (options, Some(script)) if is_wrapper_script(script) && !loads_before(options) => Role::Wrapper,
        _ => Role::Node,
    }
}

fn is_node(program: &str, argv: &[String]) -> bool {
    let called = argv
        .first()
        .map(|first| stem(Path::new(first)))
        .unwrap_or_default();
    ["node", "nodejs"].contains(&program) || ["node", "nodejs"].contains(&called.as_str())
}

/// npm names itself in its title: one string where the arguments were, padded with nothing.
fn is_wrapper_title(argv: &[String]) -> bool {
    let Some((title, rest)) = argv.split_first() else {
        return false;
    };
    let first = title
        .split_whitespace()
        .next()
        .map(|word| stem(Path::new(word)))
        .unwrap_or_default();
    rest.iter().all(String::is_empty) && ["npm", "npx", "yarn", "pnpm"].contains(&first.as_str())
}

/// A loader among Node's options means that a wrapper has already started its inner process:
/// `node --require …/tsx/dist/preflight.cjs --import … worker.ts`.
fn loads_before(options: &[String]) -> bool {
    let loaders = ["--import", "--loader", "--experimental-loader"];
    options
        .iter()
        .any(|option| loaders.iter().any(|loader| option.starts_with(loader)))
}

fn is_wrapper_script(script: &str) -> bool {
    let path = Path::new(script);
    match package_of(path) {
        Some(package) => WRAPPER_PACKAGES.contains(&package.as_str()),
        // `.bin` holds links that are named after the command.
        None => WRAPPER_SCRIPTS.contains(&unversioned(&stem(path))) && !is_relative_source(path),
    }
}

/// The package after the last `node_modules`: `a/node_modules/tsx/dist/cli.mjs` → `tsx`.
fn package_of(path: &Path) -> Option<String> {
    let parts: Vec<_> = path
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    let at = parts.iter().rposition(|part| part == "node_modules")?;
    let package = parts.get(at + 1)?;
    match (package.starts_with('@'), &**package) {
        (_, ".bin") => None,
        (true, scope) => Some(format!("{scope}/{}", parts.get(at + 2)?)),
        (false, name) => Some(name.to_owned()),
    }
}

/// A user's own `yarn.js` or `src/npm.ts` beside its sources is no package manager's.
fn is_relative_source(path: &Path) -> bool {
    path.is_relative() && path.extension().is_some() && !path.starts_with(".yarn")
}

/// `yarn-4.1.0` → `yarn`.
fn unversioned(name: &str) -> &str {
    match name.split_once('-') {
        Some((name, version)) if version.starts_with(|first: char| first.is_ascii_digit()) => name,
        _ => name,
    }
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, executable: &str, expected: Role) {
        let argv: Vec<String> = line.split('|').map(str::to_owned).collect();
        let executable = (!executable.is_empty()).then_some(Path::new(executable));
        assert_eq!(recognise(&argv, executable), expected, "{line}");
    }

    #[test]
    fn workers_are_node() {
        for line in [
            "node|worker.js",
            "/usr/bin/node|--max-old-space-size=512|/srv/app/worker.mjs|--queue|npm",
            "node|-r|./tracing.js|dist/worker.js",
            "nodejs|worker.js",
            "node|--require|/a/node_modules/tsx/dist/preflight.cjs|--import|file:///a/node_modules/tsx/dist/loader.mjs|worker.ts",
            "node|/a/node_modules/.bin/ts-node|worker.ts",
            "node|/a/node_modules/ts-node/dist/bin.js|worker.ts",
            "node|src/npm.js",
            "node|/a/node_modules/bullmq-worker/cli.js",
            "node|/a/node_modules/@nestjs/cli/bin/nest.js|start",
            "node|-e|setInterval(()=>{}, 1)",
            "my worker title",
        ] {
            check(line, "/usr/local/bin/node", Role::Node);
        }
    }

    #[test]
    fn wrappers_are_told() {
        for line in [
            "npm run worker",
            "npm exec tsx worker.ts",
            "npm run worker||||",
            "node|/usr/bin/npm|run|worker",
            "node|/usr/lib/node_modules/npm/bin/npx-cli.js|tsx|worker.ts",
            "node|/a/node_modules/.bin/tsx|worker.ts",
            "/usr/bin/node|/a/node_modules/tsx/dist/cli.mjs|worker.ts",
            "node|/a/node_modules/.bin/nodemon|worker.js",
            "node|/a/node_modules/.pnpm/nodemon@3.1.0/node_modules/nodemon/bin/nodemon.js|worker.js",
            "node|/a/node_modules/cross-env/dist/bin/cross-env.js|A=1|node|worker.js",
            "node|/a/node_modules/.bin/dotenv|--|node|worker.js",
            "node|.yarn/releases/yarn-4.1.0.cjs|worker",
            "node|/usr/bin/yarn|worker",
            "node|/usr/lib/node_modules/pnpm/bin/pnpm.cjs|worker",
            "node|/usr/lib/node_modules/corepack/dist/yarn.js|worker",
        ] {
            check(line, "/usr/bin/node", Role::Wrapper);
        }
    }

    #[test]
    fn programs_other_than_node() {
        for (line, executable, expected) in [
            ("sh|-c|node worker.js", "/usr/bin/dash", Role::Wrapper),
            ("/bin/bash|start.sh", "/usr/bin/bash", Role::Wrapper),
            ("tini|--|node|worker.js", "", Role::Wrapper),
            ("python3|worker.py", "/usr/bin/python3.12", Role::Other),
            ("", "", Role::Other),
        ] {
            check(line, executable, expected);
        }
        assert_eq!(recognise(&[], None), Role::Other);
    }
}
