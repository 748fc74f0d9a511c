"""A body that is sent while it is made (RFC 9112, sections 6.3 and 7.1)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from rawserver.http.response import (
    GZIP_HEADERS,
    GZIP_LEVEL,
    GZIP_WINDOW,
    HttpResponse,
    header_lines,
    start_of_head,
)


class StreamCut(Exception):
    """The source of a stream ends it before it is whole, and its connection; no fault of ours."""


class BodyStream:
    """Frames the pieces of a reply's stream: in chunks, or up to the end of the connection.

    `waits` says that the source had nothing at the moment, `is_over` that there is no more; `sent`
    counts the body's bytes.
    """

    __slots__ = ("_chunked", "_packer", "_pieces", "is_over", "sent", "waits")

    def __init__(self, pieces: Iterator[bytes], *, chunked: bool, gzip: bool) -> None:
        self._pieces = pieces
        self._chunked = chunked
        self._packer = zlib.compressobj(GZIP_LEVEL, wbits=GZIP_WINDOW) if gzip else None
        self.is_over = False
        self.waits = False
        self.sent = 0

    def next(self) -> bytes:
        """Return the next bytes for the wire; raises what the source does."""
        piece = next(self._pieces, None)
        if piece is None:
            self.is_over = True
            rest = b"" if self._packer is None else self._packer.flush()
            return self._framed(rest) + (b"0\r\n\r\n" if self._chunked else b"")
        self.waits = not piece
        if self._packer is not None and piece:
            # Each piece by itself: what is asked for in one turn stays small.
            piece = self._packer.compress(piece) + self._packer.flush(zlib.Z_SYNC_FLUSH)
        return self._framed(piece)

    def _framed(self, piece: bytes) -> bytes:
        self.sent += len(piece)
        # A chunk of no bytes would be the end.
        return b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked and piece else piece


def stream_head(response: HttpResponse, *, chunked: bool, gzip: bool, keep_alive: bool) -> bytes:
    """Return the head of a reply with a stream; ValueError as `HttpResponse.to_bytes`."""
    headers = dict(response.headers)
    if gzip:
        headers |= GZIP_HEADERS
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
    start = start_of_head(response.status, response.content_type, keep_alive, False)
    return start + header_lines(headers) + b"\r\n"
