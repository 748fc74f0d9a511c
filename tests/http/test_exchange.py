"""A request and its answer: which answer counts, and how it is written for who asked."""

from typing import Any

import pytest

from rawserver.http.exchange import Exchange, close_stream
from rawserver.http.request import HttpRequest
from rawserver.http.response import HttpResponse

LONG = b"compressible " * 1000


class Source:
    """A stream that notes that it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> "Source":
        return self

    def __next__(self) -> bytes:
        return b"piece"

    def close(self) -> None:
        self.closed += 1


class Waiting:
    """A pipeline in which an exchange waits."""

    def __init__(self) -> None:
        self.answered: list[Exchange] = []

    def was_answered(self, exchange: Exchange) -> None:
        self.answered.append(exchange)


def exchange(
    method: str = "GET", version: str = "1.1", last: bool = False, **headers: str
) -> Exchange:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = HttpRequest(method, "/", b"", "192.0.2.1", 4000, named, version=version)
    return Exchange(request, last)


def test_the_first_answer_counts() -> None:
    one, pipeline = exchange(), Waiting()
    one.pipeline = pipeline  # type: ignore[assignment]
    one.asked = True
    first = HttpResponse(b"first")
    one.answer_with(first)
    one.answer_with(HttpResponse(b"second"))
    assert one.answer is first
    assert pipeline.answered == [one]


def test_an_answer_within_the_call_that_asks_is_sent_by_who_asked() -> None:
    one, pipeline = exchange(), Waiting()
    one.pipeline = pipeline  # type: ignore[assignment]
    one.answer_with(HttpResponse())
    assert one.answer is not None
    assert not pipeline.answered


@pytest.mark.parametrize(
    ("one", "said", "unsaid"),
    [
        (exchange(), [b"Content-Length: 13000\r\n"], [b"gzip", b"Connection"]),
        (exchange(accept_encoding="gzip"), [b"Content-Encoding: gzip\r\n"], []),
        (exchange(last=True), [b"Connection: close\r\n"], []),
        (exchange(version="1.0"), [b"Connection: keep-alive\r\n"], []),
        (exchange("HEAD"), [b"Content-Length: 13000\r\n"], [LONG]),
        (Exchange(None, True), [b"Connection: close\r\n", LONG], []),
    ],
)
def test_a_reply_is_written_for_who_asked(
    one: Exchange, said: list[bytes], unsaid: list[bytes]
) -> None:
    data = one.to_bytes(HttpResponse(LONG))
    assert all(text in data for text in said)
    assert not any(text in data for text in unsaid)


def test_what_does_not_shrink_is_not_compressed() -> None:
    data = exchange(accept_encoding="gzip").to_bytes(HttpResponse(LONG, compressible=False))
    assert b"gzip" not in data


def test_a_stream_follows_in_chunks_or_up_to_the_end() -> None:
    new, old = exchange(accept_encoding="gzip"), exchange(version="1.0")
    assert b"Transfer-Encoding: chunked\r\n" in new.to_bytes(HttpResponse(stream=Source()))
    assert b"Connection: close\r\n" in old.to_bytes(HttpResponse(stream=Source()))
    assert (new.last, old.last) == (False, True)
    assert new.stream is not None
    assert old.stream is not None
    assert old.stream.next() == b"piece"


def test_head_asks_for_no_stream() -> None:
    source, one = Source(), exchange("HEAD")
    assert b"chunked" in one.to_bytes(HttpResponse(stream=source))
    assert (one.stream, source.closed) == (None, 1)


def test_a_stream_that_nobody_reads_is_closed() -> None:
    source = Source()
    close_stream(HttpResponse(stream=source))
    assert source.closed == 1
    for nothing in (None, HttpResponse(), HttpResponse(stream=iter([b""]))):
        close_stream(nothing)


def test_any_header_that_cannot_be_sent_is_a_fault() -> None:
    bad: Any = {"X": "a\nb"}
    for response in (HttpResponse(headers=bad), HttpResponse(headers=bad, stream=Source())):
        with pytest.raises(ValueError, match="line break"):
            exchange().to_bytes(response)
