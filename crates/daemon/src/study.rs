//! Reads the dumps of the judged isolate and names who holds the memory.

use plimsoll_model::{Suspect, Verdict};

use crate::folder::Folder;
use crate::judge::Judged;
use crate::view::LiveView;
use crate::watch::Record;

/// What the dumps say.
#[derive(Debug)]
pub struct Study {
    /// The verdict with the objects' word taken in.
    pub verdict: Verdict,
    /// Who holds what grows.
    pub suspects: Vec<Suspect>,
    /// What the reader should know of the evidence.
    pub notes: Vec<String>,
}

/// Studies the evidence of the judged isolate.
pub fn study(_record: &Record, judged: &Judged, _folder: &Folder, _view: &mut dyn LiveView) -> Study {
    Study { verdict: judged.assessment.verdict.clone(), suspects: Vec::new(), notes: Vec::new() }
}
