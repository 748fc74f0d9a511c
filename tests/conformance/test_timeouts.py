"""Every time-out, of a listener, of a connection and of the config; who is late, and who is not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from kit.clock import MovableClock, pass_time
from kit.joined import Joiner, join, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import (
    Config,
    FirstBytesTimeout,
    HandshakeTimeout,
    IdleTimeout,
    RawServer,
    SingleSocket,
    WriteStalled,
)

# A look may be a second late, and a second's bucket is full after one more.
LATE = 2.5
MUCH = b"x" * 16_000_000


def meet(
    raw_server: RawServer,
    caller: Recorder,
    callee: Recorder,
    *,
    listening: dict[str, Any],
    connecting: dict[str, Any],
) -> tuple[SingleSocket, SingleSocket]:
    """Join two handlers; time-outs that are not given are the config's."""
    port = listen(raw_server, callee, **listening)
    connection = raw_server.start_connection(("127.0.0.1", port), caller, **connecting)
    run_until(raw_server, lambda: callee.connections and connection.connected)
    return connection, callee.connection


def server_of(clock: MovableClock, **options: Any) -> RawServer:
    return RawServer(network=clock, config=Config(**options))


# Idle.


def test_an_idle_one_is_ended_on_the_side_of_its_listener(clocked_server: RawServer) -> None:
    connection, other = meet(
        clocked_server,
        Recorder(),
        Recorder(),
        listening={"idle_timeout": 10.0},
        connecting={"idle_timeout": inf},
    )
    pass_time(clocked_server, 9.5)
    assert not other.lost
    pass_time(clocked_server, LATE)
    assert isinstance(other.error, IdleTimeout)
    assert connection.error is None


def test_an_idle_one_is_ended_on_the_side_that_started_it(clocked_server: RawServer) -> None:
    connection, other = meet(
        clocked_server,
        Recorder(),
        Recorder(),
        listening={"idle_timeout": inf},
        connecting={"idle_timeout": 10.0},
    )
    pass_time(clocked_server, 10.0 + LATE)
    assert isinstance(connection.error, IdleTimeout)
    assert other.error is None


@pytest.mark.parametrize("speaker", [0, 1])
def test_a_byte_in_either_direction_is_progress_for_both(
    clocked_server: RawServer, join: Joiner, speaker: int
) -> None:
    ends = join(clocked_server, Recorder(), Recorder())
    for end in ends:
        end.idle_timeout = 10.0
    for _ in range(12):
        ends[speaker].write(b"x")
        # The system acknowledges it by its own clock, which does not pass faster.
        run_until(clocked_server, lambda: not ends[speaker].unacknowledged())
        pass_time(clocked_server, 8.0)
        assert not any(end.lost for end in ends)
    # Watched since they were made, with the time-out of then: 300 s are not over, 10 s are.
    pass_time(clocked_server, clocked_server.config.idle_timeout)
    assert all(end.lost for end in ends)


def test_the_config_has_the_default_and_inf_is_none(clock: MovableClock) -> None:
    raw_server = server_of(clock, idle_timeout=5.0)
    by_default = join(raw_server, Recorder(), Recorder())
    without = meet(
        raw_server,
        Recorder(),
        Recorder(),
        listening={"idle_timeout": inf},
        connecting={"idle_timeout": inf},
    )
    pass_time(raw_server, 5.0 + LATE)
    assert all(end.lost for end in by_default)
    pass_time(raw_server, 3600.0, step=60.0)
    assert not any(end.lost for end in without)
    raw_server.close()


# Writes that stall.


def slow_reader(raw_server: RawServer, seconds: float) -> Recorder:
    """A handler that reads once in so many seconds."""

    def pause(connection: SingleSocket) -> None:
        connection.pause_reading()
        raw_server.add_task(connection.resume_reading, seconds)

    return Recorder(data_came_in=pause)


def test_a_reader_that_is_dead_ends_the_writer(clocked_server: RawServer) -> None:
    callee = Recorder()
    connection, other = meet(
        clocked_server,
        Recorder(),
        callee,
        listening={"idle_timeout": inf, "write_stall_timeout": 8.0},
        connecting={"idle_timeout": inf},
    )
    connection.pause_reading()
    other.write(MUCH)
    pass_time(clocked_server, 7.5)
    assert not other.lost
    pass_time(clocked_server, 8.0 / 4 + LATE)
    assert isinstance(other.error, WriteStalled)
    assert callee.events[-1] == "connection_lost"


