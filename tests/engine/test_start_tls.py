"""STARTTLS between two connections of one loop."""

import gc
import socket
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from kit.certificates import Authority
from kit.clock import MovableClock, pass_time
from kit.joined import join
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import Config, HandshakeTimeout, OsNetwork, RateLimit, RawServer, SingleSocket
from rawserver.engine.errors import TlsError
from rawserver.engine.tls import TlsClient, TlsServer

NAME = "example.org"


@pytest.fixture
def clocked_server() -> Iterator[RawServer]:
    config = Config(handshake_timeout=5.0)
    raw_server = RawServer(network=MovableClock(OsNetwork()), config=config)
    yield raw_server
    raw_server.close()


def echo(connection: SingleSocket) -> None:
    connection.write(bytes(connection.handler.data))
    connection.handler.data.clear()


def start(
    raw_server: RawServer,
    ends: tuple[SingleSocket, SingleSocket],
    server: TlsServer,
    client: TlsClient,
) -> None:
    raw_server.start_tls(ends[1], server)
    raw_server.start_tls(ends[0], client, server_name=NAME)


def test_what_passes_before_is_in_the_clear_and_after_it_encrypted(
    raw_server: RawServer, server: TlsServer, client: TlsClient
) -> None:
    ends = join(raw_server, caller := Recorder(), callee := Recorder(data_came_in=echo))
    ends[0].write(b"before")
    run_until(raw_server, lambda: caller.data == b"before")
    start(raw_server, ends, server, client)
    ends[0].write(b" after")  # waits for the handshake
    run_until(raw_server, lambda: caller.data == b"before after")
    assert caller.events.count("tls_started") == callee.events.count("tls_started") == 1
    assert ends[0].sent == ends[0].received == len("before after")
    wire = ends[0].wire()
    assert wire.sent > 200  # the handshake too
    big = bytes(2_000_000)
    ends[0].write(big)
    run_until(raw_server, lambda: len(caller.data) == 12 + len(big))
    ends[0].close_when_flushed()
    run_until(raw_server, lambda: callee.events[-1] == "connection_lost")
    assert ends[1].error is None


def test_the_whole_exchange_from_within_handlers(
    raw_server: RawServer, server: TlsServer, client: TlsClient
) -> None:
    """As a mail server has it: a command, an answer, and the handshake on both sides at once."""

    def callee_got(connection: SingleSocket) -> None:
        if callee.data == b"STARTTLS\n":
            callee.data.clear()
            connection.write(b"go\n")
            raw_server.start_tls(connection, server)

    def caller_got(connection: SingleSocket) -> None:
        if caller.data == b"go\n":
            raw_server.start_tls(connection, client, server_name=NAME)

    callee = Recorder(data_came_in=callee_got)
    caller = Recorder(data_came_in=caller_got, tls_started=lambda one: one.write(b"secret"))
    ends = join(raw_server, caller, callee)
    ends[0].write(b"STARTTLS\n")
    run_until(raw_server, lambda: callee.data == b"secret")
    assert "tls_started" in callee.events


def test_what_was_received_with_the_command_belongs_to_the_handshake(
    raw_server: RawServer, server: TlsServer, client: TlsClient
) -> None:
    """A peer that does not wait for the answer sends both in one."""

    def got(connection: SingleSocket) -> None:
        if callee.data.startswith(b"STARTTLS\n") and "tls_started" not in callee.events:
            rest = bytes(callee.data[9:])
            callee.data.clear()
            if rest:
                raw_server.start_tls(connection, server, received=rest)

    callee = Recorder(data_came_in=got)
    ends = join(raw_server, caller := Recorder(), callee)
    ends[1].pause_reading()
    ends[0].write(b"STARTTLS\n")
    raw_server.start_tls(ends[0], client, server_name=NAME)
    run_until(raw_server, lambda: ends[0].wire().sent > 100)
    ends[1].resume_reading()
    run_until(raw_server, lambda: "tls_started" in caller.events)
    ends[0].write(b"secret")
    run_until(raw_server, lambda: callee.data == b"secret")


