"""When evidence is taken: at growing or chosen job counts, at a gap between jobs.

The picture itself is taken from outside: the agent says that the process is ready and waits for a moment, in which
Plimsoll makes a frozen copy. Nobody answering in time costs that moment and nothing else.
"""

import math
import time

_now = time.perf_counter

# The first three points are what a short run is judged by: they may follow each other more closely.
EAGER_CAPTURES = 3
# Each capture sees as many jobs again as were done before it, so the number grows only with the logarithm.
GROWTH = 2
FIRST_JOBS = 10
SHORTEST_GAP_SECONDS = 0.1
# The same for time at work, pauses not counted: a fast worker would double its jobs within milliseconds.
EAGER_GROWTH = 0.5
LATER_GROWTH = 2
# Nobody who can take a picture takes longer to have it frozen.
ANSWER_SECONDS = 0.5


class Capture:
    def __init__(self, config, budget, floors, done, done_by_class, ask, skipped):
        self.budget = budget
        self.floors = floors
        self.done = done
        self.done_by_class = done_by_class
        self.ask = ask
        self.skipped = skipped
        self.mode = "never" if config.evidence_dir is None else config.capture
        self.plan = planned_counts(config)
        self.sequence = 0
        self.last_jobs = 0
        self.last_at = 0.0
        self.last_pause = 0.02
        self.worked = 0.0
        self.asked = False

    def next_jobs(self, done):
        if self.mode == "never":
            return float("inf")
        if self.plan is not None:
            return self.plan[0] if self.plan else float("inf")
        return float("inf") if done >= self.threshold() else self.threshold()

    def next_at(self, done):
        if self.asked:
            return 0.0
        if self.mode == "never" or self.plan is not None or done < self.threshold():
            return float("inf")
        return self.earliest_at()

    def threshold(self):
        return max(FIRST_JOBS, math.ceil(GROWTH * self.last_jobs))

    def earliest_at(self):
        growth = EAGER_GROWTH if self.sequence < EAGER_CAPTURES else LATER_GROWTH
        return self.last_at + max(SHORTEST_GAP_SECONDS, growth * self.worked)

    def due(self, done):
        if self.mode == "never" and not self.asked:
            return False
        if self.asked:
            return self.affordable()
        if self.plan is not None:
            return bool(self.plan) and done >= self.plan[0]
        return done >= self.threshold() and _now() >= self.earliest_at() and self.affordable()

    def affordable(self):
        if self.budget.capture_fits(self.last_pause):
            return True
        self.last_at = _now()
        return False

    def overdue(self):
        return self.asked or _now() - self.earliest_at() >= SHORTEST_GAP_SECONDS

    def reason(self):
        return "asked" if self.asked else "scheduled"

    def take(self, reason, in_flight):
        done = self.done()
        while self.plan and done >= self.plan[0]:
            self.plan.pop(0)
        self.asked = False
        self.floors.take(in_flight)
        self._picture(reason, in_flight, done)

    def take_final(self, in_flight):
        """The last evidence on the way out, or at the job limit."""
        done = self.done()
        repeated = self.sequence > 0 and self.last_jobs == done and in_flight == 0
        self.floors.take(in_flight)
        if self.mode != "never" and not repeated:
            self._picture("exit", in_flight, done)

    def _picture(self, reason, in_flight, done):
        started_at = _now()
        record = {
            "type": "picture-ready",
            "t": time.time(),
            "jobs": done,
            "jobs_by_class": self.done_by_class(),
            "in_flight": in_flight,
            "reason": reason,
        }
        answered = self.ask(record, ANSWER_SECONDS)
        pause = _now() - started_at
        self.budget.capture_seconds += pause
        if answered:
            self.sequence += 1
            self.last_pause = pause
        elif answered is None:
            self.skipped("no picture was taken within %d ms" % (ANSWER_SECONDS * 1000), done)
        self.last_at = _now()
        self.worked = self.budget.worked()
        self.last_jobs = done


def planned_counts(config):
    """Job counts chosen beforehand, or None where they are to grow as the worker goes on."""
    if isinstance(config.capture, list):
        return list(config.capture)
    if config.capture != "auto" or config.jobs is None:
        return None
    # A tenth of the way start-up is over; half-way tells a filling cache from a line; the end comes by itself.
    return [max(1, round(share * config.jobs)) for share in (0.1, 0.55)]
