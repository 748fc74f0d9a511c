"""A body made while it is sent, read back by a parser that is not ours."""

import gzip
from collections.abc import Iterator

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.http.body_stream import BodyStream, stream_head
from rawserver.http.response import HttpResponse

PIECES = [b"first ", b"", b"second " * 1000, b"third"]
WHOLE = b"".join(PIECES)


class Read:
    def __init__(self, data: bytes) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""
        self.complete = False
        httptools.HttpResponseParser(self).feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


def sent(pieces: list[bytes], *, chunked: bool, gzip: bool) -> tuple[bytes, BodyStream]:
    stream = BodyStream(iter(pieces), chunked=chunked, gzip=gzip)
    data = b""
    while not stream.is_over:
        data += stream.next()
    return data, stream


@given(st.lists(st.binary(max_size=100)), st.booleans())
def test_chunks_are_put_together_again(pieces: list[bytes], packed: bool) -> None:
    body, stream = sent(pieces, chunked=True, gzip=packed)
    head = stream_head(HttpResponse(), chunked=True, gzip=packed, keep_alive=True)
    reply = Read(head + body)
    assert reply.complete
    assert (gzip.decompress(reply.body) if packed else reply.body) == b"".join(pieces)
    assert stream.sent == len(reply.body)


def test_without_chunks_the_body_is_the_pieces() -> None:
    assert sent(PIECES, chunked=False, gzip=False)[0] == WHOLE
    assert gzip.decompress(sent(PIECES, chunked=False, gzip=True)[0]) == WHOLE


def test_it_says_when_the_source_has_nothing() -> None:
    stream = BodyStream(iter(PIECES), chunked=True, gzip=True)
    waits = []
    while not stream.is_over:
        stream.next()
        waits.append(stream.waits)
    assert waits[:4] == [False, True, False, False]


def test_each_piece_leaves_by_itself() -> None:
    stream = BodyStream(iter([b"a" * 100, b"b" * 100]), chunked=False, gzip=True)
    first = stream.next()
    assert first  # the compressor keeps nothing back that a client waits for


def test_what_the_source_raises_passes() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise LookupError("the disk")

    stream = BodyStream(pieces(), chunked=True, gzip=False)
    assert stream.next() == b"1\r\na\r\n"
    with pytest.raises(LookupError, match="the disk"):
        stream.next()


def test_the_head() -> None:
    response = HttpResponse(status=404, content_type="a/b", headers={"X-A": "b"})
    head = stream_head(response, chunked=True, gzip=True, keep_alive=True)
    assert head.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert Read(head + b"0\r\n\r\n").headers == {
        "Content-Type": "a/b",
        "X-A": "b",
        "Content-Encoding": "gzip",
        "Vary": "Accept-Encoding",
        "Transfer-Encoding": "chunked",
    }
    old = stream_head(HttpResponse(), chunked=False, gzip=False, keep_alive=False)
    assert b"Connection: close\r\n" in old
    assert b"Length" not in old
    assert b"Encoding" not in old
