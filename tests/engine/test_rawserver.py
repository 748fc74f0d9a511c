import errno
import os
import socket
from pathlib import Path

import pytest

from kit.joined import join, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import OsNetwork, Poller, RawServer
from rawserver.engine.network import Socket
from rawserver.engine.pollers import best_poller


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))


def test_a_port_of_all_addresses_takes_both_families(raw_server: RawServer) -> None:
    serversocket = raw_server.create_serversocket()
    handler = Recorder()
    raw_server.start_listening(serversocket, handler)
    port = serversocket.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as caller:
        run_until(raw_server, lambda: handler.connections)
        assert handler.connection.ip == "127.0.0.1"
        assert handler.connection.port == caller.getsockname()[1]


@pytest.mark.parametrize("code", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT])
def test_a_system_without_ipv6_listens_on_ipv4(code: int) -> None:
    class Without(OsNetwork):
        def socket(self, family: int, kind: int) -> Socket:
            if family == socket.AF_INET6:
                raise OSError(code, "no IPv6")
            return super().socket(family, kind)

    raw_server = RawServer(network=Without())
    serversocket = raw_server.create_serversocket()
    assert serversocket.getsockname()[0] == "0.0.0.0"
    serversocket.close()
    raw_server.close()


def test_a_port_that_is_taken_is_refused_and_nothing_is_left_open(raw_server: RawServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        before = open_descriptors()
        with pytest.raises(OSError, match="in use"):
            raw_server.create_serversocket(port, "127.0.0.1")
        with pytest.raises(OverflowError):
            raw_server.create_serversocket(70_000, "127.0.0.1")
        assert open_descriptors() == before


def test_a_name_can_be_bound_to(raw_server: RawServer) -> None:
    serversocket = raw_server.create_serversocket(0, "localhost")
    assert serversocket.getsockname()[0] in ("127.0.0.1", "::1")
    serversocket.close()


def test_unix_sockets_go_there_and_back(raw_server: RawServer, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    serversocket = raw_server.create_unixserversocket(path)
    callee = Recorder(data_came_in=lambda connection: connection.write(b"answer"))
    caller = Recorder()
    raw_server.start_listening(serversocket, callee)
    raw_server.start_connection(path, caller).write(b"hello")
    run_until(raw_server, lambda: caller.data == b"answer")
    assert callee.data == b"hello"
    assert (callee.connection.ip, callee.connection.port) == ("", 0)
    with pytest.raises(OSError, match="in use"):
        raw_server.create_unixserversocket(path)


def test_a_connected_socket_is_taken_over(raw_server: RawServer) -> None:
    one, other = socket.socketpair()
    handler = Recorder()
    connection = raw_server.wrap_socket(one, handler)
    assert connection.connected
    with other:
        other.send(b"hello")
        run_until(raw_server, lambda: handler.data == b"hello")
        connection.write(b"answer")
        assert other.recv(100) == b"answer"
    run_until(raw_server, lambda: "connection_lost" in handler.events)
    assert handler.events == ["data_came_in", "eof_received", "connection_lost"]


def test_a_socket_that_is_not_connected_is_not_taken(raw_server: RawServer) -> None:
    with socket.socket() as sock, pytest.raises(OSError, match="not connected"):
        raw_server.wrap_socket(sock, Recorder())
    assert not raw_server._contexts.things(None)


def test_a_socket_is_taken_over_once(raw_server: RawServer) -> None:
    one, other = socket.socketpair()
    first, second = Recorder(), Recorder()
    raw_server.wrap_socket(one, first)
    with pytest.raises(FileExistsError):
        raw_server.wrap_socket(one, second)
    other.send(b"hello")
    run_until(raw_server, lambda: first.data == b"hello")
    other.close()
    run_until(raw_server, lambda: "connection_lost" in first.events)
    assert not second.events
    assert not raw_server._contexts.things(None)


class FullPoller:
    """Takes so many descriptors and no more, as the system's limit of watches has it."""

    def __init__(self) -> None:
        self._poller = best_poller()
        self.room = 1000
        self.modify = self._poller.modify
        self.unregister = self._poller.unregister
        self.poll = self._poller.poll
        self.close = self._poller.close

    def register(self, descriptor: int, events: int) -> None:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._poller.register(descriptor, events)
        self.room -= 1


def test_where_the_poller_has_no_room_the_new_one_ends_and_no_other() -> None:
    class Full(OsNetwork):
        def make_poller(self) -> Poller:
            return poller

    poller = FullPoller()
    reports: list[str] = []
    raw_server = RawServer(network=Full(), errorfunc=lambda level, text: reports.append(text))
    caller, callee, new = Recorder(), Recorder(), Recorder()
    connection, _ = join(raw_server, caller, callee)
    before = open_descriptors()
    poller.room = 1  # for the attempt, and then for neither end
    raw_server.start_connection((connection.ip, connection.port), new)
    run_until(raw_server, lambda: reports and new.events)
    assert new.events == ["connection_failed"]
    assert "No space" in reports[0]
    raw_server.listen_once(0.0)
    assert open_descriptors() == before
    connection.write(b"hello")
    run_until(raw_server, lambda: callee.data == b"hello")
    raw_server.close()
    assert caller.events[-1] == "connection_lost"


def test_a_context_that_is_not_live_begins_nothing(raw_server: RawServer) -> None:
    serversocket = raw_server.create_serversocket(0, "127.0.0.1")
    with pytest.raises(ValueError, match="never added"):
        raw_server.start_listening(serversocket, Recorder(), "nobody")
    with pytest.raises(ValueError, match="never added"):
        raw_server.start_connection(serversocket.getsockname(), Recorder(), "nobody")
    assert raw_server.add_task(print, context="nobody").cancelled
    raw_server.start_listening(serversocket, Recorder())


def test_listening_may_be_stopped_and_started_again(raw_server: RawServer) -> None:
    serversocket = raw_server.create_serversocket(0, "127.0.0.1")
    for _ in range(2):
        handler = Recorder()
        raw_server.start_listening(serversocket, handler)
        with socket.create_connection(serversocket.getsockname()):
            run_until(raw_server, lambda handler=handler: handler.connections)
        raw_server.stop_listening(serversocket)
    serversocket.close()


def test_the_end_leaves_no_descriptor_open() -> None:
    before = open_descriptors()
    raw_server = RawServer()
    caller, callee = Recorder(), Recorder()
    join(raw_server, caller, callee)
    raw_server.start_listening_udp(raw_server.create_udpsocket(), object())
    raw_server.start_connection(("127.0.0.1", listen(raw_server, callee)), caller)
    raw_server.close()
    assert open_descriptors() == before
    assert caller.events == ["connection_made", "connection_failed", "connection_lost"] or (
        sorted(caller.events) == ["connection_failed", "connection_lost", "connection_made"]
    )
    assert callee.events == ["external_connection_made", "connection_lost"]
