"""Making a .torrent of one file of 4 GiB, and verifying the file against it."""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.child import Child, Usage
from bench.clients import LIBTORRENT, RAWSERVER
from bench.table import spread, table
from bench.transfer import DISTURBED_CPU_SECONDS, REPEATS
from bench.workspace import GIB, MIB, busy_cpu_seconds, write_random

PIECE_LENGTH = MIB


class Run(NamedTuple):
    """One program from its start to its end."""

    wall_seconds: float
    usage: Usage
    others_cpu_seconds: float


def make_commands(data: Path, out: Path) -> dict[str, list[str]]:
    """Return each maker's command."""
    exponent = str(PIECE_LENGTH.bit_length() - 1)
    commands = {
        "rawserver": [*RAWSERVER, "make", str(data), "-o", str(out), "--json"],
        "libtorrent set_piece_hashes": [*LIBTORRENT, "make", str(data), str(out)],
    }
    commands["rawserver"] += ["--piece-size", str(PIECE_LENGTH)]
    commands["libtorrent set_piece_hashes"] += [str(PIECE_LENGTH)]
    if shutil.which("mktorrent"):
        commands["mktorrent -t 2"] = ["mktorrent", "-t", "2", "-l", exponent, "-o", str(out)]
        commands["mktorrent -t 2"] += ["-a", "http://127.0.0.1/announce", str(data)]
    else:
        print("mktorrent is not installed: left out", file=sys.stderr)
    return commands


def verify_commands(data: Path, torrent: Path) -> dict[str, list[str]]:
    """Return each verifier's command."""
    place = [str(torrent), str(data.parent)]
    return {
        "rawserver": [*RAWSERVER, "verify", str(torrent), str(data), "--json"],
        "libtorrent recheck": [*LIBTORRENT, "recheck", *place, "default"],
        "libtorrent recheck, hashing_threads=2": [*LIBTORRENT, "recheck", *place, "threads2"],
    }


def measure(folder: Path, size: int, rounds: int) -> str:
    """Run every command once a round; return both tables."""
    data = folder / "data.bin"
    torrent = folder / "data.torrent"
    out = folder / "made.torrent"
    write_random(data, size)
    made = measure_each(make_commands(data, out), rounds, folder, lambda: out.unlink())
    run([*LIBTORRENT, "make", str(data), str(torrent), str(PIECE_LENGTH)], folder)
    verified = measure_each(verify_commands(data, torrent), rounds, folder, lambda: None)
    data.unlink()
    head = f"{size / GIB:g} GiB in pieces of {PIECE_LENGTH // MIB} MiB, medians of {rounds} runs."
    return (
        f"Making {head}\n\n{summary(made, size)}\n\nVerifying {head}\n\n{summary(verified, size)}"
    )


def measure_each(
    commands: dict[str, list[str]], rounds: int, folder: Path, after: Callable[[], None]
) -> dict[str, list[Run]]:
    """Run the commands in turn, another one first each round."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    names = list(commands)
    repeated = 0
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            tries: list[Run] = []
            while len(tries) <= REPEATS:
                tries.append(run(commands[name], folder))
                after()
                say(f"round {number + 1}: {name}", tries[-1])
                if tries[-1].others_cpu_seconds <= DISTURBED_CPU_SECONDS:
                    break
            repeated += len(tries) - 1
            runs[name].append(min(tries, key=lambda one: one.others_cpu_seconds))
    print(f"{repeated} disturbed runs were made again.", file=sys.stderr, flush=True)
    return runs


def say(what: str, one: Run) -> None:
    """Tell on stderr what a run came to, also one that will not count."""
    others = f"others used {one.others_cpu_seconds:.2f} CPU s"
    print(f"{what}: {one.wall_seconds:.2f} s; {others}", file=sys.stderr, flush=True)


def run(command: list[str], folder: Path) -> Run:
    """Run a command to its end; RuntimeError if it does not end well."""
    busy_before = busy_cpu_seconds()
    own_before = time.process_time()
    started = time.monotonic()
    child = Child(command, folder / "child.log")
    try:
        usage = child.wait_end()
    finally:
        child.close()
    wall = time.monotonic() - started
    others = busy_cpu_seconds() - busy_before - (time.process_time() - own_before)
    return Run(wall, usage, others - usage.cpu_seconds)


def summary(runs: dict[str, list[Run]], size: int) -> str:
    """Return the table: the best other program is what all are compared to."""
    walls = {name: median([run.wall_seconds for run in these]) for name, these in runs.items()}
    best = min(wall for name, wall in walls.items() if name != "rawserver")
    rows = [
        [
            name,
            spread([run.wall_seconds for run in these]),
            f"{walls[name] / best:.2f}",
            f"{median([run.usage.cpu_seconds for run in these]) / (size / GIB):.2f}",
            f"{median([run.usage.peak_bytes for run in these]) / MIB:.0f}",
            f"{max(run.others_cpu_seconds for run in these):.1f}",
        ]
        for name, these in runs.items()
    ]
    others = "others' CPU s, most"
    return table(["program", "wall s", "x best other", "CPU s/GiB", "peak MiB", others], rows)
