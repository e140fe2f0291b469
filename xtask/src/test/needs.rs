//! What tests need beside Rust: looked for, installed where that is allowed, named where it is not.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// Oldest Node that is supported.
const NODE_MAJOR_MIN: u32 = 18;

/// Something that a step cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Node,
    Npm,
    Redis,
}

/// What is there.
#[derive(Debug, Default)]
pub struct Needs {
    missing: Vec<(Need, &'static str)>,
}

impl Needs {
    /// Looks for everything, installs a Redis where we are root on Debian, and says what is missing.
    pub fn look_after() -> Self {
        let mut missing = Vec::new();
        if node_major().is_none_or(|major| major < NODE_MAJOR_MIN) {
            missing.push((Need::Node, "node ≥ 18"));
        }
        if first_line("npm", &["--version"]).is_none() {
            missing.push((Need::Npm, "npm"));
        }
        if !has_redis() && !install_redis() {
            missing.push((Need::Redis, "redis-server"));
        }
        for (_, what) in &missing {
            println!("missing: {what}; the tests that need it will not run");
        }
        Needs { missing }
    }

    /// Names of those of `needs` that are not there.
    pub fn lacking(&self, needs: &[Need]) -> Option<String> {
        let lacking = self
            .missing
            .iter()
            .filter(|(need, _)| needs.contains(need))
            .map(|(_, what)| *what);
        let lacking: Vec<_> = lacking.collect();
        (!lacking.is_empty()).then(|| lacking.join(", "))
    }
}

fn node_major() -> Option<u32> {
    parse_major(&first_line("node", &["--version"])?)
}

fn parse_major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn has_redis() -> bool {
    first_line("redis-server", &["--version"]).is_some()
}

/// As root on Debian and its kin a test dependency may be installed; anywhere else that is the user's to do.
fn install_redis() -> bool {
    let is_root = first_line("id", &["-u"]).as_deref() == Some("0");
    if !is_root || !Path::new("/usr/bin/apt-get").exists() {
        println!(
            "to run the tests of job libraries: install `redis-server` (Debian: `sudo apt-get install redis-server`)"
        );
        return false;
    }
    println!("installing redis-server, which the tests of job libraries need");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        // No service may start by itself: the tests start their own on a free port.
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("RUNLEVEL", "1");
        command
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let install = ["install", "-y", "-qq", "--no-install-recommends", "redis-server"];
    (apt(&install) || (apt(&["update", "-qq"]) && apt(&install))) && has_redis()
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()?
        .trim()
        .to_owned();
    output.status.success().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_is_named() {
        let needs = Needs {
            missing: vec![(Need::Npm, "npm"), (Need::Redis, "redis-server")],
        };
        assert_eq!(needs.lacking(&[Need::Node]), None);
        assert_eq!(
            needs.lacking(&[Need::Node, Need::Npm, Need::Redis]).as_deref(),
            Some("npm, redis-server")
        );
    }

    #[test]
    fn majors_are_read() {
        for (version, expected) in [
            ("v18.20.8", Some(18)),
            ("v24.0.0-pre", Some(24)),
            ("20", None),
            ("", None),
        ] {
            assert_eq!(parse_major(version), expected);
        }
    }
}