def test_a_reader_that_is_slow_but_moves_is_left_alone(clock: MovableClock) -> None:
    raw_server = server_of(clock, idle_timeout=None, read_size=256 * 1024)
    callee = Recorder()
    caller = slow_reader(raw_server, 3.0)
    _, other = meet(
        raw_server, caller, callee, listening={"write_stall_timeout": 8.0}, connecting={}
    )
    other.write(MUCH)
    pass_time(raw_server, 40.0)
    assert not other.lost
    assert 0 < len(caller.data) < len(MUCH)
    assert other.buffered
    raw_server.close()


def test_a_connections_own_stall_time_out_stands_for_the_configs(clock: MovableClock) -> None:
    raw_server = server_of(clock, idle_timeout=None, write_stall_timeout=5.0)
    by_default, without = (join(raw_server, Recorder(), Recorder()) for _ in range(2))
    without[0].write_stall_timeout = None
    for connection, other in (by_default, without):
        other.pause_reading()
        connection.write(MUCH)
    pass_time(raw_server, 5.0 * 5 / 4 + LATE)
    assert isinstance(by_default[0].error, WriteStalled)
    pass_time(raw_server, 600.0, step=5.0)
    assert not without[0].lost
    raw_server.close()


def test_one_that_has_sent_all_is_watched_no_more(clocked_server: RawServer) -> None:
    connection, other = meet(
        clocked_server,
        Recorder(),
        Recorder(),
        listening={"idle_timeout": inf, "write_stall_timeout": 4.0},
        connecting={"idle_timeout": inf},
    )
    other.write(MUCH)
    run_until(clocked_server, lambda: connection.received == len(MUCH))
    pass_time(clocked_server, 60.0)
    assert other.stall is None
    assert not other.lost


# The first bytes.


def test_who_says_nothing_at_first_is_ended(clocked_server: RawServer) -> None:
    silent, speaking = Recorder(), Recorder()
    times = {"first_bytes_timeout": 3.0, "idle_timeout": inf}
    pairs = [
        meet(clocked_server, Recorder(), callee, listening=times, connecting={})
        for callee in (silent, speaking)
    ]
    pairs[0][1].write(b"who are you?")  # what we say does not count
    pairs[1][0].write(b"x")
    pass_time(clocked_server, 2.5)
    assert not silent.connection.lost
    pass_time(clocked_server, LATE)
    assert isinstance(silent.connection.error, FirstBytesTimeout)
    pass_time(clocked_server, 60.0)
    assert not speaking.connection.lost


def test_the_config_may_limit_the_first_bytes_too(clock: MovableClock) -> None:
    raw_server = server_of(clock, first_bytes_timeout=3.0)
    connection, other = join(raw_server, Recorder(), Recorder())
    without = meet(
        raw_server,
        Recorder(),
        Recorder(),
        listening={"first_bytes_timeout": inf},
        connecting={},
    )
    pass_time(raw_server, 3.0 + LATE)
    assert isinstance(other.error, FirstBytesTimeout)
    assert connection.error is None
    assert not any(end.lost for end in without)
    raw_server.close()


# Openings.


@pytest.mark.parametrize("opening", ["tls", "proxy"])
def test_an_opening_has_to_be_over_in_time(
    clocked_server: RawServer, tls_server: Any, opening: str
) -> None:
    callee, caller = Recorder(), Recorder()
    how = {"tls": tls_server} if opening == "tls" else {"proxy_protocol": True}
    port = listen(clocked_server, callee, handshake_timeout=4.0, **how)
    clocked_server.start_connection(("127.0.0.1", port), caller)
    [listener] = clocked_server.listeners()
    run_until(clocked_server, lambda: listener.admission.opening)
    pass_time(clocked_server, 3.5)
    assert not callee.events
    pass_time(clocked_server, 1.0, until=lambda: callee.failures)
    assert callee.events == ["opening_failed"]
    assert isinstance(callee.failures[0][1], HandshakeTimeout)
    assert listener.admission.total == listener.admission.opening == 0
    run_until(clocked_server, lambda: caller.connection.lost)


def test_a_server_that_never_shakes_hands_fails_the_connection(
    clock: MovableClock, tls_client: Any
) -> None:
    raw_server = server_of(clock, handshake_timeout=4.0)
    caller, callee = Recorder(), Recorder()
    port = listen(raw_server, callee)
    raw_server.start_connection(("127.0.0.1", port), caller, tls=tls_client)
    run_until(raw_server, lambda: callee.connections)
    pass_time(raw_server, 5.0)
    assert caller.events == ["connection_failed"]
    assert isinstance(caller.failures[0][1], HandshakeTimeout)
    assert "4 seconds" in str(caller.failures[0][1])
    run_until(raw_server, lambda: callee.connection.lost)
    raw_server.close()


