//! Keeps a verdict within what was measured.

use plimsoll_detect::{Assessment, ClassGrowth, Detector, MinimumEffect, Settings};
use plimsoll_model::{Channel, ClassStatus, Floor, Reading, Status, Verdict};

/// Descriptors and threads are counts: what they weigh is not known. And that they stay the same says
/// nothing of memory that was not seen for long enough.
pub fn temper(mut verdict: Verdict) -> Verdict {
    if !matches!(
        verdict.channel,
        None | Some(Channel::Fds | Channel::Threads | Channel::Backlog)
    ) {
        return verdict;
    }
    verdict.bytes_per_job = None;
    verdict.bytes_per_hour = None;
    verdict.exhaustion_in_seconds = None;
    verdict.minimum_effect_bytes_per_job = None;
    if matches!(verdict.status, Status::Stable | Status::Bounded) {
        verdict.status = Status::Inconclusive;
        verdict.channel = None;
        verdict
            .reasons
            .push("memory itself was not seen for long enough to be judged".into());
        verdict
            .next
            .push("watch for longer, with a worker that an agent can look into".into());
    }
    verdict
}

/// A descriptor stands for this much in [`classes_of_descriptors`], far above what detection takes for noise.
const DESCRIPTOR_BYTES: f64 = 1e6;
/// One descriptor for a hundred jobs; fewer are a pool that breathes.
const LEAST_DESCRIPTORS_PER_JOB: f64 = 0.01;

/// Which job class leaves descriptors open: the same regression as for memory, over their number.
pub fn classes_of_descriptors(readings: &[Reading]) -> Vec<ClassGrowth> {
    let minimum_effect = MinimumEffect::PerJob(LEAST_DESCRIPTORS_PER_JOB * DESCRIPTOR_BYTES);
    let mut detector = Detector::new(Settings {
        minimum_effect,
        ..Settings::default()
    });
    for reading in readings {
        let Reading::Sample(sample) = reading else {
            continue;
        };
        let Some(fds) = sample.fds.filter(|_| !sample.jobs.is_empty()) else {
            continue;
        };
        detector.observe(&Reading::Floor(Floor {
            at_seconds: sample.at_seconds,
            live_bytes: (fds as f64 * DESCRIPTOR_BYTES) as u64,
            jobs: Some(sample.jobs.clone()),
            ..Floor::default()
        }));
    }
    let Assessment { classes, .. } = detector.assess();
    // Only the blame is taken over; the bytes were made up.
    classes
        .into_iter()
        .map(|class| ClassGrowth {
            bytes_per_job: None,
            ..class
        })
        .collect()
}

/// Counts that come from another thread, at another instant, cannot tell classes apart.
pub fn unknown(classes: Vec<ClassGrowth>) -> Vec<ClassGrowth> {
    let unknown = |class: ClassGrowth| ClassGrowth {
        bytes_per_job: None,
        status: ClassStatus::Inconclusive,
        ..class
    };
    classes.into_iter().map(unknown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::{JobCounts, Sample};

    fn verdict(status: Status, channel: Option<Channel>) -> Verdict {
        Verdict {
            status,
            channel,
            bytes_per_job: None,
            bytes_per_hour: None,
            exhaustion_in_seconds: None,
            limit_bytes: None,
            minimum_effect_bytes_per_job: None,
            reasons: Vec::new(),
            next: Vec::new(),
        }
    }

    #[test]
    fn steady_descriptors_are_no_proof_of_steady_memory() {
        for (status, channel, expected) in [
            (Status::Stable, Some(Channel::Fds), Status::Inconclusive),
            (Status::Stable, None, Status::Inconclusive),
            (Status::Leaking, Some(Channel::Fds), Status::Leaking),
            (Status::Stable, Some(Channel::Heap), Status::Stable),
        ] {
            assert_eq!(
                temper(verdict(status, channel)).status,
                expected,
                "{status} {channel:?}"
            );
        }
    }

    #[test]
    fn the_class_that_leaves_descriptors_open_is_blamed() {
        let (mut opens, mut rests) = (0_u64, 0_u64);
        let readings: Vec<Reading> = (0..40_u64)
            .map(|look| {
                opens += 5 + look * 7 % 11;
                rests += 3 + look * 5 % 13;
                let jobs = JobCounts::from([("opens".into(), opens), ("rests".into(), rests)]);
                let fds = Some(20 + opens / 2);
                Reading::Sample(Sample {
                    at_seconds: look as f64,
                    fds,
                    jobs,
                    ..Sample::default()
                })
            })
            .collect();
        let classes = classes_of_descriptors(&readings);
        let leaking: Vec<&str> = classes
            .iter()
            .filter(|c| c.status == ClassStatus::Leaking)
            .map(|c| c.class.as_str())
            .collect();
        assert_eq!(leaking, ["opens"], "{classes:?}");
    }
}
