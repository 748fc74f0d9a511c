"""How long turns take, and what in them took longest."""

from __future__ import annotations

from typing import Any

from rawserver.engine.fault_reports import call_of
from rawserver.engine.task import Task

# Busy seconds are remembered per so many seconds, to tell the present from the past.
PERIOD_SECONDS = 10.0


class TurnTimes:
    """Counts turns and their time in seconds; waiting in the poller is not counted.

    `running` is the task, connection or the like that is being called, for whoever looks on from
    another thread; `began_at` when the turn began, None between turns.
    """

    __slots__ = (
        "_period_began", "_period_busy", "began_at", "busy", "last_period", "longest",
        "longest_call", "longest_turn", "running", "turns",
    )  # fmt: skip

    def __init__(self) -> None:
        self.turns = 0
        self.busy = 0.0
        self.longest_turn = 0.0
        self.longest = 0.0
        self.longest_call = ""
        self.running: Any = None
        self.began_at: float | None = None
        # The share of the last whole period in which the loop was busy, 0 to 1.
        self.last_period = 0.0
        self._period_began = 0.0
        self._period_busy = 0.0

    def begin(self, now: float) -> None:
        """Note that a turn begins."""
        self.turns += 1
        self.began_at = now

    def end(self, now: float) -> None:
        """Note that a turn ended, when nothing of it was left to do."""
        assert self.began_at is not None
        seconds = now - self.began_at
        self.running = self.began_at = None
        self.busy += seconds
        if seconds > self.longest_turn:
            self.longest_turn = seconds
        if now - self._period_began > PERIOD_SECONDS:
            self._begin_period(now)

    def _begin_period(self, now: float) -> None:
        self.last_period = (self.busy - self._period_busy) / (now - self._period_began)
        self._period_began, self._period_busy = now, self.busy

    def note_longest(self, running: object, seconds: float) -> None:
        """Note the call that took longest so far."""
        self.longest = seconds
        self.longest_call = name_of(running)


def name_of(running: Any) -> str:
    """Name what the loop calls: a task's function, or a connection's handler."""
    if isinstance(running, Task):
        return call_of(running.func)
    handler = getattr(running, "handler", None)
    if handler is None:
        return type(running).__qualname__
    return f"{type(handler).__qualname__} of {running!r}"
