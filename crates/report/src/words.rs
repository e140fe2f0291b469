//! The words that the terminal, Markdown and HTML share, so that all three say the same.

use plimsoll_model::{
    Channel, ClassStatus, Estimate, EvidenceKind, Exit, Interval, Pattern, Report, Status, Suspect, Verdict,
};

pub(crate) use crate::figures::*;
use crate::untrusted::{clip_end, clip_middle, visible};

const MOST_CULPRITS: usize = 3;
/// Longer names lose their middle: a line must still have room for the figures.
const MOST_NAME_COLUMNS: usize = 60;
/// Longer texts lose their end: about six lines of a wide terminal.
const MOST_SENTENCE_COLUMNS: usize = 600;

/// One labelled figure of the verdict.
pub(crate) struct Figure {
    pub label: &'static str,
    pub value: String,
    pub detail: String,
}

/// A mark that carries the status without colour.
pub(crate) fn symbol(status: Status) -> &'static str {
    match status {
        Status::Leaking => "▲",
        Status::Stable => "✔",
        Status::Bounded => "≈",
        Status::Inconclusive => "?",
    }
}

/// The same for a job class.
pub(crate) fn class_symbol(status: ClassStatus) -> &'static str {
    match status {
        ClassStatus::Leaking => "▲",
        ClassStatus::Stable => "✔",
        ClassStatus::Inconclusive => "?",
    }
}

/// The name of a class status as in the report.
pub(crate) fn class_status(status: ClassStatus) -> &'static str {
    match status {
        ClassStatus::Leaking => "leaking",
        ClassStatus::Stable => "stable",
        ClassStatus::Inconclusive => "inconclusive",
    }
}

/// The name of a pattern as in the report.
pub(crate) fn pattern(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::GrowingCollection => "growing-collection",
        Pattern::ListenerPerJob => "listener-per-job",
        Pattern::TimerPerJob => "timer-per-job",
        Pattern::UnsettledPromise => "unsettled-promise",
        Pattern::Closure => "closure",
        Pattern::ClientPerJob => "client-per-job",
        Pattern::UnclosedHandle => "unclosed-handle",
        Pattern::UnboundedCache => "unbounded-cache",
        Pattern::Interning => "interning",
        Pattern::ReferenceCycle => "reference-cycle",
        Pattern::Refcount => "refcount",
        Pattern::SessionIdentityMap => "session-identity-map",
        Pattern::Native => "native",
        Pattern::RetryBuffer => "retry-buffer",
        Pattern::Backlog => "backlog",
        Pattern::Unknown => "unknown",
    }
}

/// The name of a kind of evidence in running text.
pub(crate) fn evidence_kind(kind: EvidenceKind) -> &'static str {
    match kind {
        EvidenceKind::HeapSnapshot => "heap snapshot",
        EvidenceKind::ClassHistogram => "class histogram",
        EvidenceKind::AllocationProfile => "allocation profile",
        EvidenceKind::HandleCensus => "handle census",
    }
}

/// The memory that a verdict speaks of, in running text.
pub(crate) fn channel(channel: Option<Channel>) -> &'static str {
    match channel {
        Some(Channel::Heap) => "the heap",
        Some(Channel::External) => "buffers outside the heap",
        Some(Channel::Native) => "native memory",
        Some(Channel::Rss) => "resident memory",
        Some(Channel::Fds) => "open descriptors",
        Some(Channel::Threads) => "threads",
        Some(Channel::Backlog) => "jobs waiting in memory",
        None => "memory",
    }
}

/// The verdict in one sentence.
pub(crate) fn verdict_sentence(report: &Report) -> String {
    let verdict = &report.verdict;
    let memory = channel(verdict.channel);
    match (verdict.status, finite(verdict.bytes_per_job)) {
        (Status::Leaking, Some(growth)) => {
            format!("Every job leaves {} behind in {memory}.", bytes(growth.estimate))
        }
        (Status::Leaking, None) => format!("Memory grows in {memory} and does not level off."),
        (Status::Bounded, _) => format!("Growth in {memory} has levelled off, or will within the budget."),
        (Status::Stable, _) => "Memory does not grow with jobs.".to_owned(),
        (Status::Inconclusive, _) if report.window.jobs == 0 => {
            "No job was completed, so growth per job cannot be told.".to_owned()
        }
        (Status::Inconclusive, _) => "The signals do not settle whether memory grows with jobs.".to_owned(),
    }
}

