"""The job hooks: what happens at a job's start and end. This is the hot path.

The outermost job counts. A job started in the context of one that still runs (deeper in its stack, or in a task that
it has created) is nested.
"""

import contextvars
import os
import time

import _thread

from . import counters as cells
from .counters import text

_now = time.perf_counter
_wall = time.time

# Details are for looking at, counts are for reckoning: 50 a second at first, ten once the worker is known.
DETAIL_INTERVAL_SECONDS = 0.02
LATER_DETAIL_INTERVAL_SECONDS = 0.1
EARLY_DETAILS = 250
# Shorter jobs cannot make a peak that matters, and there may be very many of them.
PEAK_JOB_SECONDS = 0.01
# Ordinary garbage stays below.
LARGE_PEAK_BYTES = 32 << 20
COST_SAMPLE = 64

_current = contextvars.ContextVar("plimsoll_job", default=None)


class Run:
    __slots__ = ("counters", "meta", "started_at", "active", "detailed", "rss_bytes", "peak_bytes")


class Jobs:
    def __init__(self, counters, memory, limit, on_detail):
        self.counters = counters
        self.memory = memory
        self.limit = limit
        self.on_detail = on_detail
        self.on = True
        self.quiet = None
        self.started = 0
        self.done = 0
        self.in_flight = 0
        self.counted = True
        self.cost_seconds = 0.0
        self.last_end = _now()
        self._lock = _thread.RLock()
        self._next_detail = 0.0
        self._details = 0

    def after_fork(self, counters):
        """The child counts anew; a job that the parent was in goes on being the outermost one here."""
        self._lock = _thread.RLock()
        self.counters = counters
        self.started = self.done = self.in_flight = 0
        current = _current.get()
        if current is not None and current.active:
            # The parent ends it in the parent; here nothing does.
            current.active = False

    def mean_seconds(self):
        means = [counters.mean_seconds for counters in list(self.counters.classes.values())]
        return max(means) if means else 0.001

    def begin(self, name, meta):
        """The run of an outermost job, or None."""
        if not self.on:
            return None
        current = _current.get()
        if current is not None and current.active:
            return None
        began = _now()
        quiet = self.quiet
        if began >= quiet.look_at or self.done >= quiet.look_jobs:
            quiet.at_job_start()
            began = _now()
        run = Run()
        run.meta = meta
        run.active = True
        run.detailed = began >= self._next_detail
        if run.detailed:
            self._details += 1
            interval = DETAIL_INTERVAL_SECONDS if self._details <= EARLY_DETAILS else LATER_DETAIL_INTERVAL_SECONDS
            self._next_detail = began + interval
        with self._lock:
            counters = run.counters = self.counters.of(name)
            self.started += 1
            self.in_flight += 1
            if self.counted:
                counters.cells[cells.STARTED] += 1
        measured = run.detailed or counters.mean_seconds >= PEAK_JOB_SECONDS or self.started < 20
        run.rss_bytes = self.memory.rss_bytes() if measured else None
        run.peak_bytes = self.memory.peak_rss_bytes() if measured and counters.mean_seconds >= PEAK_JOB_SECONDS else None
        _current.set(run)
        run.started_at = _now()
        if self.started % COST_SAMPLE == 0:
            self.cost_seconds += (run.started_at - began) * COST_SAMPLE
        return run

    def end(self, run, failed):
        if not run.active:
            return
        ended_at = _now()
        run.active = False
        seconds = ended_at - run.started_at
        counters = run.counters
        meta = run.meta
        peak = self._peak(run, seconds)
        with self._lock:
            self.in_flight -= 1
            self.last_end = ended_at
            if self.counted:
                self._count(counters, meta, seconds, failed, peak)
        if run.detailed or (peak is not None and peak >= LARGE_PEAK_BYTES):
            self.on_detail(self._detail(run, seconds, failed, peak))
        run.meta = None
        if self.limit is not None and self.counted and self.done >= self.limit:
            self.counted = False
            self.quiet.reached()
        if self.quiet.waiting_since is not None and self.in_flight == 0:
            self.quiet.look_at = 0.0
        if self.done % COST_SAMPLE == 0:
            self.cost_seconds += (_now() - ended_at) * COST_SAMPLE

    def _count(self, counters, meta, seconds, failed, peak):
        values = counters.cells
        values[cells.DONE] += 1
        if failed:
            values[cells.FAILED] += 1
        if peak is not None and peak > values[cells.PEAK]:
            values[cells.PEAK] = peak
        if meta:
            _count_meta(values, meta, seconds)
        counters.add_duration(seconds)
        counters.dirty = True
        self.done += 1

    def _peak(self, run, seconds):
        """How far resident memory rose above what the job found, as far as that can be told."""
        if run.rss_bytes is None or seconds < PEAK_JOB_SECONDS:
            return None
        now = self.memory.rss_bytes()
        if now is None:
            return None
        peak = now
        if run.peak_bytes is not None:
            highest = self.memory.peak_rss_bytes() or 0
            # The mark is the process's: only where it moved it was this job, or one beside it.
            if highest > run.peak_bytes:
                peak = max(peak, highest)
        return max(0, peak - run.rss_bytes)

    def _detail(self, run, seconds, failed, peak):
        meta = run.meta or {}
        ended = _wall()
        return {
            "type": "job",
            "t": ended,
            "class": run.counters.name,
            "id": text(meta.get("id")),
            "attempt": _number(meta.get("attempt")),
            "queue": text(meta.get("queue")),
            "tenant": text(meta.get("tenant")),
            "traceparent": text(meta.get("traceparent")),
            "payload_bytes": _number(meta.get("payload_bytes")),
            "enqueued_at": instant(meta.get("enqueued_at")),
            "started_at": ended - seconds,
            "ended_at": ended,
            "outcome": "failed" if failed else "completed",
            "memory_before_bytes": run.rss_bytes,
            "memory_after_bytes": self.memory.rss_bytes(),
            "peak_bytes": peak,
        }

    def must_wait(self):
        return self.on and self.quiet.must_wait()

    async def quiet_moment(self):
        """Waits with the event loop for the other jobs to end, up to a deadline."""
        import asyncio

        self.quiet.open_gate()
        while not self.quiet.gate_is_open():
            await asyncio.sleep(0.001)


def _count_meta(values, meta, seconds):
    payload = meta.get("payload_bytes")
    if isinstance(payload, int) and payload >= 0:
        values[cells.PAYLOAD_BYTES] += payload
        values[cells.PAYLOAD_JOBS] += 1
    enqueued = instant(meta.get("enqueued_at"))
    if enqueued is not None:
        waited = _wall() - seconds - enqueued
        values[cells.WAIT_MICROS] += int(max(0.0, min(waited, 1e9)) * 1e6)
        values[cells.WAIT_JOBS] += 1


def _number(value):
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else None


def instant(value):
    """Seconds since the epoch from a datetime or a number, else None."""
    if value is None:
        return None
    if not isinstance(value, (int, float)):
        try:
            value = value.timestamp()
        except Exception:
            return None
    # 1e11 seconds is the year 5138, 1e11 milliseconds 1973: what is larger was meant as milliseconds.
    value = value / 1000 if value > 1e11 else float(value)
    return value if 0 < value < 1e11 else None
