use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::stream::Stream;

/// How often a child is asked whether it ended.
const POLL: Duration = Duration::from_millis(5);

/// A program about to be started, in a process group of its own.
#[derive(Debug)]
pub struct Launch {
    command: Command,
    shown: String,
    deadline: Duration,
}

/// A running program.
#[derive(Debug)]
pub struct Child {
    child: std::process::Child,
    shown: String,
    ends: Instant,
    started: Instant,
    stdout: Stream,
    stderr: Stream,
    ended: bool,
}

/// How a program ended, and what it said.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The command line, for messages.
    pub shown: String,
    /// Exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output, the first 4 MiB.
    pub stdout: String,
    /// Bytes of standard output in all.
    pub stdout_bytes: u64,
    /// Standard error, the first 4 MiB.
    pub stderr: String,
    /// Run time.
    pub seconds: f64,
}

/// A signal to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// As Ctrl-C does.
    Interrupt,
    /// As a service manager does.
    Terminate,
    /// Without a word.
    Kill,
}

impl Stop {
    fn signal(self) -> Signal {
        match self {
            Stop::Interrupt => Signal::INT,
            Stop::Terminate => Signal::TERM,
            Stop::Kill => Signal::KILL,
        }
    }

    /// Sends it to one process.
    pub fn send(self, pid: u32) {
        if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
            // A process that ended meanwhile is what was wanted.
            let _ = kill_process(pid, self.signal());
        }
    }
}

impl Launch {
    /// `program` with a deadline of a minute.
    pub fn new(program: impl AsRef<Path>) -> Launch {
        let program = program.as_ref();
        let mut command = Command::new(program);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        Launch {
            command,
            shown: program.display().to_string(),
            deadline: Duration::from_secs(60),
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Launch {
        let arg = arg.into();
        self.shown.push(' ');
        self.shown.push_str(&arg.to_string_lossy());
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<T: Into<OsString>>(self, args: impl IntoIterator<Item = T>) -> Launch {
        args.into_iter().fold(self, Launch::arg)
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Launch {
        let value = value.into();
        self.shown = format!("{name}='{}' {}", value.to_string_lossy(), self.shown);
        self.command.env(name, value);
        self
    }

    /// Sets the working folder.
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Launch {
        self.command.current_dir(folder.into());
        self
    }

    /// Sets the deadline.
    pub fn deadline(mut self, seconds: u64) -> Launch {
        self.deadline = Duration::from_secs(seconds);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(mut self) -> Child {
        let mut child = self
            .command
            .spawn()
            .unwrap_or_else(|error| panic!("could not start `{}`: {error}", self.shown));
        let stdout = Stream::read(child.stdout.take().expect("stdout is piped"));
        let stderr = Stream::read(child.stderr.take().expect("stderr is piped"));
        let started = Instant::now();
        Child {
            child,
            shown: self.shown,
            ends: started + self.deadline,
            started,
            stdout,
            stderr,
            ended: false,
        }
    }

    /// Starts it and waits for its end.
    ///
    /// # Panics
    /// If it cannot be started or misses its deadline.
    pub fn run(self) -> Finished {
        self.start().finish()
    }
}

impl Child {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a line of its standard output contains `text`, and tells that line.
    ///
    /// # Panics
    /// If it ends or misses its deadline before.
    pub fn stdout_line(&mut self, text: &str) -> String {
        let ends = self.ends;
        match self.stdout.line(text, ends) {
            Some(line) => line,
            None => panic!(
                "`{}` never said `{text}`:\n{}\n{}",
                self.shown,
                self.stdout.text(),
                self.stderr.text()
            ),
        }
    }

    /// Waits until a line of its standard error contains `text`, and tells that line.
    ///
    /// # Panics
    /// If it ends or misses its deadline before.
    pub fn stderr_line(&mut self, text: &str) -> String {
        let ends = self.ends;
        match self.stderr.line(text, ends) {
            Some(line) => line,
            None => panic!(
                "`{}` never said `{text}`:\n{}\n{}",
                self.shown,
                self.stdout.text(),
                self.stderr.text()
            ),
        }
    }

    /// Sends a signal to it alone.
    pub fn stop(&self, how: Stop) {
        how.send(self.pid());
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it misses its deadline.
    pub fn finish(mut self) -> Finished {
        let status = self.wait();
        self.ended = true;
        let seconds = self.started.elapsed().as_secs_f64();
        // Whoever inherited its output may live on, as after `kill -9` of a parent: wait for a second, not for ever.
        let drained = Instant::now() + Duration::from_secs(1);
        self.stdout.drain(drained);
        self.stderr.drain(drained);
        Finished {
            shown: std::mem::take(&mut self.shown),
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout.text(),
            stdout_bytes: self.stdout.bytes(),
            stderr: self.stderr.text(),
            seconds,
        }
    }

    fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(
                Instant::now() < self.ends,
                "`{}` missed its deadline:\n{}\n{}",
                self.shown,
                self.stdout.text(),
                self.stderr.text()
            );
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::OUTPUT_MAX_BYTES;

    fn shell(script: &str) -> Launch {
        Launch::new("/bin/sh").args(["-c", script])
    }

    #[test]
    fn output_codes_and_signals_are_told() {
        let finished = shell("echo out; echo err >&2; exit 7").run();
        assert_eq!((finished.code, finished.signal), (Some(7), None));
        assert_eq!(
            (finished.stdout.as_str(), finished.stderr.as_str()),
            ("out\n", "err\n")
        );
        let killed = shell("kill -9 $$").run();
        assert_eq!((killed.code, killed.signal), (None, Some(9)));
    }

    #[test]
    fn a_line_is_waited_for_and_a_signal_reaches_the_child() {
        let mut child =
            shell("trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.01; done").start();
        assert_eq!(child.stdout_line("ready"), "ready");
        child.stop(Stop::Terminate);
        child.stdout_line("asked");
        assert_eq!(child.finish().code, Some(3));
    }

    #[test]
    fn a_flood_is_counted_and_not_kept() {
        let finished = shell("head -c 9000000 /dev/zero").run();
        assert_eq!(
            (finished.stdout_bytes, finished.stdout.len()),
            (9_000_000, OUTPUT_MAX_BYTES)
        );
    }

    #[test]
    #[should_panic(expected = "missed its deadline")]
    fn a_deadline_is_kept() {
        shell("sleep 30").deadline(0).run();
    }
}
