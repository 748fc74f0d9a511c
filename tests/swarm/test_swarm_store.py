from random import Random
from typing import Any

import pytest

from kit.peer_tables import assert_store_sound
from kit.registry_promises import ip, peer_id
from rawserver.swarm.peer_entry import (
    HIDDEN,
    IPV4,
    IPV6,
    SEED,
    UNREACHABLE,
    VERIFIED,
    PeerEntry,
)
from rawserver.swarm.registry import RegistryError
from rawserver.swarm.swarm_store import SwarmStore

HASH = b"h" * 20


def store_of(**options: Any) -> SwarmStore:
    limits = {"max_torrents": 2, "max_peers": 3, "peer_lifetime_seconds": 64.0}
    return SwarmStore(Random(1), **{**limits, **options})


def entry(number: int, kind: int = 0, flags: int = 0, port: int = 1) -> PeerEntry:
    address = ip(number) + port.to_bytes(2, "big")
    return PeerEntry(0, kind, 0, address, peer_id(number), flags, 0)


def put(store: SwarmStore, peer: PeerEntry, info_hash: bytes = HASH) -> int:
    swarm, table = store.room(info_hash, IPV4)
    return store.put(swarm, table, peer)


def test_peers_are_found_by_torrent_and_family() -> None:
    store = store_of()
    put(store, entry(1))
    swarm, table, bucket, at = store.find(HASH, IPV4, peer_id(1))
    assert swarm is store.by_hash[HASH]
    assert table is not None
    assert table.entry(bucket, at) == entry(1)
    assert store.find(HASH, IPV4, peer_id(2))[3] == -1
    assert store.find(HASH, IPV6, peer_id(1))[1:] == (None, bytearray(), -1)
    assert store.find(b"x" * 20, IPV4, peer_id(1)) == (None, None, bytearray(), -1)


def test_there_is_room_for_so_many() -> None:
    store = store_of()
    for number in range(3):
        put(store, entry(number), bytes([number % 2]) * 20)
    with pytest.raises(RegistryError, match="another peer"):
        store.room(HASH, IPV4)
    assert len(store.by_hash) == 2
    with pytest.raises(RegistryError, match="another torrent"):
        store.swarm(HASH)


@pytest.mark.parametrize("keeps_dead", [False, True])
def test_with_its_last_peer_a_swarm_goes_unless_the_dead_are_kept(keeps_dead: bool) -> None:
    store = store_of(keeps_dead=keeps_dead)
    for number in (1, 2):
        put(store, entry(number))
    for number in (1, 2):
        swarm, table, bucket, at = store.find(HASH, IPV4, peer_id(number))
        assert swarm is not None
        assert table is not None
        assert HASH in store.by_hash
        store.forget(swarm, table, bucket, at)
    assert (HASH in store.by_hash) == keeps_dead
    assert_store_sound(store)


def test_who_is_taken_out_may_come_back_otherwise() -> None:
    store = store_of()
    put(store, entry(1))
    swarm, table, bucket, at = store.find(HASH, IPV4, peer_id(1))
    assert swarm is not None
    assert table is not None
    peer = store.take(swarm, table, bucket, at)
    assert (store.num_peers, swarm.incomplete) == (0, 0)
    store.put(swarm, table, peer._replace(kind=SEED))
    assert swarm.summary()[1:4] == (1, 0, 0)
    assert_store_sound(store)


def test_who_is_hidden() -> None:
    store = store_of()
    assert put(store, entry(1, SEED | HIDDEN)) == SEED
    assert put(store, entry(2, SEED, port=0)) == SEED | HIDDEN
    assert not store.is_unverified(entry(1))
    store = store_of(hides_unverified=True)
    assert put(store, entry(1)) == HIDDEN
    assert put(store, entry(2, SEED, VERIFIED)) == SEED
    assert put(store, entry(3, SEED, VERIFIED, port=0)) == SEED | HIDDEN
    assert store.is_unverified(entry(1))
    assert not store.is_unverified(entry(1, port=0))
    assert not store.is_unverified(entry(1, flags=VERIFIED))
    assert not store.is_unverified(entry(1, flags=UNREACHABLE))


def test_after_two_lifetimes_without_a_call_all_are_gone() -> None:
    for keeps_dead in (False, True):
        store = store_of(keeps_dead=keeps_dead)
        store.advance(0.0)
        put(store, entry(1, SEED))
        store.advance(100.0)
        assert (store.num_peers, store.num_seeds) == (1, 1)
        store.advance(300.0)
        assert (store.num_peers, len(store.by_hash)) == (0, int(keeps_dead))
        assert_store_sound(store)