/// The figures of the verdict that are known, in reading order.
pub(crate) fn figures(verdict: &Verdict) -> Vec<Figure> {
    let per_job = finite(verdict.bytes_per_job).map(|growth| growth_figure("per job", &growth));
    let per_hour = finite(verdict.bytes_per_hour).map(|growth| growth_figure("per hour", &growth));
    [
        per_job,
        per_hour,
        exhaustion_figure(verdict),
        minimum_effect_figure(verdict),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn growth_figure(label: &'static str, growth: &Estimate) -> Figure {
    Figure {
        label,
        value: bytes(growth.estimate),
        detail: interval(growth),
    }
}

fn exhaustion_figure(verdict: &Verdict) -> Option<Figure> {
    let left = verdict
        .exhaustion_in_seconds
        .filter(|left| left.estimate.is_finite())?;
    let limit = verdict
        .limit_bytes
        .map(|limit| format!(", limit {}", bytes(limit as f64)))
        .unwrap_or_default();
    Some(Figure {
        label: "until full",
        value: duration(left.estimate),
        detail: format!("{}{limit}", exhaustion_range(&left)),
    })
}

fn exhaustion_range(left: &Interval) -> String {
    match left.high.filter(|high| high.is_finite()) {
        Some(high) => format!("{} to {}", duration(left.low), duration(high)),
        None => format!("at least {}", duration(left.low)),
    }
}

/// Only where nothing leaks: there it says how small a leak could still have been seen.
fn minimum_effect_figure(verdict: &Verdict) -> Option<Figure> {
    let effect = verdict
        .minimum_effect_bytes_per_job
        .filter(|effect| effect.is_finite())?;
    (verdict.status != Status::Leaking).then(|| Figure {
        label: "threshold",
        value: bytes(effect),
        detail: "per job: the minimum effect, below which nothing is called a leak".to_owned(),
    })
}

/// How the worker ended, in words.
pub(crate) fn exit(exit: Option<&Exit>) -> String {
    match exit {
        None => "still running".to_owned(),
        Some(Exit {
            signal: Some(signal), ..
        }) => format!("ended by {}", name(signal)),
        Some(Exit { code: Some(code), .. }) => format!("exit code {code}"),
        Some(_) => "ended, exit code unknown".to_owned(),
    }
}

/// `node 20.20.2`, or that it was not recognised.
pub(crate) fn runtime(report: &Report) -> String {
    let worker = &report.worker;
    match (&worker.runtime, &worker.runtime_version) {
        (Some(runtime), Some(version)) => format!("{} {}", name(runtime), name(version)),
        (Some(runtime), None) => name(runtime),
        (None, _) => "runtime not recognised".to_owned(),
    }
}

/// `mailer 1.4.2`.
pub(crate) fn service(report: &Report) -> String {
    let release = report
        .worker
        .release
        .as_ref()
        .map(|release| format!(" {}", name(release)));
    format!("{}{}", name(&report.worker.service), release.unwrap_or_default())
}

/// `1,000 jobs in 61 s`.
pub(crate) fn window(report: &Report) -> String {
    format!(
        "{} in {}",
        counted(report.window.jobs, "job", "jobs"),
        duration(report.window.seconds)
    )
}

/// `12.4 KiB and 0.5 × Object stay behind per job`, as far as known.
pub(crate) fn suspect_figures(suspect: &Suspect) -> String {
    let mut parts = Vec::new();
    if let Some(growth) = suspect.bytes_per_job.filter(|growth| growth.is_finite()) {
        parts.push(format!("{} per job", bytes(growth)));
    }
    if let Some(objects) = suspect.count_per_job.filter(|objects| objects.is_finite()) {
        parts.push(format!(
            "{} × {} per job",
            number(objects),
            name(&suspect.type_name)
        ));
    }
    if let Some(retained) = suspect.retained_bytes {
        parts.push(format!("{} retained", bytes(retained as f64)));
    }
    if parts.is_empty() {
        "size not known".to_owned()
    } else {
        parts.join(", ")
    }
}

/// The name that a suspect goes by: its holder, else the type that piles up.
pub(crate) fn suspect_name(suspect: &Suspect) -> &str {
    suspect.holder.as_deref().unwrap_or(&suspect.type_name)
}

/// Whether a step of a retainer path is the holder itself: `entries :: Map` is `cache.entries`.
pub(crate) fn is_holder_step(suspect: &Suspect, step: &str) -> bool {
    let Some(holder) = &suspect.holder else {
        return false;
    };
    let variable = step.split(" :: ").next().unwrap_or(step);
    let owner = holder.strip_suffix(variable);
    !variable.is_empty() && owner.is_some_and(|owner| owner.is_empty() || owner.ends_with('.'))
}

/// Where the holder is declared, as far as known.
pub(crate) fn suspect_place(suspect: &Suspect) -> Option<&str> {
    suspect.source.as_deref().or(suspect.module.as_deref())
}

/// The answer in short: the class that leaks and what holds the memory, as far as known.
pub(crate) fn culprits(report: &Report) -> Vec<(&'static str, String)> {
    if report.verdict.status != Status::Leaking {
        return Vec::new();
    }
    let leaking = report
        .job_classes
        .iter()
        .filter(|class| class.status == ClassStatus::Leaking);
    let classes: Vec<String> = leaking
        .take(MOST_CULPRITS)
        .map(|class| name(&class.class))
        .collect();
    let holder = report.suspects.first().map(|suspect| {
        let place = suspect_place(suspect)
            .map(|place| format!(" at {}", name(place)))
            .unwrap_or_default();
        format!("{}{place}", name(suspect_name(suspect)))
    });
    let class = (!classes.is_empty()).then(|| ("job class", classes.join(", ")));
    class
        .into_iter()
        .chain(holder.map(|holder| ("held by", holder)))
        .collect()
}

/// A name of the worker's inside a sentence: safe to show and short.
pub(crate) fn name(text: &str) -> String {
    clip_middle(&visible(text), MOST_NAME_COLUMNS)
}

/// A sentence, which may quote names of the worker's: safe to show and bounded.
pub(crate) fn sentence(text: &str) -> String {
    clip_end(&visible(text), MOST_SENTENCE_COLUMNS)
}

/// What this report could not see, in plain words.
pub(crate) fn blind_spots(report: &Report) -> Vec<String> {
    let leaking = report.verdict.status == Status::Leaking;
    let spots: [(bool, &str); 5] = [
        (
            report.worker.runtime.is_none(),
            "The runtime was not recognised: memory was watched from outside only.",
        ),
        (
            report.window.samples == 0,
            "No sample was taken: the worker ended too soon or could not be read.",
        ),
        (
            report.window.jobs == 0,
            "No job was seen. A hand-written loop tells about its jobs with `plimsoll.job`.",
        ),
        (
            leaking && report.suspects.is_empty(),
            "No holder was found: no evidence was taken, or none could be read.",
        ),
        (
            report.cost.dropped_records > 0,
            "The agent dropped details it could not deliver; job counts are whole.",
        ),
    ];
    spots
        .into_iter()
        .filter(|(seen, _)| *seen)
        .map(|(_, text)| text.to_owned())
        .collect()
}

/// What watching cost, in three sentences.
pub(crate) fn cost(report: &Report) -> String {
    let cost = &report.cost;
    let cpu = cost.agent_cpu_share.filter(|it| it.is_finite());
    let agent = match (cpu, cost.agent_bytes.map(|held| bytes(held as f64))) {
        (Some(cpu), Some(held)) => format!(
            "The agent took {} of the worker's CPU time and holds {held}.",
            share(cpu)
        ),
        (Some(cpu), None) => format!("The agent took {} of the worker's CPU time.", share(cpu)),
        (None, Some(held)) => format!("The agent holds {held}; its CPU time was not measured."),
        (None, None) => "The cost of the agent was not measured.".to_owned(),
    };
    let stood = match cost.pauses_seconds {
        0.0 => "The worker was never stopped.".to_owned(),
        pauses => format!(
            "The worker stood still for {} in all{}.",
            duration(pauses),
            pause_share(report)
        ),
    };
    let dropped = match cost.dropped_records {
        0 => "No record was dropped.".to_owned(),
        dropped => format!("{} dropped.", counted(dropped, "record was", "records were")),
    };
    format!("{agent} {stood} {dropped}")
}

fn pause_share(report: &Report) -> String {
    let pauses = report.cost.pauses_seconds / report.window.seconds;
    if pauses.is_finite() && pauses > 0.0 {
        format!(", {} of the time", share(pauses))
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_holder_step(holder: Option<&str>, step: &str, expected: bool) {
        let suspect = Suspect {
            rank: 1,
            pattern: Pattern::Unknown,
            type_name: "Object".into(),
            holder: holder.map(str::to_owned),
            holder_type: None,
            module: None,
            source: None,
            count_per_job: None,
            bytes_per_job: None,
            retained_bytes: None,
            retainer_path: vec![],
            allocation_stacks: vec![],
            job_class: None,
            explanation: String::new(),
            remedies: vec![],
        };
        assert_eq!(is_holder_step(&suspect, step), expected, "{holder:?} {step}");
    }

    #[test]
    fn the_holder_is_found_in_its_path() {
        check_holder_step(Some("failed"), "failed :: Array", true);
        check_holder_step(Some("cache.entries"), "entries :: Map", true);
        check_holder_step(Some("myentries"), "entries :: Map", false);
        check_holder_step(Some("failed"), "[123] :: Object", false);
        check_holder_step(Some("failed"), "", false);
        check_holder_step(None, "failed :: Array", false);
    }
}
