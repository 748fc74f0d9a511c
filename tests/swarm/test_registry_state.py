from collections.abc import Iterator
from random import Random
from struct import Struct
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.peer_tables import assert_store_sound, entries_of
from kit.registry_promises import HASH, OTHER_HASH, Desk, ip, ip6, peer_id
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.peer_entry import IPV4, PeerEntry
from rawserver.swarm.registry import RegistryError
from rawserver.swarm.registry_state import (
    CHUNK,
    END,
    HEADER,
    MAGIC,
    PEERS,
    TORRENT,
    RegistryStateError,
    Restorer,
    dump,
)
from rawserver.wire.announce_request import Event


def make(**options: Any) -> MemoryRegistry:
    return MemoryRegistry(Random(1), **{"peer_lifetime_seconds": 64, **options})


def filled(**options: Any) -> Desk:
    """Peers of all kinds in two swarms, at 100 s."""
    desk = Desk(lambda **more: make(**options, **more))
    for number in range(60):
        desk.announce(number, number % 3, now=60.0 + number * 2 / 3, key=b"key")
    for number in range(0, 60, 5):
        desk.announce(number, 0, Event.COMPLETED, now=100.0, key=b"key")
    desk.announce(60, 1, Event.PAUSED, partial=True, now=100.0)
    desk.announce(61, 1, port=0, now=100.0)
    for number in range(20):
        desk.announce(number, number % 2, at=ip6(number), now=100.0)
    desk.announce(1, info_hash=OTHER_HASH, now=100.0)
    return desk


def saved(desk: Desk, now: float = 100.0) -> bytes:
    assert isinstance(desk.registry, MemoryRegistry)
    return b"".join(dump(desk.registry, now))


def restored(
    state: bytes, now: float = 5000.0, elapsed: float = 0.0, step: int = 0, **options: Any
) -> Desk:
    desk = Desk(lambda **more: make(**options, **more))
    assert isinstance(desk.registry, MemoryRegistry)
    restorer = Restorer(desk.registry, now, elapsed)
    for piece in pieces(state, step or len(state)):
        restorer.feed(piece)
    restorer.close()
    assert restorer.peers == desk.registry.num_peers
    assert_store_sound(desk.registry.store)
    return desk


def pieces(data: bytes, step: int) -> Iterator[bytes]:
    for start in range(0, len(data), step):
        yield data[start : start + step]


def contents(desk: Desk) -> dict[bytes, object]:
    """All that there is, but for slots, with ages instead of ticks."""
    assert isinstance(desk.registry, MemoryRegistry)
    store = desk.registry.store
    return {
        swarm.info_hash: (
            swarm.summary(),
            sorted(
                entry._replace(slot=0, age=(store.ages.tick - entry.age) % 256)
                for table in swarm.tables()
                for entry in entries_of(table)
            ),
        )
        for swarm in store.chain
    }


@pytest.mark.parametrize("step", [0, 1, 7, 1000])
def test_what_was_there_is_there_again(step: int) -> None:
    desk = filled()
    again = restored(saved(desk), step=step)
    assert contents(again) == contents(desk)
    assert list(again.registry.torrents()) == list(desk.registry.torrents())
    assert again.scrape(HASH)[0].downloaded == 12
    # Keys are remembered, and whose download was counted.
    with pytest.raises(RegistryError, match="key"):
        again.announce(5, at=ip(9), now=5000.0)
    again.announce(5, 0, Event.COMPLETED, at=ip(9), key=b"key", now=5000.0)
    assert again.scrape(HASH)[0].downloaded == 12


def test_peers_grow_older_by_the_time_between() -> None:
    state = saved(filled())
    assert restored(state).registry.num_peers == 83
    # Announced at 60, 60.7, 61.3... seconds, but for each fifth, which was heard of at 100.
    assert restored(state, elapsed=24.0).registry.num_peers == 83
    assert restored(state, elapsed=30.0).registry.num_peers == 83 - 7
    assert restored(state, elapsed=64.0).registry.num_peers == 35
    gone = restored(state, elapsed=70.0)
    assert (len(gone.registry), gone.registry.num_peers) == (0, 0)
    again = restored(state)
    again.expire(5000.0 + 66.0)
    assert again.registry.num_peers == 0


