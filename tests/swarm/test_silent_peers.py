from random import Random

import pytest

from kit.peer_tables import assert_store_sound
from kit.registry_promises import peer_id
from rawserver.swarm.peer_entry import IPV4, PeerEntry
from rawserver.swarm.silent_peers import LEAST_BUCKETS, Sweep
from rawserver.swarm.swarm_store import SwarmStore

LIFETIME = 6400.0


def store_of(peers: int, torrents: int, ages: int = 1) -> SwarmStore:
    """Peers in turn of each torrent; they announced in the first `ages` ticks."""
    store = SwarmStore(
        Random(1), max_torrents=10**6, max_peers=10**6, peer_lifetime_seconds=LIFETIME
    )
    store.advance(0.0)
    for number in range(peers):
        swarm, table = store.room((number % torrents).to_bytes(20, "big"), IPV4)
        address = number.to_bytes(4, "big") + b"\0\x01"
        store.put(swarm, table, PeerEntry(0, 0, 0, address, peer_id(number), 0, number % ages))
    return store


@pytest.mark.parametrize("torrents", [1, 7, 300])
def test_the_old_go_and_the_others_stay(torrents: int) -> None:
    store = store_of(3000, torrents, 10)
    sweep = Sweep(store, LIFETIME)
    store.advance(64 * 100.0)
    assert sweep.run(6400.0) == 0
    store.advance(69 * 100.0)
    # Those of the ticks from 0 to 4.
    assert sweep.run(6900.0) == 1500
    assert store.num_peers == 1500
    assert_store_sound(store)
    store.advance(90 * 100.0)
    assert sweep.run(9000.0) == 1500
    assert (store.num_peers, len(store.by_hash)) == (0, 0)


def test_a_call_a_second_goes_through_all_a_few_times_in_a_lifetime() -> None:
    store = store_of(60_000, 1)
    sweep = Sweep(store, 400.0)
    now = 0.0
    # The first round tells how much there is.
    for _ in range(10):
        now += 1.0
        sweep.run(now)
    store.advance(LIFETIME + 200.0)
    forgotten = 0
    for _ in range(12):
        before = forgotten
        now += 1.0
        forgotten += sweep.run(now)
        assert forgotten - before <= 12 * (LEAST_BUCKETS + 100) * 1.5
    assert forgotten == 60_000


def test_who_waits_long_gets_a_long_sweep() -> None:
    store = store_of(60_000, 1)
    sweep = Sweep(store, 400.0)
    for now in range(10):
        sweep.run(float(now))
    store.advance(LIFETIME + 200.0)
    assert sweep.run(500.0) == 60_000


def test_swarms_may_come_and_go_between_the_steps() -> None:
    store = store_of(4000, 2000)
    sweep = Sweep(store, LIFETIME)
    sweep.run(0.0)
    store.advance(LIFETIME + 200.0)
    for number in range(0, 2000, 3):
        info_hash = number.to_bytes(20, "big")
        for each in (number, number + 2000):
            swarm, table, bucket, at = store.find(info_hash, IPV4, peer_id(each))
            if swarm is not None and table is not None:
                store.forget(swarm, table, bucket, at)
    for _ in range(5):
        sweep.run(1.0)
    assert store.num_peers == 0
    assert_store_sound(store)


def test_nobody_is_forgotten_twice_when_all_are_at_once() -> None:
    # More than one call goes through: it stops amid a table.
    store = store_of(LEAST_BUCKETS * 20, 3)
    sweep = Sweep(store, LIFETIME)
    store.advance(100.0)
    sweep.run(100.0)
    store.advance(3 * LIFETIME)
    for second in range(5):
        sweep.run(3 * LIFETIME + second)
    assert (store.num_peers, len(store.by_hash)) == (0, 0)
    assert_store_sound(store)
