"""Finding idle connections without looking at the busy ones.

Connections lie in buckets, one for each second in which some must be looked at. Progress only
notes the time. A connection is looked at when its second has come, and moves to a later bucket if
it had progress meanwhile: so a byte costs nothing here, and a turn looks only at who may be idle.
"""

from __future__ import annotations

from math import inf
from typing import Protocol


class Idler(Protocol):
    """What may be idle: `progress_at` is when the last byte passed, `idle_timeout` in seconds."""

    progress_at: float
    idle_timeout: float | None

    def idle(self) -> None: ...


class IdleTimeouts:
    """Buckets of connections by the second of the clock at which they are looked at."""

    def __init__(self) -> None:
        self._buckets: dict[int, dict[Idler, None]] = {}
        self._where: dict[Idler, int] = {}

    def __len__(self) -> int:
        return len(self._where)

    def add(self, idler: Idler) -> None:
        """Watch a connection, from its `progress_at` on, if it has a time-out."""
        if idler.idle_timeout is not None and idler.idle_timeout != inf:
            second = int(idler.progress_at + idler.idle_timeout) + 1
            self._where[idler] = second
            self._buckets.setdefault(second, {})[idler] = None

    def remove(self, idler: Idler) -> None:
        """Watch it no longer; nothing if it is not watched."""
        second = self._where.pop(idler, None)
        if second is not None:
            bucket = self._buckets[second]
            del bucket[idler]
            if not bucket:
                del self._buckets[second]

    def take_idle(self, now: float) -> list[Idler]:
        """Take out those that had no progress for their time-out."""
        idle: list[Idler] = []
        for second in sorted(second for second in self._buckets if second <= now):
            for idler in self._buckets.pop(second):
                del self._where[idler]
                timeout = idler.idle_timeout
                if timeout is not None and idler.progress_at + timeout <= now:
                    idle.append(idler)
                else:
                    self.add(idler)
        return idle
