"""How long turns take, and what in them took longest."""

from __future__ import annotations

from typing import Any

from rawserver.engine.fault_reports import call_of
from rawserver.engine.task import Task

# After a turn that took longer, so many turns have their calls measured, to learn which it is. A
# look at the clock after each call would cost every message a hundredth of its time.
SLOW_TURN_SECONDS = 0.005
MEASURED_TURNS = 1000
# Busy seconds are remembered per so many seconds, to tell the present from the past.
PERIOD_SECONDS = 10.0


class TurnTimes:
    """Counts turns and their time in seconds; waiting in the poller is not counted.

    `running` is the task, connection or the like that is being called, for whoever looks on from
    another thread; `began_at` when the turn began, None between turns.
    """

    __slots__ = (
        "_measured_until", "_period_began", "_period_busy", "began_at", "busy", "last_period",
        "longest", "longest_call", "longest_turn", "measured_turns", "running", "turns",
    )  # fmt: skip

    def __init__(self) -> None:
        self.turns = 0
        self.busy = 0.0
        self.longest_turn = 0.0
        # How many of the next turns have their calls measured, and what took longest of those.
        self.measured_turns = 0
        self._measured_until = 0.0
        self.longest = 0.0
        self.longest_call = ""
        self.running: Any = None
        self.began_at: float | None = None
        # The share of the last whole period in which the loop was busy, 0 to 1.
        self.last_period = 0.0
        self._period_began = 0.0
        self._period_busy = 0.0

    def end(self, now: float) -> None:
        """Note that a turn ended, which began at `began_at`."""
        began_at = self.began_at
        assert began_at is not None
        seconds = now - began_at
        self.turns += 1
        self.running = self.began_at = None
        if seconds > SLOW_TURN_SECONDS:
            self.measured_turns = MEASURED_TURNS
            self._measured_until = 0.0
        elif self.measured_turns:
            self.measured_turns -= 1
        if seconds:  # a simulated one mostly takes no time
            self.busy += seconds
            if seconds > self.longest_turn:
                self.longest_turn = seconds
        if now - self._period_began > PERIOD_SECONDS:
            self._begin_period(now)

    def measure(self, running: object, now: float) -> None:
        """Note that a call of this turn ended now, the first since it began or the last did."""
        assert self.began_at is not None
        seconds = now - max(self.began_at, self._measured_until)
        self._measured_until = now
        if seconds > self.longest:
            self.note_longest(running, seconds)

    def _begin_period(self, now: float) -> None:
        self.last_period = (self.busy - self._period_busy) / (now - self._period_began)
        self._period_began, self._period_busy = now, self.busy

    def share(self, now: float) -> float:
        """Return the share of the last ten seconds or more in which the loop was busy, 0 to 1."""
        seconds = now - self._period_began
        if seconds <= PERIOD_SECONDS:
            return self.last_period
        # Nothing of a long rest is noted until the turn that follows it has ended.
        busy = self.busy - self._period_busy
        if self.began_at is not None:
            busy += now - self.began_at
        return busy / seconds

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
