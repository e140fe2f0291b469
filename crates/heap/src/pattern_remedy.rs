//! What to do about each pattern, the best first, in the words of people who write for Node.

use plimsoll_model::Pattern;

/// Remedies for a pattern, naming the holder and the event whose listeners it holds.
pub(crate) fn remedies(pattern: Pattern, name: &str, event: Option<&str>) -> Vec<String> {
    let event = event.unwrap_or("event");
    let list: &[&str] = match pattern {
        Pattern::GrowingCollection => &[
            "Remove each entry from `{name}` when its job is done, in a `finally`.",
            "If it is a log or history, cap it: drop the oldest entry beyond a fixed number.",
            "If entries belong to an object, key them by it in a WeakMap, so that they go with it.",
        ],
        Pattern::ListenerPerJob => &[
            "Remove the `{event}` listener when the job ends: `off`/`removeEventListener` in a `finally`.",
            "For an AbortSignal shared by all jobs, give each job its own controller (`AbortSignal.any` with Node ≥ 20.3) and abort it at the end, or pass `{ signal }` to addEventListener.",
            "Add the listener once at start-up instead of once per job; don't raise setMaxListeners to silence the warning.",
        ],
        Pattern::TimerPerJob => &[
            "Keep the value that setInterval/setTimeout returns and clear it when the job ends, in a `finally`.",
            "Use one timer for all jobs, started at start-up.",
            "`unref()` only lets the process exit; it does not free the timer.",
        ],
        Pattern::UnsettledPromise => &[
            "Settle the promise behind `{name}` when the work is over: resolve or reject the old one before it is replaced.",
            "Don't `Promise.race` or `then` on one promise that lives as long as the process: each call leaves a reaction. Race per job with its own AbortController instead.",
            "Give every deferred a time limit that rejects it.",
        ],
        Pattern::Closure => &[
            "Drop the function from `{name}` after it was called, or don't keep it at all.",
            "Copy the few values that it needs into local constants, so that it does not keep the large object beside them.",
            "Split the function: closures made in one scope share all variables of that scope.",
        ],
        Pattern::ClientPerJob => &[
            "Make one client, pool or agent at start-up and pass it to every job.",
            "If it must be per job, close it in a `finally`: `destroy()`, `close()` or `end()`, and await it.",
        ],
        Pattern::UnclosedHandle => &[
            "Close it on every way out of the job: `destroy()`/`close()` in a `finally`, or `await using` where there is `Symbol.asyncDispose`.",
            "Use `stream.pipeline` (from node:stream/promises): it closes all its streams on success and on failure.",
            "Read a stream to its end or destroy it: one that is paused stays open.",
        ],
        Pattern::UnboundedCache => &[
            "Bound `{name}`: use an LRU with a maximum (lru-cache with `max` or `maxSize`).",
            "Delete expired entries, not merely ignore them: an entry with an expiry that nobody looks up again stays for ever.",
            "Check the key: an id, a date or a fresh object as key makes every call a miss.",
        ],
        Pattern::Interning => &[
            "Don't intern texts that come from jobs; keep interning for a fixed set.",
            "Bound `{name}`, or use local symbols and texts that can be collected.",
        ],
        Pattern::SessionIdentityMap => &[
            "Use a fresh session, entity manager or loader for each job and drop it at the end.",
            "Clear the identity map (`{name}`) after each job or batch.",
        ],
        Pattern::RetryBuffer => &[
            "Bound `{name}`, and give up after a number of attempts: move the job to a dead-letter queue.",
            "Leave retries to the queue (attempts with back-off) instead of keeping payloads in memory.",
            "Keep the id of the failed job, not its payload.",
        ],
        Pattern::Backlog => &[
            "Slow the producer down: bound `{name}` and wait (back-pressure) when it is full.",
            "Raise the concurrency of the consumer, or leave the waiting jobs in the queue server.",
        ],
        Pattern::Native => &[
            "Free it where it is made: close or dispose the object that owns the buffer.",
            "Check for a newer version of the native package that allocates it.",
        ],
        _ => &[
            "Look at the retainer path and the allocation stacks: the code that adds the objects is on one of them.",
            "Take dumps further apart, with more jobs in between, for a clearer picture.",
        ],
    };
    list.iter()
        .map(|text| text.replace("{name}", name).replace("{event}", event))
        .collect()
}
