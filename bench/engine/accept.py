"""Connections a second: each is made, has one message answered, and is closed by the peer."""

import contextlib
from collections.abc import Sequence
from statistics import median

from bench.engine.load import Load, echo_command, installed, run_load
from bench.place import Place, turned
from bench.table import spread, table

SIZE = 64
AT_ONCE = 50


def measure(place: Place, names: Sequence[str], rounds: int, seconds: float) -> str:
    """Run every server once a round; return the table."""
    here = installed(names)
    runs: dict[str, list[Load]] = {name: [] for name in here}
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(place.serving(echo_command(place, name))) for name in here
        }
        for number in range(rounds):
            for name in turned(here, number):
                runs[name].append(run_load(place, "renew", *servers[name], SIZE, AT_ONCE, seconds))
    return summary(runs, rounds)


def summary(runs: dict[str, list[Load]], rounds: int) -> str:
    """Return the table, all set beside uvloop."""
    cpu = {name: median([run.cpu_us for run in these]) for name, these in runs.items()}
    rows = [
        [
            name,
            spread([run.rate for run in these], 0),
            spread([run.cpu_us for run in these], 1),
            f"{cpu['uvloop'] / cpu[name]:.2f}" if "uvloop" in cpu else "-",
            f"{median([run.p99 for run in these]) * 1e6:.0f}",
            f"{max(run.others for run in these):.0%}",
        ]
        for name, these in runs.items()
    ]
    header = ["server", "connections/s", "CPU us each", "x uvloop (more is better)", "p99 us"]
    header.append("others' CPU, most")
    title = f"Accept, {SIZE} B echoed and closed, {AT_ONCE} at once, medians of {rounds}."
    return f"{title}\n\n{table(header, rows)}"
