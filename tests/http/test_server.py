"""A server over real connections of one loop."""

from collections.abc import Callable

import pytest

from kit.joined import listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer
from rawserver.engine import Config
from rawserver.http.exchange import Answer
from rawserver.http.request import HttpRequest
from rawserver.http.response import HttpResponse
from rawserver.http.server import HttpServer


def ask(raw_server: RawServer, server: HttpServer, request: bytes) -> Recorder:
    """Send bytes to a server; returns who sent them."""
    client = Recorder()
    connection = raw_server.start_connection(("127.0.0.1", listen(raw_server, server)), client)
    connection.write(request)
    return client


def until_lost(raw_server: RawServer, client: Recorder) -> bytes:
    run_until(raw_server, lambda: "connection_lost" in client.events)
    return bytes(client.data)


def echo(request: HttpRequest, later: Answer) -> HttpResponse:
    return HttpResponse(f"{request.path} {request.ip} {request.local_ip}".encode())


def test_a_request_and_its_answer(raw_server: RawServer) -> None:
    server = HttpServer(raw_server, echo)
    client = ask(raw_server, server, b"GET /some HTTP/1.1\r\nConnection: close\r\n\r\n")
    data = until_lost(raw_server, client)
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert data.endswith(b"\r\n\r\n/some 127.0.0.1 127.0.0.1")


def test_many_requests_on_one_connection(raw_server: RawServer) -> None:
    request = b"GET /some HTTP/1.1\r\n\r\n" * 200 + b"GET /last HTTP/1.0\r\n\r\n"
    data = until_lost(raw_server, ask(raw_server, HttpServer(raw_server, echo), request))
    assert data.count(b"/some 127") == 200
    assert data.endswith(b"/last 127.0.0.1 127.0.0.1")


def test_answers_made_later_keep_the_order(raw_server: RawServer) -> None:
    def respond(request: HttpRequest, later: Answer) -> HttpResponse | None:
        if request.path == "/slow":
            raw_server.add_task(later, 0.01, (HttpResponse(b"slow"),))
            return None
        return HttpResponse(b"fast")

    request = b"GET /slow HTTP/1.1\r\n\r\nGET /fast HTTP/1.0\r\n\r\n"
    data = until_lost(raw_server, ask(raw_server, HttpServer(raw_server, respond), request))
    assert data.index(b"slow") < data.index(b"fast")


def test_a_big_answer_arrives_whole_at_a_client_that_has_ended_its_side(
    raw_server: RawServer,
) -> None:
    body = bytes(range(256)) * 40_000
    server = HttpServer(raw_server, lambda request, later: HttpResponse(body))
    client = Recorder(connection_made=lambda connection: connection.shutdown())
    connection = raw_server.start_connection(("127.0.0.1", listen(raw_server, server)), client)
    connection.write(b"GET / HTTP/1.1\r\n\r\n")
    assert until_lost(raw_server, client).endswith(b"\r\n\r\n" + body)


def test_a_refusal_reaches_who_is_still_sending(raw_server: RawServer) -> None:
    server = HttpServer(raw_server, echo)
    request = b"GET / HTTP/1.1\r\nContent-Length: 8000000\r\n\r\n" + bytes(8_000_000)
    data = until_lost(raw_server, ask(raw_server, server, request))
    assert data.startswith(b"HTTP/1.1 413 ")


def test_a_client_that_says_nothing_is_not_kept(raw_server: RawServer) -> None:
    client = ask(raw_server, HttpServer(raw_server, echo, request_timeout=0.02), b"GET")
    assert until_lost(raw_server, client) == b""


def test_a_fault_of_ours_costs_one_answer() -> None:
    reported: list[str] = []
    raw_server = RawServer(errorfunc=lambda level, text: reported.append(text))

    def respond(request: HttpRequest, later: Answer) -> HttpResponse:
        raise LookupError("what went wrong")

    try:
        client = ask(raw_server, HttpServer(raw_server, respond), b"GET / HTTP/1.0\r\n\r\n")
        data = until_lost(raw_server, client)
    finally:
        raw_server.close()
    assert data.startswith(b"HTTP/1.1 500 ")
    assert "LookupError: what went wrong" in reported[0]