def test_an_opening_that_is_over_leaves_no_task(
    clocked_server: RawServer, tls_server: Any, tls_client: Any
) -> None:
    joined = Joiner((tls_server, tls_client), throttled=False)
    for connection in joined(clocked_server, Recorder(), Recorder()):
        connection.idle_timeout = None
    pass_time(clocked_server, 1.0)
    waiting = [task.func for _, _, task in clocked_server.tasks.heap if not task.cancelled]
    assert not waiting


# Over other layers.


def test_idleness_and_stalls_are_seen_beneath_tls_and_a_rate(
    clocked_server: RawServer, join: Joiner
) -> None:
    idle, stalled = (join(clocked_server, Recorder(), Recorder()) for _ in range(2))
    stalled[1].pause_reading()
    stalled[0].write_stall_timeout = 20.0
    stalled[0].write(MUCH)
    pass_time(clocked_server, 20.0 * 5 / 4 + LATE)
    assert isinstance(stalled[0].error, WriteStalled)
    assert not any(end.lost for end in idle)
    pass_time(clocked_server, 300.0 * 5 / 4 + LATE)
    assert all(end.lost for end in idle)
    assert any(isinstance(end.error, IdleTimeout) for end in idle)


def test_over_tls_a_peer_that_does_not_read_does_not_hold_up_an_end(
    clocked_server: RawServer, tls_server: Any, tls_client: Any
) -> None:
    callee = Recorder(external_connection_made=lambda connection: connection.pause_reading())
    caller = Recorder()
    port = listen(clocked_server, callee, tls=tls_server, idle_timeout=inf)
    connection = clocked_server.start_connection(
        ("127.0.0.1", port), caller, tls=tls_client, idle_timeout=inf
    )
    connection.write_stall_timeout = 20.0
    run_until(clocked_server, lambda: callee.connections and caller.connections)
    # Each is taken as a whole by TLS, which holds what the system does not take.
    while not connection._layer.unsent:
        connection.write(b"x" * 16_000)
    connection.close_when_flushed()
    pass_time(clocked_server, 20.0 * 5 / 4 + LATE)
    assert isinstance(connection.error, WriteStalled)


def test_a_time_for_idleness_may_be_set_later(clocked_server: RawServer) -> None:
    connection, _ = meet(
        clocked_server,
        Recorder(),
        Recorder(),
        listening={"idle_timeout": inf},
        connecting={"idle_timeout": inf},
    )
    pass_time(clocked_server, 1000.0)
    assert not connection.lost
    connection.idle_timeout = 10.0
    pass_time(clocked_server, 10.0 * 5 / 4 + LATE)
    assert isinstance(connection.error, IdleTimeout)


# What they cost.


class Idle:
    """What is watched, and counts how often it is looked at."""

    def __init__(self) -> None:
        self.looks = 0

    def look(self, now: float) -> float | None:
        self.looks += 1
        return None


def test_ten_thousand_that_are_not_due_are_not_looked_at(clocked_server: RawServer) -> None:
    idle = [Idle() for _ in range(10_000)]
    for one in idle:
        clocked_server.watch(one, clocked_server.now + 300.0)
    pass_time(clocked_server, 298.0)
    assert not any(one.looks for one in idle)
    pass_time(clocked_server, 2.0 + LATE)
    assert all(one.looks == 1 for one in idle)


def calls_of(func: Callable[[], object]) -> int:
    """Count the calls of functions, of Python and of C, that a call makes."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event.endswith("call")

    sys.setprofile(count)
    try:
        func()
    finally:
        sys.setprofile(None)
    return calls


def test_a_turn_costs_the_same_however_many_are_idle(clocked_server: RawServer) -> None:
    def turns() -> None:
        for _ in range(20):
            connection.write(b"x")
            pass_time(clocked_server, 0.5)

    connection, _ = join(clocked_server, Recorder(), Recorder())
    turns()
    alone = calls_of(turns)
    for _ in range(150):
        join(clocked_server, Recorder(), Recorder())
    pass_time(clocked_server, 5.0)
    # Making so many took long: the turns after that have their calls measured.
    assert calls_of(turns) <= alone * 1.5
