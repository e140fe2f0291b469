"""What is counted per job class, cumulatively: nothing here is ever dropped.

A process counts in memory of its own. A forked child counts in a row of a table that it shares with its parent,
so that the jobs of a child that is gone before it ever spoke are told by the parent.
"""

import math
import mmap
import struct
import time

_now = time.monotonic
# A fork takes milliseconds; a child that has not given its pid by then never will.
UNBORN_SECONDS = 5.0

# 1.1^287 µs is over eight days: no job is longer that we need to tell apart.
BUCKETS = 288
_LOG_BASE = math.log(1.1)
# A worker with more classes than this names its jobs by something unbounded (an id, a URL).
CLASS_LIMIT = 256
OVERFLOW_CLASS = "(other)"
NAME_LIMIT = 200

STARTED, DONE, FAILED, PEAK, PAYLOAD_BYTES, PAYLOAD_JOBS, WAIT_MICROS, WAIT_JOBS, ALLOCATED_BYTES, ALLOCATED_JOBS = range(10)
_FIRST_BUCKET = 12
_CELLS = _FIRST_BUCKET + BUCKETS


class ClassCounters:
    __slots__ = ("name", "cells", "told", "pending", "dirty", "mean_seconds")

    def __init__(self, name, cells, told=None):
        self.name = name
        self.cells = cells
        self.told = told
        self.pending = None
        self.dirty = False
        # A moving mean: only used to decide what is worth measuring and how long to wait.
        self.mean_seconds = 0.0

    def add_duration(self, seconds):
        micros = seconds * 1e6
        bucket = min(BUCKETS - 1, int(math.log(micros) / _LOG_BASE)) if micros > 1.0 else 0
        self.cells[_FIRST_BUCKET + bucket] += 1
        self.mean_seconds += (seconds - self.mean_seconds) / min(self.cells[DONE] or 1, 32)

    def record(self):
        cells = self.cells
        return {
            "done": cells[DONE],
            "failed": cells[FAILED],
            "started": cells[STARTED],
            "peak_bytes": cells[PEAK] or None,
            "allocated_bytes": cells[ALLOCATED_BYTES],
            "allocated_jobs": cells[ALLOCATED_JOBS],
            "payload_bytes": cells[PAYLOAD_BYTES],
            "payload_jobs": cells[PAYLOAD_JOBS],
            "wait_seconds": cells[WAIT_MICROS] / 1e6,
            "wait_jobs": cells[WAIT_JOBS],
            "durations": {
                str(bucket): count for bucket, count in enumerate(cells[_FIRST_BUCKET:].tolist()) if count
            },
        }

    def add(self, cells):
        """Takes over what another process counted and never told."""
        for index, value in enumerate(cells):
            if not value:
                continue
            if index == PEAK:
                self.cells[PEAK] = max(self.cells[PEAK], value)
            else:
                self.cells[index] += value
        self.dirty = True


class Counters:
    """The classes of this process."""

    def __init__(self, row=None):
        self.classes = {}
        self.row = row

    def of(self, name):
        return self.classes.get(name) or self._add(name)

    def _add(self, given):
        name = class_name(given)
        limit = CLASS_LIMIT if self.row is None else Row.CLASSES
        if len(self.classes) >= limit - 1 and name not in self.classes:
            name = OVERFLOW_CLASS
        counters = self.classes.get(name)
        if counters is None:
            if self.row is None:
                counters = ClassCounters(name, memoryview(bytearray(8 * _CELLS)).cast("Q"))
            else:
                counters = self.row.add_class(name)
            self.classes[name] = counters
        return counters

    def done(self):
        return sum(counters.cells[DONE] for counters in list(self.classes.values()))

    def done_by_class(self):
        return {counters.name: counters.cells[DONE] for counters in list(self.classes.values())}

    def take_changed(self):
        """Classes that changed since the last call, in parts that fit a line."""
        parts, part = [], {}
        for counters in list(self.classes.values()):
            if not counters.dirty:
                continue
            counters.dirty = False
            if counters.told is not None:
                counters.pending = counters.cells.tobytes()
            part[counters.name] = counters.record()
            if len(part) == 64:
                parts.append(part)
                part = {}
        return parts + [part] if part else parts

    def mark_told(self):
        """What was taken has been written to Plimsoll, so the parent need not tell it."""
        for counters in list(self.classes.values()):
            if counters.pending is not None:
                counters.told[:] = memoryview(counters.pending).cast("Q")
                counters.pending = None


