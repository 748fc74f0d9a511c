"""The client against servers that do right, and against all that a server can do wrong."""

import gzip
import tomllib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.fake_connection import FakeConnection
from kit.fake_loop import FakeLoop
from kit.joined import free_port, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer, SingleSocket
from rawserver.http import client as client_module
from rawserver.http.client import MAX_HEAD_BYTES, MAX_REDIRECTS, HttpClient, HttpError, HttpReply
from rawserver.http.response import HttpResponse
from rawserver.http.server import HttpServer

Outcome = tuple[HttpReply | None, HttpError | None]


def fetch(raw_server: RawServer, url: str, **options: Any) -> Outcome:
    """Fetch a URL, and see that there is exactly one outcome."""
    outcomes: list[Outcome] = []
    HttpClient(raw_server).get(url, lambda *outcome: outcomes.append(outcome), **options)
    assert not outcomes, "done came from inside get"
    run_until(raw_server, lambda: outcomes)
    raw_server.listen_once(0)
    assert len(outcomes) == 1
    return outcomes[0]


def server_of(raw_server: RawServer, *parts: bytes, end: bool = True) -> tuple[str, Recorder]:
    """Listen with a server that sends just these bytes, a part a turn; returns its URL."""

    def send(connection: SingleSocket, left: Iterator[bytes]) -> None:
        part = next(left, None)
        if part is not None:
            connection.write(part)
            raw_server.add_task(send, 0, (connection, left))
        elif end:
            connection.close_when_flushed()

    server = Recorder(data_came_in=lambda connection: send(connection, iter(parts)))
    return f"http://127.0.0.1:{listen(raw_server, server)}/a?b=c", server


def body_of(raw_server: RawServer, *parts: bytes, end: bool = True, **options: Any) -> bytes:
    url, _ = server_of(raw_server, *parts, end=end)
    reply, error = fetch(raw_server, url, **options)
    assert error is None
    assert reply is not None
    return reply.body


def error_of(raw_server: RawServer, *parts: bytes, end: bool = True, **options: Any) -> str:
    url, _ = server_of(raw_server, *parts, end=end)
    reply, error = fetch(raw_server, url, **options)
    assert reply is None
    assert str(error).startswith(f"{url}: ")
    assert "\n" not in str(error)
    return str(error).removeprefix(f"{url}: ")


OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"Content-Type: text/x\r\nContent-Length: 5\r\n\r\nfound"


def test_a_reply(raw_server: RawServer) -> None:
    url, server = server_of(raw_server, WHOLE)
    reply, error = fetch(raw_server, url, headers={"X-Asked": "yes"})
    assert (reply, error) == (HttpReply(url, b"found", "text/x"), None)
    lines = bytes(server.data).decode().split("\r\n")
    assert lines[0] == "GET /a?b=c HTTP/1.1"
    assert lines[1:-2] == [
        "Host: " + url.split("/")[2],
        f"User-Agent: {client_module.USER_AGENT}",
        "Accept-Encoding: gzip",
        "Connection: close",
        "X-Asked: yes",
    ]
    assert lines[-2:] == ["", ""]


def test_we_say_which_version_we_are() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert f"RawServer/{project['project']['version']}" == client_module.USER_AGENT


def test_a_reply_byte_by_byte(raw_server: RawServer) -> None:
    parts = [WHOLE[place : place + 1] for place in range(len(WHOLE))]
    assert body_of(raw_server, *parts, end=False) == b"found"


@pytest.mark.parametrize(
    "reply",
    [
        WHOLE + b"and more",
        OK + b"\r\nfound",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nfou\r\n2;x=y\r\nnd\r\n0\r\nX: y\r\n\r\n",
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"found"),
        OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"found"),
        OK + b"Content-Encoding: identity\r\nContent-Length: 5\r\n\r\nfound",
        b"HTTP/1.0 200 Fine\r\n\r\nfound",
        b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + WHOLE,
    ],
)
def test_the_ways_to_send_a_body(raw_server: RawServer, reply: bytes) -> None:
    assert body_of(raw_server, reply) == b"found"


def test_a_reply_that_lets_itself_be_waited_for(raw_server: RawServer) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nContent-Length: 9999999\r\n\r\n"
    assert body_of(raw_server, early, early, WHOLE) == b"found"


def test_our_own_server_is_understood(raw_server: RawServer) -> None:
    body = b"as long as it takes to be compressed " * 1000
    server = HttpServer(raw_server, lambda request, later: HttpResponse(body))
    reply, _ = fetch(raw_server, f"http://127.0.0.1:{listen(raw_server, server)}/")
    assert reply is not None
    assert reply.body == body


