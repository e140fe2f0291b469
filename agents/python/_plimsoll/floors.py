"""Quiescent floors: what is held right after a full collection that we force, between jobs."""

import gc
import time

_now = time.perf_counter

# A floor may cost a third of the time between floors at most …
GAP_IN_COSTS = 3
# … and forty per doubling of the run say as much as any number could.
GAP_SHARE_OF_RUN = 1 / 40
# A process without jobs has no job count to be fitted against: time will do.
GAP_WITHOUT_JOBS_SECONDS = 2.0


class Floors:
    def __init__(self, allowed, memory, budget, send, done, done_by_class):
        self.allowed = allowed
        self.memory = memory
        self.budget = budget
        self.send = send
        self.done = done
        self.done_by_class = done_by_class
        self.last_at = float("-inf")
        self.last_cost = 0.0
        self.jobs_at_last = -1
        self.asked = False
        self.final = False
        self.collecting = False
        self.first = None
        self.last = None

    def gap(self):
        return max(GAP_IN_COSTS * self.last_cost, self.budget.elapsed() * GAP_SHARE_OF_RUN)

    def next_at(self):
        if not self.allowed:
            return float("inf")
        return 0.0 if self.asked else self.last_at + self.gap()

    def due(self, done):
        if not self.allowed or not self.budget.floor_fits(self.last_cost):
            return False
        return self.asked or (done != self.jobs_at_last and _now() >= self.next_at())

    def due_without_jobs(self):
        if not self.allowed or not self.budget.floor_fits(self.last_cost):
            return False
        since = _now() - self.last_at
        if self.asked or since >= max(GAP_WITHOUT_JOBS_SECONDS, self.gap()):
            return True
        return self.done() != self.jobs_at_last and since >= self.gap()

    def overdue(self):
        return self.asked or _now() - self.last_at >= 2 * self.gap()

    def take(self, in_flight):
        """Collects and reports."""
        if not self.allowed or self.collecting:
            return
        started_at = _now()
        self.collecting = True
        try:
            gc.collect()
            # What the collection's own finalizers let go of is found by a second one; it costs little then.
            if gc.garbage or gc.get_count()[0] > 1000:
                gc.collect()
            reading = self.memory.floor()
        finally:
            self.collecting = False
        self.last_at = _now()
        self.last_cost = self.last_at - started_at
        self.budget.floor_seconds += self.last_cost
        self.asked = False
        self._report(reading, in_flight)

    def _report(self, reading, in_flight):
        if self.first is None:
            self.first = reading
        self.last = reading
        self.jobs_at_last = self.done()
        record = {
            "type": "floor",
            "t": time.time(),
            "in_flight": in_flight,
            "pause_seconds": self.last_cost,
            "jobs": self.done_by_class(),
        }
        record.update(reading)
        if self.final:
            record["final"] = True
        self.send(record, True)
