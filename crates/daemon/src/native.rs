//! The allocation sampler's word on a worker, taken into verdict and suspects.

use plimsoll_attribute::{NativeSite, NativeView, Unit, native_sites, native_suspects, settle_native};
use plimsoll_model::{Channel, JobCounts, Status, Suspect};

use crate::isolate::Isolate;
use crate::study::Study;
use crate::watch::Record;

/// Places of native growth in the process that the report is about; nothing where it was not sampled.
pub struct Native {
    found: Option<(NativeView, Vec<NativeSite>)>,
}

impl Native {
    /// Of the process of `isolate`, or else of the one that holds most.
    pub fn of(record: &Record, isolate: Option<&Isolate>) -> Self {
        let pid = isolate
            .map(|isolate| isolate.hello.pid)
            .or(record.outside.largest_pid());
        let sampled = record.allocations.pids();
        let pid = pid
            .filter(|pid| sampled.contains(pid))
            .or(sampled.first().copied());
        let own = isolate.filter(|isolate| isolate.jobs_done() > 0);
        let jobs: &[(f64, JobCounts)] =
            own.map_or(record.job_counts.points(), |isolate| isolate.job_counts.points());
        let view = pid.and_then(|pid| record.allocations.view(pid, jobs, &record.outside));
        Native {
            found: view.map(|view| {
                let sites = native_sites(&view);
                (view, sites)
            }),
        }
    }

    /// Settles what was open and adds suspects that objects do not explain.
    pub fn take_into(self, mut study: Study) -> Study {
        let Some((view, sites)) = self.found else {
            return study;
        };
        let explained = match view.unit {
            Unit::Jobs => study
                .suspects
                .iter()
                .filter_map(|suspect| suspect.bytes_per_job)
                .sum(),
            Unit::Hours => 0.0,
        };
        study.verdict = settle_native(study.verdict, &view, &sites, explained);
        let native_channel = matches!(study.verdict.channel, Some(Channel::Native | Channel::Rss) | None);
        if study.verdict.status != Status::Stable && (native_channel || study.suspects.is_empty()) {
            add(&mut study.suspects, &sites, view.unit);
        }
        study
    }
}

fn add(suspects: &mut Vec<Suspect>, sites: &[NativeSite], unit: Unit) {
    suspects.extend(native_suspects(sites, unit, 1));
    // The order is that of the bytes; a suspect without a figure keeps its place.
    suspects.sort_by(|a, b| {
        let bytes = |suspect: &Suspect| suspect.bytes_per_job.unwrap_or(0.0);
        bytes(b).total_cmp(&bytes(a))
    });
    suspects
        .iter_mut()
        .zip(1..)
        .for_each(|(suspect, rank)| suspect.rank = rank);
}
