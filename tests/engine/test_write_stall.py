"""Peers that read slowly, or not at all, on a clock that a test moves."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit.clock import MovableClock, pass_time
from kit.joined import join, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import Config, OsNetwork, RateLimit, RawServer, SingleSocket, WriteStalled

SECONDS = 20.0
# More than the systems' buffers of both sides take.
MUCH = bytes(24 << 20)


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    config = Config(idle_timeout=None, write_stall_timeout=SECONDS, write_buffer_limit=None)
    reported: list[str] = []
    server = RawServer(
        network=MovableClock(OsNetwork()),
        config=config,
        errorfunc=lambda level, text: reported.append(text),
    )
    yield server
    server.close()
    assert not reported, "\n".join(reported)


def lasts(raw_server: RawServer, condition: Callable[[], object]) -> float:
    """Turn until something is so; returns the seconds of the clock that this took."""
    before = raw_server.network.time()
    pass_time(raw_server, 10 * SECONDS, until=condition)
    assert condition()
    return raw_server.network.time() - before


def test_a_peer_that_does_not_read_ends_it_on_time(raw_server: RawServer) -> None:
    connection, other = join(raw_server, caller := Recorder(), Recorder())
    other.pause_reading()
    connection.write(MUCH)
    seconds = lasts(raw_server, lambda: connection.lost)
    assert SECONDS <= seconds <= 1.25 * SECONDS + 3
    assert isinstance(connection.error, WriteStalled)
    run_until(raw_server, lambda: "connection_lost" in caller.events)


@pytest.mark.parametrize("seconds", [1.0, 4.0])
def test_a_short_time_is_kept_too(raw_server: RawServer, seconds: float) -> None:
    connection, other = join(raw_server, Recorder(), Recorder())
    connection.write_stall_timeout = seconds
    other.pause_reading()
    connection.write(MUCH)
    lasted = lasts(raw_server, lambda: connection.lost)
    # Time-outs are looked at once a second.
    assert seconds <= lasted <= 1.25 * seconds + 2.5


def test_a_peer_that_reads_slowly_is_left_alone(raw_server: RawServer) -> None:
    connection, other = join(raw_server, Recorder(), callee := Recorder())
    other.pause_reading()
    connection.write(MUCH)
    for _ in range(12):
        # Enough for the system to open its window again.
        seen = len(callee.data)
        other.resume_reading()
        run_until(raw_server, lambda seen=seen: len(callee.data) > seen + (1 << 20))
        other.pause_reading()
        pass_time(raw_server, SECONDS / 2)
        assert not connection.lost
    assert connection.buffered
    pass_time(raw_server, 1.5 * SECONDS, until=lambda: connection.lost)
    assert isinstance(connection.error, WriteStalled)


def test_who_has_sent_all_is_not_watched(raw_server: RawServer) -> None:
    connection, other = join(raw_server, Recorder(), callee := Recorder())
    other.pause_reading()
    connection.write(MUCH)
    assert connection.stall is not None
    other.resume_reading()
    run_until(raw_server, lambda: len(callee.data) == len(MUCH))
    pass_time(raw_server, SECONDS)
    assert connection.stall is None
    pass_time(raw_server, 2 * SECONDS)
    assert not connection.lost
    assert not len(raw_server._timeouts)


def test_one_watch_is_enough_however_much_is_written(raw_server: RawServer) -> None:
    connection, other = join(raw_server, Recorder(), Recorder())
    other.pause_reading()
    connection.write(MUCH)
    first = connection.stall
    for _ in range(10):
        connection.write(b"more")
    assert connection.stall is first
    assert len(raw_server._timeouts) == 1


def test_one_that_ended_is_watched_no_more(raw_server: RawServer) -> None:
    connection, other = join(raw_server, Recorder(), Recorder())
    other.pause_reading()
    connection.write(MUCH)
    connection.close()
    assert not len(raw_server._timeouts)


def test_without_a_time_nobody_is_watched(raw_server: RawServer) -> None:
    connection, other = join(raw_server, Recorder(), Recorder())
    connection.write_stall_timeout = None
    other.pause_reading()
    connection.write(MUCH)
    pass_time(raw_server, 5 * SECONDS)
    assert not connection.lost


def test_writing_on_to_one_that_stalls_does_not_save_it(raw_server: RawServer) -> None:
    connection, other = join(raw_server, Recorder(), Recorder())
    other.pause_reading()
    connection.write(MUCH)
    end = raw_server.network.time() + 1.5 * SECONDS
    while not connection.lost and raw_server.network.time() < end:
        connection.write(b"more")
        pass_time(raw_server, 1.0)
    assert isinstance(connection.error, WriteStalled)


def test_one_whose_end_was_asked_for_ends_too(raw_server: RawServer) -> None:
    connection, other = join(raw_server, Recorder(), Recorder())
    other.pause_reading()
    connection.write(MUCH)
    connection.close_when_flushed()
    assert lasts(raw_server, lambda: connection.lost) <= 1.25 * SECONDS + 3
    assert isinstance(connection.error, WriteStalled)


def test_waiting_for_a_rate_of_ours_is_no_fault_of_the_peers(raw_server: RawServer) -> None:
    connection, _ = join(raw_server, Recorder(), callee := Recorder())
    # A packet of it takes longer than the peer may.
    connection.rate = RateLimit(raw_server, upload=20.0)
    connection.write(bytes(4000))
    pass_time(raw_server, 20 * SECONDS, until=lambda: len(callee.data) == 4000)
    assert len(callee.data) == 4000
    assert not connection.lost


def test_a_peer_that_does_not_read_is_found_beneath_a_rate(raw_server: RawServer) -> None:
    connection, other = join(raw_server, Recorder(), Recorder())
    other.pause_reading()
    connection.rate = RateLimit(raw_server, upload=1e9)
    connection.write(MUCH)
    pass_time(raw_server, 10 * SECONDS, until=lambda: connection.lost)
    assert isinstance(connection.error, WriteStalled)


def test_what_was_written_before_it_was_made_is_watched_as_well(raw_server: RawServer) -> None:
    def pause(connection: SingleSocket) -> None:
        connection.pause_reading()

    port = listen(raw_server, Recorder(external_connection_made=pause))
    connection = raw_server.start_connection(("127.0.0.1", port), Recorder())
    connection.write(MUCH)
    run_until(raw_server, lambda: connection.connected)
    assert lasts(raw_server, lambda: connection.lost) <= 1.25 * SECONDS + 3
    assert isinstance(connection.error, WriteStalled)


class Unanswered(MovableClock):
    """A network whose peers never acknowledge, as when the way to them is cut."""

    def unacknowledged(self, sock: Any) -> int:
        return sock.unanswered if isinstance(sock, Cut) else 0


class Cut(socket.socket):
    """A socket that takes all that it is given, for nobody."""

    unanswered = 0

    def send(self, data: Any, flags: int = 0) -> int:
        self.unanswered += len(data)
        return len(data)


def test_a_peer_that_has_gone_is_found_by_idleness_though_we_write_to_it() -> None:
    raw_server = RawServer(network=Unanswered(OsNetwork()), config=Config(idle_timeout=SECONDS))
    ours, theirs = socket.socketpair()
    cut = Cut(fileno=ours.detach())
    connection = raw_server.wrap_socket(cut, Recorder())
    end = raw_server.network.time() + 2 * SECONDS
    while not connection.lost and raw_server.network.time() < end:
        assert connection.write(b"are you there?")
        pass_time(raw_server, 1.0)
    assert isinstance(connection.error, TimeoutError)
    raw_server.close()
    theirs.close()
