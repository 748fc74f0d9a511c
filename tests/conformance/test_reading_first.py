"""Who has spoken when it is accepted is read at once, and polled only if it stays."""

import errno
import os
from collections.abc import Sequence
from typing import Any

import pytest

import rawserver.engine.listener
from kit.certificates import Identity
from kit.joined import listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RateLimit, RawServer, SingleSocket
from rawserver.engine.network import Poller
from rawserver.engine.tls import TlsServer


class WatchedPoller:
    """Passes all on, and remembers who was registered."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self.registered: list[int] = []
        self.has_room = True
        self.modify = poller.modify
        self.unregister = poller.unregister
        self.close = poller.close

    def register(self, descriptor: int, events: int) -> None:
        if not self.has_room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.registered.append(descriptor)
        self._poller.register(descriptor, events)

    def poll(self, timeout_seconds: float | None) -> Sequence[tuple[int, int]]:
        return self._poller.poll(timeout_seconds)


def watch(raw_server: RawServer) -> WatchedPoller:
    poller = WatchedPoller(raw_server.poller)
    raw_server.poller = poller
    return poller


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read each one first, not only after many who had something to say."""
    monkeypatch.setattr(rawserver.engine.listener, "POLLED_FIRST", 0)


def call(raw_server: RawServer, callee: Any, data: bytes, **options: Any) -> Recorder:
    """Connect to a listener that accepts when the data is there already, if there is any."""
    port = listen(raw_server, callee, **options)
    listener = raw_server.listeners()[-1]
    listener.pause_reading()
    caller = Recorder()
    connection = raw_server.start_connection(("127.0.0.1", port), caller)
    connection.write(data)
    run_until(raw_server, lambda: connection.connected and connection.is_flushed())
    if data:
        run_until(raw_server, lambda: not connection.unacknowledged())
    listener.resume_reading()
    return caller


def echo_and_end(connection: SingleSocket) -> None:
    connection.write_last(b"answer", lingers=False)


@pytest.mark.usefixtures("at_once")
def test_who_asks_and_is_answered_is_never_polled(raw_server: RawServer) -> None:
    callee = Recorder(data_came_in=echo_and_end)
    caller = call(raw_server, callee, b"question")
    poller = watch(raw_server)
    run_until(raw_server, lambda: "connection_lost" in callee.events)
    assert callee.events == ["external_connection_made", "data_came_in", "connection_lost"]
    assert poller.registered == []
    run_until(raw_server, lambda: "connection_lost" in caller.events)
    assert caller.data == b"answer"


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("data", [b"", b"something"])
def test_who_stays_is_polled(raw_server: RawServer, data: bytes) -> None:
    callee = Recorder()
    caller = call(raw_server, callee, data)
    run_until(raw_server, lambda: callee.connections)
    assert callee.data == data
    caller.connection.write(b" and more")
    run_until(raw_server, lambda: callee.data == data + b" and more")
    caller.connection.close_when_flushed()
    run_until(raw_server, lambda: "connection_lost" in callee.events)


@pytest.mark.usefixtures("at_once")
def test_who_is_paused_is_not_read(raw_server: RawServer) -> None:
    callee = Recorder(external_connection_made=SingleSocket.pause_reading)
    call(raw_server, callee, b"question")
    poller = watch(raw_server)
    run_until(raw_server, lambda: callee.connections)
    for _ in range(3):
        raw_server.listen_once(0.0)
    assert not callee.data
    assert poller.registered == []
    callee.connection.resume_reading()
    run_until(raw_server, lambda: callee.data == b"question")


@pytest.mark.usefixtures("at_once")
def test_who_is_closed_at_once_hears_nothing_more(raw_server: RawServer) -> None:
    callee = Recorder(external_connection_made=SingleSocket.close)
    call(raw_server, callee, b"question")
    run_until(raw_server, lambda: "connection_lost" in callee.events)
    assert callee.events == ["external_connection_made", "connection_lost"]


@pytest.mark.usefixtures("at_once")
def test_who_is_written_to_at_once_is_sent_all(raw_server: RawServer) -> None:
    callee = Recorder(
        external_connection_made=lambda connection: connection.write(b"x" * 5_000_000)
    )
    caller = call(raw_server, callee, b"question")
    run_until(raw_server, lambda: len(caller.data) == 5_000_000)
    assert callee.data == b"question"


