//! Resident memory at quiescent floors, where the agent gives free pages back before it looks.
//!
//! What nobody's allocator counts is seen there alone: memory that an extension maps itself, and free chunks that
//! a few lost ones keep from being used again. It is noisier than the allocators' own figures, so it decides only
//! where it shows much more than they do.

use plimsoll_detect::{Assessment, Detector, MinimumEffect, Settings};
use plimsoll_model::{Channel, Floor, Reading, Status};

use crate::isolate::{Isolate, floor_reading};

/// A sound worker's resident memory rises by megabytes as it warms up, even with free pages given back: those of
/// the zoo that do not leak gained up to 2 MiB.
const ALLOWANCE_BYTES: f64 = 4.0 * 1024.0 * 1024.0;
/// What puts a clean verdict of the allocators in doubt: half of the allowance.
const DOUBT_BYTES: f64 = ALLOWANCE_BYTES / 2.0;
/// How much more than the allocators it must show before it is told in their place.
const BEYOND_SHARE: f64 = 1.5;

/// Takes the resident memory of an isolate's floors into its assessment.
pub fn weigh(assessment: &mut Assessment, isolate: &Isolate, start: f64) {
    let readings = readings(isolate, start);
    let Some(resident) = assess(&readings, assessment.verdict.minimum_effect_bytes_per_job) else {
        return;
    };
    let estimate = |assessment: &Assessment| assessment.verdict.bytes_per_job.map_or(0.0, |e| e.estimate);
    let counted = if assessment.verdict.status == Status::Leaking {
        estimate(assessment).max(0.0)
    } else {
        0.0
    };
    match resident.verdict.status {
        Status::Leaking if estimate(&resident) > BEYOND_SHARE * counted => tell(assessment, resident),
        Status::Leaking => {}
        _ if doubtful(&resident) => doubt(assessment, &resident),
        _ => {}
    }
}

fn readings(isolate: &Isolate, start: f64) -> Vec<Floor> {
    let floor = |(at, floor): &(f64, plimsoll_wire::agent::AgentFloor)| {
        Some(Floor {
            live_bytes: floor.resident_bytes?,
            external_bytes: None,
            ..floor_reading(start, *at, floor, None)
        })
        // Before the first job there is no place on the axis, and the worker is still warming up.
        .filter(|floor| floor.jobs.is_some())
    };
    isolate.floors.points().iter().filter_map(floor).collect()
}

fn assess(floors: &[Floor], least_per_job: Option<f64>) -> Option<Assessment> {
    let count = |floor: &Floor| floor.jobs.as_ref().map(|jobs| jobs.values().sum::<u64>() as f64);
    let span = count(floors.last()?)? - count(floors.first()?)?;
    if span <= 0.0 {
        return None;
    }
    let least = (ALLOWANCE_BYTES / span).max(least_per_job.unwrap_or(0.0));
    let mut detector = Detector::new(Settings {
        minimum_effect: MinimumEffect::PerJob(least),
        ..Settings::default()
    });
    for floor in floors {
        detector.observe(&Reading::Floor(floor.clone()));
    }
    Some(detector.assess())
}

fn doubtful(resident: &Assessment) -> bool {
    let grows = resident.verdict.bytes_per_job.is_some_and(|e| e.low > 0.0);
    grows && !resident.bent && resident.total_growth_bytes > DOUBT_BYTES
}

/// The worker gains memory that no allocator of its own counts.
fn tell(assessment: &mut Assessment, mut resident: Assessment) {
    let counted = assessment
        .verdict
        .bytes_per_job
        .map_or(0.0, |e| e.estimate.max(0.0));
    let grown = resident.verdict.bytes_per_job.map_or(0.0, |e| e.estimate);
    let reason = format!(
        "resident memory that no file backs, with free pages given back, grew by {grown:.0} bytes per job; \
         Python's objects and malloc account for {counted:.0} of them"
    );
    let verdict = &mut resident.verdict;
    verdict.channel = Some(Channel::Native);
    verdict.limit_bytes = assessment.verdict.limit_bytes;
    verdict.exhaustion_in_seconds = assessment.verdict.exhaustion_in_seconds.filter(|_| counted > 0.0);
    verdict.reasons = vec![reason];
    assessment.verdict = resident.verdict;
    assessment.classes = resident.classes;
}

fn doubt(assessment: &mut Assessment, resident: &Assessment) {
    let verdict = &mut assessment.verdict;
    if !matches!(verdict.status, Status::Stable | Status::Bounded) {
        return;
    }
    verdict.status = Status::Inconclusive;
    verdict.reasons.push(format!(
        "Python's objects and malloc do not grow, but resident memory gained {:.0} bytes that they do not explain",
        resident.total_growth_bytes
    ));
    verdict.next.extend(resident.verdict.next.first().cloned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_wire::agent::{AgentFloor, AgentLine, AgentMessage};
    use std::collections::BTreeMap;

    /// Floors of a worker whose allocators count `counted` bytes per job and whose resident memory gains `resident`.
    fn check(counted: f64, resident: f64, jobs: u64, expected: (Status, Option<Channel>)) {
        let mut isolate = Isolate::default();
        let mut detector = Detector::new(Settings::default());
        for step in 0..40_u64 {
            let done = jobs * step / 40;
            let wobble = f64::from(u32::try_from(step * 7919 % 13).unwrap_or(0)) * 700.0;
            let floor = AgentFloor {
                live_bytes: (8e6 + counted * done as f64 + wobble) as u64,
                resident_bytes: Some((40e6 + resident * done as f64 + 4.0 * wobble) as u64),
                jobs: Some(BTreeMap::from([("a".to_owned(), done)])),
                ..AgentFloor::default()
            };
            detector.observe(&Reading::Floor(floor_reading(0.0, step as f64, &floor, None)));
            isolate.take(AgentLine {
                t: step as f64,
                message: AgentMessage::Floor(floor),
            });
        }
        let mut assessment = detector.assess();
        weigh(&mut assessment, &isolate, 0.0);
        let verdict = &assessment.verdict;
        assert_eq!(
            (verdict.status, verdict.channel),
            expected,
            "{:?}",
            verdict.reasons
        );
        if verdict.channel == Some(Channel::Native) {
            let told = verdict.bytes_per_job.expect("a leak has a size").estimate;
            assert!((told / resident - 1.0).abs() < 0.05, "{told}");
        }
    }

    #[test]
    fn resident_memory_decides_only_beyond_what_is_counted() {
        check(200.0, 12_600.0, 1500, (Status::Leaking, Some(Channel::Native)));
        check(900.0, 950.0, 20_000, (Status::Leaking, Some(Channel::Heap)));
        check(0.0, 60.0, 20_000, (Status::Stable, Some(Channel::Heap)));
        check(0.0, 12_600.0, 250, (Status::Inconclusive, Some(Channel::Heap)));
    }
}
