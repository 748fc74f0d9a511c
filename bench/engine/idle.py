"""What 10,000 connections cost on which nothing happens: memory, and time for the one beside."""

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.child import Child
from bench.engine.load import echo_command, installed, run_load
from bench.place import Place, room_for, settle, turned
from bench.table import spread, table

COUNT = 10_000
SIZE = 64
# The backlog of every server is larger.
OPENED_AT_ONCE = 500


class Run(NamedTuple):
    """One server: bytes, milliseconds of CPU per second, microseconds of CPU per message."""

    bytes_each: float
    idle_ms: float
    alone_us: float
    beside_us: float


def measure(place: Place, names: Sequence[str], rounds: int, seconds: float) -> str:
    """Run every server once a round, in a fresh process each time; return the table."""
    why_not = room_for(COUNT)
    if why_not:
        return f"Idle connections: left out, {why_not}"
    here = installed(names)
    runs: dict[str, list[Run]] = {name: [] for name in here}
    for number in range(rounds):
        for name in turned(here, number):
            with place.serving(echo_command(place, name)) as (child, port):
                runs[name].append(run(place, child, port, seconds))
    return summary(runs, rounds)


def run(place: Place, child: Child, port: int, seconds: float) -> Run:
    """Measure one server before and while the idle connections are there."""
    alone = run_load(place, "tcp", child, port, SIZE, 1, seconds)
    before = resident_bytes(child.pid)
    with idle_connections(child, port):
        each = (resident_bytes(child.pid) - before) / COUNT
        cpu, began = child.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        idle = (child.cpu_seconds() - cpu) / (time.monotonic() - began)
        beside = run_load(place, "tcp", child, port, SIZE, 1, seconds)
    return Run(each, idle * 1000, alone.cpu_us, beside.cpu_us)


@contextlib.contextmanager
def idle_connections(child: Child, port: int) -> Iterator[None]:
    """Hold the connections, all of which the server has taken."""
    with contextlib.ExitStack() as stack:
        for opened in range(1, COUNT + 1):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            if opened % OPENED_AT_ONCE == 0:
                settle(child)
        yield


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no VmRSS of process {pid}")


def summary(runs: dict[str, list[Run]], rounds: int) -> str:
    """Return the table."""
    rows = []
    for name, these in runs.items():
        alone = median([run.alone_us for run in these])
        beside = median([run.beside_us for run in these])
        rows.append(
            [
                name,
                spread([run.bytes_each for run in these], 0),
                spread([run.idle_ms for run in these]),
                f"{alone:.1f}",
                f"{beside:.1f}",
                f"{beside / alone:.2f}",
            ]
        )
    header = ["server", "bytes each", "idle CPU ms/s", "CPU us/message alone", "beside them", "x"]
    title = f"{COUNT} idle connections and one that echoes {SIZE} B, medians of {rounds}."
    return f"{title}\n\n{table(header, rows)}"
