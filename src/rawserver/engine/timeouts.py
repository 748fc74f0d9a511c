"""Finding who is late without looking at the others.

Watches lie in buckets, one for each second in which some must be looked at. What a watch waits
for only notes that it happened; nothing is moved for it. When its second has come, the watch is
asked whether its time is over or when to look again: so a byte costs nothing here, and a turn
looks only at those who may be late.
"""

from __future__ import annotations

from math import inf
from typing import Protocol


class Watch(Protocol):
    """Something with a time limit."""

    def look(self, now: float) -> float | None:
        """Act if the time is over; returns when to look again, None for never."""


class Timeouts:
    """Buckets of watches by the second of the clock in which they are looked at."""

    def __init__(self) -> None:
        self._buckets: dict[int, dict[Watch, None]] = {}
        self._where: dict[Watch, int] = {}

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, watch: Watch) -> bool:
        return watch in self._where

    def add(self, watch: Watch, at: float | None) -> None:
        """Look at a watch at a time of the clock, or up to a second later; never at None.

        One that is there already is looked at then, and not when it was to be.
        """
        if watch in self._where:
            self.remove(watch)
        if at is not None and at != inf:
            second = int(at) + 1
            self._where[watch] = second
            bucket = self._buckets.get(second)
            if bucket is None:
                self._buckets[second] = {watch: None}
            else:
                bucket[watch] = None

    def remove(self, watch: Watch) -> None:
        """Look at it no more; nothing if it is not there."""
        second = self._where.pop(watch, None)
        if second is not None:
            bucket = self._buckets[second]
            del bucket[watch]
            if not bucket:
                del self._buckets[second]

    def look(self, now: float) -> None:
        """Look at those whose second has come."""
        for second in sorted(second for second in self._buckets if second <= now):
            # One at a time, as what a watch does may remove others.
            while bucket := self._buckets.get(second):
                watch = next(iter(bucket))
                self.remove(watch)
                # A watch that wants to be seen again at once would never be done with.
                again = watch.look(now)
                self.add(watch, again if again is None else max(again, now))
