"""Puts the parts together, owns the thread, and is the one place that can turn everything off again."""

import atexit
import gc
import json
import os
import platform
import sys
import time
from select import POLLIN, poll

import _thread

from .budget import PauseBudget
from .capture import Capture
from .channel import Channel
from .counters import Children, Counters
from .floors import Floors
from .jobs import Jobs
from .main_thread import MainThread
from .memory import Memory
from .quiet import Quiet

_now = time.perf_counter
_wall = time.time

PROTOCOL = 1
# Job counts go out at this pace while they change.
TICK_SECONDS = 0.25
TICKS_PER_SAMPLE = 4
# A worker on its way out waits no longer than this for Plimsoll to read.
FLUSH_SECONDS = 0.3
TEXT_LIMIT = 4096
# A child that is gone sooner never speaks: its parent tells what it did.
CHILD_SILENCE_SECONDS = 1.0
# Processes that have no jobs around them may be wrappers that end at once: leave them alone at first.
LONELY_SECONDS = 2.0
# The last job's caller may still hold its result.
IDLE_SECONDS = 0.05
# A sample may cost this share of the time between samples.
SAMPLE_SHARE = 0.005


class Agent:
    def __init__(self, config):
        self.config = config
        self.on = True
        self.ended = False
        self.row = None
        self.memory = Memory()
        self.started_at = _now()
        self.children = None
        self.resources = {}
        self.own_bytes = None
        self._connect_at = 0.0
        self._exit = os._exit
        self._awaiting = None
        self._refused = False
        self.full_collections = 0
        self.gc_seconds = 0.0
        self._gc_began = None
        self._cpu_before = 0.0
        self._stop = False
        self._thread_runs = False
        self.libraries = None
        self.jobs = None
        self._build(Counters())

    def _build(self, counters):
        """What a forked child has anew."""
        config = self.config
        self.channel = Channel(config.socket)
        self.counters = counters
        self.budget = PauseBudget(config.pause_budget)
        if self.jobs is None:
            self.jobs = Jobs(counters, self.memory, config.jobs, self._detail)
        else:
            self.jobs.after_fork(counters)
        self.floors = Floors(
            config.floors, self.memory, self.budget, self.channel.send, counters.done, counters.done_by_class
        )
        self.capture = Capture(
            config, self.budget, self.floors, counters.done, counters.done_by_class, self.ask, self._skipped
        )
        self.quiet = Quiet(
            self.floors, self.capture, self.budget, self.jobs, config.hold_job_starts, self._reached
        )
        self.jobs.quiet = self.quiet
        self.main_thread = MainThread(self._guarded(self._quiet_in_main))
        self._ticks = 0
        self._next_sample = 0.0
        self._wake = _thread.allocate_lock()
        self._done = _thread.allocate_lock()
        self._polling = _thread.allocate_lock()
        self.closing = False

    def start(self):
        before, _ = self.memory.small_objects()
        if not self.channel.connect():
            self.on = False
            return
        if self.channel.peer_pid:
            self.memory.allow_tracing_by(self.channel.peer_pid)
        self._hello()
        gc.callbacks.append(self._on_gc)
        os._exit = self._last_exit
        atexit.register(self.finish, "exit")
        os.register_at_fork(
            before=self._guarded(self._before_fork),
            after_in_parent=self._guarded(self._after_fork_in_parent),
            after_in_child=self._guarded(self._after_fork_in_child),
        )
        from .libraries import Libraries

        self.libraries = Libraries(self)
        self.libraries.start()
        after, _ = self.memory.small_objects()
        self.own_bytes = max(0, (after or 0) - (before or 0))
        self.channel.flush()
        self._run_thread()

    def _hello(self):
        self.channel.send(
            {
                "type": "hello",
                "t": _wall(),
                "protocol": PROTOCOL,
                "runtime": "python",
                "runtime_version": platform.python_version(),
                "pid": os.getpid(),
                "ppid": os.getppid(),
                "thread": 0,
                "argv": _command_line(),
                "cwd": _working_folder(),
                "main": None,
                "heap_limit_bytes": _heap_limit(),
                "started_at": _wall() - (_now() - self.started_at),
                "attached": self.config.attached,
            },
            True,
        )

    # The thread.

    def _run_thread(self):
        self._stop = False
        self._wake.acquire(False)
        self._done.acquire(False)
        self._thread_runs = True
        try:
            _thread.start_new_thread(self._loop, ())
        except RuntimeError:
            self._thread_runs = False

    def _loop(self):
        began = time.thread_time()
        try:
            while not self._stop and self.on:
                if self._wake.acquire(True, TICK_SECONDS):
                    continue
                if _now() >= self._connect_at:
                    self._tick()
                self._cpu_now = time.thread_time() - began
        except Exception as error:
            self.fail(error)
        finally:
            self._cpu_before += time.thread_time() - began
            self._cpu_now = 0.0
            self._thread_runs = False
            try:
                self._done.release()
            except RuntimeError:
                pass

    _cpu_now = 0.0

    def _end_thread(self, limit_seconds):
        if not self._thread_runs:
            return
        self._stop = True
        try:
            self._wake.release()
        except RuntimeError:
            pass
        self._done.acquire(True, limit_seconds)

    def _tick(self):
        if self.channel.peer_pid is None:
            if not self.channel.connect():
                self.disable()
                return
            if self.channel.peer_pid:
                self.memory.allow_tracing_by(self.channel.peer_pid)
        self._ticks += 1
        self._adopt()
        self._read_commands()
        self._report_jobs()
        if self._ticks % TICKS_PER_SAMPLE == 0 and _now() >= self._next_sample:
            self.sample()
        self._look_for_quiet()
        if self.channel.flush():
            self.counters.mark_told()
        if not self.channel.open:
            self.disable()

    def _look_for_quiet(self):
        if self.main_thread.asked:
            return
        if self.jobs.started > 0:
            if self.jobs.in_flight == 0:
                idle = _now() - self.jobs.last_end >= IDLE_SECONDS
                if idle and self.quiet.due(self.jobs.done) is not None:
                    self.main_thread.ask()
        elif self.quiet.limit_reached and not self.quiet.limit_taken:
            self.main_thread.ask()
        elif self._has_company() and self.floors.due_without_jobs():
            self.main_thread.ask()

    def _has_company(self):
        return self.counters.done() > 0 or _now() - self.started_at > LONELY_SECONDS

    def _quiet_in_main(self):
        """In the main thread, between two of its instructions."""
        if self.jobs.in_flight:
            return
        if self.jobs.started > 0 or self.quiet.limit_reached or self.capture.due(self.jobs.done):
            self.quiet.look()
        elif self.floors.due_without_jobs():
            self.floors.take(0)

    def _read_commands(self):
        if not self._polling.acquire(False):
            return
        try:
            for command in self.channel.commands():
                self._obey(command)
        finally:
            self._polling.release()

    def _obey(self, command):
        kind = command.get("type")
        if kind == "picture-taken":
            self._awaiting = False
            self._refused = command.get("refused") is True
            return
        elif kind == "floor":
            self.floors.asked = True
        elif kind == "capture":
            self.capture.asked = True
        elif kind == "stop":
            self._close_libraries()
        elif kind == "detach":
            self.channel.send({"type": "bye", "t": _wall(), "reason": "detach", "code": None}, True)
            self.channel.flush_blocking(FLUSH_SECONDS)
            self.disable()
        else:
            return
        self.quiet.look_at = 0.0

    def ask(self, record, limit_seconds):
        """Tells that the process is ready for a picture and waits for its end. None if nobody answers in time,
        False if it cannot be taken."""
        if not self.channel.open or not self.channel.connect():
            return None
        if not self._polling.acquire(True, limit_seconds):
            return None
        deadline = _now() + limit_seconds
        self._awaiting = True
        try:
            self._report_jobs()
            self.channel.send(record, True)
            self.channel.flush_blocking(limit_seconds)
            ready = poll()
            ready.register(self.channel.descriptor(), POLLIN)
            while self._awaiting and self.channel.open:
                left = deadline - _now()
                if left <= 0:
                    return None
                ready.poll(left * 1000)
                for command in self.channel.commands():
                    self._obey(command)
            return None if self._awaiting else not self._refused
        except (OSError, ValueError):
            return None
        finally:
            self._awaiting = None
            self._polling.release()

    # What is told.

    def _detail(self, record):
        if self.row is not None and self._connect_at > _now():
            self.row.set_last(json.dumps(record).encode("utf-8", "replace"))
        self.channel.send(record)

    def _skipped(self, reason, jobs):
        self.channel.send({"type": "evidence-skipped", "t": _wall(), "reason": reason, "jobs": jobs})

    def _report_jobs(self):
        for classes in self.counters.take_changed():
            if not self.channel.send({"type": "jobs", "t": _wall(), "classes": classes}, True):
                for name in classes:
                    self.counters.of(name).dirty = True

    def sample(self):
        began = _now()
        small, arenas = self.memory.small_objects()
        in_use = self.memory.malloc_bytes()
        cost = _now() - began
        # Large heaps take longer to be summed up: then they are summed up less often.
        self._next_sample = began + min(60.0, cost / SAMPLE_SHARE)
        collections = [generation["collections"] for generation in gc.get_stats()]
        self.channel.send(
            {
                "type": "sample",
                "t": _wall(),
                "rss_bytes": self.memory.rss_bytes(),
                "heap_used_bytes": small,
                "heap_total_bytes": arenas,
                "external_bytes": in_use,
                "in_flight": self.jobs.in_flight,
                "resources": {"uncollectable": len(gc.garbage), "threads": _thread._count()},
                "gc": {
                    "major": self.full_collections,
                    "minor": sum(collections[:-1]),
                    "pause_seconds": self.gc_seconds,
                    "observed_seconds": self.budget.elapsed(),
                },
                "agent_cpu_seconds": self._cpu_before + self._cpu_now + self.jobs.cost_seconds,
                "agent_bytes": self.own_bytes,
                "dropped": self.channel.dropped,
            }
        )

    def _on_gc(self, phase, info):
        if info["generation"] != 2 or self.floors.collecting:
            return
        if phase == "start":
            self._gc_began = _now()
        elif self._gc_began is not None:
            pause = _now() - self._gc_began
            self._gc_began = None
            self.full_collections += 1
            self.gc_seconds += pause

    def _reached(self):
        self._report_jobs()
        closing = self._close_libraries()
        self.channel.send(
            {"type": "reached", "t": _wall(), "jobs": self.counters.done(), "closing": closing}, True
        )
        self.channel.flush_blocking(FLUSH_SECONDS)

    def _close_libraries(self):
        return self.libraries is not None and self.libraries.close()

    # Children.

    def _adopt(self):
        if self.children is None:
            return
        for row in self.children.gone():
            found = False
            for name, cells in row.untold():
                self.counters.of(name).add(cells)
                found = True
            last = row.last()
            if found and last:
                try:
                    self.channel.send(json.loads(last))
                except ValueError:
                    pass
            if found:
                self.jobs.done = self.counters.done()
                if self.config.jobs is not None and self.jobs.done >= self.config.jobs:
                    self.jobs.counted = False
                    self.quiet.reached()

    def _before_fork(self):
        # A process with one thread less has no locks held by it, and no warning about it.
        self._end_thread(0.1)
        if self.children is None:
            self.children = Children()
        self._next_row = self.children.give()

    def _after_fork_in_parent(self):
        self._next_row = None
        self._run_thread()

    def _after_fork_in_child(self):
        row, self._next_row = self._next_row, None
        self.channel.abandon_after_fork()
        self.children = None
        self.row = row
        self.started_at = _now()
        self._thread_runs = False
        self._cpu_before = 0.0
        self.jobs.cost_seconds = 0.0
        self.full_collections = 0
        self.gc_seconds = 0.0
        self.ended = False
        self.memory.after_fork()
        if row is not None:
            row.set_pid(os.getpid())
        self._connect_at = self.started_at + CHILD_SILENCE_SECONDS
        self._build(Counters(row))
        self._hello()
        self._run_thread()

    # The end.

    def _last_exit(self, code):
        try:
            self.finish("exit")
        except Exception:
            pass
        self._exit(code)

    def finish(self, reason):
        """Last words, once: final floor and evidence, counts, good-bye."""
        if self.ended or not self.on:
            return
        self.ended = True
        self._end_thread(0.2)
        try:
            young = _now() < self._connect_at
            if not young:
                self._finish_long(reason)
            if self.row:
                self.row.set_ended()
        except Exception:
            pass
        self.on = False
        self.jobs.on = False

    def _finish_long(self, reason):
        if not self.channel.connect():
            return
        self._adopt()
        self.floors.final = True
        if self.jobs.started > 0 and not self.quiet.limit_taken:
            self.capture.take_final(self.jobs.in_flight)
        elif self.floors.first is not None:
            self.floors.take(self.jobs.in_flight)
        if self.quiet.limit_reached and not self.quiet.limit_taken:
            self.quiet.limit_taken = True
            self._reached()
        self._report_jobs()
        self.sample()
        self.channel.send({"type": "bye", "t": _wall(), "reason": reason, "code": None}, True)
        self.channel.flush_blocking(FLUSH_SECONDS)
        self.counters.mark_told()

    def _guarded(self, function):
        def guarded(*arguments):
            if not self.on:
                return
            try:
                function(*arguments)
            except Exception as error:
                self.fail(error)

        return guarded

    def fail(self, error):
        """An error of ours: say so if we still can, and be gone."""
        try:
            import traceback

            lines = traceback.format_exception(type(error), error, error.__traceback__)
            message = "".join(lines)[-TEXT_LIMIT:]
            self.channel.send({"type": "failed", "t": _wall(), "message": message}, True)
            self.channel.flush()
        except Exception:
            pass
        self.disable()

    def disable(self):
        """Undoes what can be undone and goes silent."""
        if not self.on:
            return
        self.on = False
        self.jobs.on = False
        self._stop = True
        try:
            if self._on_gc in gc.callbacks:
                gc.callbacks.remove(self._on_gc)
            if os._exit == self._last_exit:
                os._exit = self._exit
            if self.libraries is not None:
                self.libraries.stop()
        except Exception:
            pass
        self.channel.close()


def _command_line():
    try:
        with open("/proc/self/cmdline", "rb") as line:
            words = line.read(1 << 16).split(b"\0")[:-1]
        return [word.decode("utf-8", "replace")[:TEXT_LIMIT] for word in words[:64]]
    except OSError:
        return [sys.executable or "python"]


def _working_folder():
    try:
        return os.getcwd()
    except OSError:
        return "/"


def _heap_limit():
    try:
        import resource

        limits = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
        finite = [limit for limit in limits if limit > 0 and limit != resource.RLIM_INFINITY]
        return min(finite) if finite else None
    except (ImportError, OSError, ValueError):
        return None
