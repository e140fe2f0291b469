//! What is let in. Readings that cannot be right become gaps, counted and bounded.

use plimsoll_model::Gap;

/// Stretches that are kept apart; later ones lengthen the last.
const GAPS_MAX: usize = 32;
/// No worker has more memory than this (64 TiB).
const MEMORY_MAX_BYTES: u64 = 1 << 46;
/// Live memory may exceed resident memory by what is swapped out, not by more than this factor.
const RESIDENT_FACTOR: u64 = 8;
/// Slack for small workers whose resident memory was read at another moment.
const RESIDENT_SLACK_BYTES: u64 = 64 << 20;
/// Instants beyond this are no seconds of a record (30,000 years).
const SECONDS_MAX: f64 = 1e12;
/// No worker completes more jobs a second than this.
const JOBS_PER_SECOND_MAX: f64 = 1e8;

/// Why a reading was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoInstant,
    OutOfOrder,
    Repeated,
    AbsurdSize,
    ZeroLive,
    JobsFell,
    JobsJumped,
}

impl Refusal {
    fn reason(self) -> &'static str {
        match self {
            Refusal::NoInstant => "the instant is no finite number of seconds",
            Refusal::OutOfOrder => "readings out of order were left out",
            Refusal::Repeated => "a repeated reading was left out",
            Refusal::AbsurdSize => "a size that no worker can have was left out",
            Refusal::ZeroLive => "a live heap of 0 bytes was left out",
            Refusal::JobsFell => "job counts fell without a restart",
            Refusal::JobsJumped => "job counts jumped by more than a worker can do",
        }
    }
}

/// Order, repetition and size of what comes in.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    gaps: Vec<(Refusal, f64, f64, u64)>,
    last_seconds: f64,
    last_of_kind: [f64; 3],
    resident_max_bytes: u64,
}

impl Default for Intake {
    fn default() -> Self {
        Intake {
            gaps: Vec::new(),
            last_seconds: f64::NEG_INFINITY,
            last_of_kind: [f64::NEG_INFINITY; 3],
            resident_max_bytes: 0,
        }
    }
}

impl Intake {
    /// Checks the instant of a reading of a kind (0 sample, 1 collection, 2 floor).
    pub fn admit_instant(&mut self, at_seconds: f64, kind: usize) -> bool {
        let refusal = if !at_seconds.is_finite() || at_seconds.abs() > SECONDS_MAX {
            Some(Refusal::NoInstant)
        } else if at_seconds < self.last_seconds {
            Some(Refusal::OutOfOrder)
        } else if at_seconds == self.last_of_kind[kind] {
            Some(Refusal::Repeated)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.refuse(refusal, at_seconds);
            return false;
        }
        self.last_seconds = at_seconds;
        self.last_of_kind[kind] = at_seconds;
        true
    }

    /// Checks a size against what a worker can have, and live memory against resident memory.
    pub fn admit_live(&mut self, bytes: u64, at_seconds: f64) -> Option<f64> {
        let resident = self.resident_max_bytes;
        let beyond = resident > 0 && bytes > resident * RESIDENT_FACTOR + RESIDENT_SLACK_BYTES;
        let refusal = match bytes {
            0 => Refusal::ZeroLive,
            b if b > MEMORY_MAX_BYTES || beyond => Refusal::AbsurdSize,
            b => return Some(b as f64),
        };
        self.refuse(refusal, at_seconds);
        None
    }

    /// Checks a size that may be 0.
    pub fn admit_size(&mut self, bytes: u64, at_seconds: f64) -> Option<f64> {
        if bytes > MEMORY_MAX_BYTES {
            self.refuse(Refusal::AbsurdSize, at_seconds);
            return None;
        }
        Some(bytes as f64)
    }

    pub fn resident(&mut self, bytes: f64) {
        self.resident_max_bytes = self.resident_max_bytes.max(bytes as u64);
    }

    /// Whether `jobs` more within `seconds` can be.
    pub fn admit_pace(&mut self, jobs: f64, seconds: f64, at_seconds: f64) -> bool {
        let possible = jobs <= JOBS_PER_SECOND_MAX * (seconds + 1.0);
        if !possible {
            self.refuse(Refusal::JobsJumped, at_seconds);
        }
        possible
    }

    pub fn refuse(&mut self, refusal: Refusal, at_seconds: f64) {
        let at = if at_seconds.is_finite() {
            at_seconds
        } else {
            self.last_seconds.max(0.0)
        };
        let full = self.gaps.len() >= GAPS_MAX;
        if let Some(last) = self.gaps.last_mut()
            && (last.0 == refusal || full)
        {
            last.1 = last.1.min(at);
            last.2 = last.2.max(at);
            last.3 += 1;
            return;
        }
        self.gaps.push((refusal, at, at, 1));
    }

    pub fn gaps(&self) -> Vec<Gap> {
        self.gaps
            .iter()
            .map(|(refusal, from_seconds, to_seconds, count)| Gap {
                from_seconds: *from_seconds,
                to_seconds: *to_seconds,
                reason: match count {
                    1 => refusal.reason().to_owned(),
                    n => format!("{} ({n} readings)", refusal.reason()),
                },
            })
            .collect()
    }

    pub fn state_bytes(&self) -> usize {
        self.gaps.capacity() * size_of::<(Refusal, f64, f64, u64)>()
    }
}
