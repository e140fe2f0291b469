//! Small leaky workers, run by a real Node, dumped at three job counts: the true holder comes first,
//! with its line and its pattern, whatever its names and however many jobs. Sound ones show nothing.

mod harness;

use harness::{Case, growth_of};
use plimsoll_attribute::{Input, attribute};
use plimsoll_heap::{Growth, Trend};
use plimsoll_model::{Pattern, Suspect};

/// The suspects, and the growth of all holders that grow in proportion to jobs.
fn suspects(case: &Case, seed: u64) -> (Vec<Suspect>, f64) {
    let growth = growth_of(case, seed);
    let input = Input {
        growth: &growth,
        classes: &[],
        profile: &[],
        base: Some(&case.folder),
    };
    (attribute(&input), steady_bytes_per_job(&growth))
}

fn steady_bytes_per_job(growth: &Growth) -> f64 {
    let steady = growth
        .holders
        .iter()
        .filter(|holder| holder.trend == Trend::Proportional);
    steady.map(|holder| holder.bytes_per_job).sum()
}

/// The first suspect has the holder's name (with the names of this run), line and pattern.
fn check(file: &str, holder: &str, pattern: Pattern) {
    for seed in harness::seeds() {
        let case = Case::new(file, seed);
        let (suspects, steady) = suspects(&case, seed);
        let first = suspects
            .first()
            .unwrap_or_else(|| panic!("{file}: no suspect with seed {seed}"));
        let name = first.holder.clone().unwrap_or_default();
        assert!(
            name.contains(&case.renamed(holder)),
            "{file}, seed {seed}: holder `{name}`, wanted `{}`",
            case.renamed(holder)
        );
        assert_eq!(first.pattern, pattern, "{file}: {}", first.explanation);
        if let Some(line) = case.marked_line("HOLDER") {
            let source = first.source.clone().unwrap_or_default();
            assert!(
                source.starts_with(&format!("{}:{line}:", case.marked_file)),
                "{file}: `{source}`, wanted line {line}"
            );
        }
        assert!(steady >= 50.0, "{file}: {steady}");
        assert!(
            !first.remedies.is_empty() && first.retainer_path.len() > 1,
            "{file}: {first:?}"
        );
    }
}

/// No holder grows in proportion to jobs by more than the runtime's own drift.
fn check_sound(file: &str) {
    for seed in harness::seeds() {
        let case = Case::new(file, seed);
        let (suspects, steady) = suspects(&case, seed);
        assert!(steady < 50.0, "{file}: {steady} {suspects:#?}");
    }
}

