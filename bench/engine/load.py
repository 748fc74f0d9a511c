"""The load of the engine's echo servers, and which of them can run here."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.child import Child
from bench.place import Place

FOLDER = Path(__file__).parent
PROGRAMS = {program: FOLDER / f"{program}.c" for program in ("load", "echo")}
# The package that a server needs, if it is not the standard library.
NEEDS = {"uvloop": "uvloop", "twisted": "twisted", "trio": "trio"}


class Load(NamedTuple):
    """What one run of the load came to; seconds, but for the counts."""

    messages: float
    seconds: float
    server_cpu_seconds: float
    p50: float
    p99: float
    unanswered: int
    # The CPU that all other processes took, as a part of one core.
    others: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of the server's CPU for each message."""
        return self.server_cpu_seconds * 1e6 / max(self.messages, 1e-9)


def echo_command(place: Place, name: str) -> list[str]:
    """Return the command of a stream echo server."""
    if name == "c-epoll":
        return [str(place.folder / "echo")]
    return [sys.executable, "-m", "bench.engine.servers", name]


def run_load(
    place: Place, kind: str, child: Child, port: int, size: int, connections: int, seconds: float
) -> Load:
    """Run the load; RuntimeError if the server does not do its work."""
    numbers = [port, size, connections, min(0.3, seconds / 2), seconds, child.pid]
    out, others = place.load(child, [kind, *map(str, numbers)], 180 + seconds)
    *figures, unanswered = out.split()
    if int(unanswered) and kind != "udp":
        raise RuntimeError(f"{int(unanswered)} connections never had their answer")
    return Load(*map(float, figures), int(unanswered), others)


def installed(names: Sequence[str]) -> list[str]:
    """Return the servers that can run here, and say which cannot."""
    missing = [name for name in names if name in NEEDS and not _has(NEEDS[name])]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}", file=sys.stderr)
    return [name for name in names if name not in missing]


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
