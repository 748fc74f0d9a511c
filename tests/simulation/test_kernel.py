import errno
import socket

import pytest

from kit.hosts import (
    ONE,
    ONE_IPV6,
    OTHER,
    OTHER_IPV6,
    code_of,
    datagram_socket,
    joined,
    two_hosts,
)
from rawserver.simulation import World


@pytest.mark.parametrize(
    ("ip", "source"),
    [
        (OTHER, ONE),
        (OTHER_IPV6, ONE_IPV6),
        (ONE, ONE),
        ("127.0.0.1", "127.0.0.1"),
        ("127.8.8.8", "127.0.0.1"),
        ("::1", "::1"),
        ("8.8.8.8", ONE),
    ],
)
def test_from_where_an_address_is_reached(ip: str, source: str) -> None:
    _, one, _ = two_hosts()
    assert one.kernel.source_for(ip) == source


def test_what_is_its_own() -> None:
    _, one, _ = two_hosts()
    own = [ip for ip in (ONE, ONE_IPV6, OTHER, "127.5.5.5", "::1") if one.kernel.is_local(ip)]
    assert own == [ONE, ONE_IPV6, "127.5.5.5", "::1"]


def test_what_a_host_sends_to_itself_is_there_at_once_and_in_the_trace() -> None:
    world, one, _ = two_hosts()
    sender, taker = datagram_socket(one), datagram_socket(one, "127.0.0.1")
    before = world.trace.deliveries
    for number in range(3):
        sender.sendto(bytes([number]), taker.getsockname())
    assert [taker.recv(10) for _ in range(3)] == [b"\0", b"\1", b"\2"]
    assert world.trace.deliveries == before + 3
    assert world.now == 1000.0


@pytest.mark.parametrize(
    ("family", "kind", "code"),
    [
        (socket.AF_INET, socket.SOCK_RAW, errno.ESOCKTNOSUPPORT),
        (socket.AF_UNIX, socket.SOCK_DGRAM, errno.ESOCKTNOSUPPORT),
        (12345, socket.SOCK_STREAM, errno.EAFNOSUPPORT),
    ],
)
def test_sockets_that_there_are_not(family: int, kind: int, code: int) -> None:
    _, one, _ = two_hosts()
    assert code_of(one.kernel.socket, family, kind) == code
    assert len(one.kernel.descriptors) == 0


def test_the_end_of_a_process_closes_what_is_open() -> None:
    world, one, other = two_hosts()
    _caller, callee = joined(world, one, other)
    datagram_socket(one, port=7)
    one.kernel.close_all()
    assert len(one.kernel.descriptors) == 0
    world.run(seconds=1.0)
    assert callee.recv(10) == b""
    datagram_socket(one, port=7)


def test_addresses_of_a_host_are_its_own() -> None:
    with pytest.raises(ValueError, match="loopback"):
        World().add_host("host", "127.0.0.1")
