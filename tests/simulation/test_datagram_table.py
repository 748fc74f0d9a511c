import errno
import socket
from typing import Any

import pytest

from kit.hosts import ONE, code_of, datagram_socket, two_hosts
from rawserver.simulation import Host
from rawserver.simulation.socket_options import IP_MULTICAST_ALL, SO_REUSEPORT


def sharing(host: Host, ip: str, option: int, port: int = 6881) -> Any:
    sock = host.kernel.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, option, 1)
    sock.bind((ip, port))
    return sock


def sent_to(host: Host, sock: Any, ip: str = ONE, count: int = 1) -> Any:
    for _ in range(count):
        sock.sendto(b"x", (ip, 6881))
    return sock


def taken(sock: Any) -> int:
    count = 0
    while not code_of(sock.recv, 10):
        count += 1
    return count


@pytest.mark.parametrize(
    ("ips", "who"),
    [
        (["0.0.0.0", ONE], 1),
        ([ONE, "0.0.0.0"], 0),
        (["127.0.0.1", "0.0.0.0"], 1),
        (["::", "0.0.0.0"], 1),
        (["0.0.0.0", "0.0.0.0"], 1),
    ],
)
def test_the_one_that_fits_best_is_given_it(ips: list[str], who: int) -> None:
    _, one, _ = two_hosts()
    socks = [sharing(one, ip, socket.SO_REUSEADDR) for ip in ips]
    sent_to(one, datagram_socket(one))
    assert [taken(sock) for sock in socks] == [int(number == who) for number in range(len(ips))]


def test_a_connected_one_fits_better_than_all_others() -> None:
    _, one, _ = two_hosts()
    sender = datagram_socket(one, ONE)
    connected = sharing(one, "0.0.0.0", socket.SO_REUSEADDR)
    connected.connect_ex(sender.getsockname())
    plain = sharing(one, ONE, socket.SO_REUSEADDR)
    sent_to(one, sender)
    sent_to(one, datagram_socket(one))
    assert (taken(connected), taken(plain)) == (1, 1)


def test_those_that_share_a_port_share_what_comes() -> None:
    _, one, _ = two_hosts()
    socks = [sharing(one, "0.0.0.0", SO_REUSEPORT) for _ in range(2)]
    sent_to(one, datagram_socket(one), count=100)
    counts = [taken(sock) for sock in socks]
    assert sum(counts) == 100
    assert min(counts) > 20


def test_one_of_ipv6_alone_is_nobody_for_ipv4() -> None:
    _, one, _ = two_hosts()
    sock = one.kernel.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(("::", 6881))
    sender = datagram_socket(one)
    sender.connect_ex((ONE, 6881))
    sender.send(b"x")
    assert code_of(sender.recv, 1) == errno.ECONNREFUSED
    assert sock.connect_ex((f"::ffff:{ONE}", 1)) == errno.ENETUNREACH


def test_who_asks_for_all_groups_hears_those_that_others_joined() -> None:
    _, one, _ = two_hosts()
    member, eager, choosy = (sharing(one, "0.0.0.0", socket.SO_REUSEADDR) for _ in range(3))
    choosy.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
    group = socket.inet_aton("239.1.2.3") + bytes(8)
    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    sent_to(one, datagram_socket(one), "239.1.2.3")
    assert [taken(sock) for sock in (member, eager, choosy)] == [1, 1, 0]
