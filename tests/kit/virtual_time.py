"""A world that is nothing but its time, for parts of the simulation by themselves."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any


class VirtualEvent:
    def __init__(self, func: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.func = func
        self.args = args
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class VirtualTime:
    """Has a World's `now`, `schedule` and, as far as parts need it, `run`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._events: list[tuple[float, int, VirtualEvent]] = []
        self._sequence = count()

    def schedule(self, delay: float, func: Callable[..., object], *args: Any) -> VirtualEvent:
        event = VirtualEvent(func, args)
        heapq.heappush(self._events, (self.now + delay, next(self._sequence), event))
        return event

    def run(self, seconds: float | None = None) -> None:
        """Let so many seconds pass, or all that is to happen happen."""
        end = float("inf") if seconds is None else self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, event = heapq.heappop(self._events)
            if not event.cancelled:
                event.func(*event.args)
        if seconds is not None:
            self.now = end
