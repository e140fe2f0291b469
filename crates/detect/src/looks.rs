//! Repeated looks at a record that grows: when to look, and what holds on two looks in a row.

/// A record is looked at again when it is this much longer.
const LOOK_GROWTH: f64 = 1.12;
/// Looks in a row that must agree.
pub(crate) const LOOKS_IN_A_ROW: u32 = 2;
/// Channels that are looked at apart.
pub(crate) const LOOKED_AT: usize = 6;

#[derive(Debug, Clone, Default)]
pub(crate) struct Looks {
    next_points: f64,
    next_seconds: f64,
    streaks: [u32; LOOKED_AT],
    /// Channels that held on enough looks in a row at some time.
    held: [bool; LOOKED_AT],
    first_leaking_at_seconds: Option<f64>,
}

impl Looks {
    /// Whether enough came in since the last look: 12 % more points, or 12 % more time.
    pub fn due(&self, points: u64, seconds: f64) -> bool {
        points as f64 >= self.next_points || seconds >= self.next_seconds
    }

    /// Notes which channels grow too fast at this look.
    pub fn note(&mut self, points: u64, seconds: f64, at_seconds: f64, growing: [bool; LOOKED_AT]) {
        self.next_points = (points as f64 * LOOK_GROWTH).max(points as f64 + 1.0);
        self.next_seconds = (seconds * LOOK_GROWTH).max(seconds + 1.0);
        for (streak, growing) in self.streaks.iter_mut().zip(growing) {
            *streak = if growing { *streak + 1 } else { 0 };
        }
        for (held, streak) in self.held.iter_mut().zip(self.streaks) {
            *held |= streak >= LOOKS_IN_A_ROW;
        }
        let holds = self.streaks.iter().any(|s| *s >= LOOKS_IN_A_ROW);
        if holds && self.first_leaking_at_seconds.is_none() {
            self.first_leaking_at_seconds = Some(at_seconds);
        }
    }

    /// Whether the look before the present one already saw the channel grow.
    pub fn seen_before(&self, channel: usize) -> bool {
        self.streaks[channel] + 1 >= LOOKS_IN_A_ROW
    }

    /// Whether the channel was seen to grow on enough looks in a row at some time: a boundary that
    /// holds at every look at once stays crossed.
    pub fn held(&self, channel: usize) -> bool {
        self.held[channel]
    }

    pub fn first_leaking_at_seconds(&self) -> Option<f64> {
        self.first_leaking_at_seconds
    }
}