@pytest.mark.parametrize("when", ["before", "after", "both"])
def test_beneath_it_a_rate_may_hold_at_any_time(
    raw_server: RawServer, server: TlsServer, client: TlsClient, when: str
) -> None:
    ends = join(raw_server, Recorder(), callee := Recorder())
    limit = RateLimit(raw_server, 1e6, 1e6)
    if when != "after":
        ends[0].rate = limit
    start(raw_server, ends, server, client)
    if when != "before":
        ends[0].rate = RateLimit(raw_server, 2e6, 2e6) if when == "both" else limit
    ends[0].write(bytes(150_000))
    run_until(raw_server, lambda: len(callee.data) == 150_000)
    assert ends[0].connected
    ends[0].rate = None
    ends[0].write(bytes(1_000_000))
    run_until(raw_server, lambda: len(callee.data) == 1_150_000)


def test_a_rate_that_comes_after_the_handshake_holds_what_is_sent(
    server: TlsServer, client: TlsClient
) -> None:
    raw_server = RawServer(network=MovableClock(OsNetwork()))
    ends = join(raw_server, caller := Recorder(), callee := Recorder())
    start(raw_server, ends, server, client)
    run_until(raw_server, lambda: "tls_started" in caller.events)
    ends[0].rate = RateLimit(raw_server, upload=10_000.0)
    ends[0].write(bytes(500_000))
    pass_time(raw_server, 2.0, step=0.01)
    assert len(callee.data) < 40_000
    raw_server.close()


def test_one_that_was_paused_stays_so(
    raw_server: RawServer, server: TlsServer, client: TlsClient
) -> None:
    ends = join(raw_server, caller := Recorder(), callee := Recorder())
    ends[1].pause_reading()
    start(raw_server, ends, server, client)
    run_until(raw_server, lambda: "tls_started" in caller.events)
    ends[0].write(b"secret")
    run_until(raw_server, lambda: "tls_started" in callee.events)
    for _ in range(5):
        raw_server.listen_once(0.0)
    assert not callee.data
    ends[1].resume_reading()
    run_until(raw_server, lambda: callee.data == b"secret")


def test_one_within_the_other_and_each_in_its_time(
    clocked_server: RawServer, server: TlsServer, client: TlsClient
) -> None:
    ends = join(clocked_server, caller := Recorder(), callee := Recorder())
    start(clocked_server, ends, server, client)
    start(clocked_server, ends, server, client)  # the first is not over
    run_until(
        clocked_server,
        lambda: all(one.events.count("tls_started") == 2 for one in (caller, callee)),
    )
    pass_time(clocked_server, 20.0)
    big = bytes(500_000)
    ends[0].write(big)
    ends[0].close_when_flushed()
    run_until(clocked_server, lambda: callee.events[-1] == "connection_lost")
    assert callee.data == big
    assert ends[1].error is None


def test_a_peer_that_is_not_trusted_ends_it_with_the_reason(
    raw_server: RawServer, server: TlsServer
) -> None:
    ends = join(raw_server, caller := Recorder(), callee := Recorder())
    start(raw_server, ends, server, TlsClient())
    run_until(raw_server, lambda: ends[0].lost and ends[1].lost)
    run_until(raw_server, lambda: callee.events[-1] == caller.events[-1] == "connection_lost")
    assert isinstance(ends[0].error, TlsError)
    assert isinstance(ends[1].error, TlsError)
    assert "tls_started" not in caller.events + callee.events


def test_a_handshake_that_does_not_come_ends_it_in_time(
    clocked_server: RawServer, server: TlsServer
) -> None:
    ends = join(clocked_server, Recorder(), callee := Recorder())
    clocked_server.start_tls(ends[1], server)
    pass_time(clocked_server, 4.5)
    assert not ends[1].lost
    pass_time(clocked_server, 1.0)
    assert isinstance(ends[1].error, HandshakeTimeout)
    assert callee.events[-1] == "connection_lost"


