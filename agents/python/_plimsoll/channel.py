"""The line to Plimsoll: newline-delimited JSON over a Unix socket.

Records are queued by whoever has one and written by the agent's own thread, or by the exit. The queue is bounded;
what does not fit is dropped and counted. The socket is the plain one of the interpreter, taken before anybody
(gevent, eventlet) puts another in its place.
"""

import json
import os
import struct
import time
from collections import deque

import _socket
import _thread

_sleep = time.sleep
_monotonic = time.monotonic

# Room for about a minute of records while Plimsoll does not read …
ORDINARY_LIMIT_BYTES = 1 << 20
# … and for those that carry the result.
IMPORTANT_LIMIT_BYTES = 8 << 20
LINE_LIMIT_BYTES = 1 << 20
COMMAND_LIMIT_BYTES = 1 << 16
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False, default=str).encode


class Channel:
    def __init__(self, path):
        self.path = path
        self.open = True
        self.dropped = 0
        self.peer_pid = None
        self._socket = None
        self._lines = deque()
        self._pending = 0
        self._partial = b""
        self._rest = b""
        self._writing = _thread.allocate_lock()

    def connect(self):
        """True once there is a connection. A refused one ends the channel for good."""
        if self._socket is not None or not self.open:
            return self.open
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            connection.setblocking(True)
            connection.connect(self.path)
            connection.setblocking(False)
        except OSError:
            connection.close()
            self.close()
            return False
        self._socket = connection
        self.peer_pid = _peer_of(connection)
        return True

    def send(self, record, important=False):
        """Queues a record. False if it did not fit and was dropped."""
        if not self.open:
            return False
        line = _encode(record).encode("utf-8", "replace") + b"\n"
        limit = IMPORTANT_LIMIT_BYTES if important else ORDINARY_LIMIT_BYTES
        if len(line) > LINE_LIMIT_BYTES or self._pending + len(line) > limit:
            self.dropped += 1
            return False
        self._pending += len(line)
        self._lines.append(line)
        return True

    def flush(self):
        """Writes what the socket takes without waiting. True once nothing is left."""
        if self._socket is None or not self._writing.acquire(False):
            return False
        try:
            while self._partial or self._lines:
                if not self._partial:
                    self._partial = self._take_lines()
                written = self._socket.send(self._partial, _socket.MSG_NOSIGNAL)
                self._partial = self._partial[written:]
                self._pending -= written
            return True
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self.close()
            return False
        finally:
            self._writing.release()

    def flush_blocking(self, limit_seconds):
        """The last words: waits for room in the socket, but no longer than this."""
        deadline = _monotonic() + limit_seconds
        while self.open and not self.flush() and _monotonic() < deadline:
            _sleep(0.001)

    def _take_lines(self):
        lines = []
        size = 0
        while self._lines and size < 1 << 16:
            line = self._lines.popleft()
            size += len(line)
            lines.append(line)
        return b"".join(lines)

    def commands(self):
        """Commands that have come in, without waiting."""
        if self._socket is None:
            return []
        found = []
        try:
            while True:
                data = self._socket.recv(1 << 14)
                if not data:
                    self.close()
                    break
                self._rest += data
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.close()
        *lines, self._rest = self._rest.split(b"\n")
        if len(self._rest) > COMMAND_LIMIT_BYTES:
            self._rest = b""
        for line in lines:
            try:
                command = json.loads(line)
            except ValueError:
                continue
            if isinstance(command, dict):
                found.append(command)
        return found

    def descriptor(self):
        return -1 if self._socket is None else self._socket.fileno()

    def close(self):
        self.open = False
        self._lines.clear()
        self._partial = b""
        self._pending = 0
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def abandon_after_fork(self):
        """In a child: the parent's connection stays the parent's."""
        connection, self._socket = self._socket, None
        if connection is not None:
            try:
                os.close(connection.detach())
            except OSError:
                pass


def _peer_of(connection):
    try:
        raw = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
        return struct.unpack("3i", raw)[0] or None
    except (OSError, AttributeError, struct.error):
        return None
