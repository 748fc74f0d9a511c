"""What a loop knows of its connections: whose they are, who is told, and what is counted."""

import errno
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from kit.joined import free_port, join, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RateLimit, RawServer, SingleSocket, TooManyConnections, Where


@pytest.fixture
def faults() -> list[str]:
    return []


@pytest.fixture
def faulty_server(faults: list[str]) -> Iterator[RawServer]:
    """One whose handlers may fail."""
    server = RawServer(errorfunc=lambda level, text: faults.append(text))
    yield server
    server.close()


class Context:
    """A context that hears of faults."""

    def __init__(self) -> None:
        self.heard: list[tuple[BaseException, Where]] = []

    def got_exception(self, error: BaseException, where: Where) -> None:
        self.heard.append((error, where))


def counts(raw_server: RawServer) -> dict[Any, int]:
    return {context: account.connections for context, account in raw_server.accounts().items()}


# Contexts.


def test_connections_are_listed_by_context_and_those_that_ended_are_not(
    raw_server: RawServer,
) -> None:
    raw_server.add_context("a")
    one, other = join(raw_server, Recorder(), Recorder())
    one.context = "a"
    making = raw_server.start_connection(("127.0.0.1", free_port(raw_server)), Recorder(), "a")
    assert set(raw_server.connections("a")) == {one, making}
    assert raw_server.connections(None) == [other]
    assert set(raw_server.connections()) == {one, other, making}
    assert raw_server.connections("never added") == []
    one.close()
    assert raw_server.connections("a") == [making]
    run_until(raw_server, lambda: making.lost and other.lost)


def test_a_context_has_room_until_it_is_full_or_ends(raw_server: RawServer) -> None:
    raw_server.add_context("a", max_connections=1)
    assert raw_server.has_room("a")
    assert raw_server.has_room(None)
    connection, _ = join(raw_server, Recorder(), Recorder())
    connection.context = "a"
    assert not raw_server.has_room("a")
    connection.close()
    assert raw_server.has_room("a")
    raw_server.remove_context("a")
    assert not raw_server.has_room("a")
    with pytest.raises(ValueError, match="there already"):
        raw_server.add_context(None)


def test_a_context_cannot_be_added_twice_with_other_limits(raw_server: RawServer) -> None:
    raw_server.add_context("a", max_connections=1)
    with pytest.raises(ValueError, match="there already"):
        raw_server.add_context("a", max_connections=2)
    assert raw_server.accounts()["a"].max_connections == 1


def test_one_that_is_removed_and_added_again_begins_at_nothing(raw_server: RawServer) -> None:
    raw_server.add_context("a")
    connection, other = join(raw_server, handler := Recorder(), Recorder())
    connection.context = "a"
    raw_server.remove_context("a")
    raw_server.add_context("a")
    # Its `connection_lost` is still to come, and takes nothing from the new one.
    run_until(raw_server, lambda: handler.events[-1] == "connection_lost" and other.lost)
    assert counts(raw_server) == {None: 0, "a": 0}
    raw_server.add_task(handler.events.clear, 0.0, (), "a")
    raw_server.listen_once(0.0)
    assert handler.events == []


def test_removing_it_within_a_call_of_its_own_connection(raw_server: RawServer) -> None:
    raw_server.add_context("a")
    handler = Recorder(data_came_in=lambda _: raw_server.remove_context("a"))
    ends = [join(raw_server, handler, Recorder()) for _ in range(3)]
    for connection, _ in ends:
        connection.context = "a"
    for _, other in ends:
        other.write(b"x")
    run_until(raw_server, lambda: handler.events.count("connection_lost") == 3)
    assert handler.events.count("data_came_in") == 1
    run_until(raw_server, lambda: all(other.lost for _, other in ends))
    assert counts(raw_server) == {None: 0}
    assert raw_server.account.connections == 0


def test_in_connection_lost_it_may_begin_anew_and_end_others(raw_server: RawServer) -> None:
    handler = Recorder()
    port = listen(raw_server, Recorder())
    again: list[SingleSocket] = []

    def end_others(connection: SingleSocket) -> None:
        for one in raw_server.connections():
            if one.handler is handler:
                one.close()
        if len(again) < 3:
            again.append(raw_server.start_connection(("127.0.0.1", port), Recorder()))

    handler.on["connection_lost"] = end_others
    for _ in range(3):
        raw_server.start_connection(("127.0.0.1", port), handler)
    run_until(raw_server, lambda: len(handler.connections) == 3)
    handler.connections[0].close()
    run_until(raw_server, lambda: handler.events.count("connection_lost") == 3)
    run_until(raw_server, lambda: all(one.connected for one in again))
    assert len(again) == 3


# Rates.


def test_the_limit_of_all_counts_those_that_are_here_and_those_that_come(
    raw_server: RawServer,
) -> None:
    before, _ = join(raw_server, Recorder(), Recorder())
    limit = raw_server.rate
    assert raw_server.rate is limit
    after, _ = join(raw_server, Recorder(), Recorder())
    for connection in before, after:
        assert connection.rate is limit
        assert connection.top() is not None
    limit.set(upload=1e6)
    tokens = limit.upload.tokens
    before.write(bytes(5000))
    assert limit.upload.tokens <= tokens - 4000


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_listeners_limit_is_that_of_those_who_came_by_it(
    raw_server: RawServer, when: str
) -> None:
    limit, other = RateLimit(raw_server, 1e6, 1e6), RateLimit(raw_server)
    raw_server.add_context("a", rate=other)
    port = listen(raw_server, callee := Recorder(), rate=limit)
    if when == "before":
        assert raw_server.rate is not limit
    connection = raw_server.start_connection(("127.0.0.1", port), Recorder())
    run_until(raw_server, lambda: callee.connections and connection.connected)
    assert callee.connection.rate is limit
    assert callee.connection.top() is not None
    assert connection.rate is (raw_server.rate if when == "before" else None)
    callee.connection.context = "a"
    assert callee.connection.rate is other


