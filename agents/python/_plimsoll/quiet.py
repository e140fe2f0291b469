"""The quiet moments between jobs: when a floor or evidence may be taken, and how one is come by in a busy worker.

Best is a job's start with no other job in flight: the previous job's objects are gone. Where jobs overlap and holding
is allowed, a thread or a coroutine that wants to start a job waits up to a deadline for the others to end; past it the
reading is taken with those still in flight, and says how many.
"""

import sys
import time

import _thread

_now = time.perf_counter
_sleep = time.sleep

# No hold is longer, whatever the jobs: a nested job may be waiting for one that is held.
LONGEST_HOLD_SECONDS = 0.25
HOLD_IN_JOBS = 10
# While a quiet moment is awaited each start would look; once a millisecond is enough.
LOOK_AGAIN_SECONDS = 0.001


class Quiet:
    def __init__(self, floors, capture, budget, jobs, hold_allowed, on_reached):
        self.floors = floors
        self.capture = capture
        self.budget = budget
        self.jobs = jobs
        self.hold_allowed = hold_allowed
        self.on_reached = on_reached
        self.look_at = 0.0
        self.look_jobs = 0.0
        self.waiting_since = None
        self.fewest = float("inf")
        self.gate_until = 0.0
        self.limit_reached = False
        self.limit_taken = False
        self._taking = _thread.allocate_lock()

    def after_fork(self):
        self._taking = _thread.allocate_lock()
        self.waiting_since = None
        self.gate_until = 0.0

    def due(self, done):
        if self.limit_reached and not self.limit_taken:
            return "limit"
        if self.capture.due(done):
            return "capture"
        return "floor" if self.floors.due(done) else None

    def at_job_start(self):
        """From the thread that is about to run a job."""
        self.look(may_block=True)

    def look(self, may_block=False):
        in_flight = self.jobs.in_flight
        due = self.due(self.jobs.done)
        if due is None:
            self.waiting_since = None
            self.settle()
        elif in_flight == 0 or self._past_deadline(in_flight):
            self._take(due)
        else:
            self._wait(in_flight)
            if may_block and self._may_hold() and not in_event_loop():
                self._hold()

    def _take(self, due):
        if not self._taking.acquire(False):
            return
        try:
            self.waiting_since = None
            in_flight = self.jobs.in_flight
            if due == "limit":
                self.limit_taken = True
                self.capture.take_final(in_flight)
                self.on_reached()
            elif due == "capture":
                self.capture.take(self.capture.reason(), in_flight)
            else:
                self.floors.take(in_flight)
            self.settle()
        finally:
            self.gate_until = 0.0
            self._taking.release()

    def settle(self):
        done = self.jobs.done
        self.look_at = max(min(self.floors.next_at(), self.capture.next_at(done)), _now() + LOOK_AGAIN_SECONDS)
        self.look_jobs = self.capture.next_jobs(done)

    def _wait(self, in_flight):
        if self.waiting_since is None:
            self.waiting_since = _now()
            self.fewest = float("inf")
        self.fewest = min(self.fewest, in_flight)
        self.look_at = _now() + LOOK_AGAIN_SECONDS
        self.look_jobs = float("inf")

    def _overdue(self):
        return self.limit_reached or self.floors.overdue() or self.capture.overdue()

    def _may_hold(self):
        if not self.hold_allowed:
            return False
        return self._overdue() and self.budget.capture_fits(self._deadline())

    def _deadline(self):
        return min(LONGEST_HOLD_SECONDS, HOLD_IN_JOBS * max(0.001, self.jobs.mean_seconds()))

    def _past_deadline(self, in_flight):
        """No more in flight than the fewest seen, which may have been a rare moment: a second allows one more."""
        if self.waiting_since is None:
            return False
        waited = _now() - self.waiting_since
        return self._overdue() and waited > LONGEST_HOLD_SECONDS and in_flight <= self.fewest + int(waited)

    def must_wait(self):
        """Whether a job that can wait without blocking anybody is to wait before it starts."""
        if _now() < self.gate_until:
            return True
        if not self.hold_allowed or (_now() < self.look_at and self.jobs.done < self.look_jobs):
            return False
        return self.jobs.in_flight > 0 and self.due(self.jobs.done) is not None and self._may_hold()

    def open_gate(self):
        now = _now()
        if self.gate_until <= now:
            self.gate_until = now + self._deadline()

    def gate_is_open(self):
        """Whether those who wait have waited enough."""
        return self.jobs.in_flight == 0 or _now() >= self.gate_until

    def _hold(self):
        self.open_gate()
        began = _now()
        while not self.gate_is_open():
            _sleep(LOOK_AGAIN_SECONDS)
        self.budget.floor_seconds += _now() - began
        due = self.due(self.jobs.done)
        if due is not None:
            self._take(due)

    def reached(self):
        if not self.limit_reached:
            self.limit_reached = True
            self.look_at = 0.0


def in_event_loop():
    """Whether blocking this thread would block jobs that others wait for: a coroutine's or a greenlet's."""
    events = sys.modules.get("asyncio.events")
    if events is not None and events._get_running_loop() is not None:
        return True
    greenlet = sys.modules.get("greenlet")
    return greenlet is not None and greenlet.getcurrent().parent is not None
