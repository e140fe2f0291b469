//! What a person sees while the worker runs: one status line with a progress bar, on stderr, and only
//! if stderr is a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use plimsoll_daemon::{LiveView, Phase, Record};
use plimsoll_model::HumanBytes;
use plimsoll_report::Style;

/// The live view of one run.
pub struct Terminal {
    bar: ProgressBar,
    jobs: Option<u64>,
    duration: Option<Duration>,
}

impl Terminal {
    /// A view that knows when the run ends, if anybody does.
    pub fn new(jobs: Option<u64>, duration: Option<Duration>) -> Self {
        let length = jobs.or_else(|| duration.map(|limit| limit.as_millis() as u64));
        let bar = match length {
            Some(length) => ProgressBar::new(length),
            None => ProgressBar::new_spinner(),
        };
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(5)
        } else {
            ProgressDrawTarget::hidden()
        };
        bar.set_draw_target(target);
        let template = if length.is_some() {
            "{bar:24} {percent:>3}%  {wide_msg}"
        } else {
            "{spinner} {wide_msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Terminal { bar, jobs, duration }
    }

    /// Takes the line off the screen.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn progress(&mut self, record: &Record, elapsed: Duration) {
        let Some(length) = self.bar.length() else {
            self.bar.tick();
            return;
        };
        let mut done = 0;
        if self.jobs.is_some() {
            done = record.jobs().values().sum();
        }
        if let Some(limit) = self.duration {
            let share = elapsed.as_secs_f64() / limit.as_secs_f64().max(1e-3);
            done = done.max((share * length as f64) as u64);
        }
        self.bar.set_position(done.min(length));
    }
}

impl LiveView for Terminal {
    fn update(&mut self, record: &Record, phase: Phase, elapsed: Duration) {
        match phase {
            Phase::Watching => self.progress(record, elapsed),
            Phase::Stopping => self.bar.set_position(self.bar.length().unwrap_or(0)),
            Phase::Reading { done, of } => {
                self.bar.set_length(of as u64);
                self.bar.set_position(done as u64);
            }
        }
        self.bar.set_message(status_line(record, phase, elapsed));
    }

    fn note(&mut self, text: &str) {
        self.bar.suspend(|| eprintln!("plimsoll: {text}"));
    }
}

fn status_line(record: &Record, phase: Phase, elapsed: Duration) -> String {
    match phase {
        Phase::Reading { done, of } => {
            return format!("reading heap snapshot {} of {of}", (done + 1).min(of));
        }
        Phase::Stopping => return "waiting for the worker to end (Ctrl-C to stop at once)".into(),
        Phase::Watching => {}
    }
    let jobs: u64 = record.jobs().values().sum();
    let mut parts = vec![format!("{:.0} s", elapsed.as_secs_f64())];
    if jobs > 0 {
        parts.push(format!(
            "{jobs} jobs, {:.0}/s",
            jobs as f64 / elapsed.as_secs_f64().max(0.1)
        ));
    } else {
        parts.push("no jobs yet".into());
    }
    if let Some(rss) = record.rss_bytes() {
        parts.push(format!("rss {}", HumanBytes(rss as f64)));
    }
    if let Some(live) = record.live_heap_bytes() {
        parts.push(format!("live heap {}", HumanBytes(live as f64)));
    }
    if let Some(growth) = record.growth_per_job() {
        parts.push(format!(
            "{}{}/job so far",
            if growth < 0.0 { "" } else { "+" },
            HumanBytes(growth)
        ));
    }
    parts.join(" · ")
}

/// How to print for people: colour only on a terminal that has not declined it (<https://no-color.org>).
pub fn style(terminal: bool) -> Style {
    let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let width = console::Term::stderr()
        .size_checked()
        .map_or(100, |(_, columns)| usize::from(columns));
    Style {
        color: terminal && !declined && !dumb,
        width: width.clamp(40, 160),
        unicode: !dumb,
    }
}
