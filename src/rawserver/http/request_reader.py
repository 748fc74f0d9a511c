"""Requests out of a stream of bytes, by httptools, within limits."""

from __future__ import annotations

from collections.abc import Callable

import httptools

# Apache allows 8 KiB a line, nginx 8 KiB a header in four buffers. An announce has under 1 KiB.
MAX_HEAD_BYTES = 16 * 1024
MAX_URL_BYTES = 8 * 1024
# Nothing here needs a body; a small one is read, for a client that sends one.
MAX_BODY_BYTES = 64 * 1024


class RequestError(Exception):
    """What came is no request, or too long a one; the text is for whoever sent it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class ReadRequest:
    """A request as it was read; `url` is in origin form.

    `keeps_alive` says that another may follow on the connection.
    """

    __slots__ = ("body", "headers", "keeps_alive", "method", "url", "version")

    def __init__(
        self,
        method: str,
        url: bytes,
        headers: dict[str, str],
        body: bytes,
        version: str,
        keeps_alive: bool,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.version = version
        self.keeps_alive = keeps_alive


class RequestReader:
    """Reads what a client sends; `took(request)` is called for each request.

    After one that does not keep the connection nothing more is read. httptools parses and calls the
    `on_...` methods.
    """

    def __init__(self, took: Callable[[ReadRequest], object]) -> None:
        self._took = took
        self._parser = httptools.HttpRequestParser(self)
        self._fault: RequestError | None = None
        self._over = False
        self._has_begun = False
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        # What was fed since the request began, and what its headers and its body come to.
        self._fed_bytes = 0
        self._head_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._in_head = True

    @property
    def is_amid(self) -> bool:
        """Whether a request, or empty lines before one, has begun and is not whole."""
        return self._has_begun or self._fed_bytes > 0

    def feed(self, data: bytes) -> None:
        """Read on; raises RequestError, after which nothing more can be read."""
        if self._over:
            return
        # The parser holds a header, or a trailer, until it is whole; this bounds what it holds.
        if self._fed_bytes > MAX_HEAD_BYTES + (0 if self._in_head else MAX_BODY_BYTES):
            self._over = True
            raise self._too_long()
        self._fed_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._over = True  # the request itself has been read, and is answered as the last
        except httptools.HttpParserError as error:
            if not self._over:
                self._over = True
                raise self._fault or RequestError(400, f"not HTTP: {error}") from error

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._begin()
        self._has_begun = True

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > MAX_URL_BYTES:
            self._stop(414, "the URL is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._stop(431, "the head of the request is too long")
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        before = self._headers.get(key)
        self._headers[key] = text if before is None else f"{before}, {text}"

    def on_headers_complete(self) -> None:
        self._in_head = False

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY_BYTES:
            self._stop(413, "the body is too long")
        self._body.append(body)

    def on_message_complete(self) -> None:
        parser = self._parser
        # No other protocol is spoken here: the wish for one is ignored (RFC 9110, section 7.8),
        # but the parser stops at it.
        self._over = parser.should_upgrade() or not parser.should_keep_alive()
        request = ReadRequest(
            parser.get_method().decode("latin-1"),
            _origin_form(self._url),
            self._headers,
            b"".join(self._body),
            parser.get_http_version(),
            not self._over,
        )
        self._begin()
        self._has_begun = False
        self._took(request)

    def _too_long(self) -> RequestError:
        if self._in_head and self._url and not self._headers:
            return RequestError(414, "the URL or the first header is too long")
        if self._in_head:
            return RequestError(431, "the head of the request is too long")
        return RequestError(413, "the body is too long")

    def _stop(self, status: int, text: str) -> None:
        self._fault = RequestError(status, text)
        raise self._fault  # httptools ends and raises its own


def _origin_form(url: bytes) -> bytes:
    """Return path and query; clients that take us for a proxy send the whole URL (RFC 9112, 3.2.2).

    What is no URL is returned as it is: nothing is found there.
    """
    if url.startswith(b"/"):
        return url
    try:
        parts = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError:
        return url
    path: bytes = parts.path or b"/"
    query: bytes | None = parts.query
    return path if query is None else path + b"?" + query
