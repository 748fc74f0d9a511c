"""100,000 pending tasks: to add, to cancel and to run one."""

import sys
from collections.abc import Sequence

from bench.engine.load import installed
from bench.place import Place, turned
from bench.table import spread, table

COUNT = 100_000
LOOPS = ("rawserver", "asyncio", "uvloop")


def measure(place: Place, names: Sequence[str], rounds: int) -> str:
    """Run every loop once a round, in a fresh process each time; return the table."""
    here = installed([name for name in LOOPS if name in names])
    runs: dict[str, list[list[float]]] = {name: [] for name in here}
    for number in range(rounds):
        for name in turned(here, number):
            runs[name].append(run(place, name))
    rows = [
        [name, *(spread(column, 0) for column in zip(*these, strict=True))]
        for name, these in runs.items()
    ]
    title = f"{COUNT} pending tasks, CPU ns for each, medians of {rounds}."
    return f"{title}\n\n{table(['loop', 'add', 'cancel', 'run when due'], rows)}"


def run(place: Place, name: str) -> list[float]:
    """Return what one process measured, nanoseconds."""
    child = place.start([sys.executable, "-m", "bench.engine.timers", name, str(COUNT)])
    try:
        return [float(figure) for figure in child.wait_line("figures").split()[1:]]
    finally:
        child.close()
