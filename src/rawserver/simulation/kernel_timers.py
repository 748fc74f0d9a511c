"""The timers of the kernels' streams, which are as coarse as those of Linux."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

# Linux's HZ, as distributions have it: its timers are counted in such ticks.
TICKS_PER_SECOND = 250

_Call = tuple[Callable[..., object], tuple[Any, ...]]


class World(Protocol):
    """What the timers need of the world."""

    @property
    def now(self) -> float: ...
    def call_at(
        self, at: float, tie: float, func: Callable[..., object], args: tuple[Any, ...] = ..., /
    ) -> None: ...
    def draw_tie(self) -> float: ...


class KernelTimers:
    """Calls what is due at each tick, in the order in which it was added.

    Nearly all of these timers find that nothing is to be done any more: what was waited for has
    come. So that they cost little, all of one tick are one event of the world.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._tie = world.draw_tie()
        self._ticks: dict[int, deque[_Call]] = {}

    def call_at(self, at: float, func: Callable[..., object], args: tuple[Any, ...] = ()) -> None:
        """Call `func(*args)` at the first tick after a time."""
        tick = int(at * TICKS_PER_SECOND) + 1
        calls = self._ticks.get(tick)
        if calls is None:
            calls = self._ticks[tick] = deque()
            self._world.call_at(tick / TICKS_PER_SECOND, self._tie, self._run, (tick,))
        calls.append((func, args))

    def _run(self, tick: int) -> None:
        calls = self._ticks.pop(tick)
        while calls:
            func, args = calls.popleft()
            func(*args)
