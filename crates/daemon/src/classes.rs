//! What the objects say of job classes that the floors could not settle.

use plimsoll_model::{ClassStatus, Estimate, JobClass, Status, Suspect};

use crate::study::Study;

/// Where the floors could not tell the classes apart, the class that the first suspects were traced to
/// is the one that leaks, by what they gain.
pub(crate) fn named_by_objects(mut classes: Vec<JobClass>, study: &Study) -> Vec<JobClass> {
    let settled = classes.iter().any(|class| class.status == ClassStatus::Leaking);
    if settled || study.verdict.status != Status::Leaking {
        return classes;
    }
    let all: f64 = classes.iter().map(|class| class.jobs as f64).sum();
    for class in &mut classes {
        let own: Vec<&Suspect> = study
            .suspects
            .iter()
            .take(2)
            .filter(|suspect| suspect.job_class.as_ref() == Some(&class.class))
            .collect();
        if own.is_empty() {
            // An interval that holds all growth beside the class that was found would only mislead.
            class.bytes_per_job = class.bytes_per_job.filter(|bytes| bytes.low > 0.0);
            if below_the_floors(study) {
                class.status = ClassStatus::Inconclusive;
            }
            continue;
        }
        class.status = ClassStatus::Leaking;
        class.bytes_per_job = gained_per_job(&own, all, class.jobs as f64).or(class.bytes_per_job);
    }
    classes.sort_by_key(|class| class.status != ClassStatus::Leaking);
    classes
}

/// What suspects gain per job of one class, with the spread of a Poisson count.
fn gained_per_job(own: &[&Suspect], all_jobs: f64, class_jobs: f64) -> Option<Estimate> {
    let bytes: f64 = own.iter().filter_map(|suspect| suspect.bytes_per_job).sum();
    let count: f64 = own
        .iter()
        .filter_map(|suspect| suspect.count_per_job)
        .sum::<f64>()
        * all_jobs;
    let estimate = bytes * all_jobs / class_jobs;
    let spread = (1.96 / count.max(1.0).sqrt()).min(1.0);
    (estimate.is_finite() && estimate > 0.0).then_some(Estimate {
        estimate,
        low: estimate * (1.0 - spread),
        high: estimate * (1.0 + spread),
        confidence: 0.95,
    })
}

/// What is left over beside a leak must be less than this share of it to clear the other classes.
const CLEARED_SHARE: f64 = 0.5;

/// Whether the objects settled a leak smaller than what the floors could resolve, so that the floors' word on
/// classes says nothing.
fn below_the_floors(study: &Study) -> bool {
    let found = study.verdict.bytes_per_job.map(|bytes| bytes.estimate);
    found
        .zip(study.verdict.minimum_effect_bytes_per_job)
        .is_some_and(|(found, least)| found < least)
}

/// Classes that the evidence clears: what grows is traced to others, or nothing grows that matters. A class
/// whose growth, over all jobs, would stay below the minimum effect is `stable`.
pub(crate) fn cleared(mut classes: Vec<JobClass>, study: &Study) -> Vec<JobClass> {
    let Some(least) = study.verdict.minimum_effect_bytes_per_job else {
        return classes;
    };
    let sound = matches!(study.verdict.status, Status::Stable | Status::Bounded);
    let found = study.verdict.bytes_per_job.filter(|_| !sound);
    let least = found.map_or(least, |bytes| least.min(CLEARED_SHARE * bytes.estimate));
    let traced = classes.iter().any(|class| class.status == ClassStatus::Leaking);
    if !sound && (!traced || study.verdict.status != Status::Leaking) {
        return classes;
    }
    let all: f64 = classes.iter().map(|class| class.jobs as f64).sum();
    for class in classes
        .iter_mut()
        .filter(|class| class.status == ClassStatus::Inconclusive && class.jobs > 0)
    {
        let share = class.jobs as f64 / all;
        let by_floors = class
            .bytes_per_job
            .map(|bytes| bytes.high * share)
            .filter(|_| sound);
        let bound = by_floors
            .into_iter()
            .chain(study.untraced_bytes_per_job)
            .fold(f64::INFINITY, f64::min);
        if bound > least {
            continue;
        }
        class.status = ClassStatus::Stable;
        let left = study.untraced_bytes_per_job.filter(|bytes| *bytes > 0.0);
        if let (Some(untraced), None) = (left, class.bytes_per_job) {
            // All that is left could be this class's, or none of it.
            class.bytes_per_job = Some(Estimate {
                estimate: 0.0,
                low: 0.0,
                high: untraced / share,
                confidence: 0.95,
            });
        }
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::Verdict;

    fn class(name: &str, jobs: u64, status: ClassStatus, high: Option<f64>) -> JobClass {
        JobClass {
            class: name.to_owned(),
            jobs,
            status,
            bytes_per_job: high.map(|high| Estimate {
                estimate: 0.0,
                low: 0.0,
                high,
                confidence: 0.95,
            }),
            failed: 0,
            peak_bytes: None,
            allocated_bytes_per_job: None,
            duration_seconds: None,
        }
    }

    fn check(
        verdict: Status,
        untraced: Option<f64>,
        leaking: ClassStatus,
        high: Option<f64>,
        expected: ClassStatus,
    ) {
        let study = Study {
            verdict: Verdict {
                status: verdict,
                channel: None,
                bytes_per_job: None,
                bytes_per_hour: None,
                exhaustion_in_seconds: None,
                limit_bytes: None,
                minimum_effect_bytes_per_job: Some(50.0),
                reasons: Vec::new(),
                next: Vec::new(),
            },
            suspects: Vec::new(),
            notes: Vec::new(),
            untraced_bytes_per_job: untraced,
            types: Vec::new(),
        };
        let classes = vec![
            class("a", 500, leaking, Some(900.0)),
            class("b", 500, ClassStatus::Inconclusive, high),
        ];
        let told = cleared(classes, &study);
        assert_eq!(told[1].status, expected, "{verdict:?} {untraced:?} {high:?}");
    }

    #[test]
    fn what_is_traced_to_another_class_clears_the_rest() {
        use ClassStatus::{Inconclusive, Leaking, Stable};
        check(Status::Leaking, Some(20.0), Leaking, None, Stable);
        check(Status::Leaking, Some(80.0), Leaking, None, Inconclusive);
        check(Status::Leaking, None, Leaking, Some(10.0), Inconclusive);
        check(Status::Leaking, Some(20.0), Inconclusive, None, Inconclusive);
    }

    #[test]
    fn a_sound_worker_has_sound_classes() {
        use ClassStatus::{Inconclusive, Stable};
        check(Status::Stable, Some(20.0), Inconclusive, Some(900.0), Stable);
        check(Status::Bounded, None, Inconclusive, Some(90.0), Stable);
        check(Status::Stable, None, Inconclusive, Some(900.0), Inconclusive);
        check(
            Status::Inconclusive,
            Some(20.0),
            Inconclusive,
            Some(10.0),
            Inconclusive,
        );
    }
}
