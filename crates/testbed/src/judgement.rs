//! Compares a report with the truth of a worker. Each judge tells every way in which they differ.

use serde_json::Value;

use crate::fixture::SourceRule;
use crate::report::{frames, is_marked, told};
use crate::{Leak, Prepared, ReportFile, Spike};

/// A suspect below this rank does not help anybody.
const RANK_MAX: usize = 3;
/// A short run cannot tell growth to the byte: its own warm-up and what V8 keeps for speed are in it. Half as
/// much again either way is still the right size of leak.
const BYTES_FACTOR: f64 = 1.5;

/// What a report on a leaky worker has wrong.
pub fn judge_leaky(worker: &Prepared, report: &ReportFile) -> Vec<String> {
    let mut wrong = Vec::new();
    if report.status() != "leaking" {
        wrong.push(format!(
            "verdict is `{}`, not `leaking`: {}",
            report.status(),
            report.reasons()
        ));
    } else if !worker
        .truth
        .channel
        .iter()
        .any(|channel| channel == report.channel())
    {
        wrong.push(format!(
            "channel is `{}`, not one of {:?}",
            report.channel(),
            worker.truth.channel
        ));
    }
    wrong.extend(judge_classes(worker, report));
    for leak in &worker.truth.leaks {
        wrong.extend(judge_holder(worker, leak, report));
    }
    wrong.extend(judge_bytes(worker, report));
    wrong
}

/// What a report on a sound worker has wrong.
pub fn judge_sound(worker: &Prepared, report: &ReportFile) -> Vec<String> {
    let mut wrong = Vec::new();
    if report.status() == "leaking" {
        wrong.push(format!(
            "false alarm ({:?} bytes per job): {}",
            report.bytes_per_job(),
            report.reasons()
        ));
    }
    wrong.extend(judge_classes(worker, report));
    if let Some(spike) = &worker.truth.spike {
        wrong.extend(judge_spike(spike, report));
    }
    wrong
}

/// How well one thing was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As it is.
    Right,
    /// Said to be unknown.
    Untold,
    /// Told wrongly.
    Wrong,
}

/// How well a report tells the truth of a worker.
#[derive(Debug, Clone)]
pub struct Score {
    /// The verdict; for a sound worker anything but `leaking` is right.
    pub verdict: Standing,
    /// The holder with its place and pattern; for a sound worker the code behind a peak.
    pub holder: Standing,
    /// The job class.
    pub class: Standing,
    /// What is wrong, in words.
    pub remarks: Vec<String>,
}

/// Scores a report on a leaky or a sound worker.
pub fn score(worker: &Prepared, report: &ReportFile) -> Score {
    if worker.truth.verdict == "leaking" {
        score_leaky(worker, report)
    } else {
        score_sound(worker, report)
    }
}

fn right_if(is_right: bool) -> Standing {
    if is_right {
        Standing::Right
    } else {
        Standing::Wrong
    }
}

fn score_leaky(worker: &Prepared, report: &ReportFile) -> Score {
    let holders: Vec<String> = worker
        .truth
        .leaks
        .iter()
        .flat_map(|leak| judge_holder(worker, leak, report))
        .collect();
    let told = |leak: &Leak| report.class(&leak.class)["status"] == "leaking";
    Score {
        verdict: match report.status() {
            "leaking" => Standing::Right,
            "inconclusive" => Standing::Untold,
            _ => Standing::Wrong,
        },
        holder: right_if(holders.is_empty()),
        class: match judge_classes(worker, report).is_empty() {
            true if worker.truth.leaks.iter().all(told) => Standing::Right,
            true => Standing::Untold,
            false => Standing::Wrong,
        },
        remarks: judge_leaky(worker, report),
    }
}

fn score_sound(worker: &Prepared, report: &ReportFile) -> Score {
    let spike = worker
        .truth
        .spike
        .as_ref()
        .map(|spike| judge_spike(spike, report))
        .unwrap_or_default();
    Score {
        verdict: right_if(report.status() != "leaking"),
        holder: right_if(spike.is_empty()),
        class: right_if(judge_classes(worker, report).is_empty()),
        remarks: judge_sound(worker, report),
    }
}

fn judge_classes(worker: &Prepared, report: &ReportFile) -> Vec<String> {
    let mut wrong = Vec::new();
    for class in &worker.truth.classes {
        let entry = report.class(class);
        let leaks = worker.truth.leaks.iter().any(|leak| leak.class == *class);
        match (leaks, entry["status"].as_str()) {
            (_, None) => wrong.push(format!("class `{class}` is missing")),
            // A class that cannot be told is said to be `inconclusive`; how often that may be is for `Score`.
            (true, Some("leaking" | "inconclusive")) => {}
            (true, Some(status)) => wrong.push(format!("class `{class}` leaks but is `{status}`")),
            (false, Some("leaking")) => wrong.push(format!(
                "class `{class}` is sound but `leaking`: {}",
                entry["bytes_per_job"]
            )),
            (false, Some(_)) => {}
        }
    }
    wrong
}

