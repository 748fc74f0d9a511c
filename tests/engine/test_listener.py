import errno
import socket
from collections.abc import Callable, Iterator

import pytest

from kit.joined import listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import READABLE, Config, RawServer


class Waiting:
    """A server socket whose next outcomes are written down: errors, or connections."""

    def __init__(self, *outcomes: object) -> None:
        self.outcomes = list(outcomes)
        self._sock = socket.socket()

    def accept(self) -> tuple[object, object]:
        outcome = self.outcomes.pop(0) if self.outcomes else BlockingIOError()
        if isinstance(outcome, BaseException):
            raise outcome
        ours, theirs = socket.socketpair()
        theirs.close()
        return ours, ("127.0.0.1", 1)

    def setblocking(self, flag: bool) -> None: ...

    def getsockname(self) -> object:
        return self._sock.getsockname()

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()


class Scene:
    """A listener on a RawServer that is not turned, and those who were made on it."""

    def __init__(self, *outcomes: object) -> None:
        self.reports: list[str] = []
        config = Config(accepts_per_turn=5)
        self.raw_server = RawServer(config=config, errorfunc=lambda _, text: self.told(text))
        self.handler = Recorder()
        self.listener = self.raw_server.start_listening(Waiting(*outcomes), self.handler)

    def told(self, text: str) -> None:
        self.reports.append(text)

    def accept(self) -> int:
        """Have the listener accept; returns how many have been made in all."""
        self.listener.ready(READABLE)
        return len(self.handler.connections)

    def rest(self) -> None:
        """Let a rest be over."""
        assert not self.listener.is_reading
        self.listener._rest.cancel()
        self.listener._go_on()
        assert self.listener.is_reading


@pytest.fixture
def begin() -> Iterator[Callable[..., Scene]]:
    scenes: list[Scene] = []

    def begin(*outcomes: object) -> Scene:
        scenes.append(Scene(*outcomes))
        return scenes[-1]

    yield begin
    for scene in scenes:
        scene.raw_server.close()


def test_a_turn_takes_so_many_and_no_more(begin: Callable[..., Scene]) -> None:
    scene = begin(*range(8))
    assert scene.accept() == 5
    assert scene.accept() == 8


def test_a_peer_that_gave_up_does_not_hold_up_the_next(begin: Callable[..., Scene]) -> None:
    scene = begin(ConnectionAbortedError(errno.ECONNABORTED, ""), 1)
    assert scene.accept() == 1
    assert not scene.reports


@pytest.mark.parametrize("code", [errno.ENOBUFS, errno.ENOMEM])
def test_when_the_system_has_no_room_it_rests_and_says_so_once(
    begin: Callable[..., Scene], code: int
) -> None:
    scene = begin(OSError(code, ""), OSError(code, ""), 1, OSError(code, ""))
    for _ in range(2):
        assert scene.accept() == 0
        scene.rest()
    assert len(scene.reports) == 1
    assert scene.accept() == 1
    assert len(scene.reports) == 2  # it went well in between


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
def test_a_short_shortage_of_descriptors_leaves_those_who_wait_and_a_long_one_closes_them(
    begin: Callable[..., Scene], code: int
) -> None:
    scene = begin(OSError(code, ""), OSError(code, ""), 1, 2)
    assert scene.accept() == 0
    scene.rest()
    assert not scene.listener.admission.refused
    assert scene.accept() == 0
    assert scene.listener.admission.refused == {"descriptors": 2}
    assert len(scene.reports) == 1
    scene.rest()
    scene.listener.serversocket.outcomes += [3]
    assert scene.accept() == 1


def test_one_that_rests_can_be_stopped(begin: Callable[..., Scene]) -> None:
    scene = begin(OSError(errno.EMFILE, ""))
    scene.accept()
    scene.listener.stop()
    scene.listener.stop()
    assert not len(scene.raw_server.tasks)
    assert not scene.listener.is_reading


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
