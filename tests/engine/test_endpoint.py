"""A connection's life: whose it is, how it is held, and how it ends; with layers and without."""

import gc
import os
import random
import socket
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from kit.clock import MovableClock, pass_time
from kit.joined import Joiner
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import (
    READABLE,
    Config,
    IdleTimeout,
    OsNetwork,
    RateLimit,
    RawServer,
    SingleSocket,
    TooManyConnections,
)
from rawserver.engine.lingering import Lingering
from rawserver.engine.tls import TlsClient, TlsServer

NAMES = ["plain", "throttled", "tls", "tls-throttled"]


@pytest.fixture(params=NAMES)
def join(
    request: pytest.FixtureRequest, server: TlsServer, client: TlsClient, authority: Any
) -> Joiner:
    """Joins two handlers over each kind of layers."""
    tls = None
    if "tls" in request.param:
        tls = TlsServer(*authority.issue("127.0.0.1")), client
    return Joiner(tls, throttled="throttled" in request.param)


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    """One on a clock that a test moves, which leaves no descriptor open and no time-out."""
    before = set(os.listdir("/dev/fd"))
    reported: list[str] = []
    server = RawServer(
        network=MovableClock(OsNetwork()),
        config=Config(idle_timeout=40.0),
        errorfunc=lambda level, text: reported.append(text),
    )
    yield server
    server.close()
    assert not reported, "\n".join(reported)
    assert not len(server._timeouts)
    assert set(os.listdir("/dev/fd")) == before


def lost(handler: Recorder) -> bool:
    return handler.events[-1:] == ["connection_lost"]


# Ending.


@pytest.mark.parametrize("way", ["close", "reset", "end", "close_when_flushed", "loop"])
def test_each_way_to_end_is_told_once_and_only_from_the_loop(
    raw_server: RawServer, join: Joiner, way: str
) -> None:
    connection, other = join(raw_server, caller := Recorder(), callee := Recorder())
    descriptor = connection.fileno()
    if way == "loop":
        raw_server.close()
    else:
        getattr(connection, way)()
        assert not lost(caller)
        assert connection.lost
        assert not connection.connected
        assert connection.fileno() == -1
        assert descriptor not in raw_server._registered or way == "close_when_flushed"
        connection.close()
        connection.reset()
        connection.end()
        run_until(raw_server, lambda: lost(caller) and lost(callee))
    assert caller.events.count("connection_lost") == 1
    assert callee.events.count("connection_lost") == 1
    assert connection.error is None
    assert other.lost


def test_what_comes_after_the_end_does_nothing(raw_server: RawServer, join: Joiner) -> None:
    connection, _ = join(raw_server, caller := Recorder(), callee := Recorder())
    connection.close()
    assert connection.write(b"x") is False
    connection.write_lent([b"x"])
    connection.pause_reading()
    connection.resume_reading()
    connection.shutdown()
    connection.close_when_flushed()
    connection.rate = RateLimit(raw_server, 1.0, 1.0)
    connection.limit_rate()
    run_until(raw_server, lambda: lost(caller) and lost(callee))
    assert not callee.data


def test_a_close_in_good_order_is_seen_as_one_by_the_peer(
    raw_server: RawServer, join: Joiner
) -> None:
    connection, other = join(raw_server, Recorder(), callee := Recorder())
    connection.write(b"last words")
    connection.close()
    run_until(raw_server, lambda: lost(callee))
    assert callee.data == b"last words"
    assert other.error is None


def test_a_reset_is_seen_as_one(raw_server: RawServer, join: Joiner) -> None:
    connection, other = join(raw_server, Recorder(), callee := Recorder())
    connection.reset()
    run_until(raw_server, lambda: lost(callee))
    if join.tls is None:
        assert isinstance(other.error, ConnectionResetError)


def test_config_may_have_close_reset() -> None:
    raw_server = RawServer(config=Config(close_with_rst=True))
    connection, other = Joiner(None, throttled=False)(raw_server, Recorder(), callee := Recorder())
    connection.close()
    run_until(raw_server, lambda: lost(callee))
    assert isinstance(other.error, ConnectionResetError)
    raw_server.close()


def test_what_was_written_arrives_whole_before_the_end(raw_server: RawServer, join: Joiner) -> None:
    data = random.Random(1).randbytes(3_000_000)
    connection, other = join(raw_server, Recorder(), callee := Recorder())
    connection.write(data)
    connection.close_when_flushed()
    assert connection.write(b"more") is False
    run_until(raw_server, lambda: lost(callee))
    assert callee.data == data
    assert other.error is None


def test_the_descriptor_is_held_until_the_turn_is_over(raw_server: RawServer, join: Joiner) -> None:
    """So that what the same poll found for it cannot reach whoever would get its number."""
    connection, other = join(raw_server, Recorder(), Recorder())
    sock = connection.socket()
    connection.close()
    assert sock.fileno() >= 0
    raw_server.listen_once(0.0)
    assert sock.fileno() == -1
    run_until(raw_server, lambda: other.lost)


