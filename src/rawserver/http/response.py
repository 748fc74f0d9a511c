"""A reply as a server writes it (RFC 9112, section 4)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from http import HTTPStatus

from rawserver.http.request import NO_HEADERS

# Below this a compressed body saves no packet.
SMALLEST_TO_COMPRESS = 1024
# Most of what can be saved, for a third of the time that the usual level takes.
GZIP_LEVEL = 1
# gzip's framing in zlib's terms.
GZIP_WINDOW = 16 + zlib.MAX_WBITS
TEXT = "text/plain; charset=utf-8"
GZIP_HEADERS = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}


class HttpResponse:
    """`content_type` of the body; `headers` beside those that the server adds itself.

    A `stream` is a body that is made while it is sent: each piece is asked for when the client has
    taken the one before; an empty one says that the next is not there yet. If it is not used up it
    is closed. `compressible` False says that gzip would not shorten the body.
    """

    __slots__ = ("_packed", "body", "compressible", "content_type", "headers", "status", "stream")

    def __init__(
        self,
        body: bytes = b"",
        status: int = 200,
        content_type: str = TEXT,
        headers: Mapping[str, str] = NO_HEADERS,
        *,
        stream: Iterator[bytes] | None = None,
        compressible: bool = True,
    ) -> None:
        self.body = body
        self.status = status
        self.content_type = content_type
        self.headers = headers
        self.stream = stream
        self.compressible = compressible
        self._packed: bytes | None = None

    @property
    def is_long(self) -> bool:
        """Whether the body is one to compress for a client that accepts it."""
        return (
            len(self.body) >= SMALLEST_TO_COMPRESS or self.stream is not None
        ) and self.compressible

    def to_bytes(
        self, *, head_only: bool, gzip: bool, keep_alive: bool, old: bool = False
    ) -> bytes:
        """Return the reply for the wire; not for one with a stream.

        `head_only` leaves the body out (HEAD), `gzip` allows it to be compressed, `old` answers a
        client of HTTP/1.0, which must be told that a connection stays open. ValueError for a header
        with a line break, which would begin a header of somebody else's choice.
        """
        body, headers = self.body, self.headers
        if gzip and self.is_long and len(packed := self._compressed()) < len(body):
            body, headers = packed, {**headers, **GZIP_HEADERS}
        start = start_of_head(self.status, self.content_type, keep_alive, old)
        more = header_lines(headers) if headers else b""
        shown = b"" if head_only else body
        return b"%bContent-Length: %d\r\n%b\r\n%b" % (start, len(body), more, shown)

    def _compressed(self) -> bytes:
        # Kept, as a page may be sent many times.
        if self._packed is None:
            packer = zlib.compressobj(GZIP_LEVEL, wbits=GZIP_WINDOW)
            self._packed = packer.compress(self.body) + packer.flush()
        return self._packed


@lru_cache(maxsize=256)
def start_of_head(status: int, content_type: str, keep_alive: bool, old: bool) -> bytes:
    """Return the lines of the head that nearly all replies share; ValueError as `to_bytes`."""
    first = f"HTTP/1.1 {status} {_phrase(status)}\r\n".encode("latin-1")
    start = first + header_lines({"Content-Type": content_type})
    if not keep_alive:
        return start + b"Connection: close\r\n"
    return start + b"Connection: keep-alive\r\n" if old else start


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Return headers for the wire; ValueError for one with a line break."""
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header has a line break")
    return "".join([line + "\r\n" for line in lines]).encode("latin-1")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
