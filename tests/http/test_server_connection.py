"""A client's connection: whatever it sends, in whatever pieces, gets its answers in order."""

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.fake_connection import FakeConnection
from kit.fake_loop import FakeLoop
from rawserver.http.exchange import Answer
from rawserver.http.pipeline import ANSWERS_PER_TURN, MAX_PIPELINED
from rawserver.http.request import HttpRequest
from rawserver.http.request_reader import MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_URL_BYTES
from rawserver.http.response import HttpResponse
from rawserver.http.server import HttpServer
from rawserver.http.server_connection import ServerConnection

Respond = Callable[[HttpRequest, Answer], HttpResponse | None]
TIMEOUT_SECONDS = 15.0


class Scene:
    """A connection of a server that answers with the path, or as `respond` does."""

    def __init__(self, respond: Respond | None = None) -> None:
        self.loop = FakeLoop()
        self.requests: list[HttpRequest] = []
        self.respond = respond or (lambda request, later: HttpResponse(request.path.encode()))
        server = HttpServer(self.loop, self._answer, request_timeout=TIMEOUT_SECONDS)
        self.connection = FakeConnection()
        self.handler = ServerConnection(server, self.connection)
        self.connection.handler = self.handler

    def _answer(self, request: HttpRequest, later: Answer) -> HttpResponse | None:
        self.requests.append(request)
        return self.respond(request, later)

    def send(self, *parts: bytes) -> "Scene":
        for part in parts:
            self.handler.data_came_in(self.connection, part)
        return self

    def settle(self) -> "Scene":
        """Turn the loop until nothing is due at once."""
        while any(task.due <= self.loop.now for task in self.loop.waiting):
            self.loop.turn()
        return self

    @property
    def statuses(self) -> list[int]:
        found = re.findall(rb"HTTP/1\.1 (\d+) [A-Z]", bytes(self.connection.written))
        return [int(status) for status in found]

    @property
    def bodies(self) -> list[bytes]:
        return [
            part for part in re.split(rb"HTTP/1\.1[^/]*?\r\n\r\n", self._without_types()) if part
        ]

    def _without_types(self) -> bytes:
        return re.sub(rb"Content-Type: [^\r]*\r\n", b"", bytes(self.connection.written))


def deferred() -> tuple[list[Answer], Respond]:
    answers: list[Answer] = []
    return answers, lambda request, later: answers.append(later)


REQUEST = (
    b"GET /announce?info_hash=%12%00x+y&a=/ HTTP/1.1\r\nHost: a\r\nX-Some: Thing\r\n"
    b"x-some: other\r\n\r\n"
)


def check(scene: Scene) -> None:
    (request,) = scene.requests
    assert request.method == "GET"
    assert request.path == "/announce"
    assert request.query == b"info_hash=%12%00x+y&a=/"
    assert request.headers == {"host": "a", "x-some": "Thing, other"}
    assert (request.ip, request.port, request.local_ip) == ("192.0.2.7", 4000, "192.0.2.1")
    assert scene.statuses == [200]


def test_a_request_in_one_piece() -> None:
    check(Scene().send(REQUEST))


def test_a_request_byte_by_byte() -> None:
    check(Scene().send(*[REQUEST[place : place + 1] for place in range(len(REQUEST))]))


def test_a_request_with_the_beginning_of_the_next() -> None:
    check(Scene().send(REQUEST + b"GET /ne"))


@given(st.lists(st.integers(0, 4 * len(REQUEST)), max_size=12))
def test_borders_of_what_comes_mean_nothing(cuts: list[int]) -> None:
    whole = b"".join(REQUEST.replace(b"/announce", b"/%d" % number) for number in range(4))
    places = [0, *sorted(cuts), len(whole)]
    scene = Scene()
    for start, stop in pairwise(places):
        if start < stop:
            scene.send(whole[start:stop])
    assert [request.path for request in scene.requests] == ["/0", "/1", "/2", "/3"]
    assert scene.bodies == [b"/0", b"/1", b"/2", b"/3"]


@given(st.binary(min_size=1, max_size=300))
def test_rubbish_is_refused_or_waited_for_and_never_a_fault(rubbish: bytes) -> None:
    scene = Scene().send(rubbish, b"\r\n\r\n")
    assert not scene.loop.reported
    assert set(scene.statuses) <= {200, 400, 405}


