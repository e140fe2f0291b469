//! Stories for the tests and the example: a leaking mailer, a sound one, a run that saw nothing, and
//! one whose every name is hostile.

#![allow(dead_code)] // each test file uses some of them

use std::collections::BTreeMap;

use plimsoll_model::*;
use plimsoll_report::{FloorPoint, Series, Story};

/// The owned parts of a story.
pub struct Sample {
    pub report: Report,
    pub series: Series,
    pub flame: Vec<AllocationStack>,
    pub notes: Vec<String>,
}

impl Sample {
    pub fn story(&self) -> Story<'_> {
        Story {
            report: &self.report,
            series: &self.series,
            flame: &self.flame,
            notes: &self.notes,
            html_path: Some("plimsoll-out/mailer-4711/report.html"),
        }
    }
}

const RUN_SECONDS: f64 = 61.2;
const JOBS: f64 = 1000.0;

/// A mailer whose failed e-mails pile up in an array.
pub fn leaking() -> Sample {
    let report = Report {
        worker: worker(),
        window: Window {
            seconds: RUN_SECONDS,
            jobs: JOBS as u64,
            samples: 61,
            gaps: vec![Gap {
                from_seconds: 30.0,
                to_seconds: 33.5,
                reason: "heap snapshot in progress".into(),
            }],
        },
        verdict: leaking_verdict(),
        job_classes: mailer_classes(),
        suspects: vec![failed_payloads(), template_cache()],
        spikes: vec![spreadsheet_spike()],
        evidence: [
            (100, 0.21, 9_412_332),
            (550, 0.34, 15_223_001),
            (1000, 0.47, 21_870_450),
        ]
        .map(|(jobs, pause, bytes)| snapshot(jobs, pause, bytes))
        .into(),
        cost: Cost {
            agent_cpu_share: Some(0.004),
            agent_bytes: Some(2_000_000),
            pauses_seconds: 1.02,
            dropped_records: 0,
        },
        memory: None,
        verify: None,
    };
    let notes = vec!["MaxListenersExceededWarning was seen once, for `SmtpPool` event `drain`.".into()];
    Sample {
        report,
        series: series(12_650.0),
        flame: flame(),
        notes,
    }
}

fn mailer_classes() -> Vec<JobClass> {
    vec![
        class(
            "email",
            500,
            37,
            ClassStatus::Leaking,
            Some((25_300.0, 24_000.0, 26_500.0)),
            9_000_000,
        ),
        class(
            "thumbnail",
            240,
            0,
            ClassStatus::Stable,
            Some((12.0, -90.0, 140.0)),
            31_000_000,
        ),
        class(
            "invoice-pdf",
            180,
            2,
            ClassStatus::Stable,
            Some((-40.0, -210.0, 95.0)),
            12_400_000,
        ),
        class(
            "monthly-report",
            80,
            0,
            ClassStatus::Inconclusive,
            Some((310.0, -1900.0, 2500.0)),
            182_000_000,
        ),
    ]
}

/// The same mailer with the array drained.
pub fn stable() -> Sample {
    let mut sample = leaking();
    let report = &mut sample.report;
    report.verdict = Verdict {
        status: Status::Stable,
        channel: Some(Channel::Heap),
        bytes_per_job: Some(Estimate {
            estimate: 3.0,
            low: -14.0,
            high: 21.0,
            confidence: 0.95,
        }),
        bytes_per_hour: None,
        exhaustion_in_seconds: None,
        limit_bytes: Some(512 << 20),
        minimum_effect_bytes_per_job: Some(50.0),
        reasons: vec!["The whole interval of growth is inside ±50 B per job over 14 floors.".into()],
        next: vec![],
    };
    for class in &mut report.job_classes {
        class.status = ClassStatus::Stable;
        class.bytes_per_job = Some(Estimate {
            estimate: 3.0,
            low: -30.0,
            high: 41.0,
            confidence: 0.95,
        });
    }
    report.suspects.clear();
    report.window.gaps.clear();
    sample.notes.clear();
    sample.series = series(3.0);
    sample
}

