"""`python -m bench tracker`: the tracker beside other trackers on one core."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.place import place
from bench.tracker import announces, registry
from bench.tracker.population import Population
from bench.tracker.trackers import TRACKERS, available

PROGRAMS = {"load": Path(__file__).parent / "load.c"}
PARTS = (*announces.PROTOCOLS, "registry")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m bench tracker", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[*PARTS, "all"], default="all")
    parser.add_argument("-n", "--rounds", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="each run (default: 3)")
    default = Population()
    for name in ("peers", "torrents", "addresses", "numwant", "seed"):
        usual = getattr(default, name)
        parser.add_argument(f"--{name}", type=int, default=usual, help=f"(default: {usual})")
    parser.add_argument("--trackers", nargs="+", choices=TRACKERS, default=list(TRACKERS))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Run what the arguments name."""
    options = parse(arguments)
    wanted = PARTS if "all" in options.what else tuple(options.what)
    population = Population(*(getattr(options, name) for name in Population._fields))
    protocols = [part for part in wanted if part != "registry"]
    try:
        if protocols:
            compare(protocols, population, options)
        if "registry" in wanted:
            print(registry.run(), flush=True)
    except KeyboardInterrupt:
        sys.exit(130)


def compare(protocols: Sequence[str], population: Population, options: argparse.Namespace) -> None:
    """Fill all trackers, then measure them by each protocol."""
    with place(PROGRAMS) as here:
        names = available(options.trackers)
        with announces.filled(here, names, population) as trackers:
            print(f"{announces.memory(trackers)}\n", flush=True)
            for protocol in protocols:
                text = announces.measure(trackers, protocol, options.rounds, options.seconds)
                print(f"{text}\n", flush=True)
