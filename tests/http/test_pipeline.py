"""Streams among other answers; their order in general: test_server_connection.py."""

from collections.abc import Iterator

import pytest

from kit.fake_connection import FakeConnection
from kit.fake_loop import FakeLoop
from rawserver.http.body_stream import StreamCut
from rawserver.http.exchange import Answer
from rawserver.http.pipeline import STREAM_PAUSE_SECONDS
from rawserver.http.request import HttpRequest
from rawserver.http.response import HttpResponse
from rawserver.http.server import HttpServer
from rawserver.http.server_connection import ServerConnection


class Source:
    """Pieces, and what became of them."""

    def __init__(self, *pieces: bytes, error: Exception | None = None) -> None:
        self.pieces = list(pieces)
        self.error = error
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.pieces:
            return self.pieces.pop(0)
        if self.error is not None:
            raise self.error
        raise StopIteration

    def close(self) -> None:
        self.closed = True


class Scene:
    """A client of a server that answers /stream with a source, and all else with its path."""

    def __init__(self, source: Source) -> None:
        self.loop = FakeLoop()
        self.source = source
        self.logged: list[tuple[str, int]] = []
        self.later: list[Answer] = []
        server = HttpServer(
            self.loop,
            self.respond,
            access_log=lambda request, response, length: self.logged.append((request.path, length)),
        )
        self.connection = FakeConnection()
        self.handler = ServerConnection(server, self.connection)
        self.connection.handler = self.handler

    def respond(self, request: HttpRequest, later: Answer) -> HttpResponse | None:
        if request.path == "/later":
            self.later.append(later)
            return None
        if request.path == "/stream":
            return HttpResponse(stream=self.source)
        return HttpResponse(request.path.encode())

    def ask(self, *paths: str, version: str = "1.1") -> bytearray:
        data = b"".join(f"GET {path} HTTP/{version}\r\n\r\n".encode() for path in paths)
        self.handler.data_came_in(self.connection, data)
        return self.connection.written

    def turn(self, count: int = 1) -> bytes:
        """Turn the loop; returns what that has sent."""
        before = len(self.connection.written)
        for _ in range(count):
            self.loop.turn()
        return bytes(self.connection.written[before:])


def test_a_piece_leaves_in_each_turn() -> None:
    scene = Scene(Source(b"one", b"two"))
    assert bytes(scene.ask("/stream")).endswith(b"chunked\r\n\r\n")
    assert not scene.connection.reading
    assert [scene.turn(), scene.turn(), scene.turn()] == [
        b"3\r\none\r\n",
        b"3\r\ntwo\r\n",
        b"0\r\n\r\n",
    ]
    assert scene.connection.reading
    assert scene.logged == [("/stream", 6)]
    assert bytes(scene.ask("/next")).endswith(b"\r\n\r\n/next")


def test_it_goes_no_faster_than_the_client_reads() -> None:
    scene = Scene(Source(*[b"piece"] * 9))
    scene.ask("/stream")
    scene.connection.full = True
    assert scene.turn(5) == b""
    scene.connection.flush()
    assert scene.turn() == b"5\r\npiece\r\n"


def test_a_source_that_has_nothing_is_asked_again_a_moment_later() -> None:
    scene = Scene(Source(b"", b"piece"))
    scene.ask("/stream")
    assert scene.turn(3) == b""
    scene.loop.turn(STREAM_PAUSE_SECONDS)
    assert b"piece" in scene.connection.written


def test_who_asks_in_http_1_0_has_it_up_to_the_end() -> None:
    scene = Scene(Source(b"one", b"two"))
    scene.ask("/stream", version="1.0")
    assert scene.turn(3) == b"onetwo"
    assert scene.connection.lost


def test_what_was_asked_after_it_is_answered_after_it() -> None:
    scene = Scene(Source(b"one", b"two"))
    scene.ask("/before", "/stream", "/after", "/later")
    assert b"/after" not in scene.connection.written
    scene.turn(6)
    data = bytes(scene.connection.written)
    assert data.index(b"/before") < data.index(b"two") < data.index(b"/after")
    scene.later[0](HttpResponse(b"at last"))
    assert scene.connection.written.endswith(b"at last")


@pytest.mark.parametrize(
    ("error", "reports"), [(LookupError("the registry"), 1), (StreamCut("too long"), 0)]
)
def test_one_that_cannot_go_on_does_not_look_whole(error: Exception, reports: int) -> None:
    scene = Scene(Source(b"one", error=error))
    scene.ask("/stream")
    assert scene.turn(3) == b"3\r\none\r\n"
    assert scene.connection.lost
    assert len(scene.loop.reported) == reports


def lose(scene: Scene) -> None:
    scene.connection.lost = True
    scene.handler.connection_lost(scene.connection)


@pytest.mark.parametrize("paths", [("/stream",), ("/later", "/stream")])
def test_a_source_is_closed_when_the_client_goes(paths: tuple[str, ...]) -> None:
    scene = Scene(Source(b"one", b"two", b"three"))
    scene.ask(*paths)
    scene.turn(2)
    lose(scene)
    assert scene.source.closed
    assert scene.turn(3) == b""
    assert not scene.loop.waiting


def test_a_source_is_closed_when_its_client_has_gone_before() -> None:
    scene = Scene(Source(b"one"))
    scene.ask("/later")
    lose(scene)
    scene.later[0](HttpResponse(stream=scene.source))
    assert scene.source.closed


def test_what_was_sent_of_it_is_logged_when_the_client_goes() -> None:
    scene = Scene(Source(b"one", b"two"))
    scene.ask("/stream")
    scene.turn()
    lose(scene)
    assert scene.logged == [("/stream", 3)]


def test_a_client_that_has_ended_its_side_gets_all_of_it() -> None:
    scene = Scene(Source(b"one", b"two"))
    scene.ask("/stream")
    assert scene.handler.eof_received(scene.connection) is True
    assert scene.turn(4).endswith(b"0\r\n\r\n")
    assert scene.connection.lost


def slow(scene: Scene) -> None:
    scene.loop.turn(100.0)


def test_a_client_is_not_waited_for_while_he_is_answered() -> None:
    scene = Scene(Source(*[b"piece"] * 9))
    scene.ask("/stream")
    scene.connection.full = True
    slow(scene)
    assert not scene.connection.lost
    scene.connection.flush()
    scene.turn(12)
    slow(scene)
    assert scene.connection.lost