def log_of(raw_server: RawServer, respond: Callable[..., HttpResponse | None]) -> list[str]:
    log: list[str] = []
    server = HttpServer(
        raw_server,
        respond,
        access_log=lambda request, response, length: log.append(
            f"{request.ip} {request.method} {request.path} {response.status} {length}"
        ),
    )
    until_lost(raw_server, ask(raw_server, server, b"GET /a HTTP/1.0\r\n\r\n"))
    return log


def test_the_access_log_is_told_of_each_answer_once(raw_server: RawServer) -> None:
    def later_and_twice(request: HttpRequest, later: Answer) -> None:
        for status in (404, 200):
            raw_server.add_task(later, 0, (HttpResponse(status=status),))

    assert log_of(raw_server, echo) == ["127.0.0.1 GET /a 200 22"]
    assert log_of(raw_server, later_and_twice) == ["127.0.0.1 GET /a 404 0"]


def test_a_fault_of_the_access_log_costs_no_answer() -> None:
    reported: list[str] = []
    raw_server = RawServer(errorfunc=lambda level, text: reported.append(text))

    def log(request: HttpRequest, response: HttpResponse, length: int) -> None:
        raise OSError("the disk is full")

    try:
        server = HttpServer(raw_server, echo, access_log=log)
        data = until_lost(raw_server, ask(raw_server, server, b"GET /a HTTP/1.0\r\n\r\n"))
    finally:
        raw_server.close()
    assert data.startswith(b"HTTP/1.1 200 ")
    assert [text.splitlines()[-1] for text in reported] == ["OSError: the disk is full"]


def test_a_stream_arrives_whole_however_slowly_it_is_made(raw_server: RawServer) -> None:
    pieces = [b"a" * 300_000, b"", b"b" * 300_000, b"", b"c"]

    def respond(request: HttpRequest, later: Answer) -> HttpResponse:
        return HttpResponse(stream=iter(pieces))

    server = HttpServer(raw_server, respond)
    data = until_lost(raw_server, ask(raw_server, server, b"GET / HTTP/1.0\r\n\r\n"))
    assert data.endswith(b"\r\n\r\n" + b"".join(pieces))


def test_other_methods_are_for_who_wants_them(raw_server: RawServer) -> None:
    def respond(request: HttpRequest, later: Answer) -> HttpResponse:
        return HttpResponse(request.method.encode() + request.body)

    post = b"POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody"
    some = HttpServer(raw_server, respond, methods=("GET", "POST"))
    assert until_lost(raw_server, ask(raw_server, some, post)).endswith(b"POSTbody")
    data = until_lost(raw_server, ask(raw_server, HttpServer(raw_server, respond), post))
    assert data.startswith(b"HTTP/1.1 405 ")
    assert b"Allow: GET, HEAD\r\n" in data


def test_who_is_not_admitted_hears_nothing(raw_server: RawServer) -> None:
    server = HttpServer(raw_server, echo, admits=lambda connection: False)
    assert until_lost(raw_server, ask(raw_server, server, b"GET / HTTP/1.0\r\n\r\n")) == b""


@pytest.mark.parametrize("resets", [False, True])
def test_an_answer_is_not_lost_with_a_connection_that_ends_after_it(resets: bool) -> None:
    raw_server = RawServer(config=Config(close_with_rst=resets))
    try:
        server = HttpServer(raw_server, lambda request, later: HttpResponse(b"x" * 1_000_000))
        request = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
        client = ask(raw_server, server, request)
        assert until_lost(raw_server, client).endswith(b"x" * 1_000_000)
        assert client.connection.error is None
    finally:
        raw_server.close()
