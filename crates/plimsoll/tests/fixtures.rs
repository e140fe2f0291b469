//! Every worker under `fixtures/workers/node`, as it is and with everything about it that must not matter
//! changed at random: leaky ones are found and explained, their lookalikes are left in peace.
//!
//! `PLIMSOLL_TEST_SEED` repeats a random run.

use plimsoll_testbed::{Fixture, Prepared, Seed, Slot, Watch, fixture_cases, judge_leaky, judge_sound};

fn check(worker: &Prepared) {
    let slot = Slot::take();
    let watched = Watch::run(env!("CARGO_BIN_EXE_plimsoll")).worker(worker);
    drop(slot);
    let wrong = match &watched.report {
        Err(error) => vec![format!("{error}\n{}", watched.finished.stderr)],
        Ok(report) if worker.truth.verdict == "leaking" => judge_leaky(worker, report),
        Ok(report) => judge_sound(worker, report),
    };
    let again = format!("{}{}", worker.how, watched.finished.shown);
    assert!(
        wrong.is_empty(),
        "{}:\n  - {}\nagain: {again}",
        worker.name,
        wrong.join("\n  - ")
    );
    assert_eq!(watched.finished.code, Some(0), "{}", watched.finished.stderr);
}

macro_rules! cases {
    ($($name:ident: $case:literal, [$($variant:ident),*];)*) => {
        const TESTED: &[(&str, &str)] = &[$($(($case, stringify!($variant))),*),*];

        mod as_is {
            $(mod $name {
                use super::super::*;
                $(#[test] fn $variant() { check(&Fixture::load($case, stringify!($variant)).as_is()); })*
            })*
        }

        mod at_random {
            $(mod $name {
                use super::super::*;
                $(#[test] fn $variant() {
                    check(&Fixture::load($case, stringify!($variant)).at_random(Seed::of_this_run()));
                })*
            })*
        }
    };
}

cases! {
    abort_listener: "abort-listener", [leaky, sound];
    agent_per_job: "agent-per-job", [leaky, sound];
    async_context: "async-context", [leaky, sound];
    cache_no_eviction: "cache-no-eviction", [leaky, sound];
    closure_buffer: "closure-buffer", [leaky, sound];
    closure_chain: "closure-chain", [leaky, sound];
    emitter_listener: "emitter-listener", [leaky, sound];
    external_buffers: "external-buffers", [leaky, sound];
    global_array: "global-array", [leaky, sound];
    global_map: "global-map", [leaky, sound];
    global_set: "global-set", [leaky, sound];
    interval_per_job: "interval-per-job", [leaky, sound];
    pool_per_job: "pool-per-job", [leaky, sound];
    private_field: "private-field", [leaky, sound];
    report_spike: "report-spike", [sound];
    retry_buffer: "retry-buffer", [leaky, sound];
    two_leaks: "two-leaks", [leaky, sound];
    unclosed_file: "unclosed-file", [leaky, sound];
    unclosed_stream: "unclosed-stream", [leaky, sound];
    unsettled_deferred: "unsettled-deferred", [leaky, sound];
    worker_thread: "worker-thread", [leaky, sound];
}

#[test]
fn no_worker_is_left_out() {
    let tested: Vec<_> = TESTED
        .iter()
        .map(|(case, variant)| ((*case).to_owned(), (*variant).to_owned()))
        .collect();
    assert_eq!(fixture_cases(), tested);
}
