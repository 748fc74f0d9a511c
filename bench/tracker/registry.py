"""The registry in memory by itself: bytes a peer, time an announce, the longest call.

Swarm sizes follow Zipf's law, a fifth of the peers are seeds, and all announce in no order. Times
are of this process alone; those of announces are the best of some rounds, 200 at a time, for what
else the machine does would be in them otherwise.
"""

from __future__ import annotations

import gc
import itertools
import os
import random
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter, thread_time
from typing import Generic, NamedTuple, TypeVar

from bench.table import table
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.registry import AnnounceResult
from rawserver.swarm.registry_state import Restorer, dump
from rawserver.wire.announce_request import Event

# So many announces of a kind are measured.
SAMPLE = 10_000
ROUNDS = 12
_AT_A_TIME = 200
_PAGE = os.sysconf("SC_PAGE_SIZE")
Result = TypeVar("Result")

_LETTERS = b"0123456789abcdefghijklmnopqrstuvwxyz"


class Peer(NamedTuple):
    """What one peer announces."""

    info_hash: bytes
    peer_id: bytes
    ip: bytes
    port: int
    left: int


def population(peers: int, torrents: int, seed: int) -> Iterator[Peer]:
    """Yield so many peers, one at least of each torrent."""
    chance = random.Random(seed)
    hashes = [chance.randbytes(20) for _ in range(torrents)]
    weights = list(itertools.accumulate(1 / rank for rank in range(1, torrents + 1)))
    for each in range(peers):
        if each < torrents:
            info_hash = hashes[each]
        else:
            info_hash = chance.choices(hashes, cum_weights=weights)[0]
        yield Peer(
            info_hash,
            b"-TR4060-" + bytes(chance.choices(_LETTERS, k=12)),
            chance.randbytes(4),
            chance.randrange(1024, 65536),
            int(chance.random() > 0.2),
        )


class Announces:
    """Announces to a registry as the UDP front does."""

    def __init__(self, registry: MemoryRegistry) -> None:
        self._announce = registry.announce

    def say(self, peer: Peer, event: Event, numwant: int = 50) -> AnnounceResult:
        """Announce one event."""
        return self._announce(
            peer.info_hash, peer.peer_id, peer.ip, peer.port, peer.left, event, numwant, 0.0, b"",
            only_own_family=True,
        )  # fmt: skip

    def started(self, peer: Peer) -> AnnounceResult:
        """Announce a new peer."""
        return self.say(peer, Event.STARTED)

    def again(self, peer: Peer) -> AnnounceResult:
        """Announce a known peer."""
        return self.say(peer, Event.NONE)

    def stopped(self, peer: Peer) -> AnnounceResult:
        """Announce that a peer leaves."""
        return self.say(peer, Event.STOPPED, 0)


def run(peers: int = 1_000_000, torrents: int = 10_000, seed: int = 1) -> str:
    """Measure all and return tables."""
    registry = MemoryRegistry(random.Random(seed), max_peers=2 * peers, max_torrents=2 * torrents)
    announces = Announces(registry)
    gc.collect()
    before = resident()
    filling = Calls(announces.started)
    for peer in population(peers, torrents, seed):
        filling(peer)
    gc.collect()
    taken = resident() - before
    collecting = Calls(gc.collect)
    collecting()
    sizes = {file.info_hash: file.complete + file.incomplete for file in registry.torrents()}
    biggest = max(sizes, key=sizes.__getitem__)
    sample = list(itertools.islice(population(peers, torrents, seed), 20 * SAMPLE))
    big = [peer for peer in sample if peer.info_hash == biggest]
    small = [peer for peer in sample if sizes[peer.info_hash] <= 50]
    # Calls between which there is nothing, and what goes around them.
    empty = best_seconds(lambda peer: None, big)
    rows = [
        ("memory", f"{taken / peers:.0f} bytes a peer"),
        ("peers, torrents, peers of the biggest", f"{peers}, {torrents}, {sizes[biggest]}"),
        ("announce of a known peer, biggest swarm", each(announces.again, big, empty)),
        ("announce of a known leecher, biggest swarm",
         each(announces.again, [peer for peer in big if peer.left], empty)),
        ("announce of a known seed, biggest swarm",
         each(announces.again, [peer for peer in big if not peer.left], empty)),
        ("announce of a known peer, swarms up to 50", each(announces.again, small, empty)),
        ("announce of a known peer, any swarm", each(announces.again, sample[::20], empty)),
        ("announce of a new peer", filling.text()),
    ]  # fmt: skip
    rows.append(("a collection of all garbage", collecting.text(1e3, "ms")))
    rows += state_rows(registry, peers, torrents)
    rows += expiry_rows(registry)
    leaving = Calls(announces.stopped)
    for peer in sample:
        leaving(peer)
    rows.append(("announce of a peer that leaves", leaving.text()))
    return table(("what", "figure"), rows)


