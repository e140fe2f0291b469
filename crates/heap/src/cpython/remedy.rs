//! What to do about each pattern, the best first, in the words of people who write Python.

use plimsoll_model::Pattern;

/// Remedies for a pattern, naming the holder.
pub(crate) fn remedies(pattern: Pattern, name: &str) -> Vec<String> {
    let list: &[&str] = match pattern {
        Pattern::GrowingCollection => &[
            "Remove each entry from `{name}` when its job is done, in a `finally`.",
            "If it is a log or history, bound it: `collections.deque(maxlen=…)`.",
            "If entries belong to an object, hold them in a `weakref.WeakKeyDictionary` or `WeakSet`, so that they go with it.",
        ],
        Pattern::UnboundedCache => &[
            "Bound `{name}`: `functools.lru_cache(maxsize=…)`, or a cache with a size or an age (`cachetools.TTLCache`).",
            "On a method, `lru_cache` keeps every `self`: cache a module-level function, or use `functools.cached_property`.",
            "Check the key: an id, a date, a path or a fresh object as key makes every call a miss.",
        ],
        Pattern::Closure => &[
            "Drop the function from `{name}` after it was called, or don't keep it at all.",
            "Bind the few values that it needs (`functools.partial`, default values) instead of closing over a large object.",
        ],
        Pattern::ListenerPerJob => &[
            "Add the handler or callback once at start-up instead of once per job.",
            "If it must be per job, remove it in a `finally`: `logger.removeHandler(handler); handler.close()`.",
            "Hold callbacks by `weakref.WeakMethod`, so that they go with their object.",
        ],
        Pattern::UnsettledPromise => &[
            "Discard each task from `{name}` when it is done: `task.add_done_callback({name}.discard)`.",
            "Await it, or use `asyncio.TaskGroup`, so that no task outlives its job; give it a time limit (`asyncio.timeout`).",
        ],
        Pattern::UnclosedHandle => &[
            "Close it on every way out of the job: `with`, `contextlib.closing`, or `close()` in a `finally`.",
            "Run a generator to its end or `close()` it: a half-way one keeps the variables of its frame.",
        ],
        Pattern::SessionIdentityMap => &[
            "Use a fresh session for each job: `with Session() as session`.",
            "In a long-lived one, `session.expunge_all()` or `session.expire_all()` after each job or batch.",
        ],
        Pattern::RetryBuffer => &[
            "Bound `{name}`, and give up after a number of attempts: move the job to a dead-letter queue.",
            "Keep the id of the failed job and `str(error)`, not its payload and not the exception: its traceback keeps every frame's variables.",
            "Leave retries to the queue (`autoretry_for`, `max_retries`) instead of keeping payloads in memory.",
        ],
        Pattern::Backlog => &[
            "Bound the queue (`queue.Queue(maxsize=…)`, `asyncio.Queue(maxsize=…)`) and wait when it is full.",
            "Raise the concurrency of the consumer, or leave the waiting jobs in the broker (`worker_prefetch_multiplier = 1`).",
        ],
        Pattern::Refcount => &[
            "Look for a newer version of the extension module: a reference that it takes is never given back, and no Python code can free it.",
            "Until then, keep the call out of the hot path, or out of the case (often an error path) that loses the reference.",
            "As a stop-gap only: restart workers after a number of jobs (`worker_max_tasks_per_child` in Celery, `--max-jobs`).",
        ],
        Pattern::ReferenceCycle => &[
            "Break the cycle when the job is done: set one of the references to None in a `finally`, or hold it by `weakref`.",
            "If a type of an extension module is part of it, look for a newer version: it must support the collector (`tp_traverse`).",
            "As a stop-gap only: restart workers after a number of jobs (`worker_max_tasks_per_child` in Celery).",
        ],
        Pattern::Native => &[
            "Free it where it is made: close or delete the object that owns the buffer.",
            "Look for a newer version of the extension module that allocates it.",
            "As a stop-gap only: restart workers after a number of jobs (`worker_max_tasks_per_child` in Celery).",
        ],
        _ => &[
            "Look at the retainer path: the code that adds the objects is on it.",
            "Take pictures further apart, with more jobs in between, for a clearer view.",
        ],
    };
    list.iter().map(|text| text.replace("{name}", name)).collect()
}
