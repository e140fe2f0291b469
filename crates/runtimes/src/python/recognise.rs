//! Which part a process plays, judged by its command line alone.

use std::path::Path;

use super::arguments::{Program, program};
use crate::role::{Role, Runtime};

/// Python programs that start another program: by the name of their script or module.
const WRAPPERS: &[&str] = &[
    "poetry",
    "pipenv",
    "pdm",
    "hatch",
    "tox",
    "nox",
    "uv",
    "pipx",
    "rye",
    "dotenv",
    "honcho",
    "supervisord",
    "circusd",
    "watchmedo",
    "watchfiles",
    "watchgod",
    "pyenv",
    "conda",
    "multiprocessing.resource_tracker",
];

/// Programs, other than Python, that start one.
const WRAPPER_PROGRAMS: &[&str] = &[
    "uv",
    "uvx",
    "rye",
    "conda",
    "mamba",
    "micromamba",
    "pixi",
    "pyenv",
];

/// Judges a process by its arguments (program first) and its program file; [`Role::Other`] where it is no
/// Python process and starts none.
pub fn recognise(argv: &[String], executable: Option<&Path>) -> Role {
    let called = argv.first().map(|first| name(Path::new(first)));
    let called = called.unwrap_or_default();
    let file = executable.map(name).unwrap_or_default();
    if !is_python(&called) && !is_python(&file) {
        return if WRAPPER_PROGRAMS.contains(&called.as_str()) || WRAPPER_PROGRAMS.contains(&file.as_str()) {
            Role::Wrapper
        } else {
            Role::Other
        };
    }
    let started = match program(argv.get(1..).unwrap_or_default()) {
        Program::Script(script) => name(Path::new(script)),
        Program::Module(module) => module.to_owned(),
        Program::Other => String::new(),
    };
    // A worker's own `poetry.py` is no tool: those come without an ending.
    if WRAPPERS.contains(&started.as_str()) {
        Role::Wrapper
    } else {
        Role::Program(Runtime::Python)
    }
}

/// `python`, `python3`, `python3.12`, `python3.13t`, `pypy3` is not: it has no such agent.
fn is_python(name: &str) -> bool {
    name.strip_prefix("python").is_some_and(|version| {
        version
            .chars()
            .all(|letter| letter.is_ascii_digit() || ".dtm".contains(letter))
    })
}

fn name(path: &Path) -> String {
    path.file_name()
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
    fn workers_are_python() {
        for (line, executable) in [
            ("python|worker.py", ""),
            ("/srv/venv/bin/python3.12|-u|worker.py", ""),
            (
                "/venv/bin/python|/venv/bin/celery|-A|app|worker",
                "/usr/bin/python3.11",
            ),
            ("python3|-m|dramatiq|app", ""),
            ("celeryd: celery@host:MainProcess", "/usr/bin/python3.11"),
            ("gunicorn: worker [app]", "/usr/local/bin/python3.13"),
            ("python|poetry.py", ""),
            ("python|-c|from multiprocessing.spawn import spawn_main", ""),
        ] {
            check(line, executable, Role::Program(Runtime::Python));
        }
    }

    #[test]
    fn wrappers_are_told() {
        for (line, executable) in [
            ("uv|run|worker.py", "/usr/bin/uv"),
            ("/opt/tools/bin/python|/opt/tools/bin/poetry|run|celery", ""),
            ("python3|-m|pipenv|run|python|worker.py", ""),
            ("python3|/usr/bin/honcho|start", ""),
        ] {
            check(line, executable, Role::Wrapper);
        }
    }

    #[test]
    fn other_programs() {
        for line in ["node|worker.js", "sh|-c|python worker.py", "pythonic|x", ""] {
            check(line, "", Role::Other);
        }
    }
}
