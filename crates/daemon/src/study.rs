//! Reads the dumps of the judged isolate and names who holds the memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use plimsoll_attribute::{ClassGrowth, Effect, Input};
use plimsoll_heap::{Graph, Growth, GrowthStudy, Point, cpython, v8};
use plimsoll_model::{Channel, Status, Suspect, TypeProfile, Verdict};
use plimsoll_wire::agent::AgentEvidence;

use crate::census;
use crate::compose::stacks;
use crate::folder::Folder;
use crate::isolate::Isolate;
use crate::judge::Judged;
use crate::native::Native;
use crate::profile::types;
use crate::sources::FileSources;
use crate::temper::temper;
use crate::view::{LiveView, Phase};
use crate::watch::Record;

/// Three dumps tell a leak from a filling cache; more only take longer.
const DUMPS: usize = 3;
/// Where the points should lie, as shares of the jobs at the last one: start-up is over, half-way
/// tells a filling cache from a line.
const SHARES: [f64; 2] = [0.1, 0.55];
/// What gains less than this share of the minimum effect is no suspect: together four of them would matter.
const LEAST_SHARE: f64 = 0.25;
const PIECE_BYTES: usize = 1 << 20;

/// What the dumps say.
#[derive(Debug)]
pub struct Study {
    /// The verdict with the objects' word taken in.
    pub verdict: Verdict,
    /// Who holds what grows.
    pub suspects: Vec<Suspect>,
    /// What the reader should know of the evidence.
    pub notes: Vec<String>,
    /// What grew per job between the last two of three dumps and is not traced to a job class.
    pub untraced_bytes_per_job: Option<f64>,
    /// Types over the dumps.
    pub types: Vec<TypeProfile>,
}

/// Studies the evidence of the judged isolate.
pub fn study(
    record: &Record,
    judged: &Judged,
    effect: Effect,
    folder: &Folder,
    view: &mut dyn LiveView,
) -> Study {
    let verdict = judged.assessment.verdict.clone();
    let Some(isolate) = judged.isolate.and_then(|id| record.isolates.get(&id)) else {
        return Native::of(record, None).take_into(Study {
            verdict: temper(verdict),
            suspects: Vec::new(),
            notes: Vec::new(),
            untraced_bytes_per_job: None,
            types: Vec::new(),
        });
    };
    let mut notes = Vec::new();
    let growth = read_growth(record, isolate, folder, view, &mut notes);
    // Memory that no allocator counts is in no picture of objects, so those say nothing against it.
    let is_native = verdict.channel == Some(Channel::Native) && verdict.status == Status::Leaking;
    let settled = if is_native {
        verdict
    } else {
        plimsoll_attribute::settle(verdict, &growth, effect)
    };
    let mut verdict = temper(settled);
    if growth.points.len() >= DUMPS {
        verdict
            .next
            .retain(|hint| !hint.starts_with("compare heap snapshots")); // just done
    }
    let profile = isolate
        .profile
        .as_ref()
        .map_or_else(Vec::new, |profile| stacks(&profile.stacks));
    let mut suspects = plimsoll_attribute::attribute(&Input {
        growth: &growth,
        classes: &class_growth(record, judged),
        profile: &profile,
        base: Some(&isolate.hello.cwd),
    });
    let mut least = LEAST_SHARE * verdict.minimum_effect_bytes_per_job.unwrap_or(0.0);
    if verdict.status == Status::Leaking {
        // The objects may have settled less than the floors could resolve.
        let gains = suspects.iter().filter_map(|suspect| suspect.bytes_per_job);
        least = least.min(LEAST_SHARE * gains.fold(0.0, f64::max));
    }
    suspects.retain(|suspect| suspect.bytes_per_job.is_none_or(|bytes| bytes >= least));
    if verdict.channel == Some(Channel::Fds) {
        let census = record.outside.census(isolate.hello.pid);
        suspects.splice(0..0, census::suspect(&judged.assessment, census));
    }
    suspects
        .iter_mut()
        .zip(1..)
        .for_each(|(suspect, rank)| suspect.rank = rank);
    let untraced_bytes_per_job = untraced(&growth, &suspects);
    notes.extend(others(record, judged));
    Native::of(record, Some(isolate)).take_into(Study {
        verdict,
        suspects,
        notes,
        untraced_bytes_per_job,
        types: types(&growth),
    })
}

fn untraced(growth: &Growth, suspects: &[Suspect]) -> Option<f64> {
    let total = growth
        .total_bytes_per_job
        .last()
        .filter(|_| growth.points.len() >= DUMPS)?;
    let traced: f64 = suspects
        .iter()
        .filter(|suspect| suspect.job_class.is_some())
        .filter_map(|suspect| suspect.bytes_per_job)
        .sum();
    Some(total - traced)
}

