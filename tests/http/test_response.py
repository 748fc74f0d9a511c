"""A reply's bytes, read back by a parser that is not ours."""

import gzip
from typing import Any

import httptools
import pytest

from rawserver.http.response import SMALLEST_TO_COMPRESS, HttpResponse


class Read:
    """A reply as httptools reads it."""

    def __init__(self, data: bytes) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""
        self.complete = False
        self.parser = httptools.HttpResponseParser(self)
        self.parser.feed_data(data)
        self.status = self.parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        assert name.decode() not in self.headers
        self.headers[name.decode()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


def read(response: HttpResponse, **options: Any) -> Read:
    options = {"head_only": False, "gzip": False, "keep_alive": True} | options
    return Read(response.to_bytes(**options))


def test_a_reply() -> None:
    reply = read(HttpResponse(b"found", content_type="text/html", headers={"X-A": "b"}))
    assert (reply.status, reply.body, reply.complete) == (200, b"found", True)
    assert reply.headers == {"Content-Type": "text/html", "Content-Length": "5", "X-A": "b"}


@pytest.mark.parametrize("status", [400, 404, 405, 413, 414, 431, 500, 599])
def test_every_status_has_a_line(status: int) -> None:
    assert read(HttpResponse(b"", status)).status == status


def test_an_empty_body_has_its_length_too() -> None:
    reply = read(HttpResponse())
    assert reply.complete
    assert reply.headers["Content-Length"] == "0"


@pytest.mark.parametrize(
    ("keep_alive", "old", "said"),
    [(True, False, None), (False, False, "close"), (True, True, "keep-alive"),
     (False, True, "close")],
)  # fmt: skip
def test_what_is_said_of_the_connection(keep_alive: bool, old: bool, said: str | None) -> None:
    reply = read(HttpResponse(b"x"), keep_alive=keep_alive, old=old)
    assert reply.headers.get("Connection") == said


def test_a_long_body_is_compressed_for_who_asks() -> None:
    body = b"compressible " * 1000
    reply = read(HttpResponse(body), gzip=True)
    assert reply.headers["Content-Encoding"] == "gzip"
    assert reply.headers["Vary"] == "Accept-Encoding"
    assert int(reply.headers["Content-Length"]) == len(reply.body) < len(body)
    assert gzip.decompress(reply.body) == body
    assert read(HttpResponse(body)).body == body


def test_what_compression_does_not_shorten_is_sent_as_it_is() -> None:
    noise = bytes(range(256)) * (SMALLEST_TO_COMPRESS // 256)
    for body in (b"a" * (SMALLEST_TO_COMPRESS - 1), noise[:1000], random_noise()):
        reply = read(HttpResponse(body), gzip=True)
        assert "Content-Encoding" not in reply.headers
        assert reply.body == body


def random_noise() -> bytes:
    import random

    return random.Random(1).randbytes(2 * SMALLEST_TO_COMPRESS)


def test_the_reply_to_head_is_the_same_without_the_body() -> None:
    response = HttpResponse(b"compressible " * 1000)
    for compressed in (False, True):
        whole = response.to_bytes(head_only=False, gzip=compressed, keep_alive=True)
        head = response.to_bytes(head_only=True, gzip=compressed, keep_alive=True)
        assert whole.startswith(head)
        assert head.endswith(b"\r\n\r\n")


def test_a_header_that_would_end_the_line_is_our_own_fault() -> None:
    with pytest.raises(ValueError, match="line"):
        HttpResponse(headers={"X-A": "b\r\nX-C: d"}).to_bytes(
            head_only=False, gzip=False, keep_alive=True
        )