macro_rules! leaks {
    ($($test:ident: $file:literal, $holder:literal, $pattern:ident;)*) => {
        $(#[test] fn $test() { check($file, $holder, Pattern::$pattern); })*
    };
}

macro_rules! sound {
    ($($test:ident: $file:literal;)*) => { $(#[test] fn $test() { check_sound($file); })* };
}

leaks! {
    a_list_made_anew: "rebuilt_array.js", "$$history", GrowingCollection;
    a_record_made_anew: "rebuilt_object.js", "$$byId", GrowingCollection;
    a_map_made_anew: "rebuilt_map.js", "$$totals", GrowingCollection;
    array: "array.js", "$$parked", GrowingCollection;
    map_in_class: "map_in_class.js", "$$registry.$$entries", GrowingCollection;
    private_field: "private_field.js", "$$registry.#$$items", GrowingCollection;
    static_field: "static_field.js", "$$Mailer.$$sent", GrowingCollection;
    property_of_exports: "exports_prop.js", "exports.$$history", GrowingCollection;
    property_of_global: "global_prop.js", "globalThis.$$trail", GrowingCollection;
    dictionary: "dict.js", "$$seen", GrowingCollection;
    nested_dictionary: "dict_nested.js", "$$state.stats.$$byId", GrowingCollection;
    map_in_map: "map_in_map.js", "$$tenants", UnboundedCache;
    linked_list: "linked_list.js", "$$head", GrowingCollection;
    linked_cache: "lru_uncapped.js", "$$docs.$$index", UnboundedCache;
    emitter: "emitter_listener.js", "$$bus → $$drain listeners", ListenerPerJob;
    many_emitters: "emitters_each.js", "$$shards[…] → $$rebalance listeners", ListenerPerJob;
    abort_signal: "abort_signal.js", "$$shutdown.signal → abort listeners", ListenerPerJob;
    event_target: "event_target.js", "$$hub → $$flush listeners", ListenerPerJob;
    interval: "interval.js", "interval.js:2", TimerPerJob;
    timeout: "timeout.js", "timeout.js:4", TimerPerJob;
    promise_race: "promise_race.js", "$$stopped → waiting reactions", UnsettledPromise;
    promise_then: "promise_then.js", "$$gate.$$closed → waiting reactions", UnsettledPromise;
    promise_chain: "promise_chain.js", "$$gate", UnsettledPromise;
    trigger_replaced: "trigger_replaced.js", "$$never → waiting reactions", UnsettledPromise;
    pending_calls: "pending_async.js", "$$waiters", UnsettledPromise;
    closures: "closures.js", "$$undo", Closure;
    closure_chain: "closure_chain.js", "$$thing", Closure;
    agent_per_job: "agent_per_job.js", "Agent", ClientPerJob;
    sockets: "sockets.js", "Socket", UnclosedHandle;
    write_streams: "write_streams.js", "$$logs", UnclosedHandle;
    file_handles: "file_handles.js", "$$opened", UnclosedHandle;
    watchers: "watcher.js", "StatWatcher", UnclosedHandle;
    memoized: "memoize.js", "$$known", UnboundedCache;
    memoized_by_package: "package_memo.js", "store", UnboundedCache;
    cache: "cache_no_eviction.js", "$$templates", UnboundedCache;
    retry_buffer: "retry_buffer.js", "$$deferred", RetryBuffer;
    async_context: "als_enter.js", "$$context → store", Closure;
    timers_with_context: "als_timer.js", "als_timer.js:4", TimerPerJob;
    array_buffers: "array_buffers.js", "$$frames", GrowingCollection;
    buffers: "buffers_object.js", "$$recorder.$$chunks", GrowingCollection;
    worker_thread: "worker_thread.js", "$$parked", GrowingCollection;
    interned: "interning.js", "$$pool", Interning;
    symbols: "symbol_for.js", "Symbol.for", Interning;
    identity_map: "session.js", "$$em.$$identityMap", SessionIdentityMap;
    backlog: "backlog.js", "$$waiting", Backlog;
    finalizers: "finalization.js", "$$registry", GrowingCollection;
    unread_events: "events_on.js", "$$source", GrowingCollection;
    numbers: "numbers.js", "$$latencies", GrowingCollection;
    growing_text: "text.js", "$$log", GrowingCollection;
    list_with_tail: "list_tail.js", "$$chain.$$oldest", GrowingCollection;
    labels: "labels.js", "$$counter.$$values", UnboundedCache;
    captured_by_handler: "handler_state.js", "$$sessions", UnboundedCache;
    weak_references: "weak_refs.js", "$$observers", GrowingCollection;
    compiled_typescript: "compiled.js", "$$parked", GrowingCollection;
    es_module: "esm.mjs", "$$parked", GrowingCollection;
}

sound! {
    collections_made_anew: "ok_rebuilt.js";
    ring: "ok_ring.js";
    capped_cache: "ok_lru.js";
    listeners_removed: "ok_listeners.js";
    timers_cleared: "ok_timers.js";
    one_agent: "ok_agent.js";
    idle: "ok_idle.js";
}

#[test]
fn two_leaks_are_both_named() {
    let case = Case::new("two_leaks.js", 9);
    let (suspects, _) = suspects(&case, 9);
    let names: Vec<String> = suspects
        .iter()
        .take(2)
        .filter_map(|suspect| suspect.holder.clone())
        .collect();
    assert_eq!(names, [case.renamed("$$audit"), case.renamed("$$index")]);
}

#[test]
fn a_cache_that_filled_is_named_as_such() {
    let case = Case::new("ok_lru.js", 5);
    let growth = growth_of(&case, 5);
    assert!(steady_bytes_per_job(&growth) < 50.0);
    let filled = growth
        .holders
        .iter()
        .find(|holder| holder.trend == Trend::FillsAndStops);
    assert_eq!(
        filled.map(|holder| holder.name.clone()),
        Some(case.renamed("$$cache"))
    );
}
