"""The sweep that forgets silent peers, a little of it at a time."""

from __future__ import annotations

from collections.abc import Iterator

from rawserver.swarm.peer_table import PeerTable
from rawserver.swarm.swarm_store import SwarmStore
from rawserver.swarm.tracked_swarm import TrackedSwarm

# All is swept so often in a lifetime: a peer is forgotten a quarter of it late at most.
SWEEPS_IN_LIFETIME = 4
# Buckets that are looked at each time, whatever their number: half a millisecond's worth, and
# enough for all of a small tracker.
LEAST_BUCKETS = 1000


class Sweep:
    """Goes through all swarms again and again and forgets the peers that are too old."""

    def __init__(self, store: SwarmStore, lifetime_seconds: float) -> None:
        self._store = store
        self._round_seconds = lifetime_seconds / SWEEPS_IN_LIFETIME
        self._round: Iterator[int] = iter(())
        self._length = 0
        self._last: float | None = None

    def run(self, now: float) -> int:
        """Sweep what is due since the last time, but no more than all; return how many are gone."""
        passed = 0.0 if self._last is None else max(0.0, now - self._last)
        self._last = now
        due = LEAST_BUCKETS + int(self._length * passed / self._round_seconds)
        begun, forgotten = 0, 0
        while due > 0:
            try:
                forgotten += next(self._round)
                due -= 1
            except StopIteration:
                begun += 1
                if begun > 1:
                    break
                self._round = self._sweep()
        return forgotten

    def _sweep(self) -> Iterator[int]:
        """Go through all once; yield after each bucket how many were forgotten."""
        length = 0
        for swarm in self._store.chain:
            for table in swarm.tables():
                place = 0
                table.pins += 1  # or the last buckets would be put into those that we have left
                try:
                    while place < len(table.buckets):
                        yield self._sweep_bucket(swarm, table, table.buckets[place])
                        place += 1
                finally:
                    table.pins -= 1
                length += place
                while table.shrink():
                    yield 0
        self._length = length

    def _sweep_bucket(self, swarm: TrackedSwarm, table: PeerTable, bucket: bytearray) -> int:
        layout = table.layout
        ages = bucket[layout.age_at :: layout.stride]
        old = ages.translate(None, self._store.ages.fresh)
        if not old:
            return 0
        # From the end: the last one gets the place of one that is forgotten.
        for place in range(len(ages) - 1, -1, -1):
            if ages[place] in old:
                self._store.forget(swarm, table, bucket, place * layout.stride)
        return len(old)
