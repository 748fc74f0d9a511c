"""`connection_lost` comes exactly once, last, for every connection made, whoever ended it."""

from collections.abc import Callable

import pytest

from kit.joined import Joiner, free_port, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer, SingleSocket


def settle(raw_server: RawServer) -> None:
    """Let a few turns pass in which something that must not come could come."""
    for _ in range(5):
        raw_server.listen_once(0.0)


def told_once_and_last(handler: Recorder) -> bool:
    return handler.events.count("connection_lost") == 1 and handler.events[-1] == "connection_lost"


@pytest.mark.parametrize("how", ["close", "close_when_flushed", "end"])
@pytest.mark.parametrize("who", [0, 1, "both"])
def test_whoever_ends_it_both_are_told(
    raw_server: RawServer, how: str, who: int | str, join: Joiner
) -> None:
    caller, callee = Recorder(), Recorder()
    ends = join(raw_server, caller, callee)
    for one in ends if isinstance(who, str) else (ends[who],):
        getattr(one, how)()
        getattr(one, how)()
    run_until(raw_server, lambda: told_once_and_last(caller) and told_once_and_last(callee))
    settle(raw_server)
    assert told_once_and_last(caller)
    assert told_once_and_last(callee)


@pytest.mark.parametrize(
    "event", ["connection_made", "external_connection_made", "data_came_in", "eof_received"]
)
def test_ending_it_within_an_event(raw_server: RawServer, event: str) -> None:
    caller = Recorder(**({event: SingleSocket.close} if event == "connection_made" else {}))
    callee = Recorder(**({event: SingleSocket.close} if event != "connection_made" else {}))
    connection = raw_server.start_connection(("127.0.0.1", listen(raw_server, callee)), caller)
    connection.write(b"hello")
    connection.close_when_flushed()
    run_until(raw_server, lambda: told_once_and_last(caller) and told_once_and_last(callee))
    settle(raw_server)
    assert told_once_and_last(caller)
    assert told_once_and_last(callee)


def test_a_close_within_data_that_came_in_stops_the_data(
    raw_server: RawServer, join: Joiner
) -> None:
    callee = Recorder(data_came_in=SingleSocket.close)
    connection, _ = join(raw_server, Recorder(), callee)
    for _ in range(3):
        connection.write(b"x" * 60_000)
    run_until(raw_server, lambda: "connection_lost" in callee.events)
    settle(raw_server)
    assert callee.events.count("data_came_in") == 1


@pytest.mark.parametrize(
    "event",
    ["external_connection_made", "data_came_in", "eof_received", "connection_lost"],
)
def test_a_fault_of_its_handler(faulty_server: RawServer, faults: list[str], event: str) -> None:
    def fail(connection: SingleSocket) -> None:
        raise LookupError(event)

    caller, callee = Recorder(), Recorder(**{event: fail})
    port = listen(faulty_server, callee)
    connection = faulty_server.start_connection(("127.0.0.1", port), caller)
    connection.write(b"hello")
    connection.close_when_flushed()
    run_until(faulty_server, lambda: "connection_lost" in callee.events and connection.lost)
    settle(faulty_server)
    assert told_once_and_last(callee)
    assert told_once_and_last(caller)
    assert len(faults) == 1


def end_by_flag(raw_server: RawServer) -> None:
    raw_server.doneflag.set()
    raw_server.listen_forever()


@pytest.mark.parametrize("end", [end_by_flag, RawServer.close])
def test_the_end_of_the_loop(
    faulty_server: RawServer, end: Callable[[RawServer], None], join: Joiner
) -> None:
    caller, callee = Recorder(), Recorder()
    join(faulty_server, caller, callee)
    end(faulty_server)
    assert told_once_and_last(caller)
    assert told_once_and_last(callee)


def test_the_handler_that_it_has_by_then_is_told(raw_server: RawServer, join: Joiner) -> None:
    before, after = Recorder(), Recorder()
    connection, _ = join(raw_server, before, Recorder())
    connection.handler = after
    connection.close()
    raw_server.listen_once(0.0)
    assert before.events == ["connection_made"]
    assert after.events == ["connection_lost"]


def test_one_that_is_never_made_fails_exactly_once_and_is_not_lost(raw_server: RawServer) -> None:
    refused, closed, ended, unknown = Recorder(), Recorder(), Recorder(), Recorder()
    raw_server.add_context("context")
    port = free_port(raw_server)
    raw_server.start_connection(("127.0.0.1", port), refused)
    open_port = listen(raw_server, Recorder())
    raw_server.start_connection(("127.0.0.1", open_port), closed).close()
    raw_server.start_connection(("127.0.0.1", open_port), ended, "context")
    raw_server.remove_context("context")
    raw_server.start_connection(("no.such.name.invalid", 1), unknown)
    all_of_them = (refused, closed, ended, unknown)
    run_until(raw_server, lambda: all(one.events for one in all_of_them))
    settle(raw_server)
    assert [one.events for one in all_of_them] == [["connection_failed"]] * 4
    assert isinstance(refused.failures[0][1], ConnectionRefusedError)
    assert isinstance(closed.failures[0][1], ConnectionAbortedError)
    assert isinstance(unknown.failures[0][1], OSError)


def test_one_that_takes_too_long_fails_with_a_time_out(raw_server: RawServer) -> None:
    # Nobody takes from this listener, and its backlog is full: an attempt hears nothing.
    serversocket = raw_server.create_serversocket(0, "127.0.0.1", backlog=0)
    handlers = [Recorder() for _ in range(6)]
    for handler in handlers:
        raw_server.start_connection(serversocket.getsockname(), handler, connect_timeout=0.2)
    run_until(raw_server, lambda: all(handler.events for handler in handlers))
    settle(raw_server)
    failed = [handler for handler in handlers if handler.failures]
    assert failed
    assert all(handler.events == ["connection_failed"] for handler in failed)
    assert all(isinstance(handler.failures[0][1], TimeoutError) for handler in failed)
    serversocket.close()
