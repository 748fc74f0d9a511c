"""How long a disk takes, and that it does one thing after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rawserver.simulation.cost_meter import CostMeter


@dataclass(frozen=True, slots=True)
class DiskSpeed:
    """Seconds for each call that reaches the medium, and bytes a second of what it carries."""

    seek_seconds: float
    read_bytes_per_second: float
    write_bytes_per_second: float
    synchronize_seconds: float


# A SATA solid-state disk, a 7200 rpm hard disk, an SD card; and one that takes no time at all.
SOLID_STATE = DiskSpeed(0.0001, 500e6, 450e6, 0.001)
HARD_DISK = DiskSpeed(0.0085, 150e6, 150e6, 0.017)
MEMORY_CARD = DiskSpeed(0.001, 20e6, 10e6, 0.05)
INSTANT = DiskSpeed(0.0, float("inf"), float("inf"), 0.0)


class MonotonicClock(Protocol):
    """What `HostClock` is, as far as a disk's queue needs it."""

    def time(self) -> float: ...


class DiskQueue:
    """The calls that wait for the medium, and what their wait costs who makes them."""

    __slots__ = ("_busy_until", "_clock", "_meter", "speed")

    def __init__(self, clock: MonotonicClock, meter: CostMeter, speed: DiskSpeed) -> None:
        self._clock = clock
        self._meter = meter
        self._busy_until = 0.0
        self.speed = speed

    def occupy(self, seconds: float) -> None:
        """Spend so long on the medium, once those before have had their time."""
        # The caller may have waited for other things already since the clock last moved.
        now = self._clock.time()
        now += self._meter.spent_at(now)
        self._busy_until = max(now, self._busy_until) + seconds
        self._meter.seconds += self._busy_until - now

    def seek(self) -> None:
        """Spend what finding a thing takes."""
        self.occupy(self.speed.seek_seconds)

    def read(self, count: int) -> None:
        """Spend what so many bytes take."""
        self.occupy(self.speed.seek_seconds + count / self.speed.read_bytes_per_second)

    def write(self, count: int) -> None:
        """Spend what so many bytes take; they are written back in order, without a search."""
        self.occupy(count / self.speed.write_bytes_per_second)

    def synchronize(self) -> None:
        """Spend what waiting for the medium takes."""
        self.occupy(self.speed.synchronize_seconds)

    def restart(self) -> None:
        """Forget who waited."""
        self._busy_until = 0.0