/// A program that is no known runtime and ended before its first job.
pub fn empty() -> Sample {
    let report = Report {
        worker: Worker {
            service: "backup.sh".into(),
            release: None,
            env: None,
            runtime: None,
            runtime_version: None,
            pid: 99,
            started_at: "2026-03-02T10:15:00Z".into(),
            command: vec![],
            exit: Some(Exit {
                code: None,
                signal: Some("SIGKILL".into()),
            }),
        },
        window: Window {
            seconds: 0.0,
            jobs: 0,
            samples: 0,
            gaps: vec![],
        },
        verdict: Verdict {
            status: Status::Inconclusive,
            channel: None,
            bytes_per_job: None,
            bytes_per_hour: None,
            exhaustion_in_seconds: None,
            limit_bytes: None,
            minimum_effect_bytes_per_job: None,
            reasons: vec![],
            next: vec![],
        },
        job_classes: vec![],
        suspects: vec![],
        spikes: vec![],
        evidence: vec![],
        cost: Cost::default(),
        memory: None,
        verify: None,
    };
    Sample {
        report,
        series: Series::default(),
        flame: vec![],
        notes: vec![],
    }
}

/// Puts one text into every field that a worker can choose.
pub fn hostile(text: &str) -> Sample {
    let mut sample = leaking();
    let name = || text.to_owned();
    let report = &mut sample.report;
    let worker = &mut report.worker;
    (worker.service, worker.release, worker.env) = (name(), Some(name()), Some(name()));
    (worker.runtime, worker.runtime_version, worker.command) = (Some(name()), Some(name()), vec![name()]);
    worker.started_at = name();
    worker.exit = Some(Exit {
        code: None,
        signal: Some(name()),
    });
    report.window.gaps.iter_mut().for_each(|gap| gap.reason = name());
    (report.verdict.reasons, report.verdict.next) = (vec![name()], vec![name()]);
    report
        .job_classes
        .iter_mut()
        .for_each(|class| class.class = name());
    report
        .suspects
        .iter_mut()
        .for_each(|suspect| taint(suspect, text));
    for spike in &mut report.spikes {
        (spike.job_class, spike.job_id, spike.at) = (name(), Some(name()), name());
        spike.allocation_stacks = vec![stack(1, &[text])];
    }
    report
        .evidence
        .iter_mut()
        .for_each(|evidence| (evidence.path, evidence.taken_at) = (name(), name()));
    sample.flame = vec![stack(10, &[text, text]), stack(5, &[text])];
    sample.notes = vec![name()];
    sample.series.jobs = BTreeMap::from([(name(), vec![(0.0, 0), (60.0, 900)])]);
    sample
}

fn taint(suspect: &mut Suspect, text: &str) {
    let name = || text.to_owned();
    (suspect.type_name, suspect.holder, suspect.holder_type) = (name(), Some(name()), Some(name()));
    (suspect.module, suspect.source, suspect.job_class) = (Some(name()), Some(name()), Some(name()));
    (suspect.explanation, suspect.remedies) = (name(), vec![name()]);
    suspect.retainer_path = vec![name(); 3];
    suspect.allocation_stacks = vec![stack(1, &[text])];
}

fn worker() -> Worker {
    Worker {
        service: "mailer".into(),
        release: Some("1.4.2".into()),
        env: Some("ci".into()),
        runtime: Some("node".into()),
        runtime_version: Some("20.20.2".into()),
        pid: 4711,
        started_at: "2026-03-02T10:15:00Z".into(),
        command: vec!["node".into(), "worker.js".into()],
        exit: Some(Exit {
            code: Some(0),
            signal: None,
        }),
    }
}

fn leaking_verdict() -> Verdict {
    Verdict {
        status: Status::Leaking,
        channel: Some(Channel::Heap),
        bytes_per_job: Some(Estimate { estimate: 12_650.0, low: 12_100.0, high: 13_200.0, confidence: 0.95 }),
        bytes_per_hour: Some(Estimate { estimate: 744e6, low: 711e6, high: 776e6, confidence: 0.95 }),
        exhaustion_in_seconds: Some(Interval { estimate: 2530.0, low: 2420.0, high: Some(2650.0) }),
        limit_bytes: Some(536_870_912),
        minimum_effect_bytes_per_job: Some(50.0),
        reasons: vec![
            "The floor rose from 8.6 MiB to 20.7 MiB over 14 floors; the lower bound of growth, 11.8 KiB per job, exceeds the minimum effect of 50 B.".into(),
            "Growth has not bent: the second half of the run grew as fast as the first.".into(),
            "Only jobs of class `email` leave memory behind.".into(),
        ],
        next: vec![],
    }
}

