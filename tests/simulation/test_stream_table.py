import errno
import socket

import pytest

from kit.hosts import OTHER, OTHER_IPV6, calling, code_of, joined, listening, two_hosts
from rawserver.simulation.connection import ESTABLISHED, TIME_WAIT
from rawserver.simulation.packet import RST, Packet
from rawserver.simulation.rules import Pass


def server_at(host, ip: str, *, port: int = 80, shares: bool = False):
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    sock = host.kernel.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not shares))
    if shares:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((ip, port))
    sock.listen(100)
    return sock


@pytest.mark.parametrize(
    ("ips", "called", "who"),
    [
        (["0.0.0.0"], OTHER, 0),
        (["0.0.0.0", "::"], OTHER_IPV6, 1),
        ([OTHER, "::"], OTHER, 0),
        (["127.0.0.1", OTHER], OTHER, 1),
    ],
)
def test_the_most_specific_is_asked(ips: list[str], called: str, who: int) -> None:
    world, one, other = two_hosts()
    servers = [server_at(other, ip) for ip in ips]
    calling(one, called)
    world.run(seconds=1.0)
    assert [code_of(server.accept) == 0 for server in servers] == [
        number == who for number in range(len(servers))
    ]


def test_of_ipv6_alone_it_is_nobodys_for_ipv4() -> None:
    world, one, other = two_hosts()
    server_at(other, "::")
    caller = calling(one, OTHER)
    world.run(seconds=1.0)
    assert code_of(caller.send, b"x") == errno.ECONNREFUSED


def test_those_that_share_a_port_share_those_who_come() -> None:
    world, one, other = two_hosts()
    servers = [server_at(other, "::", shares=True) for _ in range(2)]
    for _ in range(40):
        calling(one, OTHER)
    world.run(seconds=1.0)
    counts = [len(server.queue) for server in servers]
    assert sum(counts) == 40
    assert min(counts) > 5


def test_a_port_serves_many_peers_and_runs_out_for_one() -> None:
    _world, one, other = two_hosts()
    table = one.kernel.streams
    listening(other)
    chosen = {table.choose_port("10.0.0.1", (OTHER, 80)) for _ in range(50)}
    assert len(chosen) > 45
    table.connections = {(("10.0.0.1", port), (OTHER, 80)): None for port in range(1, 65536)}
    assert code_of(table.choose_port, "10.0.0.1", (OTHER, 80)) == errno.EADDRNOTAVAIL
    assert table.choose_port("10.0.0.1", (OTHER, 81))


def test_a_peer_may_come_again_from_the_same_port() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    server = listening(other)
    port = caller.getsockname()[1]
    callee.close()
    world.run(seconds=1.0)
    caller.close()
    world.run(seconds=1.0)
    assert [one.state for one in other.kernel.streams.all()] == [TIME_WAIT]
    again = one.kernel.socket(socket.AF_INET, socket.SOCK_STREAM)
    again.bind(("10.0.0.1", port))
    assert again.connect_ex((OTHER, 80)) == errno.EINPROGRESS
    world.run(seconds=1.0)
    assert again.connection.state == ESTABLISHED
    assert code_of(server.accept) == 0


def test_who_is_refused_has_its_syn_acknowledged() -> None:
    world, one, _ = two_hosts()
    resets = []

    def watch(packet: Packet) -> Pass:
        if packet.kind == RST:
            resets.append(packet.acknowledged)
        return Pass()

    world.fabric.rules.add(watch)
    calling(one, OTHER)
    world.run(seconds=1.0)
    assert resets == [1]
