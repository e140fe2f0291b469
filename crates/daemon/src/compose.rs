//! Puts everything that was found into the report and the plots.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use plimsoll_detect::ClassGrowth;
use plimsoll_model::{
    AllocationStack, ClassStatus, Cost, Evidence, EvidenceKind, JobClass, Report, Spike, Window, Worker,
};
use plimsoll_report::{FloorPoint, Series};
use plimsoll_runtimes::{Role, Runtime, python, recognise};
use plimsoll_wire::agent::{AgentJob, AgentStack, ClassTotals};

use crate::Options;
use crate::classes::{cleared, named_by_objects};
use crate::folder::Folder;
use crate::histogram::quantiles;
use crate::isolate::Isolate;
use crate::judge::Judged;
use crate::outcome::Outcome;
use crate::profile;
use crate::readings::counts_at;
use crate::study::Study;
use crate::watch::Record;
use crate::worker::exit_of;

/// A peak is worth a line when a job takes this much more than it found, whatever it gives back:
/// below it a worker's ordinary garbage between two collections looks the same (a young generation of
/// V8 is 16 MiB, Node's `--max-semi-space-size`).
const SPIKE_BYTES: u64 = 32 << 20;
const MAX_SPIKES: usize = 10;

/// The report with all that belongs to it.
pub fn compose(
    command: &[String],
    options: &Options,
    folder: &Folder,
    record: &Record,
    judged: Judged,
    study: Study,
) -> Outcome {
    let isolate = judged.isolate.and_then(|id| record.isolates.get(&id));
    let job_classes = cleared(
        named_by_objects(job_classes(record, &judged.assessment.classes), &study),
        &study,
    );
    let report = Report {
        worker: worker(command, options, record, isolate),
        window: window(record, isolate),
        verdict: study.verdict,
        job_classes,
        suspects: study.suspects,
        spikes: spikes(record),
        evidence: evidence(record, folder),
        cost: cost(record),
        memory: Some(profile::memory(record, isolate, study.types)),
        verify: None,
    };
    let series = series(record, isolate);
    let flame = isolate
        .and_then(|isolate| isolate.profile.as_ref())
        .map_or_else(|| record.allocations.flame(), |p| stacks(&p.stacks));
    let mut all_notes = notes(record, &study.notes);
    all_notes.extend(escape_note(command, options));
    Outcome::new(
        report,
        series,
        flame,
        all_notes,
        judged.readings,
        record,
        folder.out(),
    )
}

/// An option of the interpreter's that keeps the agent out.
fn escape_note(command: &[String], options: &Options) -> Option<String> {
    let is_python = recognise(command, None) == Role::Program(Runtime::Python);
    let arguments = command.get(1..).filter(|_| is_python && options.agent)?;
    python::escape(arguments).map(|escape| escape.hint().to_owned())
}

/// RFC 3339 in UTC.
fn instant(at: f64) -> String {
    // 9999-12-31: RFC 3339 has four digits for the year, and the instant may come over a socket.
    let since = Duration::try_from_secs_f64(at.clamp(0.0, 253_402_300_799.0)).unwrap_or_default();
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}

fn worker(command: &[String], options: &Options, record: &Record, isolate: Option<&Isolate>) -> Worker {
    let hello = isolate.map(|isolate| &isolate.hello);
    Worker {
        service: options.service.clone().unwrap_or_else(|| service_name(command)),
        release: options.release.clone(),
        env: options.env.clone(),
        runtime: hello.map(|hello| hello.runtime.clone()),
        runtime_version: hello.map(|hello| hello.runtime_version.clone()),
        pid: hello.map_or_else(|| record.outside.root_pid(), |hello| hello.pid),
        started_at: instant(
            hello
                .and_then(|hello| hello.started_at)
                .unwrap_or(record.started_at),
        ),
        command: command.to_vec(),
        exit: record.status.map(exit_of),
    }
}