@pytest.mark.parametrize("way", ["close", "peer", "context", "reset", "loop"])
def test_ending_meanwhile_is_told_once_and_leaves_nothing_behind(
    clocked_server: RawServer, server: TlsServer, way: str
) -> None:
    clocked_server.add_context("a")
    before = len(clocked_server.tasks)
    ends = join(clocked_server, Recorder(), callee := Recorder())
    ends[1].context = "a"
    clocked_server.start_tls(ends[1], server)
    layer = ends[1].top()
    assert layer is not None
    if way == "peer":
        ends[0].close()
    elif way == "context":
        clocked_server.remove_context("a")
    elif way == "loop":
        clocked_server.close()
    else:
        getattr(ends[1], way)()
    if way != "loop":
        run_until(clocked_server, lambda: callee.events[-1] == "connection_lost")
        # No deadline is left to hold the connection: a peer could make many.
        assert len(clocked_server.tasks) - before <= 1  # a scan for time-outs
        pass_time(clocked_server, 20.0)
    assert callee.events.count("connection_lost") == 1
    assert "tls_started" not in callee.events


def test_the_end_within_tls_started(
    raw_server: RawServer, server: TlsServer, client: TlsClient
) -> None:
    ends = join(raw_server, Recorder(tls_started=lambda one: one.close()), callee := Recorder())
    start(raw_server, ends, server, client)
    run_until(raw_server, lambda: callee.events[-1] == "connection_lost")
    assert ends[0].error is None


def test_a_fault_within_tls_started_ends_that_one(server: TlsServer, client: TlsClient) -> None:
    reported: list[str] = []
    raw_server = RawServer(errorfunc=lambda level, text: reported.append(text))

    def fail(connection: SingleSocket) -> None:
        raise ValueError("of the handler")

    ends = join(raw_server, Recorder(tls_started=fail), callee := Recorder())
    start(raw_server, ends, server, client)
    run_until(raw_server, lambda: callee.events[-1] == "connection_lost")
    assert isinstance(ends[0].error, ValueError)
    assert len(reported) == 1
    raw_server.close()


def test_it_does_not_begin_on_what_is_not_made_or_not_flushed(
    raw_server: RawServer, client: TlsClient
) -> None:
    connection, other = join(raw_server, Recorder(), Recorder())
    other.pause_reading()
    connection.write(bytes(16 << 20))
    with pytest.raises(RuntimeError):
        raw_server.start_tls(connection, client, server_name=NAME)
    connection.close()
    with pytest.raises(RuntimeError):
        raw_server.start_tls(connection, client, server_name=NAME)


@pytest.mark.parametrize("name", ["", ".example.org", "a" * 300 + ".org"])
def test_a_name_that_nobody_can_have_is_refused_and_all_goes_on(
    raw_server: RawServer, client: TlsClient, name: str
) -> None:
    connection, other = join(raw_server, caller := Recorder(), callee := Recorder())
    with pytest.raises(ValueError, match=r"name|idna"):
        raw_server.start_tls(connection, client, server_name=name)
    assert connection.top() is None
    other.pause_reading()
    big = bytes(8 << 20)
    connection.write(big)
    other.resume_reading()
    run_until(raw_server, lambda: len(callee.data) == len(big))
    other.write(b"back")
    run_until(raw_server, lambda: caller.data == b"back")


class Weak(Recorder):
    """A handler that can be seen to go."""


def test_nothing_is_left_alive_of_one_that_ended(
    raw_server: RawServer, server: TlsServer, client: TlsClient
) -> None:
    def pass_by() -> list[Any]:
        handlers = Weak(), Weak()
        ends = join(raw_server, *handlers)
        start(raw_server, ends, server, client)
        run_until(raw_server, lambda: "tls_started" in handlers[0].events)
        ends[0].close()
        run_until(raw_server, lambda: handlers[1].events[-1] == "connection_lost")
        for listener in raw_server.listeners():
            raw_server.stop_listening(listener.serversocket)
            listener.serversocket.close()
        return [weakref.ref(handler) for handler in handlers]

    gone = pass_by()
    raw_server.listen_once(0.0)
    gc.collect()
    assert [one() for one in gone] == [None, None]


def test_a_socket_that_was_taken_over_may_begin_with_it(
    raw_server: RawServer, server: TlsServer, client: TlsClient, authority: Authority
) -> None:
    ours, theirs = socket.socketpair()
    ends = [raw_server.wrap_socket(sock, Recorder()) for sock in (ours, theirs)]
    start(raw_server, (ends[0], ends[1]), server, client)
    run_until(raw_server, lambda: "tls_started" in ends[0].handler.events)
    ends[1].write(b"hello")
    run_until(raw_server, lambda: ends[0].handler.data == b"hello")
