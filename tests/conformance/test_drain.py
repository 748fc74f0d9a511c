"""An end in good order: nobody new, those who are here may finish, and it always ends."""

from __future__ import annotations

import pytest

from kit.clock import pass_time
from kit.joined import Joiner, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer, SingleSocket

DEADLINE = 8.0


class Draining:
    """Remembers when it was over."""

    def __init__(self, raw_server: RawServer, context: object = ...) -> None:
        self._raw_server = raw_server
        self._began = raw_server.network.time()
        self.seconds: float | None = None
        raw_server.drain(DEADLINE, self.over, context)

    def over(self) -> None:
        assert self.seconds is None
        self.seconds = self._raw_server.network.time() - self._began


def test_without_connections_it_is_over_at_once(clocked_server: RawServer) -> None:
    port = listen(clocked_server, Recorder())
    draining = Draining(clocked_server)
    assert clocked_server.listeners() == []
    run_until(clocked_server, lambda: draining.seconds is not None)
    refused = Recorder()
    clocked_server.start_connection(("127.0.0.1", port), refused)
    run_until(clocked_server, lambda: refused.failures)
    assert isinstance(refused.failures[0][1], ConnectionRefusedError)
    assert len(clocked_server.tasks) == 0


def test_handlers_are_asked_and_it_is_over_when_the_last_has_gone(
    clocked_server: RawServer, join: Joiner
) -> None:
    def finish(connection: SingleSocket) -> None:
        connection.write(b"goodbye")
        connection.close_when_flushed()

    caller, callee = Recorder(), Recorder(drain=finish)
    join(clocked_server, caller, callee)
    draining = Draining(clocked_server)
    pass_time(clocked_server, DEADLINE, step=0.01, until=lambda: draining.seconds is not None)
    assert draining.seconds is not None
    assert draining.seconds < DEADLINE / 2
    assert caller.data == b"goodbye"
    assert callee.events[-2:] == ["drain", "connection_lost"]
    assert clocked_server.connections() == []


def test_who_does_not_listen_is_closed_when_all_is_sent(
    clocked_server: RawServer, join: Joiner
) -> None:
    caller, callee = Recorder(), Recorder()
    _, other = join(clocked_server, caller, callee)
    other.write(b"x" * 3_000_000)
    draining = Draining(clocked_server)
    pass_time(clocked_server, DEADLINE, step=0.02, until=lambda: draining.seconds is not None)
    assert draining.seconds is not None
    assert DEADLINE * 0.7 < draining.seconds < DEADLINE
    assert len(caller.data) == 3_000_000
    assert other.error is None


def test_who_does_not_read_is_reset_at_the_deadline(
    clocked_server: RawServer, join: Joiner
) -> None:
    clocked_server.add_context("mine")
    caller, callee = Recorder(), Recorder()
    port = join.listen(clocked_server, callee, "mine")
    connection = join.start(clocked_server, port, caller)
    run_until(clocked_server, lambda: callee.connections and connection.connected)
    connection.pause_reading()
    callee.connection.write(b"x" * 16_000_000)
    draining = Draining(clocked_server, "mine")
    pass_time(clocked_server, DEADLINE + 0.5, until=lambda: draining.seconds is not None)
    assert draining.seconds == pytest.approx(DEADLINE, abs=0.5)
    assert clocked_server.connections("mine") == []
    run_until(clocked_server, lambda: callee.events[-1] == "connection_lost")
    connection.resume_reading()
    run_until(clocked_server, lambda: connection.lost)
    assert len(caller.data) < 16_000_000


def test_attempts_are_ended_too(clocked_server: RawServer) -> None:
    # Nobody takes from this listener, and its backlog is full: an attempt hears nothing.
    serversocket = clocked_server.create_serversocket(0, "127.0.0.1", backlog=0)
    handlers = [Recorder() for _ in range(5)]
    for handler in handlers:
        clocked_server.start_connection(serversocket.getsockname(), handler)
    pass_time(clocked_server, 0.5)
    draining = Draining(clocked_server)
    pass_time(clocked_server, DEADLINE + 0.5, until=lambda: draining.seconds is not None)
    assert draining.seconds is not None
    for _ in range(3):
        clocked_server.listen_once(0.0)
    ends = {handler.events[-1] for handler in handlers}
    assert ends <= {"connection_failed", "connection_lost"}
    serversocket.close()


def test_of_one_context_the_others_go_on(clocked_server: RawServer) -> None:
    handlers = {}
    callers = {}
    for context in ("mine", "other"):
        clocked_server.add_context(context)
        handlers[context], callers[context] = Recorder(drain=SingleSocket.close), Recorder()
        port = listen(clocked_server, handlers[context], context)
        clocked_server.start_connection(("127.0.0.1", port), callers[context])
    run_until(clocked_server, lambda: all(one.connections for one in handlers.values()))
    draining = Draining(clocked_server, "mine")
    run_until(clocked_server, lambda: draining.seconds is not None)
    pass_time(clocked_server, DEADLINE * 2)
    assert handlers["mine"].connection.lost
    assert not handlers["other"].connection.lost
    assert [listener.context for listener in clocked_server.listeners()] == ["other"]
    assert "drain" not in handlers["other"].events


def test_a_fault_in_a_handlers_drain_ends_its_connection_alone(
    faulty_server: RawServer, faults: list[str], join: Joiner
) -> None:
    def fail(connection: SingleSocket) -> None:
        raise LookupError("a fault")

    bad, good = Recorder(drain=fail), Recorder(drain=SingleSocket.close_when_flushed)
    for handler in (bad, good):
        join(faulty_server, Recorder(), handler)
    over: list[bool] = []
    faulty_server.drain(5.0, lambda: over.append(True))
    run_until(faulty_server, lambda: over)
    assert isinstance(bad.connection.error, LookupError)
    assert good.connection.error is None
    assert len(faults) == 1
