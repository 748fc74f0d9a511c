"""How fast bytes flow."""

from __future__ import annotations

from collections import deque
from math import inf

# Long enough to smooth out that blocks come in bursts, short enough to show what is going on.
WINDOW_SECONDS = 10.0
# Ticks may come faster than once a second; this bounds what is remembered to 21 of them.
SHORTEST_STEP_SECONDS = 0.5


class RateWindow:
    """The last ten seconds, in which the rates of many meters are measured.

    `now`: the last tick, in seconds. `start`: the youngest tick that is older than the window, or
    minus infinity. `is_mark`: whether what is counted as of `now` is worth remembering.
    """

    __slots__ = ("_marks", "is_mark", "now", "start")

    def __init__(self) -> None:
        self.now = self.start = -inf
        self.is_mark = False
        self._marks: deque[float] = deque()

    def tick(self, now: float) -> None:
        """Move on; to be called about once a second, before the meters that are to be measured."""
        marks = self._marks
        self.now = now
        self.is_mark = not marks or now - marks[-1] >= SHORTEST_STEP_SECONDS
        if self.is_mark:
            marks.append(now)
        while marks and marks[0] <= now - WINDOW_SECONDS:
            self.start = marks.popleft()


class RateMeter:
    """Counts bytes, and measures their rate over the last ten seconds or since the first.

    `total`: bytes so far. `rate`: bytes per second, as of the last tick.
    """

    __slots__ = ("_before", "_first", "_marks", "rate", "total")

    def __init__(self) -> None:
        self.total = 0
        self.rate = 0.0
        self._first: float | None = None  # tick
        # The total as of the start of the window, and (when, total) at each tick since then as of
        # which it had grown.
        self._before = 0
        self._marks: list[tuple[float, int]] = []

    def add(self, amount: int) -> None:
        """Count bytes. This is called for every block and does nothing else."""
        self.total += amount

    def tick(self, window: RateWindow) -> None:
        """Measure as of the window's last tick. One that `rests` may be left out."""
        if self._first is None:
            self._first = window.now
        marks, total = self._marks, self.total
        while marks and marks[0][0] <= window.start:
            self._before = marks.pop(0)[1]
        if window.is_mark and total > (marks[-1][1] if marks else self._before):
            marks.append((window.now, total))
        # What came before the first tick came within about one tick's time.
        start = window.start if window.start >= self._first else self._first - 1.0
        if window.now > start:
            self.rate = (total - self._before) / (window.now - start)

    @property
    def rests(self) -> bool:
        """Whether no bytes came in the window, so that the rate stays 0 until some are added."""
        return self.total == self._before and self._first is not None
