"""Trackers that hold the same peers, under one load: announces a second, the CPU for each."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

from bench.place import Place, turned
from bench.table import spread, table
from bench.tracker.population import Population
from bench.tracker.trackers import TRACKERS, Running, running

PROTOCOLS = {
    "udp": "UDP",
    "http": "HTTP, a connection for each request",
    "keepalive": "HTTP, connections that are kept",
}
# Requests under way at a time. By UDP they stay below what a receive buffer of the default size
# holds, some 270 of such datagrams: what is lost there would be the kernel's figure, no tracker's.
WINDOWS = {"udp": 128, "http": 64, "keepalive": 64}
LONGEST_FILLING_SECONDS = 2000.0
# Who loses more of the requests than this, or answers more of them wrongly, is not measured.
TOLERATED = 0.01


class Run(NamedTuple):
    """What one run of the load came to; seconds, but for the counts."""

    seconds: float
    cpu: float
    kernel: float
    announces: float
    scrapes: float
    connects: float
    peers_given: float
    peers_counted: float
    peers_there: float
    errors: float
    lost: float
    late: float
    p50: float
    p99: float
    # The CPU that all other processes took, as a part of one core.
    others: float

    @property
    def requests(self) -> float:
        """Announces and scrapes that were answered."""
        return self.announces + self.scrapes

    @property
    def cpu_us(self) -> float:
        """Microseconds of the server's CPU for each request."""
        return self.cpu * 1e6 / max(self.requests, 1.0)


class Trackers:
    """Trackers that run side by side, each filled with the population once."""

    def __init__(self, place: Place, population: Population) -> None:
        self.population = population
        self.fillings: dict[str, Run] = {}
        self.filled_bytes: dict[str, int] = {}
        self.running: dict[str, Running] = {}
        self._place = place

    def fill(self, name: str, one: Running) -> None:
        """Let every peer announce itself, by the cheapest way that the tracker has."""
        self.running[name] = one
        best = next(way for way in ("udp", "keepalive", "http") if way in TRACKERS[name].protocols)
        self.fillings[name] = self.load(name, best, 0.0, "fill=1")
        self.filled_bytes[name] = one.resident_bytes()
        if self.fillings[name].announces < 0.99 * self.population.peers:
            raise RuntimeError(f"{name} did not take all peers: {self.fillings[name]}")

    def load(self, name: str, protocol: str, seconds: float, *more: str) -> Run:
        """Run the load once; RuntimeError if the tracker does not do its work."""
        child, port, _ = self.running[name]
        arguments = [protocol, str(port), *self.population.arguments(), f"pid={child.pid}"]
        arguments += [f"window={WINDOWS[protocol]}", f"seconds={seconds}", *more]
        # A filling cannot be made again.
        repeats = {"repeats": 0} if "fill=1" in more else {}
        longest = 60 + 2 * seconds if seconds else LONGEST_FILLING_SECONDS
        out, others = self._place.load(child, arguments, longest, **repeats)
        figures = {key.decode(): float(value) for key, value in map(bytes.split, out.splitlines())}
        return Run(**figures, others=others)


@contextlib.contextmanager
def filled(place: Place, names: Sequence[str], population: Population) -> Iterator[Trackers]:
    """Give trackers that run and know all peers; they end with the block."""
    trackers = Trackers(place, population)
    with contextlib.ExitStack() as stack:
        for name in names:
            say(f"{name} is filled with {population.peers} peers")
            trackers.fill(name, stack.enter_context(running(place, name, population)))
        yield trackers


def measure(trackers: Trackers, protocol: str, rounds: int, seconds: float) -> str:
    """Run every tracker once a round, another one first each time; return the table."""
    names = [name for name in trackers.running if protocol in TRACKERS[name].protocols]
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(rounds):
        for name in turned(names, number):
            run = trackers.load(name, protocol, seconds, f"sequence={number + 1}")
            wrong = run.errors + run.lost
            if wrong > TOLERATED * (run.requests + wrong):
                raise RuntimeError(f"{name} does not answer as it should: {run}")
            runs[name].append(run)
            rate = run.requests / run.seconds
            say(f"{protocol}, round {number + 1}: {name}: {rate:.0f}/s, {run.cpu_us:.2f} us")
    return f"{PROTOCOLS[protocol]}, medians of {rounds}.\n\n{summary(runs)}"


def summary(runs: dict[str, list[Run]]) -> str:
    """Return the trackers' figures, each set beside those that are not ours."""
    cpu = {name: median([run.cpu_us for run in these]) for name, these in runs.items()}
    others = [name for name in runs if name != "rawserver"]
    rows = []
    for name, these in runs.items():
        all_runs = Run(*map(sum, zip(*these, strict=True)))
        kernel = all_runs.kernel / all_runs.cpu * cpu[name]
        rows.append(
            [
                name,
                f"{median([run.requests / run.seconds for run in these]):.0f}",
                spread([run.cpu_us for run in these]),
                f"{cpu[name] - kernel:.1f} + {kernel:.1f}",
                *(f"{cpu[other] / cpu[name]:.2f}" for other in others),
                f"{median([run.p50 for run in these]) * 1e3:.2f}",
                f"{median([run.p99 for run in these]) * 1e3:.2f}",
                f"{all_runs.peers_given / max(all_runs.announces, 1):.1f}",
                f"{all_runs.peers_counted / max(all_runs.peers_there, 1):.0%}",
                f"{all_runs.lost:.0f}",
                f"{all_runs.errors:.0f}",
                f"{max(run.others for run in these):.0%}",
            ]
        )
    header = ["tracker", "requests/s", "CPU us each", "user + kernel"]
    header += [f"x {other} (more is better)" for other in others]
    header += ["p50 ms", "p99 ms", "peers given", "peers known", "lost", "wrong", "others' CPU"]
    return table(header, rows)


def memory(trackers: Trackers) -> str:
    """Return what the trackers took for the peers that came."""
    rows = []
    for name, filling in trackers.fillings.items():
        grown = trackers.filled_bytes[name] - trackers.running[name].empty_bytes
        rows.append(
            [
                name,
                f"{trackers.running[name].empty_bytes / 1e6:.1f}",
                f"{trackers.filled_bytes[name] / 1e6:.1f}",
                f"{grown / trackers.population.peers:.0f}",
                f"{filling.cpu_us:.2f}",
                f"{filling.lost:.0f}",
            ]
        )
    header = ["tracker", "MB empty", "MB filled", "bytes/peer", "CPU us/arrival", "lost"]
    people = trackers.population
    title = f"{people.peers} peers of {people.torrents} torrents."
    return f"{title}\n\n{table(header, rows)}"


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    print(text, file=sys.stderr, flush=True)