def state_rows(registry: MemoryRegistry, peers: int, torrents: int) -> list[tuple[str, str]]:
    """Dump the registry and restore it elsewhere."""
    steps, chunks = dump(registry, 0.0), []
    writing = Calls(lambda: next(steps, b""))
    while chunk := writing():
        chunks.append(chunk)
    again = MemoryRegistry(random.Random(1), max_peers=peers, max_torrents=torrents)
    restorer = Restorer(again, 0.0)
    reading = Calls(restorer.feed)
    for chunk in chunks:
        reading(chunk)
    restorer.close()
    assert again.num_peers == registry.num_peers
    return [
        (f"dump, {sum(map(len, chunks)) >> 20} MiB", writing.total_text()),
        ("restore", reading.total_text()),
    ]


def expiry_rows(registry: MemoryRegistry) -> list[tuple[str, str]]:
    """Sweep once a second for a lifetime in which nobody is too old."""
    sweeping = Calls(registry.expire)
    for second in range(2400):
        sweeping(float(second))
    return [("sweep, once a second", sweeping.text(1e3, "ms"))]


class Calls(Generic[Result]):
    """Calls a function and notes how long it takes, in seconds of this thread."""

    def __init__(self, function: Callable[..., Result]) -> None:
        self._function = function
        self.total = self.longest = 0.0
        self.number = 0

    def __call__(self, *arguments: object) -> Result:
        begun = thread_time()
        result = self._function(*arguments)
        seconds = thread_time() - begun
        self.total += seconds
        self.number += 1
        self.longest = max(self.longest, seconds)
        return result

    def text(self, factor: float = 1e6, unit: str = "us") -> str:
        """Return the mean and the longest."""
        mean = self.total / self.number * factor
        return f"{mean:.2f} {unit}, the longest {self.longest * 1e3:.2f} ms"

    def total_text(self) -> str:
        """Return the sum and the longest."""
        return f"{self.total:.2f} s in {self.number}, the longest {self.longest * 1e3:.2f} ms"


def each(call: Callable[[Peer], object], peers: list[Peer], empty: float) -> str:
    """Return the time of one call as text."""
    return f"{(best_seconds(call, peers) - empty) * 1e6:.2f} us"


def best_seconds(call: Callable[[Peer], object], peers: Iterable[Peer]) -> float:
    """Return the time of one call."""
    some = list(itertools.islice(peers, SAMPLE))
    parts = [some[at : at + _AT_A_TIME] for at in range(0, len(some), _AT_A_TIME)]
    best = [float("inf")] * len(parts)
    for _ in range(ROUNDS):
        for place, part in enumerate(parts):
            begun = perf_counter()
            for peer in part:
                call(peer)
            best[place] = min(best[place], perf_counter() - begun)
    return sum(best) / len(some)


def resident() -> int:
    """Return the memory of this process, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * _PAGE


if __name__ == "__main__":
    print(run())
