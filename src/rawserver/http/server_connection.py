"""One client of a server: its requests are read one after the other and answered in that order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import httptools

from rawserver.engine import SingleSocket, Task
from rawserver.http.request import HttpRequest
from rawserver.http.response import HttpResponse

if TYPE_CHECKING:
    from rawserver.http.server import HttpServer

# Apache allows 8 KiB a line, nginx 8 KiB a header in four buffers. An announce has under 1 KiB.
MAX_HEAD_BYTES = 16 * 1024
MAX_URL_BYTES = 8 * 1024
# Nothing here takes a body; a small one is read and ignored, for a client that sends one.
MAX_BODY_BYTES = 64 * 1024
# Pipelined requests that wait for an answer made elsewhere; the client waits, TCP holds it back.
MAX_PIPELINED = 32

Answer = Callable[[HttpResponse], None]


class _Pending:
    """A request that has been read and its answer, when that is there."""

    __slots__ = ("answer", "gzip", "head_only", "keep_alive", "old")

    def __init__(self, head_only: bool, gzip: bool, keep_alive: bool, old: bool) -> None:
        self.head_only = head_only
        self.gzip = gzip
        self.keep_alive = keep_alive
        self.old = old
        self.answer: HttpResponse | None = None


class ServerConnection:
    """The handler of a client's connection; httptools parses and calls the `on_...` methods."""

    def __init__(self, server: HttpServer, connection: SingleSocket) -> None:
        self._server = server
        self._connection = connection
        self._parser = httptools.HttpRequestParser(self)
        self._pending: deque[_Pending] = deque()
        self._local_ip: str = connection.getsockname()[0]
        self._deadline: Task | None = None
        self._ending = False
        self._fault: HttpResponse | None = None
        self._begin_request()
        self._wait_for_request()

    def _begin_request(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        # What was fed since the head began, and what its headers come to.
        self._fed_bytes = 0
        self._head_bytes = 0
        self._in_head = True
        self._body: list[bytes] = []
        self._body_bytes = 0

    def _wait_for_request(self) -> None:
        # A deadline for the whole head, not for each byte: who sends one a second is not served.
        if self._deadline is None:
            self._deadline = self._server.raw_server.add_task(
                self._too_late, self._server.request_timeout
            )

    def _too_late(self) -> None:
        self._deadline = None
        self._connection.close()

    # What RawServer calls.

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        if self._ending:
            return
        if self._in_head:
            # The parser holds a header until it is whole; this bounds what it holds.
            if self._fed_bytes > MAX_HEAD_BYTES:
                self._refuse(431, "the head of the request is too long")
                return
            self._fed_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(501, "no other protocol is spoken here")
        except httptools.HttpParserError as error:
            if self._fault is None:
                self._fault = HttpResponse(f"not HTTP: {error}\n".encode(), 400)
            self._end_with(self._fault)

    def connection_flushed(self, connection: SingleSocket) -> None:
        connection.resume_reading()

    def connection_lost(self, connection: SingleSocket) -> None:
        self._ending = True
        self._pending.clear()
        if self._deadline is not None:
            self._deadline.cancel()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._begin_request()

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > MAX_URL_BYTES:
            self._stop_parsing(414, "the URL is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._stop_parsing(431, "the head of the request is too long")
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._in_head = False

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY_BYTES:
            self._stop_parsing(413, "the body is too long")
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        method = self._parser.get_method().decode("latin-1")
        old = self._parser.get_http_version() == "1.0"
        path, _, query = self._url.partition(b"?")
        request = HttpRequest(
            method,
            path.decode("latin-1"),
            query,
            self._connection.ip,
            self._connection.port,
            self._headers,
            b"".join(self._body),
            self._local_ip,
        )
        keep_alive = self._parser.should_keep_alive()
        pending = _Pending(method == "HEAD", request.accepts_gzip(), keep_alive, old)
        self._pending.append(pending)
        self._begin_request()
        if len(self._pending) >= MAX_PIPELINED:
            self._connection.pause_reading()
        if method in ("GET", "HEAD"):
            response = self._server.answer(request, lambda answer: self._answered(pending, answer))
        else:
            response = HttpResponse(b"only GET and HEAD\n", 405, headers={"Allow": "GET, HEAD"})
        if response is not None:
            self._answered(pending, response)

    # Answering.

    def _answered(self, pending: _Pending, response: HttpResponse) -> None:
        if pending.answer is None:
            pending.answer = response
            self._send_answers()

    def _send_answers(self) -> None:
        while self._pending and not self._connection.lost:
            first = self._pending[0]
            if first.answer is None:
                return
            self._pending.popleft()
            data = first.answer.to_bytes(
                head_only=first.head_only,
                gzip=first.gzip,
                keep_alive=first.keep_alive,
                old=first.old,
            )
            if not self._connection.write(data):
                # It does not read: nor do we, until what it asked for has gone.
                self._connection.pause_reading()
            if not first.keep_alive:
                self._finish()
                return
        if self._connection.is_flushed() and len(self._pending) < MAX_PIPELINED:
            self._connection.resume_reading()
        if not self._pending:
            self._wait_for_request()

    def _stop_parsing(self, status: int, text: str) -> None:
        self._fault = HttpResponse(f"{text}\n".encode(), status)
        raise ValueError(text)  # httptools ends and raises its own

    def _refuse(self, status: int, text: str) -> None:
        self._end_with(HttpResponse(f"{text}\n".encode(), status))

    def _end_with(self, response: HttpResponse) -> None:
        # After the answers that have left; those that are made later are not waited for.
        self._connection.write(response.to_bytes(head_only=False, gzip=False, keep_alive=False))
        self._finish()

    def _finish(self) -> None:
        self._ending = True
        self._connection.close_when_flushed()
