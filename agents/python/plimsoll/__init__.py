"""Tells Plimsoll about the jobs of a hand-written worker loop.

    from plimsoll import job

    with job("email", id="42"):
        send(...)

    @job("report", queue="slow")
    async def report(...): ...

Where Plimsoll does not watch, a job costs next to nothing and does nothing. Optional keywords: `id`, `attempt`,
`queue`, `tenant`, `traceparent`, `payload_bytes`, `enqueued_at` (a datetime, or seconds since the epoch).
Nested jobs belong to the outermost one.
"""

import functools
import sys

__all__ = ["job"]

_COROUTINE = 0x80 | 0x100
_ASYNC_GENERATOR = 0x200


def _jobs():
    agent = getattr(sys.modules.get("_plimsoll"), "agent", None)
    return None if agent is None else agent.jobs


class job:
    """One job, or a decorator that makes a job of each call."""

    __slots__ = ("_name", "_meta", "_run", "_jobs")

    def __init__(self, name, **meta):
        self._name = name
        self._meta = meta
        self._run = None
        self._jobs = None

    def __enter__(self):
        jobs = self._jobs = _jobs()
        if jobs is not None:
            self._run = jobs.begin(self._name, self._meta)
        return self

    def __exit__(self, kind, value, traceback):
        run, self._run = self._run, None
        if run is not None:
            self._jobs.end(run, kind is not None)
        return False

    async def __aenter__(self):
        jobs = self._jobs = _jobs()
        if jobs is not None:
            if jobs.must_wait():
                await jobs.quiet_moment()
            self._run = jobs.begin(self._name, self._meta)
        return self

    async def __aexit__(self, kind, value, traceback):
        return self.__exit__(kind, value, traceback)

    def __call__(self, function):
        name, meta = self._name, self._meta
        flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
        if flags & _ASYNC_GENERATOR:

            @functools.wraps(function)
            async def wrapper(*args, **kwargs):
                async with job(name, **meta):
                    async for value in function(*args, **kwargs):
                        yield value

        elif flags & _COROUTINE:

            @functools.wraps(function)
            async def wrapper(*args, **kwargs):
                async with job(name, **meta):
                    return await function(*args, **kwargs)

        else:

            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                with job(name, **meta):
                    return function(*args, **kwargs)

        return wrapper
