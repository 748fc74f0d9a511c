"""All that a tracker knows of those who announce to it, as a store is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rawserver.services.tracker.redis_commands import Announce, Completions, Writable
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.peer_entry import HIDDEN, PARTIAL_SEED, SEED, PeerEntry
from rawserver.swarm.peer_table import PeerTable
from rawserver.swarm.tracked_swarm import TrackedSwarm
from rawserver.wire.announce_request import Event

# An age is one byte.
TICKS_IN_BYTE = 256


class KnownHere:
    """Goes through a registry in memory: its peers, and how often each torrent was completed."""

    def __init__(self, memory: MemoryRegistry) -> None:
        self._store = memory.store

    def items(self, now: Callable[[], float]) -> Iterator[Writable]:
        """Yield each peer as it announced last, and completions, of one torrent after another.

        `now()` is the time, in seconds, of the last announce. Others may come between two of them.
        """
        for swarm in self._store.chain:
            for table in swarm.tables():
                yield from self._peers(swarm, table, now)
            yield Completions(swarm.info_hash, swarm.downloaded)

    def _peers(
        self, swarm: TrackedSwarm, table: PeerTable, now: Callable[[], float]
    ) -> Iterator[Announce]:
        table.pins += 1
        try:
            place = 0
            while place < len(table.buckets):
                entries = [*table.layout.entry.iter_unpack(table.buckets[place])]
                place += 1
                for entry in entries:
                    yield self._announce(swarm.info_hash, PeerEntry(*entry), now())
        finally:
            table.pins -= 1

    def _announce(self, info_hash: bytes, entry: PeerEntry, now: float) -> Announce:
        kind, ages = entry.kind & ~HIDDEN, self._store.ages
        # Known to a tick. Better too old than too young: what the store knows is newer.
        ticks = (ages.tick - entry.age) % TICKS_IN_BYTE + 1
        return Announce(
            info_hash=info_hash,
            peer_id=entry.peer_id,
            ip=entry.address[:-2],
            port=int.from_bytes(entry.address[-2:], "big"),
            left=0 if kind == SEED else 1,
            event=Event.NONE,
            numwant=0,
            now=now - ticks * ages.tick_seconds,
            key=b"",
            with_ids=False,
            partial=kind == PARTIAL_SEED,
            only_own_family=False,
            later=None,
            flags=entry.flags,
            digest=entry.key,
        )
