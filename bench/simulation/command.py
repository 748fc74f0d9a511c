"""`python -m bench simulation`: what a simulated internet costs, on one core."""

import argparse
from collections.abc import Sequence

from bench.engine.command import sizes
from bench.simulation import datagrams, idle, swarm

PARTS = ("idle", "datagrams", "swarm")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m bench simulation", description=__doc__)
    parser.add_argument("what", nargs="?", choices=[*PARTS, "all"], default="all")
    parser.add_argument("--peers", type=int, default=50, help="of the swarm (default: 50)")
    parser.add_argument("--size", type=sizes, default="8M", help="of its content (default: 8M)")
    parser.add_argument("--piece", type=sizes, help="length of its pieces (default: by its size)")
    parser.add_argument("--hosts", type=int, default=3000, help="others (default: 3000)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of pings (default: 10)")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Run what the arguments name."""
    options = parse(arguments)
    for part in PARTS if options.what == "all" else (options.what,):
        print(f"{run(part, options)}\n", flush=True)


def run(part: str, options: argparse.Namespace) -> str:
    """Measure one part; return its table."""
    if part == "idle":
        return idle.measure(options.hosts, options.seed)
    if part == "datagrams":
        return datagrams.measure(options.hosts, options.seconds, options.seed)
    piece_length = options.piece or swarm.piece_length_of(options.size)
    return swarm.measure(options.peers, options.size, piece_length, options.seed)
