from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.peer_ring import PeerRing

NOBODY = bytes(6)


def address(number: int) -> bytes:
    return number.to_bytes(6, "big")


def ring_of(count: int) -> PeerRing:
    ring = PeerRing(6)
    for number in range(1, count + 1):
        assert ring.add(address(number), number * 1000) == number - 1
    return ring


def told(piece: bytes | bytearray) -> list[int]:
    return [int.from_bytes(piece[at : at + 6], "big") for at in range(0, len(piece), 6)]


def test_who_leaves_gives_his_slot_to_the_last_one() -> None:
    ring = ring_of(4)
    assert ring.remove(1) == 4000
    assert told(ring.addresses) == [1, 4, 3]
    assert [ring.hash_at(slot) for slot in range(3)] == [1000, 4000, 3000]
    assert ring.remove(2) is None
    assert ring.remove(0) == 4000
    assert ring.remove(0) is None
    assert len(ring) == len(ring.hashes) == 0


@given(st.integers(0, 12), st.integers(0, 15), st.integers(0, 13), st.integers(0, 999))
def test_a_window_has_as_many_as_there_are_and_never_the_asker(
    there: int, wanted: int, own: int, seed: int
) -> None:
    found = told(ring_of(there).window(wanted, address(own), Random(seed).random))
    others = set(range(1, there + 1)) - {own}
    assert len(found) == len(set(found)) == min(wanted, len(others))
    assert set(found) <= others


def test_a_window_goes_on_at_the_beginning_after_the_end() -> None:
    ring = ring_of(5)
    assert told(ring.window(3, NOBODY, lambda: 0.99)) == [5, 1, 2]
    assert told(ring.window(3, address(1), lambda: 0.99)) == [5, 2, 3]
    assert told(ring.window(3, address(3), lambda: 0.99)) == [5, 1, 2]
    assert ring.slots(3, lambda: 0.99) == [4, 0, 1]
    assert ring.slots(9, lambda: 0.99) == [0, 1, 2, 3, 4]
    assert PeerRing(6).slots(3, lambda: 0.99) == []


def test_the_ring_is_not_given_away() -> None:
    ring = ring_of(3)
    for wanted in (0, 2, 3, 9):
        piece = ring.window(wanted, NOBODY, lambda: 0.5)
        piece.clear()
        assert len(ring) == 3


@pytest.mark.parametrize("wanted", [2, 3, 9])
def test_the_asker_is_cut_out_as_often_as_his_address_is_there(wanted: int) -> None:
    ring = ring_of(2)
    for _ in range(2):
        ring.add(address(7), 0)
    assert 7 not in told(ring.window(wanted, address(7), lambda: 0.0))


def test_what_only_looks_like_the_asker_is_left() -> None:
    ring = PeerRing(6)
    ring.add(b"abcdef", 1)
    ring.add(b"ghijkl", 2)
    assert ring.window(2, b"defghi", lambda: 0.0) == b"abcdefghijkl"
