"""A host's clocks: one that runs with the world, and one that people may set."""

from __future__ import annotations

from typing import Protocol

# 2027-01-15 08:00 UTC, at the world's second 0.
EPOCH = 1_800_000_000.0


class VirtualTime(Protocol):
    """What `World` is, as far as a clock needs it."""

    @property
    def now(self) -> float: ...


class HostClock:
    """`time()` never jumps. `wall_time()` is off by a skew, drifts away, and can be stepped.

    `skew` in seconds; `drift` in seconds gained each second (a quartz: within 1e-4).
    """

    __slots__ = ("_drift", "_offset", "_since", "_world")

    def __init__(self, world: VirtualTime, skew: float = 0.0, drift: float = 0.0) -> None:
        self._world = world
        self._offset = EPOCH + skew
        self._drift = drift
        self._since = world.now

    def time(self) -> float:
        """Return seconds of the world's clock."""
        return self._world.now

    def wall_time(self) -> float:
        """Return seconds since 1970 as this host sees them."""
        now = self._world.now
        return self._offset + now + self._drift * (now - self._since)

    def step(self, seconds: float) -> None:
        """Set the wall clock forward, or back."""
        self._offset += seconds

    def set_drift(self, drift: float) -> None:
        """Have the wall clock gain so many seconds each second from now on."""
        now = self._world.now
        self._offset += self._drift * (now - self._since)
        self._since, self._drift = now, drift

    def synchronize(self) -> None:
        """Set the wall clock right, as an NTP client does; its drift stays."""
        self._offset, self._since = EPOCH, self._world.now