/// The script rather than its interpreter: `node dist/worker.js` is `worker`.
pub(crate) fn service_name(command: &[String]) -> String {
    let wrappers = [
        "node",
        "npx",
        "npm",
        "tsx",
        "run",
        "yarn",
        "pnpm",
        "exec",
        "ts-node",
        "sh",
        "bash",
        "-c",
        "python",
        "python2",
        "python3",
        "celery",
        "rq",
        "arq",
        "dramatiq",
        "huey_consumer",
        "poetry",
        "pipenv",
        "uv",
    ];
    let stem = |word: &String| {
        let path = std::path::Path::new(word);
        path.file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let mut words = command.iter().filter(|word| !word.starts_with('-')).map(stem);
    let first = words.clone().next().unwrap_or_default();
    words
        .find(|word| !wrappers.contains(&word.as_str()))
        .unwrap_or(first)
}

fn window(record: &Record, isolate: Option<&Isolate>) -> Window {
    let samples = isolate.map_or(record.outside.samples(), |isolate| isolate.samples.seen());
    Window {
        seconds: record.seconds,
        jobs: record.jobs().values().sum(),
        samples,
        gaps: Vec::new(),
    }
}

fn job_classes(record: &Record, growth: &[ClassGrowth]) -> Vec<JobClass> {
    let mut merged: BTreeMap<&str, Vec<&ClassTotals>> = BTreeMap::new();
    for isolate in record.isolates.values() {
        for (name, totals) in &isolate.classes {
            merged.entry(name).or_default().push(totals);
        }
    }
    let mut classes: Vec<JobClass> = merged
        .into_iter()
        .map(|(name, totals)| job_class(name, &totals, growth.iter().find(|class| class.class == name)))
        .collect();
    let grown = |class: &JobClass| {
        class
            .bytes_per_job
            .map_or(f64::NEG_INFINITY, |bytes| bytes.estimate)
    };
    classes.sort_by(|a, b| grown(b).total_cmp(&grown(a)));
    classes
}

fn job_class(name: &str, totals: &[&ClassTotals], growth: Option<&ClassGrowth>) -> JobClass {
    let sum = |of: fn(&ClassTotals) -> u64| totals.iter().map(|totals| of(totals)).sum::<u64>();
    let mut buckets: BTreeMap<i32, u64> = BTreeMap::new();
    for (bucket, count) in totals.iter().flat_map(|totals| &totals.durations) {
        if let Ok(bucket) = bucket.parse::<i32>() {
            *buckets.entry(bucket.clamp(0, 400)).or_default() += count;
        }
    }
    let allocated_jobs = sum(|totals| totals.allocated_jobs);
    let allocated: f64 = totals.iter().map(|totals| totals.allocated_bytes).sum();
    JobClass {
        class: name.to_owned(),
        jobs: sum(|totals| totals.done),
        failed: sum(|totals| totals.failed),
        bytes_per_job: growth.and_then(|growth| growth.bytes_per_job),
        peak_bytes: totals.iter().filter_map(|totals| totals.peak_bytes).max(),
        allocated_bytes_per_job: (allocated_jobs > 0).then(|| allocated / allocated_jobs as f64),
        duration_seconds: quantiles(&buckets),
        status: growth.map_or(ClassStatus::Inconclusive, |growth| growth.status),
    }
}

/// A peak with the time that its job took, to tell it from that of a bystander.
struct Peak {
    spike: Spike,
    from: f64,
    to: f64,
    /// Share of the jobs of its class that peak: a class that only ran beside the culprit has a low one.
    habit: f64,
}

fn spikes(record: &Record) -> Vec<Spike> {
    let mut peaks: Vec<Peak> = record.isolates.values().flat_map(peaks_of).collect();
    peaks.sort_by(|a, b| a.from.total_cmp(&b.from));
    let mut kept: Vec<Peak> = culprits(episodes(peaks));
    // One that shows its code says more than a slightly larger one that does not.
    kept.sort_by_key(|peak| {
        std::cmp::Reverse((!peak.spike.allocation_stacks.is_empty(), peak.spike.peak_bytes))
    });
    kept.truncate(MAX_SPIKES);
    kept.into_iter().map(|peak| peak.spike).collect()
}

/// Peaks whose jobs overlap are one episode. They come in the order of their starts.
fn episodes(peaks: Vec<Peak>) -> Vec<Vec<Peak>> {
    let mut episodes: Vec<Vec<Peak>> = Vec::new();
    let mut until = f64::NEG_INFINITY;
    for peak in peaks {
        let joins = peak.from <= until;
        until = until.max(peak.to);
        match episodes.last_mut().filter(|_| joins) {
            Some(episode) => episode.push(peak),
            None => {
                until = peak.to;
                episodes.push(vec![peak]);
            }
        }
    }
    episodes
}

/// The culprit's class is there in every episode, and all of its jobs peak; whoever only ran beside it
/// is there by chance. The code that was caught is the culprit's, whichever job was thought to run.
fn culprits(episodes: Vec<Vec<Peak>>) -> Vec<Peak> {
    let all = episodes.len() as f64;
    let mut presence: BTreeMap<String, f64> = BTreeMap::new();
    for episode in &episodes {
        let classes: BTreeSet<&String> = episode.iter().map(|peak| &peak.spike.job_class).collect();
        for class in classes {
            *presence.entry(class.clone()).or_default() += 1.0 / all;
        }
    }
    let mut kept = Vec::new();
    for mut episode in episodes {
        let weight = |peak: &Peak| presence[&peak.spike.job_class] + peak.habit;
        episode.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
        let caught = episode
            .iter()
            .map(|peak| peak.spike.allocation_stacks.clone())
            .find(|stacks| !stacks.is_empty());
        if let Some(mut culprit) = episode.into_iter().next() {
            if culprit.spike.allocation_stacks.is_empty() {
                culprit.spike.allocation_stacks = caught.unwrap_or_default();
            }
            kept.push(culprit);
        }
    }
    kept
}

fn peaks_of(isolate: &Isolate) -> Vec<Peak> {
    let high = |job: &AgentJob| job.peak_bytes.is_some_and(|peak| peak >= SPIKE_BYTES);
    let habit = |class: &str| {
        let (mut peaked, mut all) = (0.0, 0.0);
        for job in isolate.jobs.iter().filter(|job| job.class == class) {
            all += 1.0;
            peaked += f64::from(u8::from(high(job)));
        }
        if all > 0.0 { peaked / all } else { 0.0 }
    };
    let mut peaks: Vec<Peak> = Vec::new();
    for (at, job) in isolate.peaks.iter().filter(|(_, job)| high(job)) {
        let caught = isolate.spikes.iter().find(|(_, spike)| {
            spike.class.as_ref() == Some(&job.class) && (spike.id == job.id || spike.id.is_none())
        });
        let spike = Spike {
            job_class: job.class.clone(),
            job_id: job.id.clone(),
            payload_bytes: job.payload_bytes,
            peak_bytes: job.peak_bytes.unwrap_or(0),
            at: instant(*at),
            allocation_stacks: caught.map_or_else(Vec::new, |(_, spike)| stacks(&spike.stacks)),
        };
        peaks.push(Peak {
            spike,
            from: *at,
            to: job.ended_at.unwrap_or(*at),
            habit: habit(&job.class),
        });
    }
    for (at, caught) in isolate
        .spikes
        .iter()
        .filter(|(_, spike)| spike.peak_bytes >= SPIKE_BYTES)
    {
        let Some(class) = &caught.class else { continue };
        if peaks
            .iter()
            .any(|known| known.spike.job_class == *class && known.spike.job_id == caught.id)
        {
            continue;
        }
        let spike = Spike {
            job_class: class.clone(),
            job_id: caught.id.clone(),
            payload_bytes: caught.payload_bytes,
            peak_bytes: caught.peak_bytes,
            at: instant(*at),
            allocation_stacks: stacks(&caught.stacks),
        };
        peaks.push(Peak {
            spike,
            from: *at,
            to: *at,
            habit: habit(class),
        });
    }
    peaks
}

/// Stacks in the report's form.
pub fn stacks(told: &[AgentStack]) -> Vec<AllocationStack> {
    told.iter()
        .map(|stack| AllocationStack {
            bytes: stack.bytes.max(0.0) as u64,
            frames: stack.frames.clone(),
        })
        .collect()
}

fn evidence(record: &Record, folder: &Folder) -> Vec<Evidence> {
    let mut found: Vec<(f64, Evidence)> = Vec::new();
    for isolate in record.isolates.values() {
        for (at, told) in &isolate.evidence {
            let path = folder.evidence().join(&told.file);
            let Ok(file) = path.symlink_metadata().map(|meta| meta.is_file()) else {
                continue;
            };
            if !file {
                continue;
            }
            let evidence = Evidence {
                kind: EvidenceKind::HeapSnapshot,
                path: path.to_string_lossy().into_owned(),
                jobs: Some(told.jobs),
                taken_at: instant(*at),
                pause_seconds: told.pause_seconds,
                bytes: told.bytes,
            };
            found.push((*at, evidence));
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().map(|(_, evidence)| evidence).collect()
}

fn cost(record: &Record) -> Cost {
    let last = |isolate: &Isolate| isolate.samples.points().last().map(|(_, sample)| sample.clone());
    let agent_cpu: Vec<f64> = record
        .isolates
        .values()
        .filter_map(|isolate| last(isolate)?.agent_cpu_seconds)
        .chain(record.allocations.sampler_seconds())
        .collect();
    let worker_cpu = record.outside.cpu_seconds().filter(|seconds| *seconds > 0.0);
    let agent_bytes: Vec<u64> = record
        .isolates
        .values()
        .filter_map(|isolate| last(isolate)?.agent_bytes)
        .collect();
    Cost {
        agent_cpu_share: worker_cpu
            .filter(|_| !agent_cpu.is_empty())
            .map(|worker| (agent_cpu.iter().sum::<f64>() / worker).min(1.0)),
        agent_bytes: (!agent_bytes.is_empty()).then(|| agent_bytes.iter().sum()),
        // fold, since the sum of nothing is -0.0
        pauses_seconds: record
            .isolates
            .values()
            .fold(0.0, |sum, isolate| sum + isolate.pauses_seconds),
        dropped_records: record
            .isolates
            .values()
            .map(Isolate::dropped_records)
            .sum::<u64>()
            + record.allocations.dropped(),
    }
}

fn notes(record: &Record, study: &[String]) -> Vec<String> {
    let mut notes = study.to_vec();
    notes.extend(record.outside.notes());
    notes.extend(record.allocations.notes());
    for isolate in record.isolates.values() {
        notes.extend(
            isolate
                .failures
                .iter()
                .map(|error| format!("the agent gave up: {error}")),
        );
        notes.extend(
            isolate
                .skipped
                .iter()
                .map(|reason| format!("a capture was left out: {reason}")),
        );
        for warning in &isolate.warnings {
            let (emitter, event) = (warning.emitter.as_deref(), warning.event.as_deref());
            if let (Some(emitter), Some(event)) = (emitter, event) {
                let count = warning
                    .count
                    .map_or_else(String::new, |count| format!("{count} "));
                notes.push(format!(
                    "{}: {count}`{event}` listeners on one {emitter}",
                    warning.name
                ));
            }
        }
    }
    notes.dedup();
    notes.truncate(20);
    notes
}

fn series(record: &Record, isolate: Option<&Isolate>) -> Series {
    let mut series = Series {
        rss_bytes: record.outside.rss_series(record.started_at),
        ..Series::default()
    };
    for (at, counts) in record.job_counts.points() {
        for (class, done) in counts {
            series
                .jobs
                .entry(class.clone())
                .or_default()
                .push((at - record.started_at, *done));
        }
    }
    let Some(isolate) = isolate else { return series };
    let start = record.started_at;
    for (at, sample) in isolate.samples.points() {
        let push = |list: &mut Vec<(f64, f64)>, value: Option<f64>| {
            list.extend(value.map(|value| (at - start, value)));
        };
        push(
            &mut series.heap_used_bytes,
            sample.heap_used_bytes.map(|bytes| bytes as f64),
        );
        push(
            &mut series.external_bytes,
            sample.external_bytes.map(|bytes| bytes as f64),
        );
        push(
            &mut series.event_loop_delay_seconds,
            sample.event_loop_delay.and_then(|delay| delay.max),
        );
    }
    for (at, event) in isolate.collections.points() {
        series
            .live_after_gc_bytes
            .extend(event.live_bytes.map(|bytes| (at - start, bytes as f64)));
        series
            .gc_pauses_seconds
            .extend(event.pause_seconds.map(|pause| (at - start, pause)));
    }
    for (at, floor) in isolate.floors.points() {
        let counts = floor.jobs.clone().filter(|jobs| !jobs.is_empty());
        let counts = counts.unwrap_or_else(|| counts_at(record.job_counts.points(), *at));
        series.floors.push(FloorPoint {
            at_seconds: at - start,
            jobs: counts.values().sum(),
            live_bytes: floor.live_bytes as f64,
            external_bytes: floor.external_bytes.map(|bytes| bytes as f64),
            in_flight: floor.in_flight,
        });
    }
    series.captures = isolate
        .evidence
        .iter()
        .map(|(at, evidence)| (at - start, evidence.jobs))
        .collect();
    series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peak(class: &str, from: f64, to: f64, habit: f64) -> Peak {
        let spike = Spike {
            job_class: class.into(),
            job_id: None,
            payload_bytes: None,
            peak_bytes: 100 << 20,
            at: String::new(),
            allocation_stacks: Vec::new(),
        };
        Peak {
            spike,
            from,
            to,
            habit,
        }
    }

    #[test]
    fn bystanders_of_a_peak_are_not_blamed() {
        let peaks = vec![
            peak("tick", 0.0, 2.0, 0.9),
            peak("report", 0.5, 1.5, 1.0),
            peak("report", 5.0, 6.0, 1.0),
            peak("mail", 5.5, 6.5, 0.1),
            peak("report", 9.0, 9.5, 1.0),
        ];
        let classes: Vec<String> = culprits(episodes(peaks))
            .into_iter()
            .map(|peak| peak.spike.job_class)
            .collect();
        assert_eq!(classes, ["report", "report", "report"]);
    }

    #[test]
    fn services_are_named_after_the_script() {
        for (command, expected) in [
            (vec!["node", "dist/worker.js"], "worker"),
            (vec!["npx", "tsx", "src/mailer.ts"], "mailer"),
            (vec!["npm", "run", "worker"], "worker"),
            (vec!["node", "--max-old-space-size=64", "a.mjs"], "a"),
            (vec!["node"], "node"),
            (vec!["python3.12", "-u", "jobs/mailer.py"], "mailer"),
            (vec!["celery", "-A", "shop.tasks", "worker"], "shop"),
            (vec!["uv", "run", "python", "-m", "dramatiq", "app"], "app"),
        ] {
            let command: Vec<String> = command.into_iter().map(str::to_owned).collect();
            assert_eq!(service_name(&command), expected, "{command:?}");
        }
    }
}