# Who is told.


@pytest.mark.parametrize("name", ["data_came_in", "eof_received", "connection_flushed"])
def test_a_fault_ends_that_connection_and_says_where(
    faulty_server: RawServer, faults: list[str], name: str
) -> None:
    context = Context()
    faulty_server.add_context(context)
    fault = ValueError("of the handler")

    def fail(connection: SingleSocket) -> None:
        raise fault

    connection, other = join(faulty_server, bad := Recorder(**{name: fail}), Recorder())
    connection.context = context
    if name == "connection_flushed":
        connection.write(bytes(20 << 20))
    else:
        other.write(b"x")
        other.shutdown()
    run_until(faulty_server, lambda: bad.events[-1] == "connection_lost")
    assert connection.error is fault
    ((error, where),) = context.heard
    assert error is fault
    assert where.connection is connection
    assert where.call == f"Recorder.{name}"
    assert len(faults) == 1
    assert f"Recorder.{name}, with 127.0.0.1:" in faults[0]


def test_a_fault_in_connection_lost_is_told_and_leaves_no_trace(
    faulty_server: RawServer, faults: list[str]
) -> None:
    def fail(connection: SingleSocket) -> None:
        raise ValueError("of the handler")

    connection, other = join(faulty_server, Recorder(connection_lost=fail), Recorder())
    connection.close()
    run_until(faulty_server, lambda: faults and other.lost)
    assert connection.error is None  # it had ended well
    faulty_server.listen_once(0.0)
    assert counts(faulty_server) == {None: 0}
    assert len(faults) == 1


def test_a_fault_after_it_was_given_away_is_told_to_whom_it_was_given(
    faulty_server: RawServer,
) -> None:
    one, other = Context(), Context()
    faulty_server.add_context(one)
    faulty_server.add_context(other)

    def give_away(connection: SingleSocket) -> None:
        connection.context = other
        raise ValueError("of the handler")

    connection, peer = join(faulty_server, Recorder(data_came_in=give_away), Recorder())
    connection.context = one
    peer.write(b"x")
    run_until(faulty_server, lambda: peer.lost)
    assert not one.heard
    assert len(other.heard) == 1


def test_a_fault_in_connection_failed_is_told_to_the_context(
    faulty_server: RawServer, faults: list[str]
) -> None:
    class Failing:
        def connection_failed(self, address: object, error: BaseException) -> None:
            raise ValueError("of the handler")

    context = Context()
    faulty_server.add_context(context)
    faulty_server.start_connection(("127.0.0.1", free_port(faulty_server)), Failing(), context)
    run_until(faulty_server, lambda: faults)
    assert "Failing.connection_failed" in context.heard[0][1].call


# How they begin.


def test_what_the_poller_has_no_room_for_is_told_and_leaves_nothing_open(
    faulty_server: RawServer, faults: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = listen(faulty_server, callee := Recorder())
    before = set(os.listdir("/dev/fd"))
    register = faulty_server.register
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def no_room(descriptor: int, pollable: Any, events: int) -> None:
        if isinstance(pollable, SingleSocket):
            raise full
        register(descriptor, pollable, events)

    monkeypatch.setattr(faulty_server, "register", no_room)
    connection = faulty_server.start_connection(("127.0.0.1", port), caller := Recorder())
    run_until(faulty_server, lambda: caller.failures and faults)
    faulty_server.listen_once(0.0)
    assert caller.failures[0][1] is full
    assert connection.lost
    assert not callee.events
    assert faulty_server.listeners()[0].admission.refused == {"poller": 1}
    assert faulty_server.listeners()[0].admission.total == 0
    pair = socket.socketpair()
    with pytest.raises(OSError, match="No space"):
        faulty_server.wrap_socket(pair[0], Recorder())
    for sock in pair:
        sock.close()
    assert set(os.listdir("/dev/fd")) == before
    assert counts(faulty_server) == {None: 0}


def test_one_that_is_wrapped_counts_against_its_context(raw_server: RawServer) -> None:
    raw_server.add_context("a", max_connections=1)
    pairs = [socket.socketpair() for _ in range(2)]
    first = raw_server.wrap_socket(pairs[0][0], Recorder(), "a")
    with pytest.raises(TooManyConnections):
        raw_server.wrap_socket(pairs[1][0], Recorder(), "a")
    assert pairs[1][0].fileno() >= 0  # it is left as it is
    assert raw_server.connections("a") == [first]
    first.close()
    raw_server.wrap_socket(pairs[1][0], Recorder(), "a")
    assert counts(raw_server) == {None: 0, "a": 1}
    for _, theirs in pairs:
        theirs.close()


def test_attempts_that_fail_at_the_end_of_the_loop_are_still_told() -> None:
    raw_server = RawServer()
    raw_server.add_context("a")
    handlers = [Recorder() for _ in range(3)]
    port = free_port(raw_server)
    for handler, context in zip(handlers, (None, "a", "a"), strict=True):
        raw_server.start_connection(("127.0.0.1", port), handler, context)
    raw_server.remove_context("a")
    raw_server.close()
    assert [handler.events for handler in handlers] == [["connection_failed"]] * 3


def test_at_the_end_the_reserve_is_given_back() -> None:
    before = set(os.listdir("/dev/fd"))
    raw_server = RawServer()
    listen(raw_server, Recorder())
    raw_server.close()
    assert set(os.listdir("/dev/fd")) == before
