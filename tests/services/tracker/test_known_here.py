"""What a tracker knows of those who announced to it is what they announced."""

import random
from typing import Any

from rawserver.services.tracker.known_here import KnownHere
from rawserver.services.tracker.redis_commands import Announce, Completions, digest_of
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.peer_entry import COMPLETED, VERIFIED
from rawserver.wire.announce_request import Event

HASH, OTHER = b"h" * 20, b"o" * 20
IP, IP6 = b"\xc0\x00\x02\x01", b"\x20\x01\x0d\xb8" + bytes(12)
LIFETIME = 640.0
TICK = LIFETIME / 64


def make(**options: Any) -> tuple[MemoryRegistry, KnownHere]:
    memory = MemoryRegistry(random.Random(1), peer_lifetime_seconds=LIFETIME, **options)
    return memory, KnownHere(memory)


def enter(memory: MemoryRegistry, peer_id: bytes, **fields: Any) -> None:
    values: dict[str, Any] = {
        "info_hash": HASH, "ip": IP, "port": 7, "left": 1, "event": Event.NONE, "numwant": 0,
        "now": 1000.0,
    }  # fmt: skip
    memory.announce(peer_id=peer_id, **(values | fields))


def test_each_peer_comes_as_it_announced() -> None:
    memory, known = make(hide_unverified=True)
    enter(memory, b"a" * 20, left=0, event=Event.COMPLETED, key=b"key")
    enter(memory, b"b" * 20, ip=IP6)
    enter(memory, b"c" * 20, partial=True, info_hash=OTHER)
    enter(memory, b"d" * 20, port=0, info_hash=OTHER)
    memory.verified(HASH, b"a" * 20, IP, 7)
    a, b, of_hash, *others, of_other = known.items(lambda: 1000.0)
    assert isinstance(a, Announce)
    assert isinstance(b, Announce)
    assert a[:6] == (HASH, b"a" * 20, IP, 7, 0, Event.NONE)
    assert (a.flags, a.digest) == (COMPLETED | VERIFIED, digest_of(b"key"))
    assert b[:6] == (HASH, b"b" * 20, IP6, 7, 1, Event.NONE)
    assert (b.flags, b.digest) == (0, 0)
    assert of_hash == Completions(HASH, 1)
    assert {(each.peer_id, each.port, each.partial) for each in others} == {
        (b"c" * 20, 7, True),
        (b"d" * 20, 0, False),
    }
    assert of_other == Completions(OTHER, 0)


def test_nobody_seems_younger_than_he_is_nor_much_older() -> None:
    memory, known = make()
    for number in range(20):
        now = 1000.0 + number * 7
        enter(memory, bytes([number]) * 20, now=now)
        for item in known.items(lambda now=now: now):
            if isinstance(item, Announce):
                announced = 1000.0 + item.peer_id[0] * 7
                assert announced - 2 * TICK <= item.now <= announced


def test_others_may_come_and_go_meanwhile() -> None:
    memory, known = make()
    stay = {number.to_bytes(20, "big") for number in range(300)}
    for peer_id in stay:
        enter(memory, peer_id)
    seen = []
    for number, item in enumerate(known.items(lambda: 1000.0)):
        if isinstance(item, Announce):
            seen.append(item.peer_id)
        enter(memory, (1000 + number).to_bytes(20, "big"), event=Event.STARTED)
        if number % 2:
            enter(memory, (1000 + number - 1).to_bytes(20, "big"), event=Event.STOPPED)
        if number > 5000:
            break
    assert stay <= set(seen)
    assert memory.num_peers > 300
