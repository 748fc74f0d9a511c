"""A name's addresses race, few at a time are half-open, and the local address is what was asked."""

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kit.joined import free_port, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import Config, Network, RawServer
from rawserver.engine.network import SocketAddress

BOTH = ("::1", "127.0.0.1")


@pytest.fixture
def serve(network: Network) -> Iterator[Callable[..., RawServer]]:
    """Makes a RawServer on which "both.names" has the loopback address of either family."""
    servers: list[RawServer] = []
    reported: list[str] = []
    resolve = network.resolve

    def both(host: str, port: int, kind: int) -> list[SocketAddress]:
        if host != "both.names":
            return resolve(host, port, kind)
        return [resolve(ip, port, kind)[0] for ip in BOTH]

    network.resolve = both  # type: ignore[method-assign]

    def make(**config: object) -> RawServer:
        server = RawServer(
            network=network,
            config=Config(**config),  # type: ignore[arg-type]
            errorfunc=lambda level, text: reported.append(text),
        )
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.close()
    assert not reported, "\n".join(reported)


@pytest.mark.parametrize("listening", BOTH)
def test_whichever_family_it_listens_on_a_name_of_both_is_reached(
    serve: Callable[..., RawServer], listening: str
) -> None:
    raw_server = serve()
    callee, caller = Recorder(), Recorder()
    serversocket = raw_server.create_serversocket(0, listening)
    raw_server.start_listening(serversocket, callee)
    address = ("both.names", serversocket.getsockname()[1])
    connection = raw_server.start_connection(address, caller)
    connection.write(b"hello")
    run_until(raw_server, lambda: callee.data)
    assert connection.ip == listening
    assert caller.events[0] == "connection_made"
    assert callee.events == ["external_connection_made", "data_came_in"]


def test_localhost_is_reached(serve: Callable[..., RawServer]) -> None:
    raw_server = serve()
    caller = Recorder()
    serversocket = raw_server.create_serversocket()
    raw_server.start_listening(serversocket, Recorder())
    raw_server.start_connection(("localhost", serversocket.getsockname()[1]), caller)
    run_until(raw_server, lambda: caller.events)
    assert caller.events == ["connection_made"]


def test_one_that_listens_on_both_is_called_once(serve: Callable[..., RawServer]) -> None:
    # With no delay between them both connect; the second is closed unheard.
    raw_server = serve(connection_attempt_delay=0.0)
    callee, caller = Recorder(), Recorder()
    serversocket = raw_server.create_serversocket()
    raw_server.start_listening(serversocket, callee)
    raw_server.start_connection(("both.names", serversocket.getsockname()[1]), caller)
    run_until(raw_server, lambda: caller.events and callee.events)
    for _ in range(3):
        raw_server.listen_once(0.01)
    assert caller.events == ["connection_made"]
    lost = callee.events.count("connection_lost")
    assert callee.events.count("external_connection_made") == 1 + lost


def test_where_nobody_listens_both_are_named(serve: Callable[..., RawServer]) -> None:
    raw_server = serve()
    caller = Recorder()
    port = free_port(raw_server)
    raw_server.start_connection(("both.names", port), caller)
    run_until(raw_server, lambda: caller.events)
    ((address, error),) = caller.failures
    assert address == ("both.names", port)
    assert isinstance(error, ConnectionRefusedError)
    assert f"[::1]:{port}" in str(error)
    assert f"127.0.0.1:{port}" in str(error)


def test_a_burst_beyond_the_limit_is_connected_in_turn(serve: Callable[..., RawServer]) -> None:
    raw_server = serve(max_half_open=3)
    callee = Recorder()
    port = listen(raw_server, callee)
    caller = Recorder()
    most = 0
    for _ in range(40):
        raw_server.start_connection(("127.0.0.1", port), caller)
    while len(caller.events) < 40:
        raw_server.listen_once(1.0)
        most = max(most, raw_server.half_open_limit.half_open)
    assert 1 <= most <= 3
    assert caller.events == ["connection_made"] * 40
    assert raw_server.half_open_limit.half_open == raw_server.half_open_limit.waiting == 0
    run_until(raw_server, lambda: len(callee.events) == 40)


def test_it_connects_from_the_address_that_it_is_bound_to(
    serve: Callable[..., RawServer],
) -> None:
    raw_server = serve(bind="127.0.0.1")
    caller, other = Recorder(), Recorder()
    serversocket = raw_server.create_serversocket()
    raw_server.start_listening(serversocket, Recorder())
    port = serversocket.getsockname()[1]
    connection = raw_server.start_connection(("both.names", port), caller)
    run_until(raw_server, lambda: caller.events)
    assert connection.ip == connection.getsockname()[0] == "127.0.0.1"
    connection = raw_server.start_connection(("both.names", port), other, bind="::1")
    run_until(raw_server, lambda: other.events)
    assert connection.ip == connection.getsockname()[0] == "::1"
    unfitting = Recorder()
    raw_server.start_connection(("::1", port), unfitting)
    run_until(raw_server, lambda: unfitting.events)
    assert "bound to 127.0.0.1" in str(unfitting.failures[0][1])


def test_an_address_that_is_not_this_machines_is_none_to_connect_from(
    serve: Callable[..., RawServer],
) -> None:
    raw_server = serve()
    caller = Recorder()
    port = listen(raw_server, Recorder())
    raw_server.start_connection(("127.0.0.1", port), caller, bind="192.0.2.1")
    run_until(raw_server, lambda: caller.events)
    assert isinstance(caller.failures[0][1], OSError)


def test_connections_that_are_bound_do_not_use_up_ports_for_one_another(
    serve: Callable[..., RawServer],
) -> None:
    raw_server = serve(bind="127.0.0.1")
    caller = Recorder()
    ports = [listen(raw_server, Recorder()) for _ in range(2)]
    for number in range(60):
        raw_server.start_connection(("127.0.0.1", ports[number % 2]), caller)
    run_until(raw_server, lambda: len(caller.events) == 60)
    assert caller.events == ["connection_made"] * 60


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets")
@pytest.mark.parametrize("form", ["{}/s", "\0{}", "@{}"])
def test_unix_sockets_by_path_and_by_abstract_name(
    serve: Callable[..., RawServer], tmp_path: Path, form: str
) -> None:
    if not form.startswith("{}") and sys.platform != "linux":
        pytest.skip("abstract names are Linux's")
    raw_server = serve(bind="127.0.0.1", tos=32)
    path = form.format(tmp_path)
    callee, caller = Recorder(), Recorder()
    raw_server.start_listening(raw_server.create_unixserversocket(path), callee)
    raw_server.start_connection(path, caller).write(b"hello")
    run_until(raw_server, lambda: callee.data)
    assert caller.events[0] == "connection_made"
