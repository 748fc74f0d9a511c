"""Memory to work in: files on tmpfs that are gone afterwards, and pages that are warm."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

MIB = 1024 * 1024
GIB = 1024 * MIB
TMPFS = Path("/dev/shm")
# The most that a benchmark holds at once: 4 GiB of data or of warmed pages, and two files.
NEEDED_BYTES = 8 * GIB
WARM_BYTES = 4 * GIB


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """Give a folder on tmpfs; it is removed however this ends, SIGTERM included."""
    if available_bytes() < NEEDED_BYTES:
        raise SystemExit(f"needs {NEEDED_BYTES // GIB} GiB of free memory")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    folder = Path(tempfile.mkdtemp(prefix="rawserver-bench-", dir=TMPFS))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def available_bytes() -> int:
    """Return how much memory could be had without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no MemAvailable in /proc/meminfo")


def write_random(path: Path, size: int) -> None:
    """Write a file of `size` bytes, the same each time."""
    chance = random.Random(size)
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            file.write(chance.randbytes(min(MIB, size - start)))


def warm_memory() -> None:
    """Touch and free memory, in a process of its own.

    A virtual machine gives free pages back to its host, and to get one anew costs far more than
    to use it: without this, whoever runs first pays for all.
    """
    touch = f"bytearray(b'1') * {WARM_BYTES}"
    subprocess.run([sys.executable, "-I", "-S", "-c", touch], check=True)


def busy_cpu_seconds() -> float:
    """Return the CPU time that all processors together have been busy since the machine started."""
    fields = Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    user, nice, system, _idle, _iowait, interrupts, soft_interrupts, stolen = map(int, fields)
    busy = user + nice + system + interrupts + soft_interrupts + stolen
    return busy / os.sysconf("SC_CLK_TCK")


def say_if_busy() -> None:
    """Say so when something else is running: no figure is worth much then."""
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"note: load average {load:.2f} at the start; figures will be worse", file=sys.stderr)
