//! A view that also tells a collector.

use std::time::{Duration, Instant};

use anyhow::Context;
use plimsoll_daemon::{Follower, LiveView, Options, Outcome, Phase, Record, identity};
use plimsoll_server::Uplink;

use crate::cli::WatchArgs;
use crate::live::Terminal;

const EVERY: Duration = Duration::from_secs(1);

/// The terminal, and a collector if there is one.
pub struct Relay {
    view: Terminal,
    line: Option<Line>,
}

struct Line {
    uplink: Uplink,
    follower: Follower,
    options: Options,
    command: Vec<String>,
    sent: Option<Instant>,
}

impl Relay {
    /// To the collector that the arguments or the environment name.
    pub fn new(
        view: Terminal,
        args: &WatchArgs,
        options: &Options,
        command: &[String],
    ) -> anyhow::Result<Self> {
        let variable = || {
            std::env::var("PLIMSOLL_SERVER")
                .ok()
                .filter(|url| !url.is_empty())
        };
        let Some(url) = args.server.clone().or_else(variable) else {
            return Ok(Relay { view, line: None });
        };
        let token = std::env::var("PLIMSOLL_TOKEN").ok();
        let uplink = Uplink::new(&url, token.as_deref()).context("cannot use `--server`")?;
        let line = Line {
            uplink,
            follower: Follower::default(),
            options: options.clone(),
            command: command.to_vec(),
            sent: None,
        };
        Ok(Relay {
            view,
            line: Some(line),
        })
    }

    /// Delivers the report and gives the terminal back.
    pub fn finish(&mut self, outcome: &Outcome) -> &Terminal {
        if let Some(line) = &mut self.line {
            line.uplink.finish(&outcome.report);
            for text in line.uplink.news() {
                self.view.note(&text);
            }
        }
        &self.view
    }
}

impl Line {
    fn send(&mut self, record: &Record, elapsed: Duration, last: bool) {
        self.sent = Some(Instant::now());
        let mut batch = self
            .follower
            .look(record, &self.options, elapsed.as_secs_f64(), last);
        batch.worker = identity(record, &self.command, &self.options);
        self.uplink.send(batch);
    }
}

impl LiveView for Relay {
    fn update(&mut self, record: &Record, phase: Phase, elapsed: Duration) {
        self.view.update(record, phase, elapsed);
        let Some(line) = &mut self.line else { return };
        if !matches!(phase, Phase::Reading { .. }) && line.sent.is_none_or(|at| at.elapsed() >= EVERY) {
            line.send(record, elapsed, false);
        }
        for text in line.uplink.news() {
            self.view.note(&text);
        }
    }

    fn note(&mut self, text: &str) {
        self.view.note(text);
    }

    fn ended(&mut self, record: &Record) {
        if let Some(line) = &mut self.line {
            line.send(record, Duration::from_secs_f64(record.seconds), true);
        }
    }
}
