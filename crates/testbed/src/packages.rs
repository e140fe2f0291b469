use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::{Launch, on_path, repository};

/// Packages come over the network; a slow mirror is no failure yet.
const INSTALL_SECONDS_MAX: u64 = 300;

/// Something that tests need and that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// One word for it.
    pub name: &'static str,
    /// What happened and how to mend it.
    pub hint: String,
}

/// Says that something is missing. A test that needs it fails, unless `PLIMSOLL_TEST_WITHOUT` (words split by
/// commas) says that it is known: then the test is left out, visibly.
///
/// # Panics
/// Unless it is known to be missing.
pub fn skip_or_fail(missing: &Missing) {
    let known = std::env::var("PLIMSOLL_TEST_WITHOUT").unwrap_or_default();
    assert!(
        known.split(',').any(|name| name.trim() == missing.name),
        "`{}` is missing: {}",
        missing.name,
        missing.hint
    );
    eprintln!("NOT TESTED: `{}` is missing: {}", missing.name, missing.hint);
}

static INSTALLING: Mutex<()> = Mutex::new(());

/// The folder with the pinned npm packages of the tests, installed on first use below `target`.
///
/// # Errors
/// If there is no npm or it cannot install.
pub fn npm_packages() -> Result<PathBuf, Missing> {
    let pinned = repository().join("fixtures/packages/node");
    let target = test_packages().join("node");
    installed(&target, &lock_text(&pinned), || {
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(pinned.join(name), target.join(name))
                .map_err(|error| missing_npm(error.to_string()))?;
        }
        npm(
            &[
                "install",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ],
            &target,
        )
    })?;
    Ok(target)
}

/// Where tests keep what they install.
pub(crate) fn test_packages() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    target.join("test-packages")
}

/// Runs `install` unless `folder` holds what the same `version` left there.
pub(crate) fn installed(
    folder: &Path,
    version: &str,
    install: impl FnOnce() -> Result<(), Missing>,
) -> Result<(), Missing> {
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let mark = folder.join(".installed");
    if std::fs::read_to_string(&mark).is_ok_and(|known| known == version) {
        return Ok(());
    }
    // What an interrupted installation left is of no use; a folder that is not there need not be removed.
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).map_err(|error| missing_npm(error.to_string()))?;
    install()?;
    std::fs::write(mark, version).map_err(|error| missing_npm(error.to_string()))
}

fn lock_text(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("package-lock.json")).expect("the lock file is in the repository")
}

fn npm(args: &[&str], folder: &Path) -> Result<(), Missing> {
    let npm =
        on_path("npm").ok_or_else(|| missing_npm("there is no `npm`; it comes with Node".to_owned()))?;
    let finished = Launch::new(npm)
        .args(args)
        .cwd(folder)
        .deadline(INSTALL_SECONDS_MAX)
        .run();
    match finished.code {
        Some(0) => Ok(()),
        _ => Err(missing_npm(format!(
            "`npm {}` failed: {}",
            args.join(" "),
            finished.stderr.trim()
        ))),
    }
}

pub(crate) fn missing_npm(hint: String) -> Missing {
    Missing { name: "npm", hint }
}
