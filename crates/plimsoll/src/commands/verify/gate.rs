//! From what happened to how the gate ends. Pure.

use plimsoll_daemon::StopCause;
use plimsoll_model::{
    Estimate, Gate, HumanBytes, Report, Retained, RetainedByClass, RetainedType, RunResult, Status, Suspect,
    TestLimit, Verification,
};

/// The verdict of a worker that ended by itself stands if it did this share of the jobs that were asked
/// for: the last of the three dumps then lies where it was to be.
const ENOUGH_SHARE: f64 = 0.9;
/// Types and classes told.
const TOLD: usize = 10;

/// What happened in one run.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What was found.
    pub report: &'a Report,
    /// Jobs that were asked for.
    pub jobs_asked: Option<u64>,
    /// Why we ended the worker, if we did.
    pub stopped: Option<StopCause>,
    /// It did not end when it was asked to.
    pub killed: bool,
    /// It ended with another code than 0, or by a signal.
    pub ended_badly: bool,
    /// Seconds without a job after which it is taken to hang.
    pub stall_seconds: f64,
    /// The memory limit, as it was held.
    pub limit: Option<&'a TestLimit>,
}

/// The gate's answer to one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// How it ended.
    pub outcome: Gate,
    /// Why.
    pub sentence: String,
    /// What helps.
    pub hints: Vec<String>,
}

