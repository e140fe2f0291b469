//! What is kept of the readings, and the fits over it.

use plimsoll_model::Channel;

use crate::baseline::Baseline;
use crate::channels::{Fitted, Part, Source, fit_against, fit_level, fit_lows};
use crate::envelope::{COUNT_LOWS, Envelope, Low, MEMORY_LOWS};
use crate::looks::LOOKED_AT;
use crate::settings::Settings;
use crate::track::{Merge, Track};
use crate::trend::LEAST_ROWS;

/// Live heap after ordinary collections decides alone only from this many on.
const LEAST_COLLECTIONS: u64 = 12;

#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub floors: Track,
    /// Live heap after ordinary full collections, until there are floors.
    pub collections: Track,
    /// Heap in use, garbage included, until there are floors.
    pub used: Envelope,
    /// Resident memory beyond heap and buffers.
    pub native: Envelope,
    /// Resident memory, where the heap's part of it is unknown.
    pub resident: Envelope,
    pub fds: Envelope,
    pub threads: Envelope,
    /// The newest size of the process.
    pub rss_bytes: Option<f64>,
}

/// Everything that was fitted at one look.
pub(crate) struct Fits {
    pub heap: Option<Fitted>,
    pub external: Option<Fitted>,
    pub managed: Option<Fitted>,
    pub resident: Option<Fitted>,
    pub fds: Option<Fitted>,
    pub threads: Option<Fitted>,
}

/// What fits are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To see whether a channel grows: one fit a channel.
    Look,
    /// To tell all: heap and external together too.
    Assessment,
}

impl Fits {
    /// In the order of [`crate::looks::Looks`].
    pub fn looked_at(&self) -> [Option<&Fitted>; LOOKED_AT] {
        [
            &self.heap,
            &self.external,
            &self.managed,
            &self.resident,
            &self.fds,
            &self.threads,
        ]
        .map(Option::as_ref)
    }
}

impl Default for Kept {
    fn default() -> Self {
        Kept {
            floors: Track::new(Merge::Mean),
            collections: Track::new(Merge::Least),
            used: Envelope::new(COUNT_LOWS),
            native: Envelope::new(MEMORY_LOWS),
            resident: Envelope::new(MEMORY_LOWS),
            fds: Envelope::of_counts(),
            threads: Envelope::of_counts(),
            rss_bytes: None,
        }
    }
}

impl Kept {
    pub fn has_floors(&self) -> bool {
        self.floors.points() >= LEAST_ROWS as u64
    }

    /// What stood in for floors goes once there are enough of them.
    pub fn drop_stand_ins(&mut self) {
        let stand_ins = self.collections.points() + self.used.readings();
        if self.has_floors() && stand_ins > 0 {
            self.collections.clear();
            self.used = Envelope::new(COUNT_LOWS);
        }
    }

    /// Whether anything can be fitted.
    pub fn can_look(&self) -> bool {
        let lows = self.lows().0.len().max(self.used.finished().len());
        self.points() >= LEAST_ROWS as u64 || lows >= 2 * LEAST_ROWS
    }

    pub fn points(&self) -> u64 {
        self.floors.points().max(self.collections.points())
    }

    pub fn track(&self) -> Option<(&Track, Source)> {
        if self.has_floors() {
            return Some((&self.floors, Source::Floors));
        }
        (self.collections.points() >= LEAST_COLLECTIONS).then_some((&self.collections, Source::Collections))
    }

    /// The lower envelope of resident memory, without the heap where its size is known.
    fn lows(&self) -> (&[Low], Channel) {
        if self.native.readings() > 0 {
            (self.native.finished(), Channel::Native)
        } else {
            (self.resident.finished(), Channel::Rss)
        }
    }

    pub fn fits(&self, settings: &Settings, purpose: Purpose) -> Fits {
        let confidence = settings.confidence;
        let baseline = settings.baseline.as_ref();
        let level = |part: Part| {
            let (track, source) = self.track()?;
            match baseline {
                Some(baseline) => fit_against(track, part, source, confidence, baseline),
                None => fit_level(track, part, source, confidence),
            }
        };
        let counts = |envelope: &Envelope, channel| fit_lows(envelope.finished(), channel, confidence, None);
        let worth_it = purpose == Purpose::Assessment || self.external_moves();
        let external = if worth_it { level(Part::External) } else { None };
        let both = external.is_some() && purpose == Purpose::Assessment;
        let (lows, channel) = self.lows();
        Fits {
            heap: level(Part::Heap).or_else(|| counts(&self.used, Channel::Heap)),
            managed: if both { level(Part::Managed) } else { None },
            external,
            resident: fit_lows(lows, channel, confidence, baseline),
            fds: counts(&self.fds, Channel::Fds),
            threads: counts(&self.threads, Channel::Threads),
        }
    }

    fn external_moves(&self) -> bool {
        self.floors
            .blocks()
            .windows(2)
            .any(|pair| pair[0].external_bytes != pair[1].external_bytes)
    }

    pub fn baseline(&self) -> Baseline {
        Baseline::new(
            self.track().map_or(&[][..], |(track, _)| track.blocks()),
            self.lows().0,
        )
    }

    /// The newest size of the process, or of managed memory where that is all that is known.
    pub fn level_bytes(&self) -> Option<f64> {
        let managed = || self.floors.blocks().last().map(|b| Part::Managed.of(b));
        self.rss_bytes.or_else(managed).or(self.used.last())
    }

    /// The most that any kind of memory rose over its least.
    pub fn gained_bytes(&self) -> f64 {
        let floors = self.floors.blocks().iter().map(|b| Part::Managed.of(b));
        let collections = self.collections.blocks().iter().map(|b| b.heap_bytes);
        let lows = |envelope: &Envelope| range(envelope.finished().iter().map(|low| low.value));
        range(floors)
            .max(range(collections))
            .max(lows(&self.used))
            .max(lows(&self.native))
            .max(lows(&self.resident))
    }

    /// Bytes beyond the struct itself.
    pub fn state_bytes(&self) -> usize {
        let envelopes = [&self.used, &self.native, &self.resident, &self.fds, &self.threads];
        self.floors.state_bytes()
            + self.collections.state_bytes()
            + envelopes.iter().map(|e| e.state_bytes()).sum::<usize>()
    }
}

fn range(values: impl Iterator<Item = f64>) -> f64 {
    let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    (most - least).max(0.0)
}
