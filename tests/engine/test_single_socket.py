import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kit.joined import join, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import (
    Config,
    IdleTimeout,
    OsNetwork,
    RawServer,
    SingleSocket,
    WriteBufferFull,
)
from rawserver.engine.network import WRITABLE
from rawserver.engine.write_buffer import MSG_MORE


def test_what_is_written_before_it_is_made_is_sent_when_it_is(raw_server: RawServer) -> None:
    caller, callee = Recorder(), Recorder()
    connection = raw_server.start_connection(("127.0.0.1", listen(raw_server, callee)), caller)
    assert repr(connection) == "<SingleSocket :0 connecting>"
    assert connection.write(b"one ")
    connection.write_lent([b"two", b"", b" "])
    connection.write(bytearray(b"three"))
    assert connection.buffered == 13
    assert not connection.is_flushed()
    run_until(raw_server, lambda: callee.data == b"one two three")
    run_until(raw_server, connection.is_flushed)


@pytest.mark.parametrize("data", [b"", b"last words"])
def test_closing_when_flushed_while_it_is_made_closes_it_when_it_is(
    raw_server: RawServer, data: bytes
) -> None:
    caller, callee = Recorder(), Recorder()
    connection = raw_server.start_connection(("127.0.0.1", listen(raw_server, callee)), caller)
    connection.write(data)
    connection.close_when_flushed()
    assert not connection.write(b"too late")
    run_until(raw_server, lambda: "connection_lost" in callee.events and connection.lost)
    assert callee.data == data
    assert caller.events[0] == "connection_made"
    assert caller.events[-1] == "connection_lost"
    assert connection.error is None


@pytest.mark.parametrize("data", [b"", b"last words"])
def test_ending_one_side_while_it_is_made_ends_it_when_it_is(
    raw_server: RawServer, data: bytes
) -> None:
    caller = Recorder()
    callee = Recorder(eof_received=lambda connection: connection.write(b"answer"))
    connection = raw_server.start_connection(("127.0.0.1", listen(raw_server, callee)), caller)
    connection.write(data)
    connection.shutdown(socket.SHUT_WR)
    assert not connection.write(b"too late")
    run_until(raw_server, lambda: caller.data == b"answer")
    assert callee.data == data
    callee.connection.close_when_flushed()
    run_until(raw_server, lambda: connection.lost)


def test_nothing_is_sent_after_the_end_was_asked_for(raw_server: RawServer) -> None:
    caller, callee = Recorder(), Recorder()
    connection, other = join(raw_server, caller, callee)
    other.pause_reading()
    while connection.write(b"x" * 100_000):
        pass
    waiting = connection.buffered
    connection.close_when_flushed()
    assert not connection.write(b"y")
    assert not connection.write_lent([b"y"])
    assert connection.buffered == waiting
    other.resume_reading()
    run_until(raw_server, lambda: other.lost)
    assert not callee.data.strip(b"x")
    assert "connection_flushed" not in caller.events
    assert connection.error is None


def test_a_reset_is_told_as_the_error(raw_server: RawServer) -> None:
    handler = Recorder()
    port = listen(raw_server, handler)
    caller = socket.create_connection(("127.0.0.1", port))
    run_until(raw_server, lambda: handler.connections)
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.close()
    run_until(raw_server, lambda: handler.connection.lost)
    assert isinstance(handler.connection.error, ConnectionResetError)


def test_one_that_has_ended_has_no_descriptor_and_takes_every_call(raw_server: RawServer) -> None:
    caller = Recorder()
    connection, _ = join(raw_server, caller, Recorder())
    assert connection.fileno() >= 0
    assert connection.getsockname()[0] == "127.0.0.1"
    connection.close()
    assert connection.fileno() == -1
    connection.close()
    connection.close_when_flushed()
    connection.shutdown(socket.SHUT_RDWR)
    connection.pause_reading()
    connection.resume_reading()
    assert not connection.write(b"x")
    assert connection.is_flushed()
    raw_server.listen_once(0.0)
    assert caller.events[-1] == "connection_lost"
    assert repr(connection).endswith("lost>")


def test_the_context_of_one_that_has_ended_owns_it_no_more(raw_server: RawServer) -> None:
    connection, _ = join(raw_server, Recorder(), Recorder())
    raw_server.add_context("later")
    connection.close()
    raw_server.listen_once(0.0)
    connection.context = "later"
    assert not raw_server._contexts.things("later")
    assert connection not in (raw_server._contexts.things(None) or {})


class IntoMemory(Recorder):
    """Receives into memory of its own."""

    def __init__(self, size: int = 1000) -> None:
        super().__init__()
        self.memory = bytearray(size)
        self.counts: list[int] = []

    def get_buffer(self, connection: SingleSocket) -> memoryview:
        return memoryview(self.memory)[sum(self.counts) :]

    def buffer_filled(self, connection: SingleSocket, count: int) -> None:
        self.counts.append(count)


