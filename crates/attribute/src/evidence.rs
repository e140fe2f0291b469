//! What the objects say about the verdict.

use plimsoll_heap::{Growth, Trend};

/// Growth of holders, by how it goes on. Bytes per job in the earliest and in the last interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ObjectEvidence {
    /// Everything that counts, earliest interval.
    pub total_earlier: f64,
    /// Everything that counts, last interval.
    pub total_last: f64,
    /// Holders in proportion to jobs, earliest interval.
    pub proportional_earlier: f64,
    /// Holders in proportion to jobs, last interval.
    pub proportional_last: f64,
    /// Holders that filled and stopped, earliest interval.
    pub filled_earlier: f64,
    /// Holders that slow down, last interval.
    pub slowing_last: f64,
    /// Whether structures that filled and stopped explain the growth: confirm `bounded`, not `leaking`.
    pub is_bounded: bool,
    /// Whether holders in proportion to jobs explain the growth: confirm `leaking`.
    pub is_proportional: bool,
}

/// Share of the growth that holders must explain before their word counts. Half would do to say what
/// most of it is; the rest is spread over the many small things that a program keeps.
const EXPLAINED_SHARE: f64 = 0.5;
/// Bytes per job below which dumps tell nothing: V8 itself drifts by as much.
/// Real leaks go down to about 120 bytes a job, sound programs keep up to a few dozen.
const NOISE_BYTES_PER_JOB: f64 = 50.0;

/// Sums up what the dumps say; all zero and nothing confirmed with fewer than three dumps.
pub fn corroborate(growth: &Growth) -> ObjectEvidence {
    let (Some(&first), Some(&last)) = (
        growth.total_bytes_per_job.first(),
        growth.total_bytes_per_job.last(),
    ) else {
        return ObjectEvidence::default();
    };
    if growth.total_bytes_per_job.len() < 2 {
        return ObjectEvidence::default();
    }
    let sum = |trend: Trend, at: fn(&[f64]) -> Option<&f64>| -> f64 {
        let holders = growth.holders.iter().filter(|holder| holder.trend == trend);
        holders
            .filter_map(|holder| at(&holder.bytes_per_job_by_interval))
            .fold(0.0, |sum, bytes| sum + bytes)
    };
    let mut evidence = ObjectEvidence {
        total_earlier: first,
        total_last: last,
        proportional_earlier: sum(Trend::Proportional, |steps| steps.first()),
        proportional_last: sum(Trend::Proportional, |steps| steps.last()),
        // What stopped is no finding of the last interval; what is gone from the total has stopped.
        filled_earlier: (first - last).max(0.0),
        slowing_last: sum(Trend::Slowing, |steps| steps.last()),
        ..ObjectEvidence::default()
    };
    evidence.is_proportional = evidence.proportional_last >= NOISE_BYTES_PER_JOB
        && evidence.proportional_last >= EXPLAINED_SHARE * last
        && evidence.proportional_earlier > 0.0;
    let still = last - evidence.slowing_last;
    evidence.is_bounded = !evidence.is_proportional
        && evidence.proportional_last < NOISE_BYTES_PER_JOB
        && first >= NOISE_BYTES_PER_JOB
        && still < (EXPLAINED_SHARE * first).max(NOISE_BYTES_PER_JOB);
    evidence
}
