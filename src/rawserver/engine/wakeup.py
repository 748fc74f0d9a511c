"""Waking a poll from another thread or a signal."""

from __future__ import annotations

import socket


class SocketWakeup:
    """A pair of connected sockets, one end polled. Any number of wakes is one event."""

    def __init__(self) -> None:
        self._reading, self._writing = socket.socketpair()
        self._reading.setblocking(False)
        self._writing.setblocking(False)

    def fileno(self) -> int:
        return self._reading.fileno()

    def wake(self) -> None:
        """Make the poll return. Never blocks, and is nothing once closed."""
        try:
            self._writing.send(b"\0")
        except BlockingIOError:
            pass  # full of wakes: the poll returns anyway
        except OSError:
            if self._writing.fileno() >= 0:
                raise

    def drain(self) -> None:
        """Take back all wakes so far."""
        try:
            while len(self._reading.recv(4096)) == 4096:
                pass
        except BlockingIOError:
            pass  # another wake-up's poll was quicker

    def close(self) -> None:
        # In this order: a wake that comes in between must not find the other end gone.
        self._writing.close()
        self._reading.close()