fn judge_holder(worker: &Prepared, leak: &Leak, report: &ReportFile) -> Vec<String> {
    match leak.source {
        SourceRule::None => Vec::new(),
        _ => nearest_suspect(report, leak, &worker.marked(&leak.marker)),
    }
}

fn nearest_suspect(report: &ReportFile, leak: &Leak, marked: &[(String, u64)]) -> Vec<String> {
    let top: Vec<&Value> = report.suspects().iter().take(RANK_MAX).collect();
    let complaints = |suspect: &&Value| judge_suspect(suspect, leak, marked);
    match top.iter().map(complaints).min_by_key(Vec::len) {
        Some(fewest) if fewest.is_empty() => Vec::new(),
        Some(fewest) => {
            let seen: Vec<String> = top.iter().map(|suspect| summary(suspect)).collect();
            vec![format!(
                "leak of `{}`: {}; suspects: {}",
                leak.class,
                fewest.join(", "),
                seen.join(" ## ")
            )]
        }
        None => vec![format!("leak of `{}`: no suspects", leak.class)],
    }
}

/// What no suspect among the first three gets right about a leak whose holder is a variable.
pub fn suspect_complaints(
    report: &ReportFile,
    class: &str,
    holder: &[&str],
    pattern: &[&str],
    marked: &[(String, u64)],
) -> Vec<String> {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let leak = Leak {
        class: class.to_owned(),
        holder: owned(holder),
        pattern: owned(pattern),
        marker: String::new(),
        source: SourceRule::Declared,
        bytes_per_class_job: None,
    };
    nearest_suspect(report, &leak, marked)
}

fn judge_suspect(suspect: &Value, leak: &Leak, marked: &[(String, u64)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let place = suspect["source"].as_str().unwrap_or("");
    let (named, placed) = match leak.source {
        SourceRule::Declared => (
            suspect["holder"].as_str().unwrap_or("").to_owned(),
            is_marked(place, marked),
        ),
        SourceRule::Allocated | SourceRule::None => (
            told(suspect),
            is_marked(place, marked) || frames(suspect).iter().any(|frame| is_marked(frame, marked)),
        ),
    };
    if !leak.holder.iter().any(|word| has_word(&named, word)) {
        wrong.push(format!("holder is none of {:?}", leak.holder));
    }
    if !placed {
        wrong.push(format!("`{place}` is not {marked:?}"));
    }
    if !leak
        .pattern
        .iter()
        .any(|pattern| suspect["pattern"] == pattern.as_str())
    {
        wrong.push(format!(
            "pattern is {}, not {:?}",
            suspect["pattern"], leak.pattern
        ));
    }
    if !suspect["job_class"].is_null() && suspect["job_class"] != leak.class.as_str() {
        wrong.push(format!("job class is {}", suspect["job_class"]));
    }
    wrong
}

/// Whether `word` stands in `text` and is not part of a longer name.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')
        .any(|part| part == word)
}

fn summary(suspect: &Value) -> String {
    let field = |name: &str| suspect[name].to_string();
    format!(
        "{} {} held by {} ({}) at {} class {} path {}",
        field("pattern"),
        field("type"),
        field("holder"),
        field("holder_type"),
        field("source"),
        field("job_class"),
        field("retainer_path")
    )
}

fn judge_bytes(worker: &Prepared, report: &ReportFile) -> Option<String> {
    let mut range = [0.0, 0.0];
    for leak in &worker.truth.leaks {
        let jobs = report.class(&leak.class)["jobs"].as_f64()?;
        let bytes = leak.bytes_per_class_job?;
        range = [0, 1].map(|end| range[end] + bytes[end] * jobs / report.jobs() as f64);
    }
    let estimate = report.bytes_per_job()?;
    let fits = estimate >= range[0] / BYTES_FACTOR && estimate <= range[1] * BYTES_FACTOR;
    (!fits).then(|| {
        format!(
            "{estimate:.0} bytes per job, measured {:.0} to {:.0}",
            range[0], range[1]
        )
    })
}

fn judge_spike(spike: &Spike, report: &ReportFile) -> Vec<String> {
    let Some(told) = report
        .spikes()
        .iter()
        .find(|told| told["job_class"] == spike.class.as_str())
    else {
        return vec![format!("no spike of `{}`: {:?}", spike.class, report.spikes())];
    };
    let mut wrong = Vec::new();
    if told["peak_bytes"].as_u64().unwrap_or(0) < spike.peak_bytes_min {
        wrong.push(format!(
            "the peak of `{}` is {}, not over {}",
            spike.class, told["peak_bytes"], spike.peak_bytes_min
        ));
    }
    let bystanders = report
        .spikes()
        .iter()
        .filter(|other| other["job_class"] != spike.class.as_str());
    wrong
        .extend(bystanders.map(|other| format!("a spike of {} that only ran beside it", other["job_class"])));
    let frames = frames(told);
    if !frames.iter().any(|frame| has_word(frame, &spike.function)) {
        wrong.push(format!("`{}` is not in {frames:?}", spike.function));
    }
    wrong
}