impl Answer {
    fn new(outcome: Gate, sentence: String) -> Answer {
        Answer {
            outcome,
            sentence,
            hints: Vec::new(),
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Answer {
        self.hints.push(hint.into());
        self
    }
}

/// Judges one run. What was proved (a limit that was hit, a leak) outweighs how the run ended.
pub fn answer(facts: &Facts<'_>) -> Answer {
    let hit = facts.limit.filter(|limit| limit.hit);
    if let Some(limit) = hit {
        return ran_into(facts, limit);
    }
    if facts.report.verdict.status == Status::Leaking {
        return leaking(facts);
    }
    could_not(facts).unwrap_or_else(|| by_verdict(facts))
}

fn ran_into(facts: &Facts<'_>, limit: &TestLimit) -> Answer {
    let sentence = format!(
        "the worker ran into the memory limit of {} after {}{}",
        HumanBytes(limit.bytes as f64),
        jobs_done(facts),
        grows(facts.report)
    );
    Answer::new(Gate::Failed, sentence).hint(format!(
        "the limit was held by {} and covers {}",
        limit.enforced_by, limit.scope
    ))
}

fn grows(report: &Report) -> String {
    match report.verdict.bytes_per_job {
        Some(growth) if report.verdict.status == Status::Leaking => {
            format!("; every job leaves {} behind", HumanBytes(growth.estimate))
        }
        _ => String::new(),
    }
}

fn leaking(facts: &Facts<'_>) -> Answer {
    let verdict = &facts.report.verdict;
    let growth = match verdict.bytes_per_job {
        Some(growth) => format!("every job leaves {} behind", interval(&growth)),
        None => match verdict.channel {
            Some(channel) => format!("the worker leaks ({channel})"),
            None => "the worker leaks".to_owned(),
        },
    };
    let held = facts.report.suspects.first().map_or_else(String::new, held_by);
    let end = could_not(facts).map_or_else(
        || format!(", over {}", jobs_done(facts)),
        |end| format!("; {}", end.sentence),
    );
    let mut answer = Answer::new(Gate::Failed, format!("{growth}{held}{end}"));
    let remedies = facts
        .report
        .suspects
        .first()
        .map(|suspect| suspect.remedies.clone());
    answer.hints = remedies.unwrap_or_default();
    answer
}

fn held_by(suspect: &Suspect) -> String {
    let name = suspect.holder.as_deref().unwrap_or(&suspect.type_name);
    match &suspect.source {
        Some(source) => format!(", held by `{name}` at {source}"),
        None => format!(", held by `{name}`"),
    }
}

fn interval(growth: &Estimate) -> String {
    let [estimate, low, high] = [growth.estimate, growth.low, growth.high].map(HumanBytes);
    format!("{estimate} ({low} to {high})")
}

/// Why the test itself did not work, if it did not.
fn could_not(facts: &Facts<'_>) -> Option<Answer> {
    let jobs = facts.report.window.jobs;
    let by_time = facts.jobs_asked.is_none() && facts.stopped == Some(StopCause::Duration);
    if jobs == 0 && !by_time {
        return Some(no_job(facts));
    }
    let failed = |sentence: String| Some(Answer::new(Gate::CouldNot, sentence));
    match facts.stopped {
        Some(StopCause::Signal) => {
            return failed(format!("stopped by a signal after {}", jobs_done(facts)));
        }
        Some(StopCause::Stalled) => return Some(hangs(facts)),
        _ => {}
    }
    let enough = facts
        .jobs_asked
        .is_some_and(|asked| jobs as f64 >= ENOUGH_SHARE * asked as f64);
    if facts.stopped.is_some() || enough {
        return None;
    }
    if facts.ended_badly {
        let sentence = format!("the worker {} after {}", ended(facts.report), jobs_done(facts));
        return failed(sentence).map(|answer| answer.hint("its own output tells why"));
    }
    let asked = facts.jobs_asked?;
    failed(format!(
        "the worker ended by itself after {}, too few to tell what {asked} would do",
        jobs_done(facts)
    ))
    .map(|answer| {
        answer.hint(format!(
            "let it run for {asked} jobs, or ask for what it has: --jobs {jobs}"
        ))
    })
}

fn no_job(facts: &Facts<'_>) -> Answer {
    let report = facts.report;
    let how = match facts.stopped {
        Some(StopCause::Stalled) => format!("in {:.0} s", facts.stall_seconds),
        Some(_) => format!("in {:.0} s", report.window.seconds),
        None => format!("before the worker {}", ended(report)),
    };
    let answer = Answer::new(Gate::CouldNot, format!("no job was seen {how}"));
    if facts.ended_badly && facts.stopped.is_none() {
        return answer.hint("its own output tells why");
    }
    let Some(runtime) = &report.worker.runtime else {
        return answer.hint(format!(
            "no process of `{}` could be looked into; verify needs a Node (18 or later) or Python (3.9 or later) worker",
            report.worker.command.join(" ")
        ));
    };
    let tell = if runtime == "python" {
        "from plimsoll import job; with job(\"class\"): …"
    } else {
        "globalThis.plimsoll?.job(class, meta, fn)"
    };
    answer
        .hint("see that jobs are waiting in its queue")
        .hint(format!("a hand-written loop tells its jobs with `{tell}`"))
}

fn hangs(facts: &Facts<'_>) -> Answer {
    let sentence = format!(
        "no job finished for {:.0} s after {}: the worker hangs, or its queue is empty",
        facts.stall_seconds,
        jobs_done(facts)
    );
    Answer::new(Gate::CouldNot, sentence)
        .hint("put enough jobs into its queue before the test")
        .hint("if single jobs take longer than that, allow for it with --stall")
}

fn ended(report: &Report) -> String {
    let Some(exit) = &report.worker.exit else {
        return "ended".to_owned();
    };
    match (&exit.signal, exit.code) {
        (Some(signal), _) => format!("was ended by {signal}"),
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

fn by_verdict(facts: &Facts<'_>) -> Answer {
    let verdict = &facts.report.verdict;
    let jobs = jobs_done(facts);
    let growth = verdict
        .bytes_per_job
        .map_or_else(String::new, |growth| format!(": {} a job", interval(&growth)));
    let least = verdict
        .minimum_effect_bytes_per_job
        .map_or_else(String::new, |least| {
            format!(", minimum effect {}", HumanBytes(least))
        });
    let mut answer = match verdict.status {
        Status::Stable => Answer::new(
            Gate::Passed,
            format!("memory stays the same over {jobs}{growth}{least}"),
        ),
        Status::Bounded => Answer::new(
            Gate::Passed,
            format!("memory grew and levelled off over {jobs}{growth}{least}"),
        ),
        _ => Answer::new(
            Gate::Inconclusive,
            format!("{jobs} do not settle it{growth}{least}"),
        ),
    };
    if answer.outcome == Gate::Inconclusive {
        answer.hints.clone_from(&verdict.next);
    }
    if facts.killed {
        answer
            .hints
            .push("the worker did not end when it was asked to, and was killed; jobs after the limit are not counted".into());
    }
    answer
}

fn jobs_done(facts: &Facts<'_>) -> String {
    let jobs = facts.report.window.jobs;
    match facts.jobs_asked.filter(|asked| jobs < *asked) {
        Some(asked) => format!("{jobs} of {asked} jobs"),
        None if jobs == 1 => "1 job".to_owned(),
        None => format!("{jobs} jobs"),
    }
}

/// What outlived its job, from the dumps and from the suspects.
pub fn retained(report: &Report) -> Retained {
    let types = report.memory.as_ref().map_or(&[][..], |memory| &memory.types);
    let dumps = types.iter().map(|of| of.counts.len()).max().unwrap_or(0);
    let mut growing: Vec<RetainedType> = types
        .iter()
        .filter(|of| of.proportional)
        .map(|of| RetainedType {
            type_name: of.type_name.clone(),
            count_per_job: of.count_per_job,
            bytes_per_job: of.bytes_per_job,
        })
        .collect();
    growing.sort_by(|a, b| b.bytes_per_job.total_cmp(&a.bytes_per_job));
    growing.truncate(TOLD);
    let mut classes: Vec<RetainedByClass> = Vec::new();
    for suspect in &report.suspects {
        let at = classes.iter().position(|class| class.class == suspect.job_class);
        let at = at.unwrap_or_else(|| {
            classes.push(RetainedByClass {
                class: suspect.job_class.clone(),
                count_per_job: 0.0,
                bytes_per_job: 0.0,
            });
            classes.len() - 1
        });
        classes[at].count_per_job += suspect.count_per_job.unwrap_or(0.0);
        classes[at].bytes_per_job += suspect.bytes_per_job.unwrap_or(0.0);
    }
    classes.sort_by(|a, b| b.bytes_per_job.total_cmp(&a.bytes_per_job));
    classes.truncate(TOLD);
    Retained {
        dumps,
        types: growing,
        job_classes: classes,
    }
}

/// One run as the summary of several shows it.
pub fn result_of(facts: &Facts<'_>, answer: &Answer) -> RunResult {
    RunResult {
        outcome: answer.outcome,
        status: facts.report.verdict.status,
        jobs: facts.report.window.jobs,
        bytes_per_job: facts.report.verdict.bytes_per_job,
        sentence: answer.sentence.clone(),
    }
}

/// All runs together: most of them must say the same, and a leak seen once forbids to pass. Tells which
/// run the report is to show.
pub fn together(answers: &[Answer]) -> (Answer, usize) {
    let all = answers.len();
    let count = |outcome: Gate| answers.iter().filter(|answer| answer.outcome == outcome).count();
    let outcome = match () {
        () if 2 * count(Gate::Failed) > all => Gate::Failed,
        () if count(Gate::CouldNot) > 0 => Gate::CouldNot,
        () if count(Gate::Failed) == 0 && 2 * count(Gate::Passed) > all => Gate::Passed,
        () => Gate::Inconclusive,
    };
    let shown = answers
        .iter()
        .position(|answer| answer.outcome == outcome)
        .or_else(|| answers.iter().position(|answer| answer.outcome == Gate::Failed))
        .unwrap_or(0);
    let mut answer = answers[shown].clone();
    if all > 1 {
        answer.outcome = outcome;
        answer.sentence = format!(
            "{} of {all} runs failed, {} passed, {} were inconclusive, {} could not be judged; run {}: {}",
            count(Gate::Failed),
            count(Gate::Passed),
            count(Gate::Inconclusive),
            count(Gate::CouldNot),
            shown + 1,
            answers[shown].sentence
        );
    }
    (answer, shown)
}

/// The part of the report that `verify` adds.
pub fn verification(
    facts: &Facts<'_>,
    answer: Answer,
    runs: Vec<RunResult>,
    retained: Retained,
) -> Verification {
    Verification {
        outcome: answer.outcome,
        exit_code: answer.outcome.exit_code(),
        sentence: answer.sentence,
        hints: answer.hints,
        jobs_asked: facts.jobs_asked,
        memory_limit: facts.limit.cloned(),
        retained,
        runs: if runs.len() > 1 { runs } else { Vec::new() },
    }
}

#[cfg(test)]
mod tests;
