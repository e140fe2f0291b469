"""What the process holds: small objects by the interpreter's own allocator, malloc, and resident pages.

Half of real leaks in Python add nothing that the garbage collector can list (a missed decref of a string, a
malloc that nobody frees), so the allocators are asked instead of the collector. All of it is read through
functions that the interpreter and the C library export; what one of them lacks is unknown, never guessed.
"""

import ctypes
import os
import re
import sys

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# "# bytes in allocated blocks        =            1,234,567"
_IN_BLOCKS = re.compile(rb"bytes in allocated blocks *= *([0-9,]+)")
_IN_ARENAS = re.compile(rb"[0-9,]+ arenas \* [0-9,]+ bytes/arena *= *([0-9,]+)")
# Only for interpreters that hide their own statistics: the mean size of a block in the workers that were looked
# at lies between 70 and 110 bytes.
_MEAN_BLOCK_BYTES = 88


class _MallInfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


class _OldMallInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint) for name, _ in _MallInfo._fields_]


class Memory:
    """Readings of this process. Every method may be called from any thread and returns None for an unknown."""

    def __init__(self):
        self._statm = -1
        self._open_statm()
        libc = ctypes.CDLL(None)
        self._mallinfo = self._find_mallinfo(libc)
        self._trim = self._find(libc, "malloc_trim", ctypes.c_int, [ctypes.c_size_t])
        self._prctl = self._find(libc, "prctl", ctypes.c_int, [ctypes.c_int] + [ctypes.c_ulong] * 4)
        self._stats = self._find_block_statistics(libc)

    @staticmethod
    def _find(library, name, result, arguments):
        try:
            function = getattr(library, name)
        except AttributeError:
            return None
        function.restype = result
        function.argtypes = arguments
        return function

    def _find_mallinfo(self, libc):
        function = self._find(libc, "mallinfo2", _MallInfo, [])
        return function or self._find(libc, "mallinfo", _OldMallInfo, [])

    def _find_block_statistics(self, libc):
        """The interpreter's own table of its allocator, written into a file in memory instead of stderr."""
        if not hasattr(sys, "_debugmallocstats") or not hasattr(os, "memfd_create"):
            return None
        # Where the allocation sampler stands before the interpreter's allocator, it knows how to step aside.
        api = ctypes.PyDLL(None)
        names = ("plimsoll_block_statistics", "_PyObject_DebugMallocStats")
        found = [self._find(api, name, ctypes.c_int, [ctypes.c_void_p]) for name in names]
        write = found[0] or found[1]
        fdopen = self._find(libc, "fdopen", ctypes.c_void_p, [ctypes.c_int, ctypes.c_char_p])
        flush = self._find(libc, "fflush", ctypes.c_int, [ctypes.c_void_p])
        rewind = self._find(libc, "rewind", None, [ctypes.c_void_p])
        if None in (write, fdopen, flush, rewind):
            return None
        descriptor = os.memfd_create("plimsoll")
        stream = fdopen(descriptor, b"w+")
        if not stream:
            os.close(descriptor)
            return None
        return write, flush, rewind, stream, descriptor

    def _open_statm(self):
        try:
            self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._statm = -1

    def after_fork(self):
        """`/proc/self` of an open descriptor is still the parent's; the table's file is shared with it too."""
        if self._statm >= 0:
            os.close(self._statm)
        self._open_statm()
        self._stats = self._find_block_statistics(ctypes.CDLL(None))

    def rss_bytes(self):
        """Resident memory, some 2 µs."""
        if self._statm < 0:
            return None
        try:
            return int(os.pread(self._statm, 64, 0).split()[1]) * PAGE_BYTES
        except (OSError, IndexError, ValueError):
            return None

    def anonymous_bytes(self):
        """Resident memory that no file backs."""
        if self._statm < 0:
            return None
        try:
            fields = os.pread(self._statm, 64, 0).split()
            return (int(fields[1]) - int(fields[2])) * PAGE_BYTES
        except (OSError, IndexError, ValueError):
            return None

    def peak_rss_bytes(self):
        """The highest resident memory so far."""
        try:
            with open("/proc/self/status", "rb") as status:
                for line in status:
                    if line.startswith(b"VmHWM:"):
                        return int(line.split()[1]) * 1024
        except (OSError, ValueError):
            pass
        return None

    def small_objects(self):
        """Bytes in blocks of the interpreter's allocator (objects up to 512 bytes), and bytes of its arenas."""
        if self._stats is None:
            blocks = sys.getallocatedblocks()
            return (blocks * _MEAN_BLOCK_BYTES, None) if blocks else (None, None)
        write, flush, rewind, stream, descriptor = self._stats
        rewind(stream)
        write(stream)
        flush(stream)
        text = os.pread(descriptor, 1 << 16, 0)
        in_blocks = _last_number(_IN_BLOCKS, text)
        return in_blocks, _last_number(_IN_ARENAS, text)

    def malloc_bytes(self):
        """Bytes in use by malloc, over all of its arenas."""
        if self._mallinfo is None:
            return None
        info = self._mallinfo()
        return info.uordblks + info.hblkhd

    def trim(self):
        """Gives free pages back, so that resident memory tells what is held rather than what was once used."""
        if self._trim is not None:
            self._trim(0)

    def floor(self):
        """What is held at this moment, garbage and free pages left out."""
        small, arenas = self.small_objects()
        in_use = self.malloc_bytes()
        self.trim()
        return {
            # An interpreter that uses malloc for everything has no small objects of its own.
            "live_bytes": small or in_use or self.anonymous_bytes() or 0,
            "external_bytes": in_use if small else None,
            "resident_bytes": self.anonymous_bytes(),
            "rss_bytes": self.rss_bytes(),
        }

    def allow_tracing_by(self, pid):
        """Where Yama lets only ancestors look, this process lets `pid` do so as well."""
        if self._prctl is not None:
            self._prctl(0x59616D61, pid, 0, 0, 0)


def _last_number(pattern, text):
    # Where a longer table was written before, its tail is still there: the first match is of this one.
    found = pattern.search(text)
    return int(found.group(1).replace(b",", b"")) if found else None