def test_an_ipv6_address(raw_server: RawServer) -> None:
    serversocket = raw_server.create_serversocket(0, "::1")
    server = HttpServer(raw_server, lambda request, later: HttpResponse(b"six"))
    raw_server.start_listening(serversocket, server)
    reply, _ = fetch(raw_server, f"http://[::1]:{serversocket.getsockname()[1]}/")
    assert reply is not None
    assert reply.body == b"six"


# What a server can do wrong.


def test_what_is_not_http_is_said_to_be_so(raw_server: RawServer) -> None:
    assert error_of(raw_server, b"\x13BitTorrent protocol\r\n\r\n").startswith(
        "the reply is not HTTP"
    )


@pytest.mark.parametrize("status", [b"204 No Content", b"404 Not Found", b"500 Oh", b"301 Moved"])
def test_a_status_without_a_reply(raw_server: RawServer, status: bytes) -> None:
    text = error_of(raw_server, b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
    assert text == f"the server answers {status[:3].decode()}"


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        OK,
        OK + b"Content-Length: 6\r\n\r\nfound",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfound\r\n",
    ],
)
def test_a_reply_that_breaks_off(raw_server: RawServer, reply: bytes) -> None:
    assert error_of(raw_server, reply).startswith("the connection ended before the reply did")


def test_a_compressed_reply_that_breaks_off(raw_server: RawServer) -> None:
    packed = gzip.compress(b"found")[:-6]
    text = error_of(raw_server, OK + b"Content-Encoding: gzip\r\n\r\n" + packed)
    assert text == "the compressed reply is cut off"


def test_a_reply_that_is_not_compressed_as_it_says(raw_server: RawServer) -> None:
    text = error_of(raw_server, OK + b"Content-Encoding: gzip\r\n\r\nfound")
    assert text.startswith("the reply is not compressed as it says")


def test_a_compression_that_was_not_asked_for(raw_server: RawServer) -> None:
    text = error_of(raw_server, OK + b"Content-Encoding: br\r\n\r\nfound")
    assert text == "the reply is encoded in 'br', which was not asked for"


@pytest.mark.parametrize(
    "reply",
    [
        OK + b"Content-Length: 1001\r\n\r\n",
        OK + b"\r\n" + b"a" * 1001,
        OK + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"a" * 1001,
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"a" * 1001),
        # A bomb: a thousand times what it takes.
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(20_000_000)),
    ],
)
def test_too_long_a_reply(raw_server: RawServer, reply: bytes) -> None:
    assert (
        error_of(raw_server, reply, end=False, limit=1000) == "the reply is longer than 1000 bytes"
    )


def test_the_longest_reply(raw_server: RawServer) -> None:
    for reply in (b"Content-Length: 1000\r\n\r\n", b"\r\n"):
        assert len(body_of(raw_server, OK + reply + b"a" * 1000, limit=1000)) == 1000


ENDLESS = [
    OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"a"),
]


@pytest.mark.parametrize("start", ENDLESS)
def test_what_follows_the_body_without_end(raw_server: RawServer, start: bytes) -> None:
    parts = [start, *[b"z" * 60_000] * 10]
    assert error_of(raw_server, *parts, limit=1000) == "the reply is longer than 1000 bytes"


@pytest.mark.parametrize("lines", [b"X: y\r\n" * 5000, b"X" * 30_000])
def test_too_long_a_head(raw_server: RawServer, lines: bytes) -> None:
    parts = [OK, *[lines] * (5 * MAX_HEAD_BYTES // len(lines))]
    assert error_of(raw_server, *parts) == "the head of the reply is too long"


def test_nobody_listens(raw_server: RawServer) -> None:
    url = f"http://127.0.0.1:{free_port(raw_server)}/"
    _, error = fetch(raw_server, url)
    assert str(error) == f"{url}: no connection: Connection refused"


def test_a_server_that_says_nothing(raw_server: RawServer) -> None:
    assert error_of(raw_server, end=False, timeout=0.05) == "no reply within 0.05 seconds"


def test_a_server_that_says_little_by_little(raw_server: RawServer) -> None:
    def drip(connection: SingleSocket) -> None:
        if not connection.lost:
            connection.write(b"a")
            raw_server.add_task(drip, 0.005, (connection,))

    def begin(connection: SingleSocket) -> None:
        connection.write(OK + b"\r\n")
        drip(connection)

    port = listen(raw_server, Recorder(data_came_in=begin))
    _, error = fetch(raw_server, f"http://127.0.0.1:{port}/", timeout=0.1)
    assert str(error).endswith(": no reply within 0.1 seconds")


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "nonsense", "http://127.0.0.1:0/"])
def test_a_url_that_cannot_be_asked(raw_server: RawServer, url: str) -> None:
    _, error = fetch(raw_server, url)
    assert str(error).startswith(f"{url}: ")


def test_a_header_of_two_lines_is_our_own_fault(raw_server: RawServer) -> None:
    with pytest.raises(ValueError, match="line break"):
        HttpClient(raw_server).get("http://a/", lambda *_: None, headers={"X": "y\r\nZ: a"})