def test_bytes_are_received_into_the_handlers_own_memory(raw_server: RawServer) -> None:
    callee = IntoMemory()
    connection, _ = join(raw_server, Recorder(), callee)
    connection.write(b"one")
    run_until(raw_server, lambda: callee.counts)
    connection.write(b"two")
    run_until(raw_server, lambda: len(callee.counts) == 2)
    assert callee.memory.startswith(b"onetwo\0")
    assert not callee.data
    connection.close()
    run_until(raw_server, lambda: "connection_lost" in callee.events)
    assert callee.connection.error is None


def test_a_buffer_without_room_is_a_fault_and_not_the_peers_end() -> None:
    reports: list[str] = []
    raw_server = RawServer(errorfunc=lambda level, text: reports.append(text))
    callee = IntoMemory(3)
    connection, other = join(raw_server, Recorder(), callee)
    connection.write(b"more than that")
    run_until(raw_server, lambda: other.lost)
    assert isinstance(other.error, ValueError)
    assert "without room" in reports[0]
    raw_server.close()


def test_closing_in_get_buffer_fills_nothing(raw_server: RawServer) -> None:
    class Closes(IntoMemory):
        def get_buffer(self, connection: SingleSocket) -> memoryview:
            connection.close()
            return memoryview(self.memory)

    callee = Closes()
    connection, _other = join(raw_server, Recorder(), callee)
    connection.write(b"hello")
    run_until(raw_server, lambda: "connection_lost" in callee.events)
    assert not callee.counts


def test_a_handler_of_half_the_pair_is_a_fault() -> None:
    class Half(Recorder):
        def get_buffer(self, connection: SingleSocket) -> bytearray:
            return bytearray(10)

    reports: list[str] = []
    raw_server = RawServer(errorfunc=lambda level, text: reports.append(text))
    connection, other = join(raw_server, Recorder(), Half())
    connection.write(b"hello")
    run_until(raw_server, lambda: other.lost)
    assert "buffer_filled" in reports[0]
    raw_server.close()


def test_when_both_sides_have_ended_so_has_the_connection(raw_server: RawServer) -> None:
    caller = Recorder(eof_received=lambda connection: True)
    callee = Recorder(eof_received=lambda connection: True)
    connection, other = join(raw_server, caller, callee)
    connection.shutdown(socket.SHUT_WR)
    run_until(raw_server, lambda: "eof_received" in callee.events)
    other.resume_reading()
    raw_server.listen_once(0.0)
    assert callee.events.count("eof_received") == 1
    other.write(b"rest")
    other.shutdown(socket.SHUT_WR)
    run_until(raw_server, lambda: connection.lost and other.lost)
    assert caller.data == b"rest"
    assert connection.error is None
    assert other.error is None


def test_equal_contexts_are_one_though_they_are_not_the_same_object(raw_server: RawServer) -> None:
    connection, _ = join(raw_server, Recorder(), Recorder())
    raw_server.add_context(b"context")
    connection.context = bytes(bytearray(b"context"))
    connection.context = bytes(bytearray(b"context"))
    raw_server.remove_context(b"context")
    assert connection.lost


def test_a_peer_that_ends_its_side_still_gets_all_that_was_written(raw_server: RawServer) -> None:
    caller, callee = Recorder(eof_received=lambda connection: True), Recorder()
    connection, other = join(raw_server, caller, callee)
    connection.pause_reading()
    answer = b"x" * 20_000_000
    other.write(answer)
    other.close_when_flushed()
    connection.shutdown(socket.SHUT_WR)
    for _ in range(5):
        raw_server.listen_once(0.0)
    assert not other.lost
    connection.resume_reading()
    run_until(raw_server, lambda: other.lost and connection.lost)
    assert caller.data == answer
    assert other.error is None


def test_tiny_writes_do_not_slip_past_the_limit_of_memory() -> None:
    raw_server = RawServer(config=Config(write_buffer_limit=100_000))
    connection, other = join(raw_server, Recorder(), Recorder())
    other.pause_reading()
    while connection.is_flushed():
        connection.write(b"x" * 50_000)
    for _ in range(1000):
        connection.write(b"y")
    assert isinstance(connection.error, WriteBufferFull)
    raw_server.close()


def test_one_that_has_ended_holds_nothing_and_nobody_holds_it(raw_server: RawServer) -> None:
    connection, other = join(raw_server, Recorder(), Recorder())
    other.pause_reading()
    while connection.write(b"x" * 100_000):
        pass
    connection.close()
    assert connection.buffered == 0
    raw_server.listen_once(0.0)
    assert connection not in (raw_server._contexts.things(None) or {})
    assert connection not in raw_server._registered.values()


