//! `plimsoll-corpus`: writes labelled records, and scores the detector and naive rules on them.

use std::io::Write;
use std::process::ExitCode;

use plimsoll_corpus::{
    HOLDOUT_FROM, Kind, Length, Outcome, Table, Truth, examine, kind, kinds, naive_rules, report,
    with_baseline,
};
use plimsoll_detect::{Detector, Settings, Watch};
use plimsoll_model::{Floor, Reading, Sample, Status};
use plimsoll_wire::trace::{MinimumGrowth, TraceHeader, write_header, write_reading};

const USAGE: &str = "plimsoll-corpus kinds
plimsoll-corpus write KIND SEED > trace.ndjson
plimsoll-corpus speed
plimsoll-corpus score [tune|holdout] [SEEDS] [solo|baseline] [days|short|wild] [KIND]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["kinds"] => list(),
        ["write", name, seed] => write(name, seed),
        ["speed"] => speed(),
        ["score", ref rest @ ..] => score(rest),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn list() -> Result<(), String> {
    for kind in kinds() {
        println!("{}\t{:?}\t{:?}", kind.name, kind.truth, kind.length);
    }
    Ok(())
}

fn write(name: &str, seed: &str) -> Result<(), String> {
    let kind = kind(name).ok_or_else(|| format!("no kind `{name}`"))?;
    let seed: u64 = seed.parse().map_err(|_| format!("`{seed}` is no seed"))?;
    let record = kind.record(seed);
    let header = TraceHeader {
        worker: Some(format!("{name}-{seed}")),
        service: Some(kind.name.to_owned()),
        release: None,
        budget_bytes: Some(record.budget_bytes as u64),
        cap_bytes: record.cap_bytes.map(|c| c as u64),
        min_growth: record.minimum_bytes_per_day.map(|b| MinimumGrowth {
            bytes_per_day: Some(b),
            bytes_per_job: None,
        }),
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    write_header(&mut out, &header)
        .and_then(|()| {
            record
                .readings
                .iter()
                .try_for_each(|r| write_reading(&mut out, r))
        })
        .and_then(|()| out.flush())
        .map_err(|e| e.to_string())
}

/// A day and a week of samples at one a second, as a fleet sends them, in time on the processor.
fn speed() -> Result<(), String> {
    for days in [1, 7] {
        speed_of(days)?;
    }
    Ok(())
}

fn speed_of(days: u64) -> Result<(), String> {
    let seconds = days * 86_400;
    let floor = |at_seconds| {
        Reading::Floor(Floor {
            at_seconds,
            live_bytes: 50 << 20,
            ..Floor::default()
        })
    };
    let readings: Vec<Reading> = (1..seconds)
        .flat_map(|second| {
            let at_seconds = second as f64;
            let jobs = ["email", "sync", "webhook"]
                .map(|class| (class.to_owned(), second * 3))
                .into();
            let sample = Sample {
                at_seconds,
                rss_bytes: Some(200 << 20),
                heap_used_bytes: Some(80 << 20),
                heap_committed_bytes: Some(90 << 20),
                external_bytes: Some(1 << 20),
                jobs,
                ..Sample::default()
            };
            let floor = (second % 300 == 0).then(|| floor(at_seconds - 0.5));
            floor.into_iter().chain([Reading::Sample(sample)])
        })
        .collect();
    let mut detector = Detector::new(Settings {
        watch: Watch::Service,
        ..Settings::default()
    });
    let before = processor_seconds()?;
    readings.iter().for_each(|reading| detector.observe(reading));
    let spent = processor_seconds()? - before;
    let pace = readings.len() as f64 / spent / 1e6;
    println!(
        "{days} days: {pace:.2} million readings a second, {} bytes of state",
        detector.state_bytes()
    );
    Ok(())
}

/// Time that this process spent on a processor: the first figure of `/proc/self/schedstat`.
fn processor_seconds() -> Result<f64, String> {
    let text = std::fs::read_to_string("/proc/self/schedstat")
        .map_err(|e| format!("`/proc/self/schedstat`: {e}"))?;
    let nanoseconds = text.split_whitespace().next().and_then(|n| n.parse::<f64>().ok());
    nanoseconds
        .map(|n| n / 1e9)
        .ok_or_else(|| format!("`/proc/self/schedstat` says `{text}`"))
}

fn score(words: &[&str]) -> Result<(), String> {
    let mut first = 1;
    let mut seeds = 10;
    let mut judge: fn(&Kind, u64) -> Outcome = alone;
    let mut title = "alone";
    let mut only = None;
    let mut length = None;
    for word in words {
        match *word {
            "tune" => first = 1,
            "holdout" => first = HOLDOUT_FROM,
            "days" => length = Some(Length::Day),
            "short" => length = Some(Length::Short),
            "wild" => length = Some(Length::Wild),
            "solo" => (judge, title) = (alone, "alone"),
            "baseline" => (judge, title) = (with_baseline, "with one baseline"),
            word => match (word.parse::<u64>(), kind(word)) {
                (Ok(count), _) => seeds = count,
                (_, Some(kind)) => only = Some(kind.name),
                _ => return Err(format!("`{word}` is no kind and no number of seeds\n{USAGE}")),
            },
        }
    }
    let work: Vec<(&Kind, u64)> = kinds()
        .filter(|k| only.is_none_or(|name| k.name == name))
        .filter(|k| length.is_none_or(|length| k.length == length))
        .flat_map(|kind| (first..first + seeds).map(move |seed| (kind, seed)))
        .collect();
    let outcomes = in_parallel(&work, judge);
    if std::env::var_os("PLIMSOLL_CORPUS_DETAILS").is_some() {
        details(&work, &outcomes);
    }
    print!(
        "{}",
        report(&Table {
            title,
            outcomes: &outcomes
        })
    );
    Ok(())
}

/// The detector alone, and the naive rules on the same records.
fn alone(kind: &Kind, seed: u64) -> Outcome {
    Outcome {
        rules: naive_rules(kind, seed),
        ..examine(kind, seed)
    }
}

fn in_parallel(work: &[(&Kind, u64)], judge: fn(&Kind, u64) -> Outcome) -> Vec<Outcome> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let chunk = work.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = work
            .chunks(chunk)
            .map(|part| scope.spawn(move || part.iter().map(|(k, s)| judge(k, *s)).collect::<Vec<_>>()))
            .collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_default())
            .collect()
    })
}

/// The records that were judged wrongly, to look at.
fn details(work: &[(&Kind, u64)], outcomes: &[Outcome]) {
    for ((kind, seed), o) in work.iter().zip(outcomes) {
        let said = o.alarm_at_seconds.is_some() || o.status == Status::Leaking;
        let held = o
            .true_bytes_per_job
            .zip(o.bytes_per_job)
            .is_none_or(|(t, e)| e.low <= t && t <= e.high);
        let missed = o.effect > 1.2 && o.status != Status::Leaking;
        let wrong = if kind.truth == Truth::Leaks {
            missed || !held
        } else {
            kind.truth == Truth::Sound && said
        };
        if wrong {
            let e = o
                .bytes_per_job
                .map(|e| [e.estimate, e.low, e.high].map(|v| v.round() as i64));
            let truth = o.true_bytes_per_job.map(|t| t.round() as i64);
            println!(
                "{} {seed}: {} {:?} {:.1}x, true {truth:?}, said {e:?}, alarm {:?}; {}",
                kind.name,
                o.status,
                o.channel,
                o.effect,
                o.alarm_at_seconds,
                o.reasons.join("; ")
            );
        }
    }
}