fn class(
    name: &str,
    jobs: u64,
    failed: u64,
    status: ClassStatus,
    growth: Option<(f64, f64, f64)>,
    peak: u64,
) -> JobClass {
    JobClass {
        class: name.into(),
        jobs,
        failed,
        bytes_per_job: growth.map(|(estimate, low, high)| Estimate {
            estimate,
            low,
            high,
            confidence: 0.95,
        }),
        peak_bytes: Some(peak),
        allocated_bytes_per_job: Some((peak / 22) as f64),
        duration_seconds: Some(Quantiles {
            p50: 0.0102,
            p95: 0.0312,
            p999: 0.204,
        }),
        status,
    }
}

fn failed_payloads() -> Suspect {
    Suspect {
        rank: 1,
        pattern: Pattern::GrowingCollection,
        type_name: "Object".into(),
        holder: Some("failedPayloads".into()),
        holder_type: Some("Array".into()),
        module: Some("worker.js".into()),
        source: Some("worker.js:12:7".into()),
        count_per_job: Some(0.5),
        bytes_per_job: Some(12_650.0),
        retained_bytes: Some(12_600_000),
        retainer_path: [
            "(GC roots)",
            "(Module map)",
            "worker.js :: Module",
            "context :: system / Context",
            "failedPayloads :: Array",
            "[123] :: Object",
        ]
        .map(String::from)
        .into(),
        allocation_stacks: vec![stack(
            12_100_000,
            &["handleEmail worker.js:40:11", "runJob node_modules/queue/lib/worker.js:212:24", "processTicksAndRejections node:internal/process/task_queues:95:5"],
        )],
        job_class: Some("email".into()),
        explanation: "The module-level array `failedPayloads` gains one entry for every failed e-mail and nothing removes any.".into(),
        remedies: vec![
            "Drain `failedPayloads` after the retry, or cap its length.".into(),
            "Keep only the id of a failed e-mail and read the payload again when it is retried.".into(),
            "Until then, recycle the worker every 35,000 jobs.".into(),
        ],
    }
}

fn template_cache() -> Suspect {
    Suspect {
        rank: 2,
        pattern: Pattern::UnboundedCache,
        type_name: "CompiledTemplate".into(),
        holder: Some("templates.byLocale".into()),
        holder_type: Some("Map".into()),
        module: Some("lib/templates.js".into()),
        source: Some("lib/templates.js:7:15".into()),
        count_per_job: Some(0.002),
        bytes_per_job: Some(140.0),
        retained_bytes: Some(212_000),
        retainer_path: vec![
            "(GC roots)".into(),
            "templates :: TemplateStore".into(),
            "byLocale :: Map".into(),
        ],
        allocation_stacks: vec![],
        job_class: None,
        explanation: "The map gains an entry per locale and has no upper bound.".into(),
        remedies: vec!["Give the cache a size.".into()],
    }
}

fn spreadsheet_spike() -> Spike {
    Spike {
        job_class: "monthly-report".into(),
        job_id: Some("17".into()),
        payload_bytes: Some(41_943_040),
        peak_bytes: 182_000_000,
        at: "2026-03-02T10:15:31Z".into(),
        allocation_stacks: vec![stack(
            171_000_000,
            &[
                "parseWorkbook lib/sheet.js:88:19",
                "monthlyReport worker.js:131:9",
            ],
        )],
    }
}

fn stack(bytes: u64, frames: &[&str]) -> AllocationStack {
    AllocationStack {
        bytes,
        frames: frames.iter().map(|frame| (*frame).to_owned()).collect(),
    }
}

