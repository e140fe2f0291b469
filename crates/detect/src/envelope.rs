//! The lower envelope of a series over stretches of time, in bounded memory.
//!
//! Resident memory, descriptors and threads are only ever too high (garbage, jobs in flight), so the
//! least of each stretch is kept; stretches double in length when there are too many.

/// The least value of one stretch, where it was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Low {
    pub at_seconds: f64,
    pub jobs: f64,
    pub value: f64,
    pub segment: u32,
    stretch: u32,
}

/// Stretches kept of memory: 32 hours of hourly lows, or two days of two-hourly ones.
pub(crate) const MEMORY_LOWS: usize = 32;
/// Stretches kept of counts, which are told by their level more than by their slope.
pub(crate) const COUNT_LOWS: usize = 24;
/// The first length of a stretch of memory: doubled eight times it is an hour.
const STRETCH_SECONDS: f64 = 3600.0 / 256.0;

/// That of descriptors and threads, which no collector lets drift: doubled fourteen times it is an hour.
const COUNT_STRETCH_SECONDS: f64 = 3600.0 / 16_384.0;

#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    lows_max: usize,
    lows: Vec<Low>,
    start_seconds: f64,
    stretch_seconds: f64,
    readings: u64,
    last: f64,
}

impl Envelope {
    /// An envelope of something that is counted, fine enough for a run of a few seconds.
    pub fn of_counts() -> Self {
        Envelope {
            stretch_seconds: COUNT_STRETCH_SECONDS,
            ..Envelope::new(COUNT_LOWS)
        }
    }

    pub fn new(lows_max: usize) -> Self {
        Envelope {
            lows_max,
            lows: Vec::new(),
            start_seconds: 0.0,
            stretch_seconds: STRETCH_SECONDS,
            readings: 0,
            last: 0.0,
        }
    }

    pub fn push(&mut self, at_seconds: f64, jobs: f64, value: f64, segment: u32) {
        if self.readings == 0 {
            self.start_seconds = at_seconds;
        }
        self.readings += 1;
        self.last = value;
        let stretch = self.stretch_of(at_seconds);
        if let Some(low) = self.lows.last_mut()
            && low.stretch == stretch
            && low.segment == segment
        {
            if value < low.value {
                *low = Low {
                    at_seconds,
                    jobs,
                    value,
                    segment,
                    stretch,
                };
            }
            return;
        }
        if self.lows.len() >= self.lows_max {
            self.halve();
        }
        let stretch = self.stretch_of(at_seconds);
        if self.lows.capacity() == 0 {
            self.lows.reserve_exact(self.lows_max);
        }
        self.lows.push(Low {
            at_seconds,
            jobs,
            value,
            segment,
            stretch,
        });
        self.merge();
    }

    fn stretch_of(&self, at_seconds: f64) -> u32 {
        ((at_seconds - self.start_seconds) / self.stretch_seconds).clamp(0.0, 4e9) as u32
    }

    fn halve(&mut self) {
        while self.lows.len() > self.lows_max * 3 / 4 {
            let before = self.lows.len();
            self.stretch_seconds *= 2.0;
            self.lows.iter_mut().for_each(|low| low.stretch /= 2);
            self.merge();
            let exhausted = self.lows.iter().all(|low| low.stretch == 0);
            if exhausted && self.lows.len() == before {
                self.lows.drain(..before - self.lows_max / 2);
            }
        }
    }

    fn merge(&mut self) {
        self.lows.dedup_by(|next, kept| {
            let same = next.stretch == kept.stretch && next.segment == kept.segment;
            if same && next.value < kept.value {
                *kept = *next;
            }
            same
        });
    }

    /// The lows of finished stretches; the last is still filling and its low still falls.
    pub fn finished(&self) -> &[Low] {
        &self.lows[..self.lows.len().saturating_sub(1)]
    }

    pub fn readings(&self) -> u64 {
        self.readings
    }

    /// The newest value.
    pub fn last(&self) -> Option<f64> {
        (self.readings > 0).then_some(self.last)
    }

    pub fn state_bytes(&self) -> usize {
        self.lows.capacity() * size_of::<Low>()
    }
}