class Row:
    """Counts of one forked child, seen by its parent as well."""

    CLASSES = 32
    _NAME_BYTES = NAME_LIMIT
    _HEADER = 16
    _LAST_BYTES = 4096
    _CLASS_BYTES = 8 * ((_NAME_BYTES + 8) // 8) + 2 * 8 * _CELLS
    BYTES = -(-(_HEADER + _LAST_BYTES + CLASSES * _CLASS_BYTES) // 4096) * 4096

    def __init__(self, view):
        self._view = view

    def wipe(self):
        """For the next child: only what the last one wrote has to go."""
        for index in range(self.classes()):
            offset = self._offset(index)
            self._view[offset : offset + self._CLASS_BYTES] = bytes(self._CLASS_BYTES)
        self._view[: self._HEADER + 4] = bytes(self._HEADER + 4)

    def classes(self):
        return min(self._word(0), self.CLASSES)

    def ended(self):
        return self._word(4) != 0

    def set_ended(self):
        self._set_word(4, 1)

    def pid(self):
        return self._word(8)

    def set_pid(self, pid):
        self._set_word(8, pid)

    def set_last(self, text):
        """The last job in detail, for the parent to tell."""
        if len(text) <= self._LAST_BYTES - 4:
            start = self._HEADER + 4
            self._view[start : start + len(text)] = text
            self._set_word(self._HEADER, len(text))

    def last(self):
        length = min(self._word(self._HEADER), self._LAST_BYTES - 4)
        start = self._HEADER + 4
        return bytes(self._view[start : start + length])

    def add_class(self, name):
        index = self.classes()
        offset = self._offset(index)
        raw = name.encode("utf-8", "replace")[: self._NAME_BYTES]
        self._view[offset] = len(raw)
        self._view[offset + 1 : offset + 1 + len(raw)] = raw
        self._set_word(0, index + 1)
        return ClassCounters(name, *self._cells(index))

    def untold(self):
        """Per class, what was counted and not told over the child's own connection."""
        for index in range(self.classes()):
            offset = self._offset(index)
            name = bytes(self._view[offset + 1 : offset + 1 + self._view[offset]]).decode("utf-8", "replace")
            cells, told = self._cells(index)
            rest = [now - before for now, before in zip(cells.tolist(), told.tolist())]
            rest[PEAK] = cells[PEAK]
            if any(rest[at] for at in (STARTED, DONE, FAILED)):
                yield name, rest

    def _offset(self, index):
        return self._HEADER + self._LAST_BYTES + index * self._CLASS_BYTES

    def _cells(self, index):
        start = self._offset(index) + self._CLASS_BYTES - 2 * 8 * _CELLS
        middle = start + 8 * _CELLS
        return self._view[start:middle].cast("Q"), self._view[middle : middle + 8 * _CELLS].cast("Q")

    def _word(self, at):
        return struct.unpack_from("=I", self._view, at)[0]

    def _set_word(self, at, value):
        struct.pack_into("=I", self._view, at, value)


class Children:
    """The rows that this process gives to the children it forks. Pages are touched as they are used."""

    ROWS = 128

    def __init__(self):
        self._map = mmap.mmap(-1, self.ROWS * Row.BYTES, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
        view = memoryview(self._map)
        self._free = [Row(view[at * Row.BYTES : (at + 1) * Row.BYTES]) for at in range(self.ROWS)]
        self._used = []

    def give(self):
        """Before a fork: the row that the child will take, or None where too many children live."""
        if not self._free:
            return None
        row = self._free.pop()
        self._used.append((row, _now()))
        return row

    def gone(self):
        """Rows of children that have ended, one by one; each is free again afterwards."""
        for entry in list(self._used):
            row, since = entry
            pid = row.pid()
            # Without a pid the fork failed, or the child has only just begun.
            if not row.ended() and (_lives(pid) if pid else _now() - since < UNBORN_SECONDS):
                continue
            yield row
            row.wipe()
            self._used.remove(entry)
            self._free.append(row)


def _lives(pid):
    try:
        with open("/proc/%d/stat" % pid, "rb") as stat:
            return stat.read(512).rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (OSError, IndexError):
        return False


def class_name(given):
    name = given if isinstance(given, str) else text(given) or "job"
    return name[:NAME_LIMIT]


def text(value):
    """A short text of an identifier of unknown type, or None."""
    if value is None or isinstance(value, (dict, list, tuple, set)) or callable(value):
        return None
    try:
        return str(value)[:256]
    except Exception:
        return None
