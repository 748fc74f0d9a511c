from random import Random

import pytest

from kit.registry_promises import ip, ip6, numbers, peer_id
from rawserver.swarm.peer_choice import Asker, Choose, PeerChoice, peers_of
from rawserver.swarm.peer_entry import HIDDEN, IPV4, IPV6, SEED, PeerEntry, PeerLayout
from rawserver.swarm.peer_table import make_cipher
from rawserver.swarm.tracked_swarm import TrackedSwarm
from rawserver.wire.compact_peers import Peer

CIPHER = make_cipher(Random(1))


def packed(number: int, layout: PeerLayout) -> bytes:
    return (ip if layout is IPV4 else ip6)(number) + b"\0\x01"


def swarm_of(downloaders4: int, downloaders6: int, seeds6: int = 0) -> TrackedSwarm:
    """Those with IPv4 have the numbers from 0, with IPv6 from 100, seeds from 200."""
    swarm = TrackedSwarm(b"h" * 20)
    kinds = [
        (IPV4, 0, 0, downloaders4), (IPV6, 100, 0, downloaders6), (IPV6, 200, SEED, seeds6)
    ]  # fmt: skip
    for layout, first, kind, count in kinds:
        for number in range(first, first + count):
            table = swarm.table(layout) or swarm.begin_table(layout, CIPHER)
            table.add(PeerEntry(0, kind, 0, packed(number, layout), peer_id(number), 0, 0))
    return swarm


def asker_of(swarm: TrackedSwarm, number: int, layout: PeerLayout, kind: int = 0) -> Asker:
    table = swarm.table(layout)
    assert table is not None
    return Asker(table, kind, packed(number, layout), peer_id(number))


def told(
    swarm: TrackedSwarm, asker: Asker, wanted: int, choose: Choose | None = None, **more: bool
) -> tuple[list[int], list[int]]:
    four, six = PeerChoice(Random(1).random, choose).peers(swarm, asker, wanted, **more)
    return numbers(four), numbers(six, 18)


def test_those_of_the_askers_family_come_first() -> None:
    swarm = swarm_of(4, 4)
    four, six = told(swarm, asker_of(swarm, 0, IPV4), 5)
    assert (sorted(four), len(six)) == ([1, 2, 3], 2)
    four, six = told(swarm, asker_of(swarm, 100, IPV6), 5)
    assert (len(four), sorted(six)) == (2, [101, 102, 103])
    assert told(swarm, asker_of(swarm, 0, IPV4), 5, only_own_family=True)[1] == []


def test_who_is_there_by_both_families_is_told_of_himself_by_neither() -> None:
    swarm = swarm_of(2, 2)
    table = swarm.table(IPV6)
    assert table is not None
    table.add(PeerEntry(0, 0, 0, packed(0, IPV6), peer_id(0), 0, 0))
    four, six = told(swarm, asker_of(swarm, 0, IPV4), 9)
    assert (four, sorted(six)) == ([1], [100, 101])


@pytest.mark.parametrize(("kind", "seeds"), [(0, 1), (HIDDEN, 1), (SEED, 0)])
def test_a_downloader_gets_a_seed_of_the_other_family(kind: int, seeds: int) -> None:
    swarm = swarm_of(9, 0, 3)
    _, six = told(swarm, asker_of(swarm, 50, IPV4, kind), 5)
    assert len(six) == seeds


def test_peer_ids_come_with_the_addresses() -> None:
    swarm = swarm_of(4, 4, 1)
    ids: dict[bytes, bytes] = {}
    asker = asker_of(swarm, 0, IPV4)
    four, six = PeerChoice(Random(1).random).peers(swarm, asker, 20, ids=ids)
    peers = [*peers_of(four, 6, ids), *peers_of(six, 18, ids)]
    assert len(peers) == 8
    assert Peer("10.0.0.3", 1, peer_id(3)) in peers
    assert Peer("2001:db8::c8", 1, peer_id(200)) in peers


def test_the_hook_is_not_asked_of_the_other_family() -> None:
    def last(asker: bytes, candidates: bytes, wanted: int) -> bytes:
        assert asker == ip(0)
        assert len(candidates) % 6 == 0
        return candidates[-6 * wanted :]

    swarm = swarm_of(5, 5)
    four, six = told(swarm, asker_of(swarm, 0, IPV4), 2, last)
    assert (four, six) == ([3, 4], [])
    four, six = told(swarm, asker_of(swarm, 0, IPV4), 6, last)
    assert (sorted(four), len(six)) == ([1, 2, 3, 4], 2)
