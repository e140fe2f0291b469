//! The workers keep their word: what a header says is measured here by Node itself, without plimsoll, as they
//! stand and changed at random. A detector can only be judged by truths that hold.

use plimsoll_testbed::{Fixture, Launch, Prepared, Seed, Slot, fixture_cases, node, repository};
use serde_json::Value;

/// What a sound worker may still gain per job late in a run of a few seconds: V8's feedback and inline caches
/// settle slowly, 10 to 60 bytes. The smallest leak here, `global-set`, is 130.
const LATE_BYTES_PER_JOB_MAX: f64 = 90.0;
/// Measured twice, the same leak differs by a few per cent: table growth comes in powers of two.
const TOLERANCE: f64 = 1.15;

fn measure(worker: &Prepared) -> Vec<Value> {
    let _slot = Slot::take();
    let mut launch = Launch::new(node())
        .env("JOBS", worker.truth.jobs.to_string())
        .deadline(120);
    for (name, value) in &worker.env {
        launch = launch.env(name, value.as_str());
    }
    let preload = repository().join("fixtures/workers/node/_lib/measure.js");
    let finished = launch
        .args(["--expose-gc", "--require"])
        .arg(preload)
        .arg(&worker.file)
        .run();
    assert_eq!(
        finished.code,
        Some(0),
        "{}{}: {}",
        worker.how,
        finished.shown,
        finished.stderr
    );
    let mut last = std::collections::BTreeMap::new();
    for line in finished
        .stderr
        .lines()
        .filter(|line| line.starts_with("{\"thread\""))
    {
        let value: Value = serde_json::from_str(line).expect("the preload prints JSON");
        last.insert(value["thread"].as_u64(), value);
    }
    last.into_values().collect()
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or(f64::NAN)
}

fn wrong_leaky(worker: &Prepared, threads: &[Value]) -> Option<String> {
    let main = threads.first().expect("the main thread was measured");
    let class_jobs = |class: &str| main["classes"][class].as_f64().unwrap_or(0.0);
    if worker.truth.channel == ["fds"] {
        let expected = class_jobs(&worker.truth.leaks[0].class) / number(main, "jobs");
        let told = number(main, "fds_per_job");
        return (told < expected * 0.5).then(|| format!("{told} descriptors per job"));
    }
    if !worker.truth.threads.is_empty() {
        let grows =
            |thread: &Value| number(thread, "late_bytes_per_job") > number(thread, "bytes_per_job") * 0.5;
        return (!threads[1..].iter().all(grows)).then(|| format!("{threads:?}"));
    }
    let mut range = [0.0, 0.0];
    for leak in &worker.truth.leaks {
        let bytes = leak
            .bytes_per_class_job
            .expect("a leak of memory states its size");
        let share = class_jobs(&leak.class) / number(main, "jobs");
        range = [range[0] + bytes[0] * share, range[1] + bytes[1] * share];
    }
    let fits = |told: f64| told > range[0] / TOLERANCE && told < range[1] * TOLERANCE;
    let both = [number(main, "bytes_per_job"), number(main, "late_bytes_per_job")];
    (!both.into_iter().all(fits)).then(|| format!("{both:.0?} bytes per job, stated {range:.0?}: {main}"))
}

fn wrong_sound(threads: &[Value]) -> Option<String> {
    let grown = threads
        .iter()
        .find(|thread| number(thread, "late_bytes_per_job") > LATE_BYTES_PER_JOB_MAX)?;
    Some(format!(
        "still gains {:.0} bytes per job: {grown}",
        number(grown, "late_bytes_per_job")
    ))
}

fn check_all(prepare: impl Fn(&Fixture) -> Prepared + Sync) {
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let prepare = &prepare;
        let check = move |case: String, variant: String| {
            let worker = prepare(&Fixture::load(&case, &variant));
            let threads = measure(&worker);
            let wrong = match variant.as_str() {
                "leaky" => wrong_leaky(&worker, &threads),
                _ => wrong_sound(&threads),
            };
            wrong.map(|wrong| format!("{}{}: {wrong}", worker.how, worker.name))
        };
        let checks: Vec<_> = fixture_cases()
            .into_iter()
            .map(|(case, variant)| scope.spawn(move || check(case, variant)))
            .collect();
        checks
            .into_iter()
            .filter_map(|check| check.join().expect("a check told its failure"))
            .collect()
    });
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn as_they_stand() {
    check_all(Fixture::as_is);
}

#[test]
fn changed_at_random() {
    check_all(|fixture| fixture.at_random(Seed::of_this_run()));
}
