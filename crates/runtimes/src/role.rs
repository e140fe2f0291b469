//! Which part a process plays, whatever its runtime.

use std::path::Path;

use crate::{node, python};

/// A runtime that has an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// Node.
    Node,
    /// CPython.
    Python,
}

/// The part that a process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A program of the user's in a runtime that has an agent.
    Program(Runtime),
    /// Starts another program and waits for it: npm, poetry, a shell, …
    Wrapper,
    /// Anything else.
    Other,
}

/// Judges a process by its arguments (program first) and its program file. Only a tie-breaker: a process
/// that runs jobs is a worker whatever its name.
pub fn recognise(argv: &[String], executable: Option<&Path>) -> Role {
    match python::recognise(argv, executable) {
        Role::Other => match node::recognise(argv, executable) {
            node::Role::Node => Role::Program(Runtime::Node),
            node::Role::Wrapper => Role::Wrapper,
            node::Role::Other => Role::Other,
        },
        role => role,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runtime_has_its_turn() {
        for (line, expected) in [
            ("node worker.js", Role::Program(Runtime::Node)),
            ("python3.12 worker.py", Role::Program(Runtime::Python)),
            ("npm run worker", Role::Wrapper),
            ("sh -c python", Role::Wrapper),
            ("ruby worker.rb", Role::Other),
        ] {
            let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(recognise(&argv, None), expected, "{line}");
        }
    }
}
