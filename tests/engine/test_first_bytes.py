import gc
import socket
import weakref
from collections.abc import Iterator

import pytest

from kit.clock import MovableClock, pass_time
from kit.joined import listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import Config, FirstBytesTimeout, OsNetwork, RawServer

SECONDS = 10.0


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    reported: list[str] = []
    server = RawServer(
        network=MovableClock(OsNetwork()),
        config=Config(first_bytes_timeout=SECONDS),
        errorfunc=lambda level, text: reported.append(text),
    )
    yield server
    server.close()
    assert not reported, "\n".join(reported)


@pytest.fixture
def callee() -> Recorder:
    return Recorder()


@pytest.fixture
def peer(raw_server: RawServer, callee: Recorder) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", listen(raw_server, callee))) as sock:
        sock.settimeout(10.0)
        run_until(raw_server, lambda: callee.connections)
        yield sock


def test_who_says_nothing_is_ended_on_time(
    raw_server: RawServer, callee: Recorder, peer: socket.socket
) -> None:
    pass_time(raw_server, SECONDS - 0.5)
    assert not callee.connection.lost
    pass_time(raw_server, 3.0)
    assert isinstance(callee.connection.error, FirstBytesTimeout)
    assert callee.events[-1] == "connection_lost"
    assert peer.recv(1) == b""


def test_one_byte_is_enough(raw_server: RawServer, callee: Recorder, peer: socket.socket) -> None:
    pass_time(raw_server, SECONDS - 1.0)
    peer.send(b"x")
    run_until(raw_server, lambda: callee.data)
    pass_time(raw_server, 3 * SECONDS)
    assert callee.connection.connected


def test_what_we_say_first_does_not_count(
    raw_server: RawServer, callee: Recorder, peer: socket.socket
) -> None:
    callee.connection.write(b"who are you?")
    assert peer.recv(100) == b"who are you?"
    pass_time(raw_server, SECONDS + 3.0)
    assert isinstance(callee.connection.error, FirstBytesTimeout)


def test_one_that_ended_meanwhile_keeps_its_reason(
    raw_server: RawServer, callee: Recorder, peer: socket.socket
) -> None:
    callee.connection.close()
    pass_time(raw_server, 3 * SECONDS)
    assert callee.connection.error is None
    assert callee.events.count("connection_lost") == 1


def test_those_that_we_start_have_no_such_time(raw_server: RawServer) -> None:
    server = raw_server.create_serversocket(0, "127.0.0.1")
    connection = raw_server.start_connection(server.getsockname()[:2], Recorder())
    run_until(raw_server, lambda: connection.connected)
    pass_time(raw_server, 3 * SECONDS)
    assert connection.connected
    server.close()


def test_of_many_that_came_and_went_nothing_is_held(raw_server: RawServer) -> None:
    class Handler(Recorder):
        pass

    def come_and_go() -> list[weakref.ref[Handler]]:
        handlers = []
        server = raw_server.create_serversocket(0, "127.0.0.1")
        for said in (b"", b"x"):
            handlers.append(Handler())
            raw_server.start_listening(server, handlers[-1])
            with socket.create_connection(server.getsockname()) as sock:
                sock.send(said)
                run_until(raw_server, lambda handler=handlers[-1]: handler.connections)
            run_until(raw_server, lambda: "connection_lost" in handlers[-1].events)
            raw_server.stop_listening(server)
        server.close()
        return [weakref.ref(handler) for handler in handlers]

    gone = come_and_go()
    assert not len(raw_server._timeouts)
    gc.collect()
    assert [one() for one in gone] == [None, None]