fn read_growth(
    record: &Record,
    isolate: &Isolate,
    folder: &Folder,
    view: &mut dyn LiveView,
    notes: &mut Vec<String>,
) -> Growth {
    let agent = folder.agents();
    let mut study = GrowthStudy::new(Some(agent.to_string_lossy().into_owned()));
    let chosen = choose(&isolate.evidence);
    for (done, evidence) in chosen.iter().enumerate() {
        view.update(
            record,
            Phase::Reading {
                done,
                of: chosen.len(),
            },
            std::time::Duration::ZERO,
        );
        let path = folder.evidence().join(&evidence.file);
        study.make_room();
        match read_dump(&path) {
            Ok(graph) => study.add(point(&path, evidence), graph),
            Err(error) => notes.push(format!("`{}` could not be read: {error}", path.display())),
        }
    }
    study.finish(&FileSources)
}

fn point(path: &Path, evidence: &AgentEvidence) -> Point {
    Point {
        label: path.to_string_lossy().into_owned(),
        jobs: evidence.jobs,
        jobs_by_class: evidence.jobs_by_class.clone(),
    }
}

/// Well-spaced dumps in the order of their jobs: the last one, and those nearest to [`SHARES`] of it.
fn choose(evidence: &[(f64, AgentEvidence)]) -> Vec<&AgentEvidence> {
    let mut all: Vec<&AgentEvidence> = evidence.iter().map(|(_, evidence)| evidence).collect();
    all.sort_by_key(|evidence| evidence.jobs);
    all.dedup_by_key(|evidence| evidence.jobs);
    if all.len() <= DUMPS {
        return all;
    }
    let Some(last) = all.pop() else { return all };
    let mut chosen = vec![last];
    for share in SHARES {
        let wanted = share * last.jobs as f64;
        let nearest = (0..all.len()).min_by(|a, b| {
            let distance = |at: &usize| ((all[*at].jobs as f64 + 1.0) / (wanted + 1.0)).ln().abs();
            distance(a).total_cmp(&distance(b))
        });
        chosen.extend(nearest.map(|at| all.remove(at)));
    }
    chosen.sort_by_key(|evidence| evidence.jobs);
    chosen
}

/// Why a dump could not be read.
#[derive(Debug, thiserror::Error)]
enum DumpError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    V8(#[from] v8::ParseError),
    #[error(transparent)]
    Cpython(#[from] cpython::ParseError),
}

/// The name of a captured file says what it is: both were chosen on this side of the socket or checked there.
fn read_dump(path: &Path) -> Result<Graph, DumpError> {
    if path.extension().is_some_and(|ending| ending == "cpython") {
        let mut parser = cpython::Parser::default();
        feed(path, |piece| Ok(parser.feed(piece)?))?;
        return Ok(parser.finish()?);
    }
    let mut parser = v8::Parser::new(v8::Options::default());
    feed(path, |piece| Ok(parser.feed(piece)?))?;
    Ok(parser.finish()?)
}

fn feed(path: &Path, mut take: impl FnMut(&[u8]) -> Result<(), DumpError>) -> Result<(), DumpError> {
    let mut file = File::open(path)?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        take(&piece[..length])?;
    }
}

/// Isolates that leak beside the one that the report is about.
fn others(record: &Record, judged: &Judged) -> Vec<String> {
    let leaking = judged
        .others
        .iter()
        .filter(|(_, status)| *status == Status::Leaking);
    let hello = |id| record.isolates.get(id).map(|isolate| &isolate.hello);
    leaking
        .filter_map(|(id, _)| hello(id))
        .map(|hello| format!("process {} thread {} leaks as well", hello.pid, hello.thread))
        .collect()
}

fn class_growth(record: &Record, judged: &Judged) -> Vec<ClassGrowth> {
    let mut classes: BTreeMap<&str, ClassGrowth> = BTreeMap::new();
    for (name, totals) in record.isolates.values().flat_map(|isolate| &isolate.classes) {
        let class = classes.entry(name).or_default();
        class.class.clone_from(name);
        class.jobs += totals.done;
        class.failed += totals.failed;
    }
    for found in &judged.assessment.classes {
        if let Some(class) = classes.get_mut(found.class.as_str()) {
            class.bytes_per_job = found.bytes_per_job;
        }
    }
    classes.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(jobs: &[u64], expected: &[u64]) {
        let evidence: Vec<(f64, AgentEvidence)> = jobs
            .iter()
            .map(|jobs| {
                (
                    0.0,
                    AgentEvidence {
                        jobs: *jobs,
                        ..AgentEvidence::default()
                    },
                )
            })
            .collect();
        let chosen: Vec<u64> = choose(&evidence).iter().map(|evidence| evidence.jobs).collect();
        assert_eq!(chosen, expected, "{jobs:?}");
    }

    #[test]
    fn dumps_are_well_spaced() {
        check(&[10, 20, 40, 80, 160, 320, 640, 1000], &[80, 640, 1000]);
        check(&[100, 550, 1000], &[100, 550, 1000]);
        check(&[12, 9000, 18_000, 30_000], &[9000, 18_000, 30_000]);
        check(&[10, 1000], &[10, 1000]);
        check(&[], &[]);
    }
}
