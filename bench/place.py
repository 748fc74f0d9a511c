"""Where servers and load run: compiled programs, one core each, children that always end."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.child import Child
from bench.workspace import busy_cpu_seconds

# Descriptors besides connections: the program's own, its listener, poller and wake-up.
OTHER_DESCRIPTORS = 64
# A server that has taken less than this in a while has nothing left to do.
QUIET_CPU_SECONDS = 0.0005
QUIET_WHILE_SECONDS = 0.02
LONGEST_SETTLING_SECONDS = 30.0

# A run is made again when others took more of one core than this; what it came to is not looked
# at. Time is counted in ticks, so that less cannot be told from nothing.
DISTURBED = 0.1
REPEATS = 1


class Others:
    """What all processes took since this was made, without a server, the load and this one."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._began = time.monotonic()
        self._before = self._busy()

    def _busy(self) -> float:
        # The load counts among this process's children once it has been waited for.
        load = resource.getrusage(resource.RUSAGE_CHILDREN)
        ours = load.ru_utime + load.ru_stime + time.process_time()
        return busy_cpu_seconds() - ours - self._child.cpu_seconds()

    def part_of_a_core(self) -> float:
        """Return it as a part of one core."""
        return max(0.0, self._busy() - self._before) / (time.monotonic() - self._began)


class Place:
    """A folder with the compiled programs, and the two cores that are used."""

    def __init__(self, folder: Path, server_core: int, load_core: int) -> None:
        self.folder = folder
        self.server_core = server_core
        self._load_core = load_core
        self._count = 0

    def start(self, command: Sequence[str]) -> Child:
        """Start a program on the server's core; it ends with `Child.close`."""
        self._count += 1
        everywhere = os.sched_getaffinity(0)
        # What it starts in its first instructions, threads above all, is to be there too.
        os.sched_setaffinity(0, {self.server_core})
        try:
            return Child(list(command), self.folder / f"{self._count}.log")
        finally:
            os.sched_setaffinity(0, everywhere)

    @contextlib.contextmanager
    def serving(self, command: Sequence[str]) -> Iterator[tuple[Child, int]]:
        """Give a server and the port that it says it listens on."""
        child = self.start(command)
        try:
            yield child, int(child.wait_line("ready").split()[1])
        finally:
            child.close()

    def load(
        self, child: Child, arguments: Sequence[str], seconds: float, repeats: int = REPEATS
    ) -> tuple[bytes, float]:
        """Run the load, once more if others disturbed it; the least disturbed run counts.

        Returns what it printed, and the CPU that all other processes took, as a part of one core.
        RuntimeError if the server does not do its work or the run takes longer than `seconds`.
        """
        tries: list[tuple[bytes, float]] = []
        while len(tries) <= repeats and (not tries or tries[-1][1] > DISTURBED):
            tries.append(self._load_once(child, arguments, seconds))
        return min(tries, key=lambda run: run[1])

    def _load_once(
        self, child: Child, arguments: Sequence[str], seconds: float
    ) -> tuple[bytes, float]:
        others = Others(child)
        process = subprocess.Popen(
            [str(self.folder / "load"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            os.sched_setaffinity(process.pid, {self._load_core})
            out, errors = process.communicate(timeout=seconds)
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            raise RuntimeError(errors.decode(errors="replace").strip())
        # What the load remarks without giving up.
        print(errors.decode(errors="replace"), end="", file=sys.stderr, flush=True)
        settle(child)
        return out, others.part_of_a_core()


def settle(child: Child) -> None:
    """Wait until a server has dealt with the connections that were closed."""
    end = time.monotonic() + LONGEST_SETTLING_SECONDS
    while time.monotonic() < end:
        before = child.cpu_seconds()
        time.sleep(QUIET_WHILE_SECONDS)
        if child.cpu_seconds() - before < QUIET_CPU_SECONDS:
            return
    raise RuntimeError("the server does not come to rest")


@contextlib.contextmanager
def place(sources: Mapping[str, Path]) -> Iterator[Place]:
    """Compile programs, and give the place; all is removed however this ends, SIGTERM included."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("needs two cores: one for the server, one for the load")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    # A server's limit is what it inherits from here.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="rawserver-bench-") as name:
        folder = Path(name)
        for program, source in sources.items():
            compile_program(source, folder / program)
        yield Place(folder, cores[-1], cores[0])


def compile_program(source: Path, target: Path) -> None:
    """Compile C; SystemExit in one line where that cannot be."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise SystemExit("needs a C compiler (cc, gcc or clang): the load generator is C")
    done = subprocess.run(
        [compiler, "-O2", "-Wall", "-o", str(target), str(source)], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"cannot compile {source.name}: {done.stderr.strip()[:2000]}")


def room_for(connections: int) -> str:
    """Return why so many connections cannot be had, "" if they can."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit != resource.RLIM_INFINITY and connections + OTHER_DESCRIPTORS > limit:
        return f"{connections} connections need more than the {limit} descriptors of the hard limit"
    return ""


def turned(names: Sequence[str], number: int) -> list[str]:
    """Return the names in turn, another one first each round: whoever is first pays for it."""
    start = number % len(names)
    return [*names[start:], *names[:start]]