@pytest.mark.usefixtures("at_once")
def test_a_rate_that_is_set_at_once_holds(raw_server: RawServer) -> None:
    def limit(connection: SingleSocket) -> None:
        connection.rate = RateLimit(raw_server, 1e9, 1e9)

    callee = Recorder(external_connection_made=limit)
    caller = call(raw_server, callee, b"question")
    run_until(raw_server, lambda: callee.data == b"question")
    caller.connection.write(b" and more")
    run_until(raw_server, lambda: callee.data == b"question and more")


@pytest.mark.usefixtures("at_once")
def test_tls_that_is_started_at_once_gets_the_first_bytes(
    faulty_server: RawServer, identity: Identity
) -> None:
    tls = TlsServer(identity.certificate, identity.key)
    callee = Recorder(external_connection_made=lambda one: faulty_server.start_tls(one, tls))
    call(faulty_server, callee, b"no handshake at all\r\n\r\n")
    run_until(faulty_server, lambda: "connection_lost" in callee.events)
    assert not callee.data
    assert callee.connection.error is not None


@pytest.mark.usefixtures("at_once")
def test_what_follows_a_proxys_header_is_read(raw_server: RawServer) -> None:
    callee = Recorder()
    header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
    call(raw_server, callee, header + b"question", proxy_protocol=True)
    run_until(raw_server, lambda: callee.data == b"question")
    assert callee.connection.ip == "192.0.2.1"


@pytest.mark.usefixtures("at_once")
def test_one_that_ends_the_others_of_its_turn(raw_server: RawServer) -> None:
    def end_all(connection: SingleSocket) -> None:
        for one in callee.connections:
            one.close()

    callee = Recorder(data_came_in=end_all)
    port = listen(raw_server, callee)
    raw_server.listeners()[-1].pause_reading()
    ours = [raw_server.start_connection(("127.0.0.1", port), Recorder()) for _ in range(5)]
    for one in ours:
        one.write(b"question")
    run_until(raw_server, lambda: all(one.connected and one.is_flushed() for one in ours))
    run_until(raw_server, lambda: not any(one.unacknowledged() for one in ours))
    poller = watch(raw_server)
    raw_server.listeners()[-1].resume_reading()
    run_until(raw_server, lambda: callee.events.count("connection_lost") == 5)
    assert callee.events.count("data_came_in") == 1
    assert len(poller.registered) == 1  # the listener


@pytest.mark.usefixtures("at_once")
def test_who_cannot_be_polled_is_lost(faulty_server: RawServer, faults: list[str]) -> None:
    callee = Recorder()
    call(faulty_server, callee, b"")
    watch(faulty_server).has_room = False
    run_until(faulty_server, lambda: "connection_lost" in callee.events)
    error = callee.connection.error
    assert isinstance(error, OSError)
    assert error.errno == errno.ENOSPC
    assert "cannot poll a connection" in faults[0]


def test_it_is_learnt_from_who_came_before(raw_server: RawServer) -> None:
    """One that says nothing has the next ones polled first."""
    count = rawserver.engine.listener.POLLED_FIRST
    callee = Recorder(data_came_in=echo_and_end)
    port = listen(raw_server, callee)
    raw_server.listeners()[-1].pause_reading()

    def come(count: int, data: bytes) -> int:
        """Have so many come; returns how many of them were polled."""
        made = len(callee.connections)
        ours = [raw_server.start_connection(("127.0.0.1", port), Recorder()) for _ in range(count)]
        for one in ours:
            one.write(data)
        run_until(raw_server, lambda: all(one.connected and one.is_flushed() for one in ours))
        run_until(raw_server, lambda: not any(one.unacknowledged() for one in ours))
        poller = watch(raw_server)
        raw_server.listeners()[-1].resume_reading()
        run_until(raw_server, lambda: len(callee.connections) == made + count)
        raw_server.listeners()[-1].pause_reading()
        polled = len(poller.registered) - 1  # the listener itself
        for one in ours:
            one.reset()
        run_until(raw_server, lambda: not raw_server.connections())
        return polled

    assert come(count + 3, b"question") == count
    assert come(5, b"question") == 0
    assert come(1, b"") == 1
    assert come(count + 3, b"question") == count
