"""Job libraries that need no change of the worker's code.

Nothing is imported for them: a hook waits until the worker imports one, and then wraps the one function that runs a
job. What a version lacks is left alone. The wrapped function is called as before, whatever becomes of us.
"""

import functools
import sys

import importlib.abc
import importlib.util



class Libraries:
    def __init__(self, agent):
        self.agent = agent
        self.jobs = agent.jobs
        self._finder = None
        self._undo = []

    def start(self):
        for name in list(_PATCHES):
            if name in sys.modules:
                self.patch(name, sys.modules[name])
        self._finder = _Finder(self)
        sys.meta_path.insert(0, self._finder)

    def patch(self, name, module):
        """A module of a job library has been loaded."""
        if not self.agent.on:
            return
        try:
            _PATCHES[name](self, module)
        except Exception:
            pass  # An unknown version of a library is a library without hooks.

    def wrap(self, owner, name, describe):
        """Makes a job of each call of `owner.name`; `describe(*args, **kwargs)` gives its class and meta."""
        if isinstance(owner, type):
            # Where the class inherits it, its base is what all of its siblings share.
            owner = next(base for base in owner.__mro__ if name in base.__dict__)
        original = owner.__dict__[name]
        jobs = self.jobs

        def begin(arguments, keywords):
            try:
                described = describe(*arguments, **keywords)
                return None if described is None else jobs.begin(*described)
            except Exception:
                return None

        @functools.wraps(original)
        def wrapper(*arguments, **keywords):
            run = begin(arguments, keywords)
            failed = True
            try:
                result = original(*arguments, **keywords)
                failed = _told_failure(result)
                return result
            finally:
                if run is not None:
                    jobs.end(run, failed)

        setattr(owner, name, wrapper)
        self._undo.append((owner, name, original, wrapper))

    def close(self):
        return False

    def stop(self):
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        for owner, name, original, wrapper in self._undo:
            if getattr(owner, name, None) is wrapper:
                setattr(owner, name, original)
        self._undo.clear()


class _Finder(importlib.abc.MetaPathFinder):
    """Lets the others find the module, and is told when it is loaded."""

    def __init__(self, libraries):
        self.libraries = libraries
        self.finding = False

    def find_spec(self, name, path=None, target=None):
        if name not in _PATCHES or self.finding:
            return None
        self.finding = True
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        finally:
            self.finding = False
        if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
            return None
        load = spec.loader.exec_module
        libraries = self.libraries

        def exec_module(module):
            load(module)
            libraries.patch(name, module)

        try:
            spec.loader.exec_module = exec_module
        except AttributeError:
            return None
        return spec


def _told_failure(result):
    """RQ's `perform_job` gives False for a job that failed."""
    return result is False


def _size(value):
    return len(value) if isinstance(value, (str, bytes, bytearray)) else None


def _celery(libraries, module):
    """The function that traces one task: `build_tracer(name, task, …)` makes it, in the child that runs it."""
    original = module.build_tracer
    jobs = libraries.jobs

    @functools.wraps(original)
    def build_tracer(name, task, *arguments, **keywords):
        trace = original(name, task, *arguments, **keywords)

        def traced(uuid, args, kwargs, request=None):
            run = None
            try:
                told = request if isinstance(request, dict) else {}
                delivery = told.get("delivery_info") or {}
                run = jobs.begin(
                    name,
                    {
                        "id": uuid,
                        "attempt": (told.get("retries") or 0) + 1,
                        "queue": delivery.get("routing_key"),
                        "payload_bytes": _size(told.get("argsrepr")),
                        "traceparent": told.get("traceparent"),
                    },
                )
            except Exception:
                run = None
            failed = True
            try:
                result = trace(uuid, args, kwargs, request)
                # `trace_ok_t(retval, info, runtime, retstr)`: info is set for failures and retries.
                failed = getattr(result, "info", None) is not None
                return result
            finally:
                if run is not None:
                    jobs.end(run, failed)

        return traced

    module.build_tracer = build_tracer
    libraries._undo.append((module, "build_tracer", original, build_tracer))


def _rq(libraries, module):
    def describe(worker, job, queue, *_rest, **_more):
        return job.func_name or "job", {
            "id": job.id,
            "queue": getattr(queue, "name", None),
            "payload_bytes": _size(getattr(job, "_data", None)),
            "enqueued_at": _utc(job.enqueued_at),
        }

    libraries.wrap(module.Worker, "perform_job", describe)


def _utc(value):
    if value is None or getattr(value, "tzinfo", None) is not None:
        return value
    from datetime import timezone

    return value.replace(tzinfo=timezone.utc)


def _dramatiq(libraries, module):
    def describe(actor, *_arguments, **_keywords):
        # Called by a worker thread; a plain call of an actor is no job of a queue, but work all the same.
        return actor.actor_name, {"queue": actor.queue_name}

    libraries.wrap(module.Actor, "__call__", describe)


def _huey(libraries, module):
    def describe(huey, task, *_arguments, **_keywords):
        return task.name, {"id": task.id, "queue": huey.name}

    libraries.wrap(module.Huey, "_execute", describe)


def _arq(libraries, module):
    # The coroutine of each function is what runs; the worker wraps it in its constructor.
    init = module.Worker.__init__

    @functools.wraps(init)
    def made(worker, *arguments, **keywords):
        init(worker, *arguments, **keywords)
        try:
            for name, function in list(worker.functions.items()):
                function.coroutine = _arq_coroutine(libraries.jobs, name, function.coroutine)
        except Exception:
            pass

    module.Worker.__init__ = made
    libraries._undo.append((module.Worker, "__init__", init, made))


def _arq_coroutine(jobs, name, coroutine):
    @functools.wraps(coroutine)
    async def run_job(context, *arguments, **keywords):
        if jobs.must_wait():
            await jobs.quiet_moment()
        run = None
        try:
            meta = {key: context.get(key) for key in ("job_id", "job_try", "enqueue_time")}
            run = jobs.begin(
                name, {"id": meta["job_id"], "attempt": meta["job_try"], "enqueued_at": meta["enqueue_time"]}
            )
        except Exception:
            run = None
        failed = True
        try:
            result = await coroutine(context, *arguments, **keywords)
            failed = False
            return result
        finally:
            if run is not None:
                jobs.end(run, failed)

    return run_job


_PATCHES = {
    "celery.app.trace": _celery,
    "rq.worker": _rq,
    "dramatiq.actor": _dramatiq,
    "huey.api": _huey,
    "arq.worker": _arq,
}
