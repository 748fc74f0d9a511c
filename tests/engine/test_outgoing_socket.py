import errno
import socket
import sys
from typing import Any

import pytest

from kit.joined import listen
from kit.loop import run_until
from kit.recorder import Recorder
from kit.scripted_network import ScriptedNetwork, ipv4, ipv6, run
from rawserver import Config, RawServer
from rawserver.engine.network import WRITABLE, SocketAddress
from rawserver.engine.outgoing_socket import OutgoingSocket, local_address


class Attempt:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def won(self, racing: OutgoingSocket, peer: Any) -> None:
        self.told.append(peer)

    def not_here(self, racing: OutgoingSocket, error: BaseException) -> None:
        self.told.append(error)
        racing.close()


@pytest.fixture
def network() -> ScriptedNetwork:
    return ScriptedNetwork()


def start(
    network: ScriptedNetwork,
    target: SocketAddress,
    local: SocketAddress | None = None,
    tos: int = 0,
) -> tuple[RawServer, Attempt, OutgoingSocket]:
    raw_server, attempt = RawServer(network=network, config=Config(tos=tos)), Attempt()  # type: ignore[arg-type]
    return raw_server, attempt, OutgoingSocket(raw_server, attempt, target, local)  # type: ignore[arg-type]


def test_it_tells_who_the_peer_is(network: ScriptedNetwork) -> None:
    raw_server, attempt, racing = start(network, network.answers(ipv4(1), 0.1))
    run(raw_server, 0.05)
    assert not attempt.told
    raw_server.listen_once(1.0)
    assert attempt.told == [ipv4(1).address]
    sock = racing.hand_over()
    raw_server.listen_once(1.0)
    assert len(attempt.told) == 1
    sock.close()
    raw_server.close()
    assert not network.open


def test_an_event_that_was_another_ones_says_nothing(network: ScriptedNetwork) -> None:
    raw_server, attempt, racing = start(network, network.answers(ipv4(1), 0.1))
    racing.ready(WRITABLE)
    assert not attempt.told
    raw_server.listen_once(1.0)
    assert attempt.told == [ipv4(1).address]
    raw_server.close()


def test_it_tells_why_not_and_keeps_its_descriptor_until_the_turn_is_over(
    network: ScriptedNetwork,
) -> None:
    target = network.answers(ipv4(1), 0.1, errno.ECONNREFUSED)
    raw_server, attempt, _ = start(network, target)
    raw_server.listen_once(1.0)
    assert isinstance(attempt.told[0], ConnectionRefusedError)
    assert network.sockets[0].closed
    raw_server.close()


def test_what_cannot_begin_leaves_nothing_open(network: ScriptedNetwork) -> None:
    raw_server, attempt, _ = start(network, ipv4(1))
    was_open = set(network.open)
    with pytest.raises(OSError, match="unreachable"):
        OutgoingSocket(raw_server, attempt, network.answers(ipv6(1), 0, errno.ENETUNREACH), None)  # type: ignore[arg-type]
    raw_server.poller.register = lambda *_: 1 / 0  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        OutgoingSocket(raw_server, attempt, ipv4(2), None)  # type: ignore[arg-type]
    assert set(network.open) == was_open
    raw_server.close()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (ipv4(1), (socket.IPPROTO_IP, socket.IP_TOS, 32)),
        (ipv6(1), (socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 32)),
    ],
)
def test_what_it_sends_is_marked(
    network: ScriptedNetwork, target: SocketAddress, expected: tuple[int, int, int]
) -> None:
    raw_server, *_ = start(network, target, tos=32)
    assert expected in network.sockets[0].options
    raw_server.close()


def test_a_path_is_neither_marked_nor_bound(network: ScriptedNetwork) -> None:
    target = SocketAddress(socket.AF_UNIX, "/run/it")
    raw_server, *_ = start(network, target, ipv4(9), tos=32)
    assert not network.sockets[0].options
    assert network.sockets[0].local is None
    raw_server.close()


def test_it_is_bound_before_it_connects(network: ScriptedNetwork) -> None:
    raw_server, *_ = start(network, ipv4(1), ipv4(9, 0))
    assert network.sockets[0].local == ("192.0.2.9", 0)
    raw_server.close()


def test_local_addresses() -> None:
    assert local_address("") is None
    assert local_address("::") is None
    assert local_address("127.0.0.1") == SocketAddress(socket.AF_INET, ("127.0.0.1", 0))
    assert local_address("::1") == SocketAddress(socket.AF_INET6, ("::1", 0, 0, 0))
    with pytest.raises(ValueError, match="is no address of this machine"):
        local_address("a.name")


@pytest.mark.skipif(sys.platform != "linux", reason="all of 127/8 is there on Linux")
def test_the_system_marks_and_binds_it(raw_server: RawServer) -> None:
    config = Config(tos=0x20, bind="127.0.0.2")
    calling_server = RawServer(config=config)
    callee, caller = Recorder(), Recorder()
    port = listen(calling_server, callee)
    connection = calling_server.start_connection(("127.0.0.1", port), caller)
    run_until(calling_server, lambda: caller.events and callee.events)
    assert connection.getsockname()[0] == callee.connection.ip == "127.0.0.2"
    assert connection._sock is not None
    assert connection._sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0x20
    other = Recorder()
    connection = calling_server.start_connection(("127.0.0.1", port), other, bind="")
    run_until(calling_server, lambda: other.events)
    assert connection.getsockname()[0] == "127.0.0.1"
    calling_server.close()
