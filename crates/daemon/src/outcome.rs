//! What a run leaves behind: the report in every form, and its files.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use plimsoll_model::{AllocationStack, Reading, Report, Status, TestLimit};
use plimsoll_report::{Series, Story, Style};
use plimsoll_wire::agent::AgentJob;

use crate::folder::{Folder, write_private};
use crate::limit::Ending;
use crate::watch::{Record, StopCause};
use crate::{DaemonError, worker};

/// The readable forms of the report, in the run's folder.
const REPORTS: [&str; 3] = ["report.json", "report.html", "report.md"];

/// The end of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What was found.
    pub report: Report,
    series: Series,
    flame: Vec<AllocationStack>,
    notes: Vec<String>,
    readings: Vec<Reading>,
    jobs: Vec<AgentJob>,
    status: Option<ExitStatus>,
    stopped: Option<StopCause>,
    killed: bool,
    out: PathBuf,
    pub(crate) ending: Ending,
    /// The memory limit that was asked for, as it was held.
    pub limit: Option<TestLimit>,
}

impl Outcome {
    /// Everything that the loop and the study have left.
    pub fn new(
        report: Report,
        series: Series,
        flame: Vec<AllocationStack>,
        notes: Vec<String>,
        readings: Vec<Reading>,
        record: &Record,
        out: &Path,
    ) -> Self {
        let (status, stopped) = (record.status, record.stopped);
        Outcome {
            report,
            series,
            flame,
            notes,
            readings,
            jobs: record
                .isolates
                .values()
                .flat_map(|isolate| isolate.jobs.iter().cloned())
                .collect(),
            status,
            stopped,
            killed: record.killed,
            out: out.to_owned(),
            ending: record.ending(),
            limit: None,
        }
    }

    /// The verdict in one word.
    pub fn status(&self) -> Status {
        self.report.verdict.status
    }

    /// Why we ended the worker, if we did.
    pub fn stopped(&self) -> Option<StopCause> {
        self.stopped
    }

    /// Whether the worker did not end when it was asked to.
    pub fn killed(&self) -> bool {
        self.killed
    }

    /// Folder of the run.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// Whether the process that we started has ended with a code other than 0, or by a signal.
    pub fn ended_badly(&self) -> bool {
        self.status.is_some_and(|status| !status.success())
    }

    /// Whether a signal ended the worker.
    pub fn ended_by_signal(&self) -> bool {
        // A shell or npm in between passes a child's death on as a code.
        self.status
            .is_some_and(|status| status.signal().is_some() || matches!(status.code(), Some(137 | 143)))
    }

    /// The worker's own exit code as a shell gives it; 0 for a worker that runs on.
    pub fn shell_code(&self) -> u8 {
        self.status.map_or(0, worker::shell_code)
    }

    /// The report as `plimsoll.report/1`.
    pub fn json(&self) -> String {
        plimsoll_report::json(&self.report)
    }

    /// The report as text.
    pub fn terminal(&self, style: Style) -> String {
        let html = self.out.join("report.html");
        plimsoll_report::terminal(&self.story(Some(&html.to_string_lossy())), style)
    }

    /// The summary that CI shows, as Markdown.
    pub fn summary(&self) -> String {
        plimsoll_report::ci::summary(&self.story(None))
    }

    /// Writes one report; the ending of its name says which form.
    ///
    /// # Errors
    /// The system's.
    pub fn write_report(&self, path: &Path) -> std::io::Result<()> {
        let text = match path.extension().and_then(|extension| extension.to_str()) {
            Some("html") => plimsoll_report::html(&self.story(None)),
            Some("md") => plimsoll_report::markdown(&self.story(None)),
            _ => self.json() + "\n",
        };
        write_private(path, text.as_bytes())
    }

    fn story<'a>(&'a self, html_path: Option<&'a str>) -> Story<'a> {
        Story {
            report: &self.report,
            series: &self.series,
            flame: &self.flame,
            notes: &self.notes,
            html_path,
        }
    }

    /// Writes the forms of the report anew after something was added to it.
    ///
    /// # Errors
    /// [`DaemonError::Folder`].
    pub fn write_again(&self) -> Result<(), DaemonError> {
        for name in REPORTS {
            let path = self.out.join(name);
            self.write_report(&path)
                .map_err(|source| DaemonError::Folder { path, source })?;
        }
        Ok(())
    }

    /// Writes every form and the trace into the run's folder.
    pub(crate) fn write_all(&self, folder: &Folder) -> Result<(), DaemonError> {
        self.write_again()?;
        for (name, lines) in [("trace.ndjson", self.trace()), ("jobs.ndjson", self.jobs())] {
            let path = folder.out().join(name);
            write_private(&path, &lines).map_err(|source| DaemonError::Folder { path, source })?;
        }
        Ok(())
    }

    /// The latest jobs in detail, a line each, with the fields of the agent protocol's `job`.
    fn jobs(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        for job in &self.jobs {
            lines.extend(serde_json::to_vec(job).unwrap_or_default());
            lines.push(b'\n');
        }
        lines
    }

    /// The readings as `plimsoll.trace/1`.
    fn trace(&self) -> Vec<u8> {
        let head = serde_json::json!({
            "schema": "plimsoll.trace/1",
            "worker": self.report.worker.pid.to_string(),
            "service": self.report.worker.service,
            "release": self.report.worker.release,
            "budget_bytes": self.report.verdict.limit_bytes,
            "cap_bytes": null,
            "min_growth": null,
        });
        let mut lines = Vec::new();
        let mut push = |line: serde_json::Result<Vec<u8>>| {
            if let Ok(line) = line {
                lines.extend_from_slice(&line);
                // Writing to memory cannot fail.
                let _ = lines.write_all(b"\n");
            }
        };
        push(serde_json::to_vec(&head));
        for reading in &self.readings {
            push(match reading {
                Reading::Sample(sample) => serde_json::to_vec(sample),
                Reading::Gc(event) => serde_json::to_vec(event),
                Reading::Floor(floor) => serde_json::to_vec(floor),
            });
        }
        lines
    }
}
