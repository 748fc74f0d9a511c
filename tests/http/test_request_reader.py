"""Requests out of bytes, whole and in pieces; what becomes of them: test_server_connection.py."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.http.request_reader import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MAX_URL_BYTES,
    ReadRequest,
    RequestError,
    RequestReader,
)

POST = b"POST /reload?x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nX-A: 1\r\nx-a: 2\r\n\r\nbody"
GET = b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"


def read(*parts: bytes) -> list[ReadRequest]:
    found: list[ReadRequest] = []
    reader = RequestReader(found.append)
    for part in parts:
        reader.feed(part)
    return found


def shown(requests: list[ReadRequest]) -> list[tuple[object, ...]]:
    return [tuple(getattr(one, name) for name in ReadRequest.__slots__) for one in requests]


def test_a_request() -> None:
    (one,) = read(POST)
    assert (one.method, one.url, one.body, one.version) == ("POST", b"/reload?x", b"body", "1.1")
    assert one.headers == {"host": "a", "content-length": "4", "x-a": "1, 2"}
    assert one.keeps_alive


@given(st.lists(st.integers(0, len(POST + GET + POST)), max_size=10))
def test_borders_mean_nothing(cuts: list[int]) -> None:
    whole = POST + GET + POST
    places = [0, *sorted(cuts), len(whole)]
    assert shown(read(*[whole[a:b] for a, b in pairwise(places)])) == shown(read(whole))
    assert len(read(whole)) == 3


def test_it_knows_whether_it_is_amid_a_request() -> None:
    reader = RequestReader(lambda request: None)
    for data, amid in ((b"", False), (b"\r\n", True), (GET[:5], True), (GET[5:], False)):
        reader.feed(data)
        assert reader.is_amid is amid
    reader.feed(GET + b"G")
    assert reader.is_amid


@pytest.mark.parametrize(
    ("start", "rest", "status"),
    [
        (b"GET /" + b"a" * MAX_URL_BYTES, b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * MAX_HEAD_BYTES, b"a\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n", b"a" * (MAX_BODY_BYTES + 1), 413),
        (b"rubbish", b"\r\n", 400),
    ],
)
def test_what_is_too_long_or_no_request_is_refused(start: bytes, rest: bytes, status: int) -> None:
    with pytest.raises(RequestError) as caught:
        read(start + rest)
    assert caught.value.status == status
    with pytest.raises(RequestError) as caught:
        read(*[(start + rest)[at : at + 999] for at in range(0, len(start + rest), 999)])
    assert caught.value.status == status


def test_after_the_last_request_nothing_is_read() -> None:
    last = b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert [one.keeps_alive for one in read(last + GET, GET, b"rubbish")] == [False]


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_any_bytes_are_requests_or_an_error(parts: list[bytes]) -> None:
    try:
        assert all(one.url for one in read(*parts))
    except RequestError as error:
        assert 400 <= error.status < 500  # noqa: PT017
