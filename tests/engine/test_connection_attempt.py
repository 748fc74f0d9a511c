import errno
import socket
import threading
from pathlib import Path

import pytest

from kit.joined import free_port, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import OsNetwork, RawServer
from rawserver.engine.network import Socket, SocketAddress


class NamedAddresses(OsNetwork):
    """Resolves every name to the addresses that the test says."""

    def __init__(self, *addresses: SocketAddress) -> None:
        super().__init__(1)
        self.addresses = addresses

    def resolve(self, host: str, port: int, kind: int) -> list[SocketAddress]:
        return list(self.addresses)


def ipv4(port: int) -> SocketAddress:
    return SocketAddress(socket.AF_INET, ("127.0.0.1", port))


def test_the_addresses_of_a_name_are_tried_in_turn() -> None:
    network = NamedAddresses()
    raw_server = RawServer(network=network)
    caller, callee = Recorder(), Recorder()
    closed, other_closed = free_port(raw_server), free_port(raw_server)
    network.addresses = (ipv4(closed), ipv4(other_closed), ipv4(listen(raw_server, callee)))
    connection = raw_server.start_connection(("a.name", 1), caller)
    run_until(raw_server, lambda: caller.events)
    assert caller.events == ["connection_made"]
    assert connection.port == network.addresses[2].address[1]
    raw_server.close()


def test_the_last_address_says_why_it_failed() -> None:
    network = NamedAddresses()
    raw_server = RawServer(network=network)
    network.addresses = (ipv4(free_port(raw_server)),)
    caller = Recorder()
    connection = raw_server.start_connection(("a.name", 1), caller)
    run_until(raw_server, lambda: caller.events)
    ((address, error),) = caller.failures
    assert address == ("a.name", 1)
    assert isinstance(error, ConnectionRefusedError)
    assert connection.error is error
    assert connection.lost
    raw_server.close()


def test_a_name_that_is_not_answered_does_not_hold_up_work() -> None:
    answer = threading.Event()

    class Unanswered(OsNetwork):
        def resolve(self, host: str, port: int, kind: int) -> list[SocketAddress]:
            answer.wait(20.0)
            return []

    raw_server = RawServer(network=Unanswered(1))
    caller = Recorder()
    raw_server.start_connection(("a.name", 1), caller)
    results: list[int] = []
    raw_server.start_work(int, ("7",), lambda result, error: results.append(result))
    run_until(raw_server, lambda: results)
    assert results == [7]
    assert not caller.events
    answer.set()
    run_until(raw_server, lambda: caller.events)
    raw_server.close()


def test_a_name_without_an_address_fails() -> None:
    raw_server = RawServer(network=NamedAddresses())
    caller = Recorder()
    raw_server.start_connection(("a.name", 1), caller)
    run_until(raw_server, lambda: caller.events)
    assert caller.failures[0][1].errno == errno.EADDRNOTAVAIL  # type: ignore[attr-defined]
    raw_server.close()


@pytest.mark.parametrize(
    "address", [("127.0.0.1", 70_000), ("\0", 1), ("x" * 300, 1), "/" + "x" * 300, "/no/such"]
)
def test_an_address_that_cannot_be_fails_like_any_other(
    raw_server: RawServer, address: tuple[str, int] | str
) -> None:
    caller = Recorder()
    raw_server.start_connection(address, caller)
    run_until(raw_server, lambda: caller.events)
    assert caller.events == ["connection_failed"]
    assert caller.failures[0][0] == address


def test_a_unix_listener_with_a_full_backlog_fails_it_instead_of_spinning(
    raw_server: RawServer, tmp_path: Path
) -> None:
    path = str(tmp_path / "s")
    serversocket = raw_server.create_unixserversocket(path, backlog=0)
    waiting = []
    try:
        for _ in range(20):
            sock = socket.socket(socket.AF_UNIX)
            sock.setblocking(False)
            waiting.append(sock)
            if sock.connect_ex(path):
                break
        caller = Recorder()
        raw_server.start_connection(path, caller)
        run_until(raw_server, lambda: caller.events, 2.0)
        assert caller.events == ["connection_failed"]
    finally:
        for sock in [*waiting, serversocket]:
            sock.close()


def test_an_address_that_never_answers_leaves_time_for_the_next() -> None:
    network = NamedAddresses()
    raw_server = RawServer(network=network)
    # Nobody takes from this listener: when its backlog is full it answers no more.
    silent = raw_server.create_serversocket(0, "127.0.0.1", backlog=0)
    waiting = [network.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(4)]
    for sock in waiting:
        sock.connect_ex(silent.getsockname())
    caller = Recorder()
    port = listen(raw_server, Recorder())
    network.addresses = (ipv4(silent.getsockname()[1]), ipv4(port))
    connection = raw_server.start_connection(("a.name", 1), caller, connect_timeout=0.4)
    run_until(raw_server, lambda: caller.events)
    assert caller.events == ["connection_made"]
    assert connection.port == port
    for _ in range(3):
        raw_server.listen_once(0.1)
    assert caller.events == ["connection_made"]
    network.addresses = (network.addresses[0],) * 2
    failing = Recorder()
    raw_server.start_connection(("a.name", 1), failing, connect_timeout=0.1)
    run_until(raw_server, lambda: failing.events)
    assert isinstance(failing.failures[0][1], TimeoutError)
    for sock in [*waiting, silent]:
        sock.close()
    raw_server.close()


def test_a_port_is_not_connected_to_itself() -> None:
    class Unlucky(OsNetwork):
        """Its system chooses for a connection the very port that it is to reach."""

        port = 0

        def socket(self, family: int, kind: int) -> Socket:
            sock = super().socket(family, kind)
            if self.port:
                sock.bind(("127.0.0.1", self.port))
            return sock

    network = Unlucky(1)
    raw_server = RawServer(network=network)
    network.port = free_port(raw_server)
    caller = Recorder()
    raw_server.start_connection(("127.0.0.1", network.port), caller)
    run_until(raw_server, lambda: caller.events)
    assert caller.events == ["connection_failed"]
    assert isinstance(caller.failures[0][1], ConnectionRefusedError)
    raw_server.close()
