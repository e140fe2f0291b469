use std::time::Duration;

use crate::watch::Record;

/// What the run is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The worker runs.
    Watching,
    /// The worker was asked to end.
    Stopping,
    /// Evidence is being read: so many dumps of so many.
    Reading {
        /// Done.
        done: usize,
        /// In all.
        of: usize,
    },
}

/// Somebody who looks on while the worker runs.
pub trait LiveView {
    /// Called several times a second.
    fn update(&mut self, record: &Record, phase: Phase, elapsed: Duration);
    /// Something to say once.
    fn note(&mut self, text: &str);
    /// Called once, when the worker has ended and before its evidence is read.
    fn ended(&mut self, _: &Record) {}
}

/// Nobody looks on.
#[derive(Debug, Default)]
pub struct NoView;

impl LiveView for NoView {
    fn update(&mut self, _: &Record, _: Phase, _: Duration) {}
    fn note(&mut self, _: &str) {}
}
