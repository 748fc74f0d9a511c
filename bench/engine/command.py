"""`python -m bench engine`: the engine beside others on one core."""

import argparse
import sys
from collections.abc import Sequence

from bench.engine import accept, echo, idle, tasks, udp
from bench.engine.load import PROGRAMS
from bench.place import Place, place

PARTS = ("echo", "accept", "idle", "tasks", "udp")


def sizes(text: str) -> int:
    """Return bytes of `64`, `16K` or `1M`."""
    factor = {"k": 1024, "m": 1024 * 1024}.get(text[-1:].lower(), 1)
    return int(text[:-1] if factor > 1 else text) * factor


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m bench engine", description=__doc__)
    parser.add_argument("what", nargs="?", choices=[*PARTS, "all"], default="echo")
    parser.add_argument("-n", "--rounds", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--seconds", type=float, default=1.0, help="each run (default: 1)")
    parser.add_argument(
        "--sizes", type=sizes, nargs="+", default=echo.SIZES, help="of echo's messages: 64 16K"
    )
    parser.add_argument("--connections", type=int, nargs="+", default=echo.CONNECTIONS)
    parser.add_argument("--servers", nargs="+", choices=echo.SERVERS, default=echo.SERVERS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Run what the arguments name."""
    options = parse(arguments)
    wanted = PARTS if options.what == "all" else (options.what,)
    try:
        with place(PROGRAMS) as here:
            for part in wanted:
                print(f"{run(part, here, options)}\n", flush=True)
    except KeyboardInterrupt:
        sys.exit(130)


def run(part: str, here: Place, options: argparse.Namespace) -> str:
    """Measure one part; return its table."""
    rounds, seconds, names = options.rounds, options.seconds, options.servers
    if part == "echo":
        return echo.measure(here, names, options.sizes, options.connections, rounds, seconds)
    if part == "accept":
        return accept.measure(here, names, rounds, seconds)
    if part == "idle":
        return idle.measure(here, names, rounds, seconds)
    if part == "tasks":
        return tasks.measure(here, names, rounds)
    return udp.measure(here, names, rounds, seconds)
