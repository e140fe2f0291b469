use super::*;
use plimsoll_model::{Channel, Cost, Exit, Verdict, Window, Worker};

fn report(status: Status, jobs: u64, code: Option<i32>) -> Report {
    let estimate = match status {
        Status::Leaking => 12_650.0,
        _ => 3.0,
    };
    Report {
        worker: Worker {
            service: "mailer".into(),
            release: None,
            env: None,
            runtime: Some("node".into()),
            runtime_version: None,
            pid: 1,
            started_at: String::new(),
            command: vec!["node".into(), "worker.js".into()],
            exit: Some(Exit {
                code,
                signal: code.is_none().then(|| "SIGTERM".into()),
            }),
        },
        window: Window {
            seconds: 5.0,
            jobs,
            samples: 5,
            gaps: Vec::new(),
        },
        verdict: Verdict {
            status,
            channel: Some(Channel::Heap),
            bytes_per_job: Some(Estimate {
                estimate,
                low: estimate - 17.0,
                high: estimate + 17.0,
                confidence: 0.95,
            }),
            bytes_per_hour: None,
            exhaustion_in_seconds: None,
            limit_bytes: None,
            minimum_effect_bytes_per_job: Some(50.0),
            reasons: Vec::new(),
            next: vec!["run about 2000 jobs in all".into()],
        },
        job_classes: Vec::new(),
        suspects: Vec::new(),
        spikes: Vec::new(),
        evidence: Vec::new(),
        cost: Cost::default(),
        memory: None,
        verify: None,
    }
}

/// One run of 1,000 jobs asked for.
fn check(report: &Report, stopped: Option<StopCause>, expected: Gate, words: &str) {
    let exit = report.worker.exit.as_ref().expect("it ended");
    let facts = Facts {
        report,
        jobs_asked: Some(1000),
        stopped,
        killed: false,
        ended_badly: exit.code != Some(0),
        stall_seconds: 60.0,
        limit: None,
    };
    let answer = answer(&facts);
    assert_eq!(answer.outcome, expected, "{answer:?}");
    assert!(
        answer.sentence.contains(words),
        "`{}` lacks `{words}`",
        answer.sentence
    );
}

#[test]
#[allow(clippy::too_many_lines)] // a table
fn how_a_run_ended_decides_what_it_proves() {
    use Gate::{CouldNot, Failed, Inconclusive, Passed};
    use Status::{Bounded, Leaking, Stable};
    let jobs = Some(StopCause::Jobs);
    check(
        &report(Stable, 1000, None),
        jobs,
        Passed,
        "memory stays the same over 1000 jobs",
    );
    check(&report(Bounded, 1000, None), jobs, Passed, "levelled off");
    check(
        &report(Leaking, 1000, None),
        jobs,
        Failed,
        "every job leaves 12.4 KiB (12.3 KiB to 12.4 KiB) behind",
    );
    check(
        &report(Status::Inconclusive, 1000, None),
        jobs,
        Inconclusive,
        "do not settle it",
    );
    check(&report(Stable, 950, Some(0)), None, Passed, "950 of 1000 jobs");
    check(
        &report(Stable, 412, Some(0)),
        None,
        CouldNot,
        "by itself after 412 of 1000 jobs",
    );
    check(
        &report(Stable, 412, Some(1)),
        None,
        CouldNot,
        "exit code 1 after 412 of 1000 jobs",
    );
    check(
        &report(Leaking, 412, Some(1)),
        None,
        Failed,
        "exit code 1 after 412 of 1000 jobs",
    );
    check(
        &report(Stable, 412, None),
        Some(StopCause::Stalled),
        CouldNot,
        "no job finished for 60 s",
    );
    check(
        &report(Stable, 412, None),
        Some(StopCause::Signal),
        CouldNot,
        "stopped by a signal",
    );
    check(
        &report(Stable, 412, None),
        Some(StopCause::Settled),
        Passed,
        "412 of 1000 jobs",
    );
    check(
        &report(Stable, 0, Some(0)),
        None,
        CouldNot,
        "no job was seen before the worker ended",
    );
    check(
        &report(Stable, 0, None),
        Some(StopCause::Stalled),
        CouldNot,
        "no job was seen in 60 s",
    );
}

#[test]
fn a_limit_that_was_hit_fails_whatever_else() {
    let limit = TestLimit {
        bytes: 256 << 20,
        enforced_by: "cgroup".into(),
        scope: "all memory".into(),
        hit: true,
    };
    let report = report(Status::Inconclusive, 412, None);
    let facts = Facts {
        report: &report,
        jobs_asked: Some(1000),
        stopped: None,
        killed: false,
        ended_badly: true,
        stall_seconds: 60.0,
        limit: Some(&limit),
    };
    let answer = answer(&facts);
    assert_eq!(answer.outcome, Gate::Failed);
    assert_eq!(
        answer.sentence,
        "the worker ran into the memory limit of 256 MiB after 412 of 1000 jobs"
    );
}

#[test]
fn several_runs_must_agree() {
    use Gate::{CouldNot, Failed, Inconclusive, Passed};
    for (outcomes, expected) in [
        (&[Passed, Passed, Inconclusive][..], Passed),
        (&[Failed, Failed, Passed], Failed),
        (&[Failed, Passed, Passed], Inconclusive),
        (&[Passed, CouldNot, Passed], CouldNot),
        (&[Failed, CouldNot, Failed], Failed),
        (&[Passed, Inconclusive], Inconclusive),
        (&[Failed], Failed),
    ] {
        let answers: Vec<Answer> = outcomes
            .iter()
            .map(|outcome| Answer::new(*outcome, "so".into()))
            .collect();
        assert_eq!(together(&answers).0.outcome, expected, "{outcomes:?}");
    }
}
