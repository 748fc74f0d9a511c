"""What a call costs in virtual time, noted by what it calls and read by who called it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class CostMeter:
    """`seconds` that were spent in waiting, and `num_bytes` that went through memory.

    One for each host. Whoever runs its code takes what was spent, and lets that much time pass
    before the host goes on.
    """

    __slots__ = ("num_bytes", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.num_bytes = 0

    def take(self) -> float:
        """Return the seconds spent since the last time, and begin anew."""
        seconds, self.seconds, self.num_bytes = self.seconds, 0.0, 0
        return seconds

    @contextmanager
    def apart(self) -> Iterator[CostMeter]:
        """Count what is spent inside by itself: yields this meter at zero, restores it after."""
        before = self.seconds, self.num_bytes
        self.seconds, self.num_bytes = 0.0, 0
        try:
            yield self
        finally:
            self.seconds, self.num_bytes = before
