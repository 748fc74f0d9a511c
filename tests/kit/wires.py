"""What stands in for a `Wire`: two ends in memory that cut, delay and refuse as they like."""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence
from typing import Any

from rawserver.engine.network import READABLE, WRITABLE


class MemoryWire:
    """One end. `inbox` has what the other end sent; `capacity` is the most that it holds.

    With `chance`, each call takes a random part of what it could, or is not ready at all.
    """

    def __init__(self, capacity: int = 256 * 1024, chance: random.Random | None = None) -> None:
        self.inbox = bytearray()
        self.capacity = capacity
        self.chance = chance
        self.at_a_time: int | None = None
        self.events = 0
        self.above: Any = None
        self.peer: MemoryWire = self
        self.ended = False  # the other end has shut down
        self.error: OSError | None = None
        self.shut: list[int] = []
        self.calls: list[str] = []
        self.unsent = 0

    def _part(self, most: int) -> int:
        if self.error is not None:
            raise self.error
        if self.at_a_time is not None:
            most = min(most, self.at_a_time)
        if self.chance is None or not most:
            return most
        if self.chance.random() < 0.2:
            return 0
        return min(most, self.chance.choice((1, 5, 100, 1000, 20000, most)))

    def recv(self, count: int) -> bytes:
        self.calls.append("recv")
        count = self._part(min(count, len(self.inbox)))
        if not count:
            if self.ended and not self.inbox:
                return b""
            raise BlockingIOError
        data = bytes(self.inbox[:count])
        del self.inbox[:count]
        return data

    def send(self, data: Any, flags: int = 0) -> int:
        self.calls.append("send")
        count = self._part(min(len(data), self.peer.capacity - len(self.peer.inbox)))
        if not count:
            raise BlockingIOError
        self.peer.inbox += memoryview(data)[:count]
        return count

    def sendmsg(self, buffers: Sequence[Any], ancillary: Any = (), flags: int = 0) -> int:
        count = self.send(b"".join(buffers), flags)
        self.calls[-1] = "sendmsg"
        return count

    def shutdown(self, how: int) -> None:
        if self.error is not None:
            raise self.error
        self.shut.append(how)
        if how != socket.SHUT_RD:
            self.peer.ended = True

    def want(self, events: int) -> None:
        self.events = events

    def found(self) -> int:
        """What a level-triggered poller would find."""
        events = READABLE if self.inbox or self.ended or self.error else 0
        if self.error or len(self.peer.inbox) < self.peer.capacity:
            events |= WRITABLE
        return events & self.events

    def poll(self) -> bool:
        """Tell the one above, as a poller would; returns whether there was anything to tell."""
        events = self.found()
        if events:
            self.above.ready(events)
        return bool(events)


def wire_pair(
    capacity: int = 256 * 1024, chance: random.Random | None = None
) -> tuple[MemoryWire, MemoryWire]:
    one, other = MemoryWire(capacity, chance), MemoryWire(capacity, chance)
    one.peer, other.peer = other, one
    return one, other