def test_events_of_the_turn_in_which_it_ended_reach_nobody(
    raw_server: RawServer, join: Joiner
) -> None:
    """Both have something to read in one turn; the first ends both."""
    one, other = join(raw_server, Recorder(), Recorder())
    two, another = join(raw_server, Recorder(), Recorder())
    told: list[SingleSocket] = []

    def end_both(connection: SingleSocket) -> None:
        told.append(connection)
        one.close()
        two.close()

    for connection in one, two:
        connection.handler.on["data_came_in"] = end_both
    other.write(b"x")
    another.write(b"x")
    run_until(raw_server, lambda: other.lost and another.lost)
    assert len(told) == 1


@pytest.mark.parametrize("where", ["data_came_in", "connection_flushed", "eof_received"])
@pytest.mark.parametrize("way", ["close", "reset", "close_when_flushed", "context", "move"])
def test_ending_within_any_call(raw_server: RawServer, join: Joiner, where: str, way: str) -> None:
    raw_server.add_context("a")
    raw_server.add_context("b", rate=RateLimit(raw_server, 1e8, 1e8))

    def act(connection: SingleSocket) -> None:
        if way == "context":
            raw_server.remove_context("a")
        elif way == "move":
            connection.context = "b"
            connection.rate = None
            connection.close()
        else:
            getattr(connection, way)()

    connection, other = join(raw_server, caller := Recorder(**{where: act}), Recorder())
    connection.context = "a"
    if where == "data_came_in":
        other.write(bytes(200_000))
    elif where == "eof_received":
        other.shutdown()
    else:
        connection.write(bytes(20 << 20))  # more than the system's buffers take
    run_until(raw_server, lambda: lost(caller) and other.lost)
    assert caller.events.count(where) == 1
    assert caller.events.count("connection_lost") == 1
    assert raw_server.account.connections == 0
    assert not raw_server.connections()


@pytest.mark.parametrize("where", ["data_came_in", "connection_flushed"])
def test_moving_limiting_and_pausing_within_any_call_loses_no_byte(
    raw_server: RawServer, join: Joiner, where: str
) -> None:
    raw_server.add_context("a", rate=RateLimit(raw_server, 1e7, 1e7))
    raw_server.add_context("b")
    chance = random.Random(3)
    limits = [RateLimit(raw_server, 5e7, 5e7), RateLimit(raw_server, 1e8), None]

    def act(connection: SingleSocket) -> None:
        connection.context = chance.choice(("a", "b", None))
        connection.rate = chance.choice(limits)
        connection.pause_reading()
        if chance.random() < 0.3:
            raw_server.add_task(connection.resume_reading)
        else:
            connection.resume_reading()

    handlers = [Recorder(**{where: act}) for _ in range(2)]
    ends = join(raw_server, *handlers)
    data = [chance.randbytes(1_500_000) for _ in ends]
    for end, bytes_out in zip(ends, data, strict=True):
        end.write(bytes_out)

    def is_over() -> bool:
        pass_time(raw_server, 0.01, step=0.01)
        return all(len(handler.data) == 1_500_000 for handler in handlers)

    run_until(raw_server, is_over)
    assert [handler.data for handler in reversed(handlers)] == data
    accounts = raw_server.accounts().values()
    assert sum(account.connections for account in accounts) == 2


# Whose it is.


def test_a_full_context_is_refused_and_it_stays_where_it_was(
    raw_server: RawServer, join: Joiner
) -> None:
    raw_server.add_context("full", max_connections=1)
    raw_server.add_context("gone")
    raw_server.remove_context("gone")
    ends = join(raw_server, Recorder(), Recorder())
    ends[1].context = "full"
    for context, error in ("full", TooManyConnections), ("gone", ValueError):
        with pytest.raises(error):
            ends[0].context = context
        assert ends[0].context is None
    accounts = raw_server.accounts()
    assert (accounts["full"].connections, accounts[None].connections) == (1, 1)
    ends[1].context = "full"  # where it is already
    assert accounts["full"].connections == 1
    ends[1].close()
    ends[0].context = "full"
    assert accounts["full"].connections == 1


def test_equal_contexts_are_one(raw_server: RawServer) -> None:
    one, equal = ("torrent", 1), tuple(iter(("torrent", 1)))
    raw_server.add_context(one, max_connections=1)
    connection, _ = Joiner(None, throttled=False)(raw_server, Recorder(), Recorder())
    connection.context = one
    connection.context = equal
    assert connection.context is equal
    assert raw_server.accounts()[one].connections == 1
    raw_server.remove_context(equal)
    assert connection.lost


def test_one_that_was_lost_may_be_given_to_anybody(raw_server: RawServer) -> None:
    connection, _ = Joiner(None, throttled=False)(raw_server, Recorder(), Recorder())
    connection.close()
    connection.context = "never added"
    raw_server.listen_once(0.0)
    assert raw_server.account.connections == 1