def test_a_lifetime_may_be_another_by_now() -> None:
    state = saved(filled())
    assert restored(state, peer_lifetime_seconds=20.0).registry.num_peers < 83
    assert restored(state, peer_lifetime_seconds=1e6).registry.num_peers == 83


def test_dead_torrents_are_kept_if_they_are_to_be() -> None:
    desk = Desk(lambda **options: make(keep_dead=True))
    desk.announce(1, 0, Event.COMPLETED)
    desk.announce(1, 0, Event.STOPPED)
    state = saved(desk, 0.0)
    assert restored(state, keep_dead=True).scrape(HASH) == desk.scrape(HASH)
    assert restored(state).scrape(HASH) == []
    assert restored(state, keep_dead=True, max_torrents=0).scrape(HASH) == []


def test_there_is_room_for_so_many() -> None:
    state = saved(filled())
    assert restored(state, max_peers=10).registry.num_peers == 10
    assert len(restored(state, max_torrents=1).registry) == 1


def test_who_is_hidden_is_for_the_options_of_today() -> None:
    desk = filled(hide_unverified=True)
    assert desk.registry.verified(HASH, peer_id(1), ip(1), 6881)
    state = saved(desk)
    assert len(restored(state).told(59, now=5000.0)) == 50
    assert restored(state, hide_unverified=True).told(58, now=5000.0) == [1]


def test_those_that_announced_meanwhile_stay_as_they_are() -> None:
    state = saved(filled())
    desk = Desk(make)
    assert isinstance(desk.registry, MemoryRegistry)
    desk.announce(1, 0, port=99, now=5000.0)
    restorer = Restorer(desk.registry, 5000.0)
    restorer.feed(state)
    restorer.close()
    assert (restorer.peers, desk.registry.num_peers) == (82, 83)
    assert desk.announce(0, now=5000.0, numwant=200).peers4.count(ip(1) + b"\0\x63") == 1


def test_big_swarms_come_in_small_pieces_while_others_announce() -> None:
    desk = Desk(make)
    assert isinstance(desk.registry, MemoryRegistry)
    for number in range(6000):
        desk.announce(number, numwant=0, at=number.to_bytes(4, "big"))
    for number in range(6000, 6300):
        desk.announce(number, info_hash=number.to_bytes(20, "big"), numwant=0)
    seen = []
    for turn, piece in enumerate(dump(desk.registry, 0.0)):
        seen.append(piece)
        # It grows, and then it shrinks.
        for number in range(turn * 100, turn * 100 + 100):
            desk.announce(10_000 + number, numwant=0, at=number.to_bytes(4, "big"))
        for number in range(turn * 150, turn * 150 + 150):
            desk.announce(number, event=Event.STOPPED, at=number.to_bytes(4, "big"))
    assert len(seen) > 15
    assert max(map(len, seen)) < 20_000
    assert_store_sound(desk.registry.store)
    again = restored(b"".join(seen))
    assert isinstance(again.registry, MemoryRegistry)
    ids = {entry.peer_id for swarm in again.registry.store.chain for entry in all_of(swarm)}
    stayed = range(len(seen) * 150, 6300)
    assert ids >= {peer_id(number) for number in stayed}


def all_of(swarm: Any) -> list[PeerEntry]:
    return [entry for table in swarm.tables() for entry in entries_of(table)]


def test_a_dump_that_is_given_up_leaves_the_registry_free_to_shrink() -> None:
    desk = Desk(make)
    assert isinstance(desk.registry, MemoryRegistry)
    for number in range(2000):
        desk.announce(number, numwant=0)
    table = next(iter(desk.registry.store.chain)).ipv4
    assert table is not None
    steps = dump(desk.registry, 0.0)
    next(steps), next(steps)
    assert table.pins == 1
    del steps
    assert table.pins == 0


def test_time_goes_on_while_a_dump_is_taken() -> None:
    desk = Desk(make)
    assert isinstance(desk.registry, MemoryRegistry)
    for number in range(2000):
        desk.announce(number, numwant=0, now=100.0)
    steps = dump(desk.registry, 100.0)
    state = next(steps) + next(steps)
    for number in range(2000):
        desk.announce(number, numwant=0, now=103.0)
    state += b"".join(steps)
    assert restored(state, elapsed=61.5).registry.num_peers > 1000


