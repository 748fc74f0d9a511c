"""`python -m bench`: measure, and print the tables.

`engine`, `tracker` and `simulation` have options of their own.
"""

import argparse
import os
import sys

from bench import hashing, transfer
from bench.engine import command
from bench.workspace import GIB, MIB, say_if_busy, workspace


def main() -> None:
    """Read the options and run what they name."""
    if sys.platform != "linux":
        raise SystemExit("needs Linux: it reads /proc and works in /dev/shm")
    # An installed program has its byte code; compiling it at each start is not what is measured.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if sys.argv[1:2] == ["engine"]:
        say_if_busy()
        command.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["simulation"]:
        from bench.simulation import command as simulation

        say_if_busy()
        simulation.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["tracker"]:
        from bench.tracker import command as tracker

        say_if_busy()
        tracker.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["transfer", "hashing", "all"], default="all")
    parser.add_argument("-n", "--rounds", type=int, default=5, help="runs of each (default: 5)")
    parser.add_argument("--mixed", action="store_true", help="also ours with libtorrent's")
    parser.add_argument("--without-ours", action="store_true", help="the other programs alone")
    parser.add_argument("--size", type=int, metavar="MIB", help="smaller data, to try it out")
    options = parser.parse_args()
    say_if_busy()
    pairs = transfer.PAIRS | (transfer.MIXED_PAIRS if options.mixed else {})
    if options.without_ours:
        pairs = {name: pair for name, pair in pairs.items() if "rawserver" not in pair}
    size = options.size * MIB if options.size else None
    with workspace() as folder:
        if options.what in ("transfer", "all"):
            print(transfer.measure(folder, size or GIB, options.rounds, pairs), flush=True)
        if options.what in ("hashing", "all"):
            print("\n" + hashing.measure(folder, size or 4 * GIB, options.rounds), flush=True)


if __name__ == "__main__":
    main()
