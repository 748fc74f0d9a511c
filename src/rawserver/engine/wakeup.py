"""Waking a poll from another thread or a signal."""

from __future__ import annotations

import socket
import threading


class SocketWakeup:
    """A pair of connected sockets, one end polled. Any number of wakes is one event."""

    def __init__(self) -> None:
        self._reading, self._writing = socket.socketpair()
        self._reading.setblocking(False)
        self._writing.setblocking(False)
        # Without it, a wake that races with `close` could write to whatever else is given the
        # descriptor. Reentrant, because a signal's handler may wake in the midst of a wake.
        self._lock = threading.RLock()
        self._closed = False

    def fileno(self) -> int:
        return self._reading.fileno()

    def wake(self) -> None:
        """Make the poll return. Never blocks, and is nothing once closed."""
        with self._lock:
            if self._closed:
                return
            try:
                self._writing.send(b"\0")
            except BlockingIOError:
                pass  # full of wakes: the poll returns anyway

    def drain(self) -> None:
        """Take back all wakes so far."""
        try:
            while len(self._reading.recv(4096)) == 4096:
                pass
        except BlockingIOError:
            pass  # another wake-up's poll was quicker

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._reading.close()
            self._writing.close()
