import errno

import pytest

from rawserver.simulation.packet import (
    DATA,
    DATAGRAM,
    SEGMENT,
    SYN,
    UNREACHABLE,
    Packet,
    readdressed,
    unreachable,
)

HERE = ("10.0.0.1", 1000)
THERE = ("10.0.0.2", 2000)


@pytest.mark.parametrize(
    ("kind", "ip", "length", "size"),
    [
        (SYN, "10.0.0.2", 0, 40),
        (DATA, "10.0.0.2", 1, 41),
        (DATA, "10.0.0.2", SEGMENT, SEGMENT + 40),
        (DATA, "10.0.0.2", SEGMENT + 1, SEGMENT + 1 + 80),
        (DATA, "10.0.0.2", 10 * SEGMENT, 10 * (SEGMENT + 40)),
        (DATA, "fd00::2", 1, 61),
        (DATAGRAM, "10.0.0.2", 5, 33),
        (DATAGRAM, "fd00::2", 5, 53),
        (DATAGRAM, "10.0.0.2", 3000, 3028),
        (UNREACHABLE, "10.0.0.2", 0, 56),
        (UNREACHABLE, "fd00::2", 0, 76),
    ],
)
def test_size_counts_the_headers(kind: int, ip: str, length: int, size: int) -> None:
    assert Packet(kind, ("::", 1), (ip, 2), bytes(length)).size == size


def test_readdressed_is_a_copy() -> None:
    packet = Packet(DATA, HERE, THERE, b"abc", sequence=5, acknowledged=6, window=7)
    copy = readdressed(packet, ("1.2.3.4", 9), THERE)
    assert (packet.source, copy.source, copy.destination) == (HERE, ("1.2.3.4", 9), THERE)
    assert (copy.payload, copy.sequence, copy.acknowledged, copy.window) == (b"abc", 5, 6, 7)


def test_unreachable_goes_back_to_the_sender() -> None:
    packet = Packet(DATAGRAM, HERE, THERE, b"abc")
    report = unreachable(packet, "10.0.0.9", errno.EHOSTUNREACH)
    assert (report.kind, report.destination, report.about) == (UNREACHABLE, HERE, packet)
    assert report.error == errno.EHOSTUNREACH


def test_repr_says_what_it_is() -> None:
    packet = Packet(DATA, HERE, THERE, b"abc", sequence=5)
    assert repr(packet).startswith("<DATA 10.0.0.1:1000 > 10.0.0.2:2000 3 bytes, sequence 5")
