"""Only `listen_forever` and `listen_once` call handlers; never from inside another call."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.joined import Joiner, free_port, listen
from kit.joined import join as plainly
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import Config, Network, RawServer, SingleSocket


class Outside:
    """Records what handlers are told while a call is under way."""

    def __init__(self) -> None:
        self.inside = ""
        self.nested: list[str] = []

    def handler(self) -> Recorder:
        outer = self

        class Watching(Recorder):
            def _note(self, name: str, connection: SingleSocket) -> object:
                if outer.inside:
                    outer.nested.append(f"{name} in {outer.inside}")
                return super()._note(name, connection)

            def connection_failed(self, address: object, error: BaseException) -> None:
                if outer.inside:
                    outer.nested.append(f"connection_failed in {outer.inside}")
                super().connection_failed(address, error)

        return Watching()

    def call(self, func: Callable[..., object], *args: object) -> None:
        self.inside = getattr(func, "__name__", "?")
        try:
            func(*args)
        finally:
            self.inside = ""


ENDS: list[Callable[[SingleSocket], object]] = [
    lambda connection: connection.close(),
    lambda connection: connection.close_when_flushed(),
    lambda connection: connection.shutdown(socket.SHUT_RDWR),
    lambda connection: connection.lose(OSError("why not")),
]


@pytest.mark.parametrize("end", ENDS)
def test_ending_a_connection_calls_nobody(
    raw_server: RawServer, end: Callable[[SingleSocket], object], join: Joiner
) -> None:
    outside = Outside()
    caller, callee = outside.handler(), outside.handler()
    connection, _ = join(raw_server, caller, callee)
    outside.call(end, connection)
    run_until(raw_server, lambda: {"connection_lost"} <= {*caller.events} & {*callee.events})
    assert not outside.nested


def test_writing_calls_nobody_though_the_peer_has_gone(raw_server: RawServer) -> None:
    outside = Outside()
    caller, callee = outside.handler(), outside.handler()
    connection, other = plainly(raw_server, caller, callee)
    other.close()
    raw_server.listen_once(0.0)
    connection.pause_reading()
    while not connection.lost:
        outside.call(connection.write, b"x" * 1000)
        raw_server.listen_once(0.0)
    run_until(raw_server, lambda: "connection_lost" in caller.events)
    assert isinstance(connection.error, (BrokenPipeError, ConnectionResetError))
    assert not outside.nested


def test_a_full_write_buffer_calls_nobody(network: Network, join: Joiner) -> None:
    raw_server = RawServer(
        config=Config(write_buffer_limit=100_000, high_water_mark=50_000), network=network
    )
    outside = Outside()
    caller = outside.handler()
    connection, other = join(raw_server, caller, outside.handler())
    other.pause_reading()
    while not connection.lost:
        outside.call(connection.write, b"x" * 10_000)
    run_until(raw_server, lambda: "connection_lost" in caller.events)
    raw_server.close()
    assert not outside.nested


def test_starting_calls_nobody(raw_server: RawServer, tmp_path: Path) -> None:
    outside = Outside()
    handler = outside.handler()
    port = listen(raw_server, handler)
    for address in (("127.0.0.1", port), ("127.0.0.1", free_port(raw_server)), "/no/such/path"):
        outside.call(raw_server.start_connection, address, handler)
    run_until(
        raw_server,
        lambda: handler.events.count("connection_failed") == 2 and len(handler.connections) == 2,
    )
    assert not outside.nested


def test_removing_a_context_calls_nobody(raw_server: RawServer) -> None:
    outside = Outside()
    handler = outside.handler()
    raw_server.add_context("context")
    port = listen(raw_server, handler, "context")
    raw_server.start_connection(("127.0.0.1", port), handler, "context")
    run_until(raw_server, lambda: len(handler.connections) == 2)
    raw_server.start_connection(("127.0.0.1", port), handler, "context")
    outside.call(raw_server.remove_context, "context")
    run_until(raw_server, lambda: handler.events.count("connection_lost") == 2)
    assert "connection_failed" in handler.events
    assert not outside.nested
