"""What a call costs in virtual time, noted by what it calls and read by who called it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class CostMeter:
    """`seconds` that were spent in waiting, and `num_bytes` that went through memory.

    One for each host. Whoever runs its code takes what was spent, and lets that much time pass
    before the host goes on.
    """

    __slots__ = ("_before", "_moment", "num_bytes", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.num_bytes = 0
        # The last moment at which somebody asked, and what had been spent before it.
        self._moment: float | None = None
        self._before = 0.0

    def spent_at(self, now: float) -> float:
        """Return the seconds spent since the clock came to `now`.

        What was spent at an earlier moment and nobody took lies behind it.
        """
        if self._moment is None:
            self._moment = now
        elif now != self._moment:
            self._moment, self._before = now, self.seconds
        return self.seconds - self._before

    def take(self) -> float:
        """Return the seconds spent since the last time, and begin anew."""
        seconds = self.seconds
        # As `_restart`, without a call: it is taken twice in each turn.
        self.seconds, self.num_bytes, self._moment, self._before = 0.0, 0, None, 0.0
        return seconds

    @contextmanager
    def apart(self) -> Iterator[CostMeter]:
        """Count what is spent inside by itself: yields this meter at zero, restores it after."""
        before = self.seconds, self.num_bytes, self._moment, self._before
        self._restart()
        try:
            yield self
        finally:
            self.seconds, self.num_bytes, self._moment, self._before = before

    def _restart(self) -> None:
        self.seconds, self.num_bytes, self._moment, self._before = 0.0, 0, None, 0.0
