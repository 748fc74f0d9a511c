"""How fast a world runs, and what memory the process takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rawserver.simulation import World

KIB = 1024
MIB = KIB * KIB


class RunTime:
    """CPU and wall seconds of a part of a run, its events, and the virtual seconds that passed."""

    def __init__(self) -> None:
        self.cpu_seconds = self.wall_seconds = self.virtual_seconds = 0.0
        self.events = self.deliveries = 0

    def cells(self) -> list[str]:
        """Return it as cells of a table, below `HEADER`."""
        return [
            f"{self.cpu_seconds:.1f}",
            f"{self.events:,}",
            f"{self.events / self.cpu_seconds:,.0f}",
            f"{self.deliveries:,}",
            f"{self.virtual_seconds / self.cpu_seconds:.3g}",
            f"{self.wall_seconds:.1f}",
        ]


HEADER = ["CPU seconds", "events", "events/s", "packets", "simulated s/s", "wall seconds"]


@contextmanager
def timed(world: World) -> Iterator[RunTime]:
    """Measure the block."""
    found = RunTime()
    began, wall_began = time.process_time(), time.monotonic()
    events, deliveries, now = world.events, world.trace.deliveries, world.now
    yield found
    found.cpu_seconds = time.process_time() - began
    found.wall_seconds = time.monotonic() - wall_began
    found.events, found.virtual_seconds = world.events - events, world.now - now
    found.deliveries = world.trace.deliveries - deliveries


def resident_bytes() -> int:
    """Return what the process takes of memory now (VmRSS)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * KIB
    raise RuntimeError("no VmRSS")
