use std::path::{Path, PathBuf};

use crate::{Child, Finished, Launch, Prepared, ReportFile, TestFolder, node};

/// `plimsoll run` (or `attach`) about to be started, with a folder of its own for what it writes.
#[derive(Debug)]
pub struct Watch {
    launch: Launch,
    folder: TestFolder,
}

/// A run that ended.
#[derive(Debug)]
pub struct Watched {
    /// How plimsoll ended and what it said.
    pub finished: Finished,
    /// The report, if it wrote one.
    pub report: Result<ReportFile, String>,
    /// Where everything is.
    pub folder: TestFolder,
}

impl Watch {
    /// `plimsoll run`; a test of the binary passes `env!("CARGO_BIN_EXE_plimsoll")`.
    pub fn run(plimsoll: &str) -> Watch {
        Watch::of(plimsoll, "run")
    }

    /// `plimsoll verify`.
    pub fn verify(plimsoll: &str) -> Watch {
        Watch::of(plimsoll, "verify")
    }

    /// `plimsoll attach`.
    pub fn attach(plimsoll: &str) -> Watch {
        Watch::of(plimsoll, "attach")
    }

    fn of(plimsoll: &str, command: &str) -> Watch {
        let folder = TestFolder::new(command);
        let launch = Launch::new(plimsoll)
            .env("XDG_STATE_HOME", folder.path())
            .env("NO_COLOR", "1")
            .arg(command)
            .arg("--out")
            .arg(folder.join("out"))
            .arg("--report")
            .arg(folder.join("report.json"))
            .deadline(120);
        Watch { launch, folder }
    }

    /// Adds an option of plimsoll's.
    pub fn option(mut self, option: &str) -> Watch {
        self.launch = self.launch.arg(option);
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Watch {
        self.launch = self.launch.env(name, value);
        self
    }

    /// Sets the deadline.
    pub fn deadline(mut self, seconds: u64) -> Watch {
        self.launch = self.launch.deadline(seconds);
        self
    }

    /// Sets the working folder.
    pub fn cwd(mut self, folder: &Path) -> Watch {
        self.launch = self.launch.cwd(folder);
        self
    }

    /// The folder of this run.
    pub fn folder(&self) -> &TestFolder {
        &self.folder
    }

    /// Runs `command` under watch to its end.
    pub fn command(mut self, command: &[&str]) -> Watched {
        self.launch = self.launch.arg("--").args(command.iter().copied());
        self.finish()
    }

    /// Runs a prepared worker under watch to its end.
    pub fn worker(mut self, worker: &Prepared) -> Watched {
        for (name, value) in &worker.env {
            self.launch = self.launch.env(name, value.as_str());
        }
        self.launch = self.launch.arg("--").arg(node()).arg(&worker.file);
        self.finish()
    }

    /// Runs to its end without a command: `attach`.
    pub fn finish(self) -> Watched {
        let (child, folder) = self.start();
        Watched::of(child, folder)
    }

    /// Starts `command` under watch.
    pub fn start_command(mut self, command: &[&str]) -> (Child, TestFolder) {
        self.launch = self.launch.arg("--").args(command.iter().copied());
        self.start()
    }

    /// Starts without a command: `attach`.
    pub fn start(self) -> (Child, TestFolder) {
        (self.launch.start(), self.folder)
    }
}

impl Watched {
    /// Waits for a run that was started.
    pub fn of(child: Child, folder: TestFolder) -> Watched {
        let finished = child.finish();
        let report = ReportFile::read(&folder.join("report.json"));
        Watched {
            finished,
            report,
            folder,
        }
    }

    /// The report.
    ///
    /// # Panics
    /// If there is none.
    pub fn report(&self) -> &ReportFile {
        match &self.report {
            Ok(report) => report,
            Err(error) => panic!(
                "{error}\n`{}` said\n{}",
                self.finished.shown, self.finished.stderr
            ),
        }
    }

    /// The path of a file that the run wrote.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}
