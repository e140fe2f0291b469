"""How long the worker may stand still for us: forced collections, evidence and held job starts together."""

import time

_now = time.perf_counter

# A run shorter than this is budgeted as if it lasted as long, so that it gets its evidence too.
SHORTEST_RUN_SECONDS = 300.0
# Floors must leave room for evidence.
FLOOR_SHARE = 0.5


class PauseBudget:
    def __init__(self, share):
        self.share = share
        self.started_at = _now()
        self.floor_seconds = 0.0
        self.capture_seconds = 0.0

    def elapsed(self):
        return _now() - self.started_at

    def worked(self):
        """Time that the worker had for itself."""
        return self.elapsed() - self.floor_seconds - self.capture_seconds

    def total(self):
        return self.share * max(self.elapsed(), SHORTEST_RUN_SECONDS)

    def floor_fits(self, predicted):
        return self.floor_seconds + predicted <= FLOOR_SHARE * self.total() and self.capture_fits(predicted)

    def capture_fits(self, predicted):
        return self.floor_seconds + self.capture_seconds + predicted <= self.total()
