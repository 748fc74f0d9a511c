"""Where servers and load run: compiled programs, one core each, children that always end."""

import contextlib
import importlib.util
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.child import Child
from bench.workspace import busy_cpu_seconds

SOURCES = Path(__file__).parent
# Descriptors besides connections: the program's own, its listener, poller and wake-up.
OTHER_DESCRIPTORS = 64
# The package that a server needs, if it is not the standard library.
NEEDS = {"uvloop": "uvloop", "twisted": "twisted", "trio": "trio"}
# A server that has taken less than this in a while has nothing left to do.
QUIET_CPU_SECONDS = 0.0005
QUIET_WHILE_SECONDS = 0.02
LONGEST_SETTLING_SECONDS = 30.0

# A run is made again when others took more of one core than this; what it came to is not looked
# at. Time is counted in ticks, so that less cannot be told from nothing.
DISTURBED = 0.1
REPEATS = 1


class Load(NamedTuple):
    """What one run of the load came to; seconds, but for the counts."""

    messages: float
    seconds: float
    server_cpu_seconds: float
    p50: float
    p99: float
    unanswered: int
    # The CPU that all other processes took, as a part of one core.
    others: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of the server's CPU for each message."""
        return self.server_cpu_seconds * 1e6 / max(self.messages, 1e-9)


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
        child = Child(list(command), self.folder / f"{self._count}.log")
        # Its first instructions run elsewhere; it is measured when it has long been here.
        os.sched_setaffinity(child.pid, {self.server_core})
        return child

    @contextlib.contextmanager
    def serving(self, command: Sequence[str]) -> Iterator[tuple[Child, int]]:
        """Give a server and the port that it says it listens on."""
        child = self.start(command)
        try:
            yield child, int(child.wait_line("ready").split()[1])
        finally:
            child.close()

    def echo_command(self, name: str) -> list[str]:
        """Return the command of a stream echo server."""
        if name == "c-epoll":
            return [str(self.folder / "echo")]
        return [sys.executable, "-m", "bench.engine.servers", name]

    def load(
        self, kind: str, child: Child, port: int, size: int, connections: int, seconds: float
    ) -> Load:
        """Run the load, once more if others disturbed it; the least disturbed run counts.

        RuntimeError if the server does not do its work.
        """
        tries: list[Load] = []
        while len(tries) <= REPEATS and (not tries or tries[-1].others > DISTURBED):
            tries.append(self._load_once(kind, child, port, size, connections, seconds))
        return min(tries, key=lambda run: run.others)

    def _load_once(
        self, kind: str, child: Child, port: int, size: int, connections: int, seconds: float
    ) -> Load:
        numbers = [port, size, connections, min(0.3, seconds / 2), seconds, child.pid]
        command = [str(self.folder / "load"), kind, *map(str, numbers)]
        others = Others(child)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            os.sched_setaffinity(process.pid, {self._load_core})
            out, errors = process.communicate(timeout=180 + seconds)
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            raise RuntimeError(errors.decode(errors="replace").strip())
        *figures, unanswered = out.split()
        if int(unanswered) and kind != "udp":
            raise RuntimeError(f"{int(unanswered)} connections never had their answer")
        settle(child)
        return Load(*map(float, figures), int(unanswered), others.part_of_a_core())


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
def place() -> Iterator[Place]:
    """Compile, and give the place; all is removed however this ends, SIGTERM included."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("needs two cores: one for the server, one for the load")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    # A server's limit is what it inherits from here.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="rawserver-bench-") as name:
        folder = Path(name)
        for program in ("load", "echo"):
            compile_program(SOURCES / f"{program}.c", folder / program)
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


def installed(names: Sequence[str]) -> list[str]:
    """Return the servers that can run here, and say which cannot."""
    missing = [name for name in names if name in NEEDS and not _has(NEEDS[name])]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}", file=sys.stderr)
    return [name for name in names if name not in missing]


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def turned(names: Sequence[str], number: int) -> list[str]:
    """Return the names in turn, another one first each round: whoever is first pays for it."""
    start = number % len(names)
    return [*names[start:], *names[:start]]
