import errno
import socket

import pytest

from kit.hosts import ONE, ONE_IPV6, OTHER, OTHER_IPV6, code_of, two_hosts
from rawserver.simulation import World

V4, V6 = socket.AF_INET, socket.AF_INET6
KINDS = [socket.SOCK_STREAM, socket.SOCK_DGRAM]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ip", [ONE, "127.0.0.1", "127.9.9.9", "0.0.0.0", ONE_IPV6, "::1", "::"])
def test_it_is_bound_to_an_address_of_its_host(kind: int, ip: str) -> None:
    _, one, _ = two_hosts()
    sock = one.kernel.socket(V6 if ":" in ip else V4, kind)
    sock.bind((ip, 0))
    name = sock.getsockname()
    assert name[0] == ip
    assert 32768 <= name[1] <= 60999
    assert code_of(sock.bind, (ip, 0)) == errno.EINVAL
    assert code_of(sock.getpeername) == errno.ENOTCONN


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ip", [OTHER, OTHER_IPV6, "192.0.2.1"])
def test_not_to_anothers(kind: int, ip: str) -> None:
    _, one, _ = two_hosts()
    sock = one.kernel.socket(V6 if ":" in ip else V4, kind)
    assert code_of(sock.bind, (ip, 0)) == errno.EADDRNOTAVAIL
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", 0))


def test_ipv4_mapped_is_bound_to_unless_it_is_of_ipv6_alone() -> None:
    _, one, _ = two_hosts()
    sock = one.kernel.socket(V6, socket.SOCK_STREAM)
    sock.bind((f"::ffff:{ONE}", 80))
    assert sock.getsockname() == (f"::ffff:{ONE}", 80, 0, 0)
    alone = one.kernel.socket(V6, socket.SOCK_STREAM)
    alone.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    assert code_of(alone.bind, (f"::ffff:{ONE}", 81)) == errno.EADDRNOTAVAIL


@pytest.mark.parametrize(
    ("addresses", "ip"), [((ONE_IPV6,), OTHER), ((ONE,), OTHER_IPV6), ((), OTHER)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_host_without_the_family_has_no_way_there(
    addresses: tuple[str, ...], ip: str, kind: int
) -> None:
    host = World().add_host("host", *addresses)
    sock = host.kernel.socket(V6 if ":" in ip else V4, kind)
    assert sock.connect_ex((ip, 80)) == errno.ENETUNREACH


def test_options_that_are_read_only() -> None:
    _, one, _ = two_hosts()
    stream, datagram = (one.kernel.socket(V4, kind) for kind in KINDS)
    for sock, kind in ((stream, socket.SOCK_STREAM), (datagram, socket.SOCK_DGRAM)):
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == kind
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > 100_000
    assert stream.getsockopt(socket.SOL_SOCKET, 30) == 0  # SO_ACCEPTCONN
    stream.listen()
    assert stream.getsockopt(socket.SOL_SOCKET, 30) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_one_is_bad(kind: int) -> None:
    _, one, _ = two_hosts()
    sock = one.kernel.socket(V4, kind)
    sock.close()
    sock.close()
    for call, *args in (
        (sock.bind, ("", 0)), (sock.listen,), (sock.accept,), (sock.send, b"x"), (sock.recv, 1),
        (sock.getsockname,), (sock.getpeername,), (sock.shutdown, 2), (sock.setblocking, False),
        (sock.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR), (sock.sendto, b"x", (ONE, 1)),
        (sock.setsockopt, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1), (sock.recvfrom, 1),
    ):  # fmt: skip
        assert code_of(call, *args) == errno.EBADF, call
    assert sock.connect_ex((ONE, 1)) == errno.EBADF


def test_it_never_blocks() -> None:
    _, one, _ = two_hosts()
    sock = one.kernel.socket(V4, socket.SOCK_STREAM)
    sock.setblocking(False)
    assert code_of(sock.setblocking, True) == errno.EOPNOTSUPP