fn snapshot(jobs: u64, pause_seconds: f64, bytes: u64) -> Evidence {
    Evidence {
        kind: EvidenceKind::HeapSnapshot,
        path: format!("plimsoll-out/mailer-4711/job-{jobs}.heapsnapshot"),
        jobs: Some(jobs),
        taken_at: "2026-03-02T10:15:07Z".into(),
        pause_seconds: Some(pause_seconds),
        bytes: Some(bytes),
    }
}

fn flame() -> Vec<AllocationStack> {
    let ticks = "processTicksAndRejections node:internal/process/task_queues:95:5";
    let run = "runJob node_modules/queue/lib/worker.js:212:24";
    vec![
        stack(
            9_800_000,
            &[
                "readAttachment lib/mime.js:31:18",
                "handleEmail worker.js:40:11",
                run,
                ticks,
            ],
        ),
        stack(2_300_000, &["handleEmail worker.js:42:23", run, ticks]),
        stack(
            1_400_000,
            &[
                "compile lib/templates.js:19:9",
                "render lib/templates.js:44:5",
                "handleEmail worker.js:38:16",
                run,
                ticks,
            ],
        ),
        stack(
            900_000,
            &[
                "decode lib/image.js:12:3",
                "makeThumbnail worker.js:88:20",
                run,
                ticks,
            ],
        ),
        stack(
            600_000,
            &[
                "layout lib/pdf.js:140:7",
                "page lib/pdf.js:92:5",
                "invoicePdf worker.js:104:3",
                run,
                ticks,
            ],
        ),
        stack(
            420_000,
            &[
                "connect node_modules/smtp/pool.js:63:14",
                "handleEmail worker.js:45:9",
                run,
                ticks,
            ],
        ),
        stack(
            800_000,
            &[
                "wrapSafe node:internal/modules/cjs/loader:1385:18",
                "Module._compile node:internal/modules/cjs/loader:1411:20",
            ],
        ),
    ]
}

/// Deterministic noise in ±1.
fn noise(step: u64) -> f64 {
    let mixed = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (step << 7);
    (mixed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn series(growth: f64) -> Series {
    let mut series = Series::default();
    for step in 0..245u64 {
        let at = step as f64 * 0.25;
        let jobs = at / RUN_SECONDS * JOBS;
        let live = 8.6e6 + growth * jobs;
        let garbage = (step % 14) as f64 * 1.1e6;
        let warm = 1.0 - (-at / 6.0f64).exp();
        let spike = if (118..124).contains(&step) { 120e6 } else { 0.0 };
        series
            .heap_used_bytes
            .push((at, live + garbage + spike * 0.4 + noise(step).abs() * 4e5));
        series
            .external_bytes
            .push((at, 2.1e6 + noise(step * 3).abs() * 6e5 + spike * 0.3));
        series.rss_bytes.push((
            at,
            52e6 + warm * 24e6 + growth * jobs * 1.15 + spike + noise(step * 7) * 5e5,
        ));
        series
            .event_loop_delay_seconds
            .push((at, 0.011 + noise(step * 5).abs() * 0.006));
        if step % 14 == 0 && step > 0 {
            series
                .live_after_gc_bytes
                .push((at, live + 4e5 + noise(step).abs() * 6e5));
            series
                .gc_pauses_seconds
                .push((at, 0.006 + noise(step).abs() * 0.009));
        }
    }
    for step in 0..14u64 {
        let jobs = 40 + step * 73;
        let at_seconds = jobs as f64 / JOBS * RUN_SECONDS;
        let live_bytes = 8.6e6 + growth * jobs as f64 + noise(step * 11) * 1.6e5;
        let in_flight = u32::from(step == 9);
        series.floors.push(FloorPoint {
            at_seconds,
            jobs,
            live_bytes,
            external_bytes: Some(2.1e6),
            in_flight,
        });
    }
    for (class, jobs) in [
        ("email", 500.0),
        ("thumbnail", 240.0),
        ("invoice-pdf", 180.0),
        ("monthly-report", 80.0),
    ] {
        let counts = (0..62).map(|second| (f64::from(second), (f64::from(second) / 61.0 * jobs) as u64));
        series.jobs.insert(class.into(), counts.collect());
    }
    series.captures = vec![(6.1, 100), (33.6, 550), (61.0, 1000)];
    series
}