def test_the_nearest_limit_holds(raw_server: RawServer) -> None:
    connection, _ = Joiner(None, throttled=False)(raw_server, Recorder(), Recorder())
    assert connection.rate is None
    assert connection.top() is None  # it pays nothing for what is not there
    whole = raw_server.rate
    assert connection.rate is whole
    assert connection.top() is not None
    of_context, own = RateLimit(raw_server), RateLimit(raw_server)
    raw_server.add_context("a", rate=of_context)
    connection.context = "a"
    assert connection.rate is of_context
    connection.rate = own
    assert connection.rate is own
    connection.context = None
    assert connection.rate is own
    connection.rate = None
    assert connection.rate is whole


def test_the_handler_may_be_another_at_any_time(raw_server: RawServer, join: Joiner) -> None:
    class Filling:
        def __init__(self) -> None:
            self.room = bytearray(10)
            self.got = bytearray()

        def get_buffer(self, connection: SingleSocket) -> bytearray:
            return self.room

        def buffer_filled(self, connection: SingleSocket, count: int) -> None:
            self.got += self.room[:count]
            if len(self.got) >= 20:
                connection.handler = last

    filling, last = Filling(), Recorder()

    def change(connection: SingleSocket) -> None:
        connection.handler = filling

    connection, other = join(raw_server, first := Recorder(data_came_in=change), Recorder())
    other.write(b"a")
    run_until(raw_server, lambda: first.data)
    other.write(bytes(range(1, 41)))
    run_until(raw_server, lambda: len(filling.got) + len(last.data) == 40)
    assert first.data == b"a"
    assert bytes(filling.got + last.data) == bytes(range(1, 41))
    connection.close()
    run_until(raw_server, lambda: lost(last))


def test_nothing_of_one_that_ended_is_left_alive(raw_server: RawServer, join: Joiner) -> None:
    class Handler(Recorder):
        pass

    def come_and_go() -> list[weakref.ref[Handler]]:
        handlers = Handler(), Handler()
        connection, _ = join(raw_server, *handlers)
        connection.write(bytes(2_000_000))
        connection.close_when_flushed()
        run_until(raw_server, lambda: all(map(lost, handlers)))
        for listener in raw_server.listeners():
            listener.end()
        return [weakref.ref(handler) for handler in handlers]

    gone = come_and_go()
    run_until(raw_server, lambda: not raw_server.lingering())
    raw_server.listen_once(0.0)
    gc.collect()
    assert [one() for one in gone] == [None, None]


# Lingering, and how it is polled.


def test_one_whose_peer_still_sends_lingers_and_is_no_connection(
    raw_server: RawServer, join: Joiner
) -> None:
    connection, other = join(raw_server, Recorder(), callee := Recorder(eof_received=bool))
    callee.on["eof_received"] = lambda _: True
    connection.write(b"answer")
    connection.close_when_flushed()
    run_until(raw_server, lambda: callee.data == b"answer")
    assert connection not in raw_server.connections()
    assert all(isinstance(one, Lingering) for one in raw_server.lingering())
    pass_time(raw_server, 3.0)
    assert not raw_server.lingering()
    other.close()
    raw_server.listen_once(0.0)


def test_a_paused_one_is_not_polled_at_all(raw_server: RawServer, join: Joiner) -> None:
    connection, other = join(raw_server, caller := Recorder(), Recorder())
    for _ in range(5):
        raw_server.listen_once(0.0)
    connection.pause_reading()
    other.write(b"x")
    for _ in range(5):
        raw_server.listen_once(0.0)
    assert not caller.data
    assert raw_server.poller.poll(0.0) == []
    connection.resume_reading()
    run_until(raw_server, lambda: caller.data == b"x")


def test_a_layer_that_comes_while_it_is_paused_leaves_it_so(raw_server: RawServer) -> None:
    connection, other = Joiner(None, throttled=False)(raw_server, caller := Recorder(), Recorder())
    connection.pause_reading()
    connection.rate = RateLimit(raw_server, 1e6)
    other.write(b"x")
    for _ in range(5):
        raw_server.listen_once(0.0)
    assert not caller.data
    connection.resume_reading()
    run_until(raw_server, lambda: caller.data == b"x")
    assert connection.wire().events == READABLE


# Idleness.


def test_an_idle_one_is_ended_within_a_quarter_more_of_its_time(
    raw_server: RawServer, join: Joiner
) -> None:
    connection, other = join(raw_server, Recorder(), callee := Recorder())
    other.idle_timeout = None
    other.write(b"x")
    run_until(raw_server, lambda: connection.received)
    pass_time(raw_server, 39.0)
    assert not connection.lost
    pass_time(raw_server, 15.0, until=lambda: connection.lost)
    assert isinstance(connection.error, IdleTimeout)
    run_until(raw_server, lambda: lost(callee))


def test_one_that_a_slow_peer_still_takes_from_is_not_idle(raw_server: RawServer) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    connection = raw_server.wrap_socket(ours, Recorder())
    connection.write_stall_timeout = None
    connection.write(bytes(4_000_000))
    for _ in range(8):
        for _ in range(3):
            assert theirs.recv(10_000)
            raw_server.listen_once(0.0)
        pass_time(raw_server, 20.0)
        assert not connection.lost
    pass_time(raw_server, 60.0)
    assert isinstance(connection.error, IdleTimeout)
    theirs.close()
