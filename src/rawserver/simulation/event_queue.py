"""What is to happen, in the order of its time."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

# When it happens, what decides between those of one time, their order else, and the call.
Entry = tuple[float, float, int, Callable[..., object], tuple[Any, ...]]

# A stretch of time whose entries are put in order together, when its time comes. Of a thousand
# hosts a heap of all would be so large that each step through it is a miss of the cache.
STRETCHES_PER_SECOND = 1024
# Whatever comes later than in thirty million years is of one stretch.
_NEVER = 1e15
_LAST_STRETCH = 2**62


class EventQueue:
    """Entries by (time, tie, number), of which no two are equal.

    `present` is a heap of those of the present stretch. It may be read, and popped from; it may be
    empty though there are others: `refill` has the next ones there.
    """

    __slots__ = ("_later", "_stretch", "_stretches", "present")

    def __init__(self) -> None:
        self.present: list[Entry] = []
        self._stretch = 0
        # By stretch, in no order, and a heap of the stretches.
        self._later: dict[int, list[Entry]] = {}
        self._stretches: list[int] = []

    def __len__(self) -> int:
        return len(self.present) + sum(map(len, self._later.values()))

    def push(self, entry: Entry) -> None:
        """Add an entry."""
        at = entry[0]
        stretch = int(at * STRETCHES_PER_SECOND) if at < _NEVER else _LAST_STRETCH
        if stretch <= self._stretch:
            heappush(self.present, entry)
            return
        later = self._later.get(stretch)
        if later is None:
            self._later[stretch] = [entry]
            heappush(self._stretches, stretch)
        else:
            later.append(entry)

    def refill(self) -> bool:
        """Have the next entries in `present`; returns whether there are any."""
        present = self.present
        if present:
            return True
        if not self._stretches:
            return False
        self._stretch = heappop(self._stretches)
        # The same list, which others hold.
        present += self._later.pop(self._stretch)
        heapify(present)
        return True
