"""Peers of the tracker's machine, as others are told of them."""

from rawserver.services.tracker.loopback_peers import as_seen_from_outside, names_loopback
from rawserver.swarm.registry import AnnounceResult
from rawserver.wire.compact_peers import Peer

PORT = b"\x1a\xe1"
HERE, HERE6 = b"\x7f\x00\x00\x01", bytes(15) + b"\x01"
THERE = b"\xcb\x00\x71\x09"
ADDRESS = b"\xcb\x00\x71\x01"


def test_a_loopback_address_becomes_the_machines_own() -> None:
    result = AnnounceResult(1, 2, 0, THERE + PORT + HERE + PORT, HERE6 + PORT)
    seen = as_seen_from_outside(result, ADDRESS)
    assert seen.peers4 == THERE + PORT + ADDRESS + PORT + ADDRESS + PORT
    assert seen.peers6 == b""
    assert seen[:3] == (1, 2, 0)


def test_it_becomes_one_of_ipv6_if_that_is_the_machines() -> None:
    address = bytes.fromhex("20010db8") + bytes(11) + b"\x07"
    seen = as_seen_from_outside(AnnounceResult(0, 1, 0, HERE + PORT), address)
    assert (seen.peers4, seen.peers6) == (b"", address + PORT)


def test_without_another_address_they_are_left_out() -> None:
    peers = (Peer("127.0.0.1", 6881, b"a" * 20), Peer("203.0.113.9", 6881, b"b" * 20))
    result = AnnounceResult(0, 2, 0, HERE + PORT + THERE + PORT, HERE6 + PORT, peers)
    seen = as_seen_from_outside(result, None)
    assert (seen.peers4, seen.peers6, seen.peers) == (THERE + PORT, b"", peers[1:])


def test_dictionaries_are_changed_as_well() -> None:
    peers = (Peer("::1", 6881, b"a" * 20),)
    seen = as_seen_from_outside(AnnounceResult(0, 1, 0, b"", HERE6 + PORT, peers), ADDRESS)
    assert seen.peers == (Peer("203.0.113.1", 6881, b"a" * 20),)


def test_a_result_without_loopback_addresses_is_known_as_such() -> None:
    # 127 is the second byte of one and in the port of another.
    others = b"\xcb\x7f\x00\x09" + PORT + b"\xcb\x00\x71\x09\x7f\x00"
    assert not names_loopback(AnnounceResult(1, 2, 0, others, bytes(14) + b"\x01\x01" + PORT))
    assert names_loopback(AnnounceResult(1, 2, 0, others + b"\x7f\x01\x02\x03" + PORT))
    assert names_loopback(AnnounceResult(1, 2, 0, b"", HERE6 + PORT))
    assert not names_loopback(AnnounceResult(0, 0, 0))
