//! The floor over completed jobs, and the line that the verdict's estimate draws through it.

use plimsoll_model::{Channel, Verdict};

use crate::story::FloorPoint;
use crate::words::finite;

/// A straight line with the band of its interval, over the jobs of the floors.
pub(crate) struct FloorLine {
    /// Jobs at both ends.
    pub jobs: (f64, f64),
    /// The estimate at both ends.
    pub middle: (f64, f64),
    /// The lower slope at both ends.
    pub low: (f64, f64),
    /// The upper slope at both ends.
    pub high: (f64, f64),
}

/// Jobs and bytes of each floor, in the memory that the verdict speaks of.
pub(crate) fn floor_points(floors: &[FloorPoint], channel: Option<Channel>) -> Vec<(f64, f64)> {
    let value = |floor: &FloorPoint| match channel {
        Some(Channel::External) => floor.external_bytes,
        _ => Some(floor.live_bytes),
    };
    floors
        .iter()
        .filter_map(|floor| Some((floor.jobs as f64, value(floor)?)))
        .filter(|(_, bytes)| bytes.is_finite())
        .collect()
}

/// The verdict gives slopes only; the line is anchored at the medians of the floors, which one bad
/// floor cannot move. `None` for fewer than two points, no estimate, or memory that floors do not measure.
pub(crate) fn floor_line(points: &[(f64, f64)], verdict: &Verdict) -> Option<FloorLine> {
    let growth = finite(verdict.bytes_per_job)?;
    let measured = matches!(verdict.channel, Some(Channel::Heap | Channel::External));
    let (first, last) = (points.first()?.0, points.last()?.0);
    if !measured || last <= first {
        return None;
    }
    let anchor_jobs = (first + last) / 2.0;
    let offset = median(
        points
            .iter()
            .map(|(jobs, bytes)| bytes - growth.estimate * (jobs - anchor_jobs))
            .collect(),
    );
    let ends = |slope: f64| {
        (
            offset + slope * (first - anchor_jobs),
            offset + slope * (last - anchor_jobs),
        )
    };
    Some(FloorLine {
        jobs: (first, last),
        middle: ends(growth.estimate),
        low: ends(growth.low),
        high: ends(growth.high),
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use plimsoll_model::{Estimate, Status};

    use super::*;

    fn verdict(channel: Channel) -> Verdict {
        Verdict {
            status: Status::Leaking,
            channel: Some(channel),
            bytes_per_job: Some(Estimate {
                estimate: 10.0,
                low: 8.0,
                high: 12.0,
                confidence: 0.95,
            }),
            bytes_per_hour: None,
            exhaustion_in_seconds: None,
            limit_bytes: None,
            minimum_effect_bytes_per_job: None,
            reasons: vec![],
            next: vec![],
        }
    }

    #[test]
    fn the_line_goes_through_the_floors_and_one_bad_floor_does_not_move_it() {
        let points = [(0.0, 100.0), (50.0, 600.0), (75.0, 9000.0), (100.0, 1100.0)];
        let line = floor_line(&points, &verdict(Channel::Heap)).unwrap();
        assert_eq!((line.jobs, line.middle), ((0.0, 100.0), (100.0, 1100.0)));
        assert_eq!((line.low, line.high), ((200.0, 1000.0), (0.0, 1200.0)));
    }

    #[test]
    fn no_line_without_points_or_for_memory_that_floors_do_not_measure() {
        assert!(floor_line(&[], &verdict(Channel::Heap)).is_none());
        assert!(floor_line(&[(5.0, 1.0), (5.0, 2.0)], &verdict(Channel::Heap)).is_none());
        assert!(floor_line(&[(0.0, 1.0), (5.0, 2.0)], &verdict(Channel::Rss)).is_none());
    }
}
