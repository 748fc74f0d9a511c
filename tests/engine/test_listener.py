import errno
import logging
import socket
from typing import Any

import pytest

from kit.joined import listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import Config, RawServer
from rawserver.engine.listener import Listener


class Server:
    """What a listener asks of its RawServer, with a task that the test runs."""

    def __init__(self) -> None:
        self.config = Config(accepts_per_turn=5)
        self.registered: set[int] = set()
        self.accepted_sockets: list[object] = []
        self.reports: list[str] = []
        self.tasks: list[Any] = []

    def register(self, descriptor: int, pollable: object, events: int) -> None:
        assert descriptor not in self.registered
        self.registered.add(descriptor)

    def unregister(self, descriptor: int, pollable: object) -> None:
        self.registered.remove(descriptor)

    def accepted(self, listener: Listener, sock: object, address: object) -> None:
        self.accepted_sockets.append(sock)

    def report(self, level: int, text: str) -> None:
        assert level == logging.ERROR
        self.reports.append(text)

    def add_task(self, func: Any, delay: float) -> Any:
        self.tasks.append(func)
        return Pause(self)


class Pause:
    def __init__(self, server: Server) -> None:
        self.server = server

    def cancel(self) -> None:
        self.server.tasks.clear()


class Accepting:
    """A server socket whose next outcomes are written down."""

    def __init__(self, *outcomes: object) -> None:
        self.outcomes = list(outcomes)

    def fileno(self) -> int:
        return 7

    def accept(self) -> tuple[object, object]:
        outcome = self.outcomes.pop(0) if self.outcomes else BlockingIOError()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome, ("127.0.0.1", 1)


def make(*outcomes: object) -> tuple[Server, Listener]:
    server = Server()
    return server, Listener(server, Accepting(*outcomes), object(), None, None)


def test_a_turn_takes_so_many_and_no_more() -> None:
    server, listener = make(*range(8))
    listener.ready(1)
    assert server.accepted_sockets == [0, 1, 2, 3, 4]
    listener.ready(1)
    assert server.accepted_sockets == list(range(8))


def test_a_peer_that_gave_up_does_not_hold_up_the_next() -> None:
    server, listener = make(ConnectionAbortedError(errno.ECONNABORTED, ""), 1)
    listener.ready(1)
    assert server.accepted_sockets == [1]
    assert not server.reports


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_when_the_system_has_no_room_it_rests_and_says_so_once(code: int) -> None:
    server, listener = make(OSError(code, ""), OSError(code, ""), 1, OSError(code, ""))
    for _ in range(2):
        listener.ready(1)
        assert not server.registered
        server.tasks.pop()()
        assert server.registered == {7}
    assert len(server.reports) == 1
    listener.ready(1)
    assert server.accepted_sockets == [1]
    assert len(server.reports) == 2  # it went well in between


def test_one_that_rests_can_be_stopped() -> None:
    server, listener = make(OSError(errno.EMFILE, ""))
    listener.ready(1)
    listener.stop()
    listener.stop()
    assert not server.tasks
    assert not server.registered


def test_stopping_within_a_connection_leaves_the_others_waiting(raw_server: RawServer) -> None:
    serversocket = raw_server.create_serversocket(0, "127.0.0.1")
    handler = Recorder(external_connection_made=lambda _: raw_server.stop_listening(serversocket))
    raw_server.start_listening(serversocket, handler)
    callers = [socket.create_connection(serversocket.getsockname()) for _ in range(3)]
    run_until(raw_server, lambda: handler.connections)
    raw_server.listen_once(0.0)
    assert len(handler.connections) == 1
    again = Recorder()
    raw_server.start_listening(serversocket, again)
    run_until(raw_server, lambda: len(again.connections) == 2)
    for caller in callers:
        caller.close()


def test_stopping_one_that_was_closed_first_harms_nobody_else(raw_server: RawServer) -> None:
    serversocket = raw_server.create_serversocket(0, "127.0.0.1")
    raw_server.start_listening(serversocket, Recorder())
    descriptor = serversocket.fileno()
    serversocket.close()
    handler = Recorder()
    port = listen(raw_server, handler)
    assert any(listener.descriptor == descriptor for listener in raw_server._listeners.values())
    raw_server.stop_listening(serversocket)
    with socket.create_connection(("127.0.0.1", port)):
        run_until(raw_server, lambda: handler.connections)
