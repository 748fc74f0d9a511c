"""Echo on one core: messages a second, the server's CPU for each, and latency."""

import contextlib
import sys
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from bench.engine.load import Load, echo_command, installed, run_load
from bench.place import Place, room_for, turned
from bench.table import table

SERVERS = (
    "rawserver", "rawserver-buffer", "uvloop", "asyncio", "twisted", "trio", "python-epoll",
    "c-epoll",
)  # fmt: skip
OURS = ("rawserver", "rawserver-buffer")
OTHERS = ("uvloop", "asyncio", "twisted", "trio", "python-epoll", "c-epoll")
SIZES = (64, 1024, 16 * 1024, 256 * 1024)
CONNECTIONS = (1, 50, 500, 5000)


class Cell(NamedTuple):
    """A size of messages in bytes and a number of connections."""

    size: int
    connections: int

    def __str__(self) -> str:
        size = f"{self.size // 1024} KiB" if self.size >= 1024 else f"{self.size} B"
        return f"{size} x {self.connections}"


class Figures(NamedTuple):
    """The medians of one server in one cell."""

    rate: float
    cpu_us: float
    p50: float
    p99: float
    others: float


Cells = dict[Cell, dict[str, Figures]]


def measure(
    place: Place,
    names: Sequence[str],
    sizes: Sequence[int],
    connections: Sequence[int],
    rounds: int,
    seconds: float,
) -> str:
    """Measure all cells, printing each as it is done; return the summary."""
    here = installed(names)
    cells: Cells = {}
    for cell in (Cell(size, count) for size in sizes for count in connections):
        why_not = room_for(cell.connections)
        if why_not:
            print(f"{cell}: left out, {why_not}\n", flush=True)
            continue
        runs = measure_cell(place, here, cell, rounds, seconds)
        cells[cell] = {name: figures(these) for name, these in runs.items()}
        print(f"{cell}, medians of {rounds}\n\n{cell_table(cells[cell])}\n", flush=True)
    return summary(cells)


def measure_cell(
    place: Place, names: Sequence[str], cell: Cell, rounds: int, seconds: float
) -> dict[str, list[Load]]:
    """Run every server once a round, another one first each time."""
    runs: dict[str, list[Load]] = {name: [] for name in names}
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(place.serving(echo_command(place, name))) for name in names
        }
        for number in range(rounds):
            for name in turned(names, number):
                child, port = servers[name]
                run = run_load(place, "tcp", child, port, *cell, seconds)
                runs[name].append(run)
                text = f"{cell}, round {number + 1}: {name}: {run.rate:.0f} messages/s"
                print(f"{text}, {run.cpu_us:.2f} us", file=sys.stderr, flush=True)
    return runs


def figures(runs: Sequence[Load]) -> Figures:
    """Return the medians."""
    return Figures(
        median([run.rate for run in runs]),
        median([run.cpu_us for run in runs]),
        median([run.p50 for run in runs]),
        median([run.p99 for run in runs]),
        max(run.others for run in runs),
    )


def cell_table(cell: dict[str, Figures]) -> str:
    """Return the servers of one cell, each set beside uvloop."""
    base = cell.get("uvloop")
    rows = [
        [
            name,
            f"{one.rate:.0f}",
            f"{one.rate / base.rate:.2f}" if base else "-",
            f"{one.cpu_us:.2f}",
            f"{base.cpu_us / one.cpu_us:.2f}" if base else "-",
            f"{one.p50 * 1e6:.0f}",
            f"{one.p99 * 1e6:.0f}",
            f"{one.others:.0%}",
        ]
        for name, one in cell.items()
    ]
    header = [
        "server",
        "messages/s",
        "x uvloop",
        "CPU us/message",
        "x uvloop (more is better)",
        "p50 us",
        "p99 us",
        "others' CPU, most",
    ]
    return table(header, rows)


def summary(cells: Cells) -> str:
    """Return ours against each other server over all cells: CPU and messages, median and least."""
    rows = []
    for ours in OURS:
        for other in OTHERS:
            pairs = [
                (cell, each[ours], each[other])
                for cell, each in cells.items()
                if ours in each and other in each
            ]
            if not pairs:
                continue
            cpu = {cell: theirs.cpu_us / mine.cpu_us for cell, mine, theirs in pairs}
            rate = {cell: mine.rate / theirs.rate for cell, mine, theirs in pairs}
            rows.append([f"{ours} / {other}", *median_and_least(cpu), *median_and_least(rate)])
    if not rows:
        return "Nothing of ours to compare."
    header = ["ratio (more is better)", "CPU, median", "CPU, least"]
    header += ["messages/s, median", "messages/s, least"]
    return f"{len(cells)} cells.\n\n{table(header, rows)}"


def median_and_least(ratios: dict[Cell, float]) -> list[str]:
    """Return both as text; the least with the cell that it is of."""
    least = min(ratios, key=lambda cell: ratios[cell])
    return [f"{median(ratios.values()):.2f}", f"{ratios[least]:.2f} ({least})"]
