"""Pollers, the best that the system has: epoll on Linux, kqueue on BSD and macOS, poll, select."""

from __future__ import annotations

import errno
import select
import sys
from collections.abc import Sequence

from rawserver.engine.network import READABLE, WRITABLE, Poller

if hasattr(select, "epoll"):

    class EpollPoller:
        """Linux's epoll, level-triggered."""

        def __init__(self) -> None:
            self._epoll = select.epoll()
            # Its bits are ours, so nothing passes through here that need not.
            self.poll = self._epoll.poll
            self.register = self._epoll.register
            self.modify = self._epoll.modify

        def unregister(self, descriptor: int) -> None:
            try:
                self._epoll.unregister(descriptor)
            except OSError as error:
                # Who closed it first made the system forget it.
                if error.errno not in (errno.EBADF, errno.ENOENT):
                    raise

        def close(self) -> None:
            self._epoll.close()


if sys.platform != "linux" and sys.platform != "win32":

    class KqueuePoller:
        """kqueue of BSD and macOS; a filter for each direction."""

        def __init__(self) -> None:
            self._kqueue = select.kqueue()
            self._events: dict[int, int] = {}

        def register(self, descriptor: int, events: int) -> None:
            self._events[descriptor] = 0
            self.modify(descriptor, events)

        def modify(self, descriptor: int, events: int) -> None:
            before = self._events[descriptor]
            changes = []
            for bit, kind in (
                (READABLE, select.KQ_FILTER_READ),
                (WRITABLE, select.KQ_FILTER_WRITE),
            ):
                if events & bit and not before & bit:
                    changes.append(select.kevent(descriptor, kind, select.KQ_EV_ADD))
                elif before & bit and not events & bit:
                    changes.append(select.kevent(descriptor, kind, select.KQ_EV_DELETE))
            try:
                if changes:
                    self._kqueue.control(changes, 0, 0)
            except OSError as error:
                # Who closed it first made the system forget it.
                if events or error.errno not in (errno.EBADF, errno.ENOENT):
                    raise
            self._events[descriptor] = events

        def unregister(self, descriptor: int) -> None:
            self.modify(descriptor, 0)
            del self._events[descriptor]

        def poll(self, timeout_seconds: float | None) -> Sequence[tuple[int, int]]:
            found: dict[int, int] = {}
            limit = max(1, 2 * len(self._events))
            for event in self._kqueue.control(None, limit, timeout_seconds):
                bit = READABLE if event.filter == select.KQ_FILTER_READ else WRITABLE
                found[event.ident] = found.get(event.ident, 0) | bit
            return list(found.items())

        def close(self) -> None:
            self._kqueue.close()


if hasattr(select, "poll"):

    class PollPoller:
        """poll(2), of every Unix."""

        def __init__(self) -> None:
            self._poll = select.poll()

        def register(self, descriptor: int, events: int) -> None:
            self._poll.register(descriptor, events)

        def modify(self, descriptor: int, events: int) -> None:
            self._poll.modify(descriptor, events)

        def unregister(self, descriptor: int) -> None:
            self._poll.unregister(descriptor)

        def poll(self, timeout_seconds: float | None) -> Sequence[tuple[int, int]]:
            # Rounded up: waking a little early would turn the loop over and over.
            timeout = None if timeout_seconds is None else -int(-timeout_seconds * 1000 // 1)
            return self._poll.poll(timeout)

        def close(self) -> None:
            pass  # it holds no descriptor


class SelectPoller:
    """select(2), where there is nothing else."""

    def __init__(self) -> None:
        self._events: dict[int, int] = {}

    def register(self, descriptor: int, events: int) -> None:
        self._events[descriptor] = events

    def modify(self, descriptor: int, events: int) -> None:
        self._events[descriptor] = events

    def unregister(self, descriptor: int) -> None:
        del self._events[descriptor]

    def poll(self, timeout_seconds: float | None) -> Sequence[tuple[int, int]]:
        reading = [one for one, events in self._events.items() if events & READABLE]
        writing = [one for one, events in self._events.items() if events & WRITABLE]
        readable, writable, _ = select.select(reading, writing, [], timeout_seconds)
        found = dict.fromkeys(readable, READABLE)
        for descriptor in writable:
            found[descriptor] = found.get(descriptor, 0) | WRITABLE
        return list(found.items())

    def close(self) -> None:
        self._events.clear()


def best_poller() -> Poller:
    """Return a new poller of the best kind that this system has."""
    this = sys.modules[__name__]
    for name in ("EpollPoller", "KqueuePoller", "PollPoller", "SelectPoller"):
        kind = getattr(this, name, None)
        if kind is not None:
            poller: Poller = kind()
            return poller
    raise AssertionError("every system has select")
