//! How growth goes on from one interval between dumps to the next.

/// What three points tell about something that grew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trend {
    /// About as much per job in each interval, or more in the later ones.
    Proportional,
    /// Markedly less per job in the last interval, but not nothing: may fill up.
    Slowing,
    /// Filled up: next to nothing per job in the last interval.
    FillsAndStops,
    /// Grew in the last interval only.
    Began,
    /// Many times more per job in the last interval than before: not in proportion to jobs.
    Uneven,
    /// Too few objects to tell, or two points only.
    Unclear,
}

/// Growth between two dumps.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Step {
    /// Objects gained.
    pub(crate) count: f64,
    /// Jobs completed in between.
    pub(crate) jobs: f64,
}

impl Step {
    fn rate(self) -> f64 {
        if self.jobs > 0.0 {
            self.count / self.jobs
        } else {
            0.0
        }
    }
}

/// A last interval with less than this share of the earlier rate is slower. A leak keeps its rate,
/// give or take the mix of jobs; a cache that fills at random keys loses half of it when half full.
/// Pinned by `a_cache_that_fills_is_told`.
const SLOWING_SHARE: f64 = 0.6;
/// Below this share it has stopped: what goes on is replacement and noise.
const STOPPED_SHARE: f64 = 0.15;
/// Beyond this share of the earlier rate it follows something other than jobs (a sweep once a second,
/// a pool that opens late). Pinned by `growth_that_jumps_is_uneven`.
const UNEVEN_SHARE: f64 = 3.0;
/// Standard deviations (of Poisson counts) by which the last rate must be lower. With three, one
/// leak in seven hundred that some jobs cause at random would be called slowing.
const DEVIATIONS: f64 = 3.0;
/// Objects below which a rate is a guess.
const FEWEST: f64 = 3.0;

/// Judges consecutive steps, the earliest first.
pub(crate) fn judge(steps: &[Step]) -> Trend {
    let Some((last, earlier)) = steps.split_last() else {
        return Trend::Unclear;
    };
    let before = Step {
        count: earlier.iter().map(|step| step.count.max(0.0)).sum(),
        jobs: earlier.iter().map(|step| step.jobs).sum(),
    };
    if earlier.is_empty() || before.count.max(last.count) < FEWEST {
        return Trend::Unclear;
    }
    let peak = earlier.iter().map(|step| step.rate()).fold(0.0, f64::max);
    let share = if peak > 0.0 {
        last.rate() / peak
    } else {
        f64::INFINITY
    };
    if before.count < 1.0 {
        return Trend::Began;
    }
    if share > UNEVEN_SHARE && is_lower(before, *last) {
        return Trend::Uneven;
    }
    if share >= SLOWING_SHARE || !is_lower(*last, before) {
        return if last.count <= 0.0 {
            Trend::FillsAndStops
        } else {
            Trend::Proportional
        };
    }
    if share < STOPPED_SHARE {
        Trend::FillsAndStops
    } else {
        Trend::Slowing
    }
}

/// Whether `last` has a rate that is lower beyond chance.
fn is_lower(last: Step, before: Step) -> bool {
    let variance = before.count.max(1.0) / before.jobs.max(1.0).powi(2)
        + last.count.max(1.0) / last.jobs.max(1.0).powi(2);
    before.rate() - last.rate() > DEVIATIONS * variance.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(counts: &[(f64, f64)], expected: Trend) {
        let steps: Vec<Step> = counts
            .iter()
            .map(|(count, jobs)| Step {
                count: *count,
                jobs: *jobs,
            })
            .collect();
        assert_eq!(judge(&steps), expected, "{counts:?}");
    }

    #[test]
    fn a_leak_is_proportional() {
        check(&[(180.0, 180.0), (180.0, 180.0)], Trend::Proportional);
        check(&[(90.0, 180.0), (75.0, 180.0)], Trend::Proportional);
        check(&[(12.0, 180.0), (6.0, 180.0)], Trend::Proportional);
    }

    #[test]
    fn a_cache_that_fills_is_told() {
        check(&[(6000.0, 9000.0), (0.0, 9000.0)], Trend::FillsAndStops);
        check(&[(6000.0, 9000.0), (500.0, 9000.0)], Trend::FillsAndStops);
        check(&[(6000.0, 9000.0), (3000.0, 9000.0)], Trend::Slowing);
    }

    #[test]
    fn growth_that_jumps_is_uneven() {
        check(&[(393.0, 675.0), (2472.0, 675.0)], Trend::Uneven);
        check(&[(100.0, 180.0), (220.0, 180.0)], Trend::Proportional);
        check(&[(2.0, 180.0), (7.0, 180.0)], Trend::Proportional);
    }

    #[test]
    fn little_is_unclear() {
        check(&[(180.0, 180.0)], Trend::Unclear);
        check(&[(1.0, 180.0), (1.0, 180.0)], Trend::Unclear);
        check(&[(0.0, 180.0), (40.0, 180.0)], Trend::Began);
    }

    #[test]
    fn one_decrease_does_not_clear() {
        check(
            &[(200.0, 100.0), (-20.0, 100.0), (190.0, 100.0)],
            Trend::Proportional,
        );
    }
}
