"""Whether a table of peers is sound."""

from __future__ import annotations

from rawserver.swarm.peer_entry import HIDDEN, PARTIAL_SEED, SEED, PeerEntry
from rawserver.swarm.peer_table import MOST_IN_A_BUCKET, PeerTable
from rawserver.swarm.swarm_store import SwarmStore


def entries_of(table: PeerTable) -> list[PeerEntry]:
    """Return all entries."""
    return [
        table.entry(bucket, at)
        for bucket in table.buckets
        for at in range(0, len(bucket), table.layout.stride)
    ]


def assert_sound(table: PeerTable) -> None:
    """Fail unless entries are where they are looked for, and the rings are theirs."""
    entries = entries_of(table)
    assert table.num_peers == len(entries) == len({entry.peer_id for entry in entries})
    assert len(entries) <= MOST_IN_A_BUCKET * len(table.buckets)
    assert (table.mask >> 1) < len(table.buckets) <= table.mask + 1
    for entry in entries:
        bucket, at = table.find(entry.peer_id)
        assert bucket is table.bucket_of(entry.peer_id)
        assert table.entry(bucket, at) == entry
    for kind in (0, SEED, PARTIAL_SEED):
        ring = table.ring_of(kind)
        shown = {entry.slot: entry.address for entry in entries if entry.kind == kind}
        assert len(ring.hashes) == 4 * len(ring)
        assert b"".join(shown[slot] for slot in range(len(ring))) == ring.addresses
        assert len(shown) == len(ring)
    assert all(entry.kind & ~HIDDEN in (0, SEED, PARTIAL_SEED) for entry in entries)


def assert_store_sound(store: SwarmStore) -> None:
    """Fail unless the numbers of all swarms are those of their peers."""
    assert list(store.by_hash.values()) == list(store.chain)
    total = seeds = 0
    for swarm in store.chain:
        kinds = []
        for table in swarm.tables():
            assert_sound(table)
            assert table.num_peers
            kinds += [entry.kind & ~HIDDEN for entry in entries_of(table)]
        total += len(kinds)
        seeds += kinds.count(SEED)
        assert swarm.complete == kinds.count(SEED)
        assert swarm.incomplete == len(kinds) - swarm.complete
        assert swarm.partial == kinds.count(PARTIAL_SEED)
    assert (store.num_peers, store.num_seeds) == (total, seeds)