# Redirects.


def redirecting(raw_server: RawServer, location: Callable[[int], str]) -> tuple[str, list[str]]:
    """Listen with a server that redirects `/<number>` to a place, and answers `/0`."""
    asked: list[str] = []

    def respond(request: Any, later: Any) -> HttpResponse:
        asked.append(request.path)
        number = int(request.path[1:])
        if number == 0:
            return HttpResponse(b"found")
        return HttpResponse(status=302, headers={"Location": location(number)})

    return f"http://127.0.0.1:{listen(raw_server, HttpServer(raw_server, respond))}", asked


def test_redirects_are_followed(raw_server: RawServer) -> None:
    base, asked = redirecting(raw_server, lambda number: f"/{number - 1}")
    reply, _ = fetch(raw_server, f"{base}/{MAX_REDIRECTS}")
    assert reply == HttpReply(f"{base}/0", b"found", "text/plain; charset=utf-8")
    assert len(asked) == MAX_REDIRECTS + 1


def test_a_circle_is_left(raw_server: RawServer) -> None:
    base, asked = redirecting(raw_server, lambda number: "/7")
    _, error = fetch(raw_server, f"{base}/7")
    assert str(error) == f"{base}/7: more than {MAX_REDIRECTS} redirects"
    assert len(asked) == MAX_REDIRECTS + 1


def test_a_redirect_to_what_is_not_http(raw_server: RawServer) -> None:
    base, _ = redirecting(raw_server, lambda number: "ftp://127.0.0.1/a")
    _, error = fetch(raw_server, f"{base}/1")
    assert str(error) == "ftp://127.0.0.1/a: is no http:// or https:// URL"


@pytest.mark.parametrize("location", ["http://[", "//[::1", "http://[x]/"])
def test_a_redirect_that_leads_nowhere(raw_server: RawServer, location: str) -> None:
    base, asked = redirecting(raw_server, lambda number: location)
    _, error = fetch(raw_server, f"{base}/1")
    assert str(error).startswith(f"{base}/1: a redirect leads nowhere: {location}: is no URL")
    assert asked == ["/1"]


class Dialled(FakeLoop):
    """A loop that remembers who was dialled."""

    def __init__(self) -> None:
        super().__init__()
        self.connections: list[FakeConnection] = []

    def start_connection(self, address: tuple[str, int], handler: Any, context: Any) -> Any:
        connection = FakeConnection(*address)
        connection.handler = handler
        self.connections.append(connection)
        return connection


@pytest.mark.parametrize(
    ("first", "second", "followed"),
    [
        ("8.8.8.8", "127.0.0.1", False),
        ("8.8.8.8", "192.168.1.1", False),
        ("8.8.8.8", "[::1]", False),
        ("8.8.8.8", "9.9.9.9", True),
        ("192.168.1.1", "127.0.0.1", True),
        ("192.168.1.1", "8.8.8.8", True),
    ],
)
def test_the_internet_cannot_send_us_into_our_own_network(
    first: str, second: str, followed: bool
) -> None:
    loop = Dialled()
    outcomes: list[Outcome] = []
    HttpClient(loop).get(f"http://{first}/", lambda *outcome: outcomes.append(outcome))
    loop.turn()
    (connection,) = loop.connections
    connection.handler.connection_made(connection)
    reply = f"HTTP/1.1 302 Found\r\nLocation: http://{second}/x\r\nContent-Length: 0\r\n\r\n"
    connection.handler.data_came_in(connection, reply.encode())
    connection = loop.connections[1]
    connection.handler.connection_made(connection)
    assert bool(connection.written) is followed
    assert connection.lost is not followed
    if not followed:
        ((_, error),) = outcomes
        assert "into a local network" in str(error)


# Ends.


def test_a_request_that_is_cancelled_is_not_heard_of(raw_server: RawServer) -> None:
    url, server = server_of(raw_server, end=False)
    outcomes: list[Outcome] = []
    for wait_for in (lambda: True, lambda: "data_came_in" in server.events):
        request = HttpClient(raw_server).get(url, lambda *outcome: outcomes.append(outcome))
        run_until(raw_server, wait_for)
        request.cancel()
        request.cancel()
    run_until(raw_server, lambda: "connection_lost" in server.events)
    assert not outcomes


def test_a_request_ends_with_its_context(raw_server: RawServer) -> None:
    url, server = server_of(raw_server, end=False)
    outcomes: list[Outcome] = []
    raw_server.add_context("mine")
    HttpClient(raw_server).get(url, lambda *outcome: outcomes.append(outcome), "mine")
    run_until(raw_server, lambda: "data_came_in" in server.events)
    raw_server.remove_context("mine")
    run_until(raw_server, lambda: "connection_lost" in server.events)
    assert not outcomes