def test_the_connection_is_kept_in_http_1_1_unless_the_client_says_close() -> None:
    scene = Scene().send(b"GET /a HTTP/1.1\r\n\r\n")
    assert not scene.connection.lost
    assert b"Connection:" not in scene.connection.written
    scene.send(b"GET /b HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert scene.connection.lost
    assert b"Connection: close\r\n" in scene.connection.written


def test_the_connection_is_ended_in_http_1_0_unless_the_client_says_keep() -> None:
    scene = Scene().send(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert not scene.connection.lost
    assert b"Connection: keep-alive\r\n" in scene.connection.written
    scene.send(b"GET /b HTTP/1.0\r\n\r\n")
    assert scene.connection.lost


def test_head_has_the_length_and_no_body() -> None:
    scene = Scene().send(b"HEAD /four HTTP/1.1\r\n\r\n")
    assert b"Content-Length: 5\r\n" in scene.connection.written
    assert scene.connection.written.endswith(b"\r\n\r\n")


def test_a_method_that_is_not_for_reading_is_refused_and_the_next_request_served() -> None:
    scene = Scene().send(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyGET /b HTTP/1.1\r\n\r\n")
    assert scene.statuses == [405, 200]
    assert b"Allow: GET, HEAD\r\n" in scene.connection.written
    assert [request.path for request in scene.requests] == ["/b"]


def test_a_client_that_takes_us_for_a_proxy_is_understood() -> None:
    scene = Scene().send(b"GET http://tracker:80/announce?a=1 HTTP/1.1\r\n\r\n")
    assert (scene.requests[0].path, scene.requests[0].query) == ("/announce", b"a=1")
    scene.send(b"GET http://tracker HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n")
    assert scene.requests[1].path == "/"
    assert scene.statuses == [200, 200, 405]


def test_a_wish_for_another_protocol_is_answered_in_this_one() -> None:
    scene = Scene().send(b"GET /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI")
    assert scene.statuses == [200]
    assert scene.connection.lost


def test_connect_is_refused() -> None:
    scene = Scene().send(b"CONNECT elsewhere:25 HTTP/1.1\r\n\r\n")
    assert scene.statuses == [405]
    assert scene.connection.lost


# Order.


def test_answers_made_later_leave_in_the_order_of_the_requests() -> None:
    answers, respond = deferred()
    scene = Scene(respond).send(b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n")
    assert not scene.connection.written
    answers[1](HttpResponse(b"second"))
    assert not scene.connection.written
    answers[0](HttpResponse(b"first"))
    assert scene.bodies == [b"first", b"second"]
    answers[0](HttpResponse(b"once more"))
    assert scene.bodies == [b"first", b"second"]


def test_an_answer_made_within_the_call_counts() -> None:
    scene = Scene(lambda request, later: later(HttpResponse(b"now")))
    assert scene.send(REQUEST).bodies == [b"now"]


def test_rubbish_after_a_request_is_refused_after_its_answer() -> None:
    answers, respond = deferred()
    scene = Scene(respond).send(b"GET /a HTTP/1.1\r\n\r\nrubbish\r\n\r\n")
    assert not scene.connection.written
    answers[0](HttpResponse(b"first"))
    assert scene.statuses == [200, 400]


def test_what_follows_the_last_request_is_ignored() -> None:
    answers, respond = deferred()
    scene = Scene(respond).send(b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\nGET /b", b"more")
    answers[0](HttpResponse(b"first"))
    assert scene.statuses == [200]
    assert scene.connection.lost


def test_a_fault_is_a_500_and_the_connection_goes_on() -> None:
    def fail(request: HttpRequest, later: Answer) -> HttpResponse:
        if request.path == "/bad":
            raise KeyError("the fault")
        return HttpResponse(b"good")

    scene = Scene(fail).send(b"GET /bad HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n")
    assert scene.statuses == [500, 200]
    assert "KeyError: 'the fault'" in scene.loop.reported[0]
    assert b"the fault" not in scene.connection.written


@pytest.mark.parametrize("value", ["a\r\nX: y", "/€"])
@pytest.mark.parametrize("at_once", [True, False])
def test_an_answer_that_cannot_be_sent_is_a_500(value: str, at_once: bool) -> None:
    answers, defer = deferred()
    bad = HttpResponse(headers={"Location": value})
    scene = Scene((lambda request, later: bad) if at_once else defer)
    scene.send(b"GET / HTTP/1.1\r\n\r\n")
    for answer in answers:
        answer(bad)
    assert scene.statuses == [500]
    assert len(scene.loop.reported) == 1
    scene.respond = lambda request, later: HttpResponse(b"good")
    scene.send(b"GET / HTTP/1.1\r\n\r\n")
    assert scene.statuses == [500, 200]


# Limits.


def assert_refused(scene: Scene, status: int) -> None:
    assert scene.statuses == [status]
    assert b"Connection: close\r\n" in scene.connection.written
    assert not scene.requests
    assert scene.connection.lost
    scene.send(b"more" * 1000)
    assert scene.statuses == [status]


def test_too_long_a_url_is_refused() -> None:
    line = b"GET /" + b"a" * MAX_URL_BYTES + b" HTTP/1.1\r\n"
    assert_refused(Scene().send(line), 414)
    assert_refused(Scene().send(*[line[at : at + 100] for at in range(0, len(line), 100)]), 414)


def test_the_longest_url_is_served() -> None:
    scene = Scene().send(b"GET /" + b"a" * (MAX_URL_BYTES - 1) + b" HTTP/1.1\r\n\r\n")
    assert scene.statuses == [200]


@pytest.mark.parametrize("piece", [70_000, 1000])
def test_too_long_a_head_is_refused(piece: int) -> None:
    head = b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: %080d\r\n" % (n, n) for n in range(700))
    scene = Scene()
    for at in range(0, len(head), piece):
        if not scene.connection.written:
            scene.send(head[at : at + piece])
    assert_refused(scene, 431)


def test_one_header_without_end_is_refused() -> None:
    scene = Scene().send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
    fed = 0
    while not scene.connection.written:
        scene.send(b"a" * 1000)
        fed += 1000
        assert fed < MAX_HEAD_BYTES + 2000
    assert_refused(scene, 431)


def test_empty_lines_without_end_are_refused() -> None:
    scene = Scene()
    for _ in range(MAX_HEAD_BYTES // 1000 + 2):
        scene.send(b"\r\n" * 500)
    assert_refused(scene, 431)


@pytest.mark.parametrize("piece", [b"a" * 60_000, b"a" * 1000])
def test_too_long_a_body_is_refused(piece: bytes) -> None:
    scene = Scene().send(b"GET / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(MAX_BODY_BYTES // len(piece) + 20):
        scene.send(piece)
    assert_refused(scene, 413)


def test_a_trailer_without_end_is_refused() -> None:
    scene = Scene().send(b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ")
    fed = 0
    while not scene.connection.written:
        scene.send(b"a" * 1000)
        fed += 1000
        assert fed < MAX_HEAD_BYTES + MAX_BODY_BYTES + 2000
    assert_refused(scene, 413)


def test_a_request_that_never_becomes_whole_is_not_waited_for() -> None:
    scene = Scene()
    for byte in REQUEST[:10]:
        scene.send(bytes([byte]))
        scene.loop.turn(TIMEOUT_SECONDS / 10)
    assert scene.connection.lost


def test_a_connection_is_kept_so_long_and_no_longer() -> None:
    scene = Scene()
    for _ in range(3):
        scene.loop.turn(TIMEOUT_SECONDS - 1)
        scene.send(REQUEST)
    assert not scene.connection.lost
    scene.loop.turn(TIMEOUT_SECONDS)
    assert scene.connection.lost


def test_an_answer_that_takes_long_to_read_is_not_cut_off() -> None:
    def respond(request: HttpRequest, later: Answer) -> HttpResponse:
        scene.connection.full = True
        return HttpResponse(b"much")

    scene = Scene(respond)
    scene.send(REQUEST).loop.turn(10 * TIMEOUT_SECONDS)
    assert scene.statuses == [200]
    assert not scene.connection.lost
    scene.connection.flush()
    scene.loop.turn(TIMEOUT_SECONDS)
    assert scene.connection.lost


def test_a_thousand_requests_at_once_are_answered_a_few_in_a_turn() -> None:
    scene = Scene().send(b"GET /a HTTP/1.1\r\n\r\n" * 1000)
    assert len(scene.statuses) == ANSWERS_PER_TURN
    assert not scene.connection.reading
    scene.loop.turn()
    assert len(scene.statuses) == 2 * ANSWERS_PER_TURN
    scene.settle()
    assert scene.statuses == [200] * 1000
    assert scene.connection.reading


def test_who_does_not_read_his_answers_is_given_no_more() -> None:
    scene = Scene()
    scene.connection.full = True
    scene.send(b"GET /a HTTP/1.1\r\n\r\n" * 5)
    scene.settle()
    assert not scene.requests
    assert not scene.connection.reading
    scene.connection.flush()
    assert scene.statuses == [200] * 5
    assert scene.connection.reading


def test_only_so_many_requests_wait_for_an_answer_made_elsewhere() -> None:
    answers, respond = deferred()
    scene = Scene(respond).send(b"GET /a HTTP/1.1\r\n\r\n" * (2 * MAX_PIPELINED)).settle()
    assert len(answers) == MAX_PIPELINED
    assert not scene.connection.reading
    for number in range(2 * MAX_PIPELINED):
        answers[number](HttpResponse(b"x"))
        scene.settle()
    assert scene.statuses == [200] * (2 * MAX_PIPELINED)
    assert scene.connection.reading


# Ends.


def test_a_client_that_has_ended_its_side_still_gets_its_answer() -> None:
    answers, respond = deferred()
    scene = Scene(respond).send(REQUEST)
    assert scene.handler.eof_received(scene.connection) is True
    answers[0](HttpResponse(b"late"))
    assert scene.bodies == [b"late"]
    assert scene.connection.lost


def test_a_client_that_has_ended_its_side_may_read_slowly() -> None:
    scene = Scene().send(REQUEST)
    scene.connection.full = True
    assert scene.handler.eof_received(scene.connection) is True
    assert not scene.connection.lost
    scene.connection.flush()
    assert scene.connection.lost


def test_a_client_that_ends_its_side_and_waits_for_nothing_is_gone() -> None:
    scene = Scene().send(REQUEST)
    assert scene.handler.eof_received(scene.connection) is False


def test_an_answer_for_a_client_that_is_gone_is_dropped() -> None:
    answers, respond = deferred()
    scene = Scene(respond).send(REQUEST)
    scene.connection.lost = True
    scene.handler.connection_lost(scene.connection)
    answers[0](HttpResponse(b"nobody"))
    assert not scene.connection.written
    assert not scene.loop.waiting
