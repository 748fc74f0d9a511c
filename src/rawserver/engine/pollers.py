"""Pollers, the best that the system has: epoll on Linux, kqueue on BSD and macOS, poll, select."""

from __future__ import annotations

import errno
import select
import sys
from collections.abc import Sequence

from rawserver.engine.network import READABLE, WRITABLE, Poller

# What an error or a hang-up is shown as: whoever reads or writes next is told what it was.
_BOTH = READABLE | WRITABLE

if hasattr(select, "epoll"):
    # epoll's own bits for IN and OUT are 1 and 4; ours follow from them by a table, because a
    # loop over events is the one place where every event passes.
    _FROM_EPOLL = {
        mask: (READABLE if mask & (select.EPOLLIN | select.EPOLLPRI) else 0)
        | (WRITABLE if mask & select.EPOLLOUT else 0)
        | (_BOTH if mask & (select.EPOLLERR | select.EPOLLHUP) else 0)
        for mask in range(32)
    }
    _TO_EPOLL = [0, select.EPOLLIN, select.EPOLLOUT, select.EPOLLIN | select.EPOLLOUT]

    class EpollPoller:
        """Linux's epoll, level-triggered."""

        def __init__(self) -> None:
            self._epoll = select.epoll()

        def register(self, descriptor: int, events: int) -> None:
            self._epoll.register(descriptor, _TO_EPOLL[events])

        def modify(self, descriptor: int, events: int) -> None:
            self._epoll.modify(descriptor, _TO_EPOLL[events])

        def unregister(self, descriptor: int) -> None:
            try:
                self._epoll.unregister(descriptor)
            except OSError as error:
                # Who closed it first made the system forget it.
                if error.errno not in (errno.EBADF, errno.ENOENT):
                    raise

        def poll(self, timeout_seconds: float | None) -> Sequence[tuple[int, int]]:
            events = self._epoll.poll(timeout_seconds)
            return [(descriptor, _FROM_EPOLL[mask & 31]) for descriptor, mask in events]

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

        @staticmethod
        def _mask(events: int) -> int:
            return (select.POLLIN if events & READABLE else 0) | (
                select.POLLOUT if events & WRITABLE else 0
            )

        def register(self, descriptor: int, events: int) -> None:
            self._poll.register(descriptor, self._mask(events))

        def modify(self, descriptor: int, events: int) -> None:
            self._poll.modify(descriptor, self._mask(events))

        def unregister(self, descriptor: int) -> None:
            self._poll.unregister(descriptor)

        def poll(self, timeout_seconds: float | None) -> Sequence[tuple[int, int]]:
            # Rounded up: waking a little early would turn the loop over and over.
            timeout = None if timeout_seconds is None else -int(-timeout_seconds * 1000 // 1)
            return [
                (descriptor, self._events(mask)) for descriptor, mask in self._poll.poll(timeout)
            ]

        @staticmethod
        def _events(mask: int) -> int:
            if mask & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                return _BOTH
            return (READABLE if mask & (select.POLLIN | select.POLLPRI) else 0) | (
                WRITABLE if mask & select.POLLOUT else 0
            )

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
