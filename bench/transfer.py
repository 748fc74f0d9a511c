"""One file of 1 GiB over loopback, from one seed to one getter."""

import filecmp
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.child import Child, own_peak_bytes
from bench.clients import LIBTORRENT, Getter, Seed
from bench.table import spread, table
from bench.workspace import GIB, MIB, busy_cpu_seconds, warm_memory, write_random

PIECE_LENGTH = MIB
# Name of the row: kind of the seed, kind of the getter. The first is what all are compared to.
PAIRS = {
    "libtorrent -> same": ("libtorrent-default", "libtorrent-default"),
    "libtorrent -> same, high_performance_seed": ("libtorrent-high", "libtorrent-high"),
    "rawserver -> same": ("rawserver", "rawserver"),
    "libtorrent -> aria2": ("libtorrent-default", "aria2"),
}
# Which side of ours is the slower one? Not part of the usual table.
MIXED_PAIRS = {
    "rawserver -> libtorrent": ("rawserver", "libtorrent-default"),
    "libtorrent -> rawserver": ("libtorrent-default", "rawserver"),
}


# A run is made again when other processes took more than this meanwhile: 5 % of two cores for the
# two or three seconds that a run lasts. What it came to is not looked at, only that.
DISTURBED_CPU_SECONDS = 0.25
# So many times for each run; then the least disturbed counts, and the table tells what others took.
REPEATS = 5


class Run(NamedTuple):
    """One transfer: seconds and bytes.

    active_seconds is from the first data that is on disk to the getter's word that it has all;
    wall_seconds to the same from the start of the getter's process. others_cpu_seconds is what all
    other processes took meanwhile: none on a quiet machine.
    """

    active_seconds: float
    wall_seconds: float
    seed_cpu_seconds: float
    getter_cpu_seconds: float
    seed_peak_bytes: int
    getter_peak_bytes: int
    others_cpu_seconds: float


def measure(folder: Path, size: int, rounds: int, pairs: dict[str, tuple[str, str]]) -> str:
    """Run every pair once a round, and return the table of all."""
    data = folder / "data.bin"
    torrent = folder / "data.torrent"
    write_random(data, size)
    subprocess.run([*LIBTORRENT, "make", data, torrent, str(PIECE_LENGTH)], check=True)
    wanted = available(pairs)
    runs: dict[str, list[Run]] = {name: [] for name in wanted}
    names = list(wanted)
    repeated = 0
    for number in range(rounds):
        # A different one comes first each time: whatever the first pays, all pay.
        for name in names[number % len(names) :] + names[: number % len(names)]:
            tries: list[Run] = []
            while not tries or (disturbed(tries) and len(tries) <= REPEATS):
                warm_memory()
                run = transfer(wanted[name], torrent, data, folder, compare=number == 0)
                say(f"round {number + 1}: {name}", run, size)
                tries.append(run)
            repeated += len(tries) - 1
            runs[name].append(least_disturbed(tries))
    data.unlink()
    return f"{summary(runs, size)}\n\n{repeated} disturbed runs were made again."


def least_disturbed(tries: list[Run]) -> Run:
    """Return the run during which other processes took least."""
    return min(tries, key=lambda run: run.others_cpu_seconds)


def disturbed(tries: list[Run]) -> bool:
    """Tell whether not one of them was left alone."""
    return least_disturbed(tries).others_cpu_seconds > DISTURBED_CPU_SECONDS


def say(what: str, run: Run, size: int) -> None:
    """Tell on stderr what a run came to."""
    rate = size / MIB / run.active_seconds
    others = f"others used {run.others_cpu_seconds:.2f} CPU s"
    print(f"{what}: {rate:.0f} MiB/s; {others}", file=sys.stderr, flush=True)


def available(pairs: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Return the pairs whose programs are here, and say which are not."""
    if shutil.which("aria2c") is None:
        print("aria2c is not installed: left out", file=sys.stderr)
        return {name: pair for name, pair in pairs.items() if "aria2" not in pair}
    return pairs


def transfer(pair: tuple[str, str], torrent: Path, data: Path, folder: Path, compare: bool) -> Run:
    """Move the file once; RuntimeError if what came is not what was sent."""
    scratch = folder / "run"
    target = scratch / "got"
    target.mkdir(parents=True)
    children: list[Child] = []
    try:
        seed = Seed(pair[0], torrent, data, scratch)
        children.append(seed.child)
        busy_before = busy_cpu_seconds()
        own_before = time.process_time()
        started = time.monotonic()
        getter = Getter(pair[1], torrent, target, seed, scratch)
        children.append(getter.child)
        first_data = wait_first_data(target / data.name)
        getter.wait_complete()
        done = time.monotonic()
        getter_usage = getter.end()
        seed_usage = seed.end()
        others = busy_cpu_seconds() - busy_before - (time.process_time() - own_before)
        others -= getter_usage.cpu_seconds + seed_usage.cpu_seconds
        if compare and not filecmp.cmp(data, target / data.name, shallow=False):
            raise RuntimeError("what came is not what was sent")
    finally:
        for child in children:
            child.close()
        shutil.rmtree(scratch)
    return Run(
        done - first_data,
        done - started,
        seed_usage.cpu_seconds,
        getter_usage.cpu_seconds,
        seed_usage.peak_bytes,
        getter_usage.peak_bytes,
        others,
    )


def wait_first_data(path: Path) -> float:
    """Return when the first data of a file was on disk, to the millisecond."""
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        try:
            if path.stat().st_blocks:
                return time.monotonic()
        except FileNotFoundError:
            pass
        time.sleep(0.001)
    raise RuntimeError(f"nothing came to {path.name}")


def summary(runs: dict[str, list[Run]], size: int) -> str:
    """Return the table: medians, with the least and the most."""
    base = next(iter(runs.values()))
    gib = size / GIB
    rows = []
    for name, these in runs.items():
        speeds = [size / MIB / run.active_seconds for run in these]
        seed_cpu = [run.seed_cpu_seconds / gib for run in these]
        getter_cpu = [run.getter_cpu_seconds / gib for run in these]
        rows.append(
            [
                name,
                spread(speeds, 0),
                f"{median(speeds) / median([size / MIB / run.active_seconds for run in base]):.2f}",
                spread([run.wall_seconds for run in these]),
                spread(seed_cpu),
                spread(getter_cpu),
                f"{median(both(these)) / gib:.2f}",
                f"{median(both(these)) / median(both(base)):.2f}",
                f"{median([run.seed_peak_bytes for run in these]) / MIB:.0f}",
                f"{median([run.getter_peak_bytes for run in these]) / MIB:.0f}",
                f"{max(run.others_cpu_seconds for run in these):.1f}",
            ]
        )
    header = [
        "seed -> getter",
        "MiB/s active",
        "x first row",
        "wall s",
        "seed CPU s/GiB",
        "getter CPU s/GiB",
        "both",
        "x first row",
        "seed peak MiB",
        "getter peak MiB",
        "others' CPU s, most",
    ]
    floor = f"Peaks below {own_peak_bytes() / MIB:.0f} MiB cannot be told from it."
    title = (
        f"{size / GIB:g} GiB in pieces of {PIECE_LENGTH // MIB} MiB, medians of {len(base)} runs."
    )
    return f"{title} {floor}\n\n{table(header, rows)}"


def both(runs: list[Run]) -> list[float]:
    """Return the CPU seconds of both sides together, for each run."""
    return [run.seed_cpu_seconds + run.getter_cpu_seconds for run in runs]