# Damage.


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_damaged_byte_goes_unnoticed(data: st.DataObject) -> None:
    state = bytearray(STATE)
    at = data.draw(st.integers(0, len(state) - 1))
    # Another length of a tick is one too.
    if not 24 <= at < HEADER.size:
        state[at] ^= data.draw(st.integers(1, 255))
        refused(bytes(state))


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_an_end_too_early_is_noticed(length: int) -> None:
    if length < len(STATE):
        refused(STATE[:length], "ends too early")


def test_an_empty_file_is_no_state() -> None:
    refused(b"", "byte 0: it ends too early")
    refused(b"something else that is longer than it", "byte 0: this is no state")


def test_missing_and_added_chunks_are_noticed() -> None:
    head, chunks = STATE[: HEADER.size], []
    at = HEADER.size
    while at < len(STATE):
        length = CHUNK.size + CHUNK.unpack_from(STATE, at)[0]
        chunks.append(STATE[at : at + length])
        at += length
    assert len(chunks) > 1
    refused(head + b"".join(chunks[1:]), "missing")
    refused(head + b"".join(chunks[:1] + chunks), "missing")
    refused(STATE + chunks[0], "something follows")
    refused(STATE + b"x", "too early")


def chunk(*records: bytes) -> bytes:
    joined = b"".join(records)
    return CHUNK.pack(len(joined), crc32(joined)) + joined


ENTRY = IPV4.entry.pack(7, 1, 0, ip(1) + b"\0\x01", peer_id(1), 0, 3)
SWARM = TORRENT.pack(b"t", HASH, 3)


@pytest.mark.parametrize(("records", "why"), [
    ([SWARM, PEERS.pack(b"4", 2), ENTRY], "within a peer"),
    ([SWARM, PEERS.pack(b"6", 1), ENTRY], "within a peer"),
    ([PEERS.pack(b"4", 1), ENTRY], "no record"),
    ([SWARM[:-1]], "no record"),
    ([SWARM, b"4\0"], "no record"),
    ([b"x"], "no record"),
    ([END.pack(b".", 0, 0), SWARM], "no record"),
    ([END.pack(b".", 1, 0)], "missing"),
    ([SWARM, PEERS.pack(b"4", 1), ENTRY[:4] + b"\x03" + ENTRY[5:]], "kind 3"),
    ([SWARM, PEERS.pack(b"4", 1), ENTRY[:4] + b"\x09" + ENTRY[5:]], "kind 9"),
    ([SWARM, PEERS.pack(b"4", 1), ENTRY[:-2] + b"\x08\x03"], "flags 8"),
])  # fmt: skip
def test_right_checksums_do_not_make_wrong_records_right(records: list[bytes], why: str) -> None:
    refused(HEADER.pack(MAGIC, 1.0) + chunk(*records), why)


@pytest.mark.parametrize("tick", [0.0, -1.0, float("inf"), float("nan")])
def test_a_tick_has_a_length(tick: float) -> None:
    refused(HEADER.pack(MAGIC, tick), "tick")


def test_a_chunk_that_pretends_to_be_long_is_not_waited_for() -> None:
    refused(HEADER.pack(MAGIC, 1.0) + Struct(">II").pack(2**31, 0), "2147483648 bytes")


def test_a_peer_that_is_twice_in_a_state_is_once_in_the_registry() -> None:
    twice = chunk(SWARM, PEERS.pack(b"4", 2), ENTRY, ENTRY)
    desk = restored(HEADER.pack(MAGIC, 1.0) + twice + chunk(END.pack(b".", 1, 2)))
    assert desk.scrape(HASH)[0][1:4] == (1, 3, 0)


def refused(state: bytes, why: str = "byte ") -> None:
    registry = make()
    restorer = Restorer(registry, 5000.0)
    with pytest.raises(RegistryStateError, match=why):
        feed_all(restorer, state)
    assert_store_sound(registry.store)


def feed_all(restorer: Restorer, state: bytes) -> None:
    restorer.feed(state)
    restorer.close()


STATE = saved(filled())
