"""What follows when a connection that we start is connected: its beginning, or TLS before it."""

import gc
import os
import socket
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.certificates import Authority
from kit.clock import MovableClock, pass_time
from kit.joined import listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import Config, HandshakeTimeout, OsNetwork, RawServer, TooManyConnections
from rawserver.engine.errors import TlsError
from rawserver.engine.tls import TlsClient, TlsServer


@pytest.fixture
def here(authority: Authority) -> TlsServer:
    return TlsServer(*authority.issue("127.0.0.1"))


@pytest.fixture
def silent(raw_server: RawServer) -> Iterator[tuple[str, int]]:
    """Where connections are made and nothing is said."""
    server = raw_server.create_serversocket(0, "127.0.0.1")
    yield server.getsockname()[:2]
    server.close()


def outcomes(handler: Recorder) -> list[str]:
    return [name for name in handler.events if name in ("connection_made", "connection_failed")]


def test_with_tls_it_is_made_when_the_handshake_is_over(
    raw_server: RawServer, here: TlsServer, client: TlsClient
) -> None:
    caller, callee = Recorder(), Recorder()
    port = listen(raw_server, callee, tls=here)
    connection = raw_server.start_connection(("127.0.0.1", port), caller, tls=client)
    connection.write(b"early")
    run_until(raw_server, lambda: callee.data == b"early")
    assert outcomes(caller) == ["connection_made"]
    assert (connection.ip, connection.port) == ("127.0.0.1", port)
    assert connection.sent == 5
    connection.close_when_flushed()
    run_until(raw_server, lambda: callee.events[-1] == "connection_lost")
    assert callee.connection.error is None


def test_a_name_that_the_certificate_is_not_for_is_a_failure_with_its_reason(
    raw_server: RawServer, server: TlsServer, client: TlsClient
) -> None:
    caller, callee = Recorder(), Recorder()
    port = listen(raw_server, callee, tls=server)  # of example.org
    connection = raw_server.start_connection(("127.0.0.1", port), caller, tls=client)
    run_until(raw_server, lambda: caller.failures)
    assert outcomes(caller) == ["connection_failed"]
    address, error = caller.failures[0]
    assert address == ("127.0.0.1", port)
    assert isinstance(error, TlsError)
    assert connection.lost
    assert connection.error is error
    assert connection not in raw_server.connections()
    run_until(raw_server, lambda: "opening_failed" in callee.events)
    assert not callee.connections


@pytest.mark.parametrize("way", ["close", "reset", "context"])
def test_closing_it_in_the_handshake_is_a_failure(
    raw_server: RawServer, silent: tuple[str, int], client: TlsClient, way: str
) -> None:
    raw_server.add_context("a")
    caller = Recorder()
    before = set(os.listdir("/dev/fd"))
    connection = raw_server.start_connection(silent, caller, "a", tls=client)
    run_until(raw_server, lambda: connection.ip)
    if way == "context":
        raw_server.remove_context("a")
    else:
        getattr(connection, way)()
    assert caller.events == []  # not from within
    run_until(raw_server, lambda: caller.failures)
    raw_server.listen_once(0.0)
    assert outcomes(caller) == ["connection_failed"]
    assert not len(raw_server.tasks)
    assert set(os.listdir("/dev/fd")) == before


def test_the_loops_end_in_the_handshake_is_a_failure(client: TlsClient) -> None:
    raw_server = RawServer()
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = raw_server.start_connection(
            server.getsockname(), caller := Recorder(), tls=client
        )
        run_until(raw_server, lambda: connection.ip)
        raw_server.close()
    assert outcomes(caller) == ["connection_failed"]


def test_a_handshake_that_does_not_come_fails_in_time(client: TlsClient) -> None:
    config = Config(handshake_timeout=5.0)
    raw_server = RawServer(network=MovableClock(OsNetwork()), config=config)
    with socket.create_server(("127.0.0.1", 0)) as server:
        raw_server.start_connection(server.getsockname(), caller := Recorder(), tls=client)
        pass_time(raw_server, 4.0)
        assert not caller.failures
        pass_time(raw_server, 2.0)
    assert isinstance(caller.failures[0][1], HandshakeTimeout)
    raw_server.close()


def test_a_peer_that_hangs_up_in_the_handshake_is_a_failure(
    raw_server: RawServer, client: TlsClient
) -> None:
    port = listen(raw_server, Recorder(external_connection_made=lambda one: one.reset()))
    raw_server.start_connection(("127.0.0.1", port), caller := Recorder(), tls=client)
    run_until(raw_server, lambda: caller.failures)
    assert outcomes(caller) == ["connection_failed"]
    assert isinstance(caller.failures[0][1], OSError)


def test_a_context_that_became_full_meanwhile_is_a_failure(
    raw_server: RawServer, here: TlsServer, client: TlsClient
) -> None:
    raw_server.add_context("a", max_connections=1)
    port = listen(raw_server, Recorder(), tls=here)
    plain = listen(raw_server, Recorder())
    callers = Recorder(), Recorder(), Recorder()
    options: list[dict[str, Any]] = [{}, {"tls": client}, {"tls": client}]
    for caller, option in zip(callers, options, strict=True):
        to = port if option else plain
        raw_server.start_connection(("127.0.0.1", to), caller, "a", **option)
    run_until(raw_server, lambda: all(caller.events for caller in callers))
    assert sum("connection_made" in caller.events for caller in callers) == 1
    failures = [caller.failures[0][1] for caller in callers if caller.failures]
    assert len(failures) == 2
    assert all(isinstance(error, TooManyConnections) for error in failures)
    assert len(raw_server.connections("a")) == 1


def test_a_unix_socket_has_no_name_to_verify(
    raw_server: RawServer, server: TlsServer, authority: Authority, tmp_path: Path
) -> None:
    path = str(tmp_path / "socket")
    raw_server.start_listening(raw_server.create_unixserversocket(path), Recorder(), tls=server)
    named = TlsClient(authorities=authority.path, server_name="example.org")
    connection = raw_server.start_connection(path, Recorder(), tls=named)
    run_until(raw_server, lambda: connection.connected)


def test_a_name_that_cannot_be_verified_is_a_failure_and_no_fault(
    raw_server: RawServer, server: TlsServer, client: TlsClient, tmp_path: Path
) -> None:
    """A path is nobody's name, and this client asks for one."""
    path = str(tmp_path / "socket")
    callee = Recorder()
    raw_server.start_listening(raw_server.create_unixserversocket(path), callee, tls=server)
    before = len(raw_server.tasks)
    raw_server.start_connection(path, caller := Recorder(), tls=client)
    run_until(raw_server, lambda: caller.failures)
    assert outcomes(caller) == ["connection_failed"]
    assert isinstance(caller.failures[0][1], ValueError)
    run_until(raw_server, lambda: "opening_failed" in callee.events)
    assert len(raw_server.tasks) <= before


def test_nothing_is_left_of_one_that_failed(
    raw_server: RawServer, silent: tuple[str, int], client: TlsClient
) -> None:
    class Handler(Recorder):
        pass

    def fail() -> weakref.ref[Handler]:
        handler = Handler()
        connection = raw_server.start_connection(silent, handler, tls=client)
        run_until(raw_server, lambda: connection.ip)
        connection.close()
        run_until(raw_server, lambda: handler.failures)
        return weakref.ref(handler)

    gone = fail()
    raw_server.listen_once(0.0)
    gc.collect()
    assert gone() is None