def test_flushed_is_told_once_though_more_is_left_below_the_low_mark(tmp_path: Path) -> None:
    config = Config(send_per_turn=10_000, low_water_mark=50_000)
    raw_server = RawServer(config=config)
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    file = raw_server.network.disk.open(str(tmp_path / "a"), "r")
    at_flush: list[int] = []
    caller = Recorder(connection_flushed=lambda connection: at_flush.append(connection.buffered))
    callee = Recorder()
    connection, _ = join(raw_server, caller, callee)
    connection.sendfile(file, 0, 100_000)
    run_until(raw_server, lambda: len(callee.data) == 100_000)
    assert at_flush == [50_000]
    file.close()
    raw_server.close()


@pytest.mark.parametrize("waits", [False, True])
def test_bytes_of_either_direction_keep_it_from_being_idle(waits: bool) -> None:
    """A clock of our own; `waits` has the bytes sent by the poller and not by `write` itself."""
    network = OsNetwork()
    now = 1000.0
    network.time = lambda: now
    raw_server = RawServer(config=Config(idle_timeout=10.0), network=network)
    callee = Recorder()
    connection, other = join(raw_server, Recorder(), callee)
    for _ in range(5):
        now += 6.0
        raw_server.listen_once(0.0)
        received = len(callee.data)
        if waits:
            connection._buffer.add(b"x")
            connection._queued()
        else:
            connection.write(b"x")
        run_until(raw_server, lambda received=received: len(callee.data) > received)
        raw_server.scan_for_timeouts()
        assert not connection.lost
        assert not other.lost
    # The peer's system may acknowledge the last byte late: that is progress of its own.
    for _ in range(2):
        now += 12.0
        raw_server.scan_for_timeouts()
    assert isinstance(connection.error, IdleTimeout)
    assert isinstance(other.error, IdleTimeout)
    raw_server.close()


def test_who_fills_a_read_is_read_in_larger_ones(raw_server: RawServer) -> None:
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    sizes: list[int] = []

    class Sizes:
        def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
            sizes.append(len(data))

    read_size = raw_server.config.read_size
    with theirs:
        theirs.send(bytes(read_size - 1))
        raw_server.wrap_socket(ours, Sizes())
        run_until(raw_server, lambda: sum(sizes) == read_size - 1)
        theirs.send(bytes(read_size + 100_000))
        run_until(raw_server, lambda: sum(sizes) == 2 * read_size + 99_999)
        assert sizes == [read_size - 1, read_size, 100_000]


class Sending:
    """A socket that notes what is asked of it; `takes` bytes fit in."""

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.calls: list[object] = []

    def fileno(self) -> int:
        return -2

    def recv(self, count: int) -> bytes:
        raise BlockingIOError

    def send(self, data: memoryview, flags: int = 0) -> int:
        self.calls.append((bytes(data[: self.takes]), flags))
        return min(self.takes, len(data))

    def shutdown(self, how: int) -> None:
        self.calls.append(("shutdown", how))

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def watched() -> Iterator[RawServer]:
    """Give a loop whose poller polls nothing."""
    raw_server = RawServer()
    poller: Any = SimpleNamespace(
        register=lambda *events: None,
        modify=lambda *events: None,
        unregister=lambda descriptor: None,
        poll=lambda timeout: [],
        close=raw_server.poller.close,
    )
    raw_server.poller = poller
    yield raw_server
    raw_server.close()


@pytest.mark.parametrize("lingers", [True, False])
def test_the_end_leaves_with_the_last_bytes(watched: RawServer, lingers: bool) -> None:
    """Both before the turn is over: the peer is not to wait for others' events."""
    sock: Any = Sending(1000)
    handler = Recorder()
    connection = SingleSocket(watched, handler, None, None)
    watched.begin(connection, sock, None)
    connection.write_last(b"last", lingers=lingers)
    assert sock.calls == [(b"last", MSG_MORE), ("shutdown", socket.SHUT_WR)]
    assert connection.lost
    assert not handler.events
    watched.listen_once(0.0)
    assert handler.events == ["connection_lost"]
    assert (sock.calls[-1] == "close") is not lingers


def test_last_bytes_that_do_not_fit_in_wait(watched: RawServer) -> None:
    sock: Any = Sending(2)
    connection = SingleSocket(watched, Recorder(), None, None)
    connection.write_stall_timeout = None
    watched.begin(connection, sock, None)
    connection.write_last(b"last!", lingers=False)
    assert sock.calls == [(b"la", MSG_MORE)]
    assert not connection.lost
    assert connection.buffered == 3
    connection.ready(WRITABLE)
    connection.ready(WRITABLE)
    assert [call for call in sock.calls if call[0] != "shutdown"] == [
        (b"la", MSG_MORE), (b"st", 0), (b"!", 0)
    ]  # fmt: skip
    assert connection.lost
