"""Datagrams a second, echoed."""

import contextlib
import sys
from collections.abc import Sequence
from statistics import median

from bench.engine.datagram_servers import SERVERS
from bench.engine.load import Load, installed, run_load
from bench.place import Place, turned
from bench.table import spread, table

SIZES = (64, 1024)
# A socket's receive buffer holds about 270 small datagrams by default: none is dropped.
SOCKETS = 50


def measure(place: Place, names: Sequence[str], rounds: int, seconds: float) -> str:
    """Run every server once a round and size; return a table for each size."""
    # The bare one and the batches are rows of this table alone.
    theirs = {"rawserver-batch": "rawserver", "python-blocking": "python-epoll"}
    here = installed([name for name in SERVERS if theirs.get(name, name) in names])
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(
                place.serving([sys.executable, "-m", "bench.engine.datagram_servers", name])
            )
            for name in here
        }
        texts = []
        for size in SIZES:
            runs: dict[str, list[Load]] = {name: [] for name in here}
            for number in range(rounds):
                for name in turned(here, number):
                    runs[name].append(
                        run_load(place, "udp", *servers[name], size, SOCKETS, seconds)
                    )
            texts.append(summary(runs, size, rounds))
    return "\n\n".join(texts)


def summary(runs: dict[str, list[Load]], size: int, rounds: int) -> str:
    """Return the table, all set beside uvloop."""
    cpu = {name: median([run.cpu_us for run in these]) for name, these in runs.items()}
    rows = [
        [
            name,
            spread([run.rate for run in these], 0),
            spread([run.cpu_us for run in these]),
            f"{cpu['uvloop'] / cpu[name]:.2f}" if "uvloop" in cpu else "-",
            f"{median([run.p99 for run in these]) * 1e6:.0f}",
            str(sum(run.unanswered for run in these)),
            f"{max(run.others for run in these):.0%}",
        ]
        for name, these in runs.items()
    ]
    header = ["server", "datagrams/s", "CPU us each", "x uvloop (more is better)", "p99 us"]
    header += ["unanswered", "others' CPU, most"]
    title = f"UDP echo, {size} B, {SOCKETS} peers, medians of {rounds}."
    return f"{title}\n\n{table(header, rows)}"
