"""One client of a server: its requests are read one after the other and answered in that order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import httptools

from rawserver.engine import SingleSocket, Task
from rawserver.engine.addresses import peer_of
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
# One read can hold 3,000 pipelined requests. So many are answered in one turn of the loop, then
# others have theirs.
ANSWERS_PER_TURN = 16

Answer = Callable[[HttpResponse], None]


class _Exchange:
    """A request that has been read (None: what came was none) and its answer, once there is one."""

    __slots__ = ("answer", "asked", "last", "request")

    def __init__(
        self, request: HttpRequest | None, last: bool, answer: HttpResponse | None = None
    ) -> None:
        self.request = request
        self.last = last
        self.answer = answer
        self.asked = False


class ServerConnection:
    """The handler of a client's connection; httptools parses and calls the `on_...` methods."""

    def __init__(self, server: HttpServer, connection: SingleSocket) -> None:
        self._server = server
        self._connection = connection
        self._local_ip = _local_ip(connection)
        self._parser = httptools.HttpRequestParser(self)
        # Read but not begun, and begun but not sent; both in the order in which they were read.
        self._unasked: deque[_Exchange] = deque()
        self._unsent: deque[_Exchange] = deque()
        self._deadline: Task | None = None
        self._going_on: Task | None = None
        self._fault: HttpResponse | None = None
        # Nothing that comes now counts.
        self._deaf = False
        self._finished = False
        self._begin_request()
        self._wait_for_request()

    def _begin_request(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        # What was fed since the request began, and what its headers and its body come to.
        self._fed_bytes = 0
        self._head_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._in_head = True

    def _wait_for_request(self) -> None:
        # A deadline for the whole request, not for each byte: one a second is not served.
        if self._deadline is None:
            self._deadline = self._server.raw_server.add_task(
                self._too_late, self._server.request_timeout
            )

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        self._connection.close()

    # What RawServer calls.

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        if self._deaf:
            return
        # The parser holds a header, or a trailer, until it is whole; this bounds what it holds.
        if self._fed_bytes > MAX_HEAD_BYTES + (0 if self._in_head else MAX_BODY_BYTES):
            self._refuse(*self._too_long())
            return
        self._fed_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # the request itself has been read, and is answered as the last
        except httptools.HttpParserError as error:
            if not self._deaf:
                fault = self._fault or HttpResponse(f"not HTTP: {error}\n".encode(), 400)
                self._end_with(fault)
        self._work()

    def connection_flushed(self, connection: SingleSocket) -> None:
        self._work()

    def eof_received(self, connection: SingleSocket) -> bool:
        # A client may end its side as soon as it has asked; it still gets its answers.
        self._deaf = True
        self._stop_waiting()
        return bool(self._unasked or self._unsent or not connection.is_flushed())

    def connection_lost(self, connection: SingleSocket) -> None:
        self._deaf = self._finished = True
        self._unasked.clear()
        self._unsent.clear()
        self._stop_waiting()
        if self._going_on is not None:
            self._going_on.cancel()

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
        self._stop_waiting()
        parser = self._parser
        path, _, query = _origin_form(self._url).partition(b"?")
        request = HttpRequest(
            parser.get_method().decode("latin-1"),
            path.decode("latin-1"),
            query,
            self._connection.ip,
            self._connection.port,
            self._headers,
            b"".join(self._body),
            self._local_ip,
            parser.get_http_version(),
        )
        # No other protocol is spoken here: the wish for one is ignored (RFC 9110, section 7.8),
        # but the parser stops at it.
        last = parser.should_upgrade() or not parser.should_keep_alive()
        self._unasked.append(_Exchange(request, last))
        self._deaf = last
        self._begin_request()

    def _too_long(self) -> tuple[int, str]:
        if self._in_head and self._url and not self._headers:
            return 414, "the URL or the first header is too long"
        if self._in_head:
            return 431, "the head of the request is too long"
        return 413, "the body is too long"

    def _stop_parsing(self, status: int, text: str) -> None:
        self._fault = HttpResponse(f"{text}\n".encode(), status)
        raise ValueError(text)  # httptools ends and raises its own

    def _refuse(self, status: int, text: str) -> None:
        self._end_with(HttpResponse(f"{text}\n".encode(), status))
        self._work()

    def _end_with(self, fault: HttpResponse) -> None:
        # After the answers to what came before it, or a client would take it for one of those.
        self._deaf = True
        self._stop_waiting()
        self._unasked.append(_Exchange(None, True, fault))

    # Answering.

    def _work(self) -> None:
        """Begin what may be begun, then read on only when there is nothing more to begin."""
        connection = self._connection
        for _ in range(ANSWERS_PER_TURN):
            # Who does not read his answers is not given more of them.
            if not self._unasked or not connection.is_flushed():
                break
            if len(self._unsent) >= MAX_PIPELINED:
                break
            self._begin(self._unasked.popleft())
        if self._finished or connection.lost:
            return
        if self._unasked:
            connection.pause_reading()
            if connection.is_flushed() and len(self._unsent) < MAX_PIPELINED:
                self._go_on_next_turn()
        elif not connection.is_flushed() or len(self._unsent) >= MAX_PIPELINED:
            connection.pause_reading()
        else:
            connection.resume_reading()
            if not self._unsent:
                self._wait_or_end()

    def _wait_or_end(self) -> None:
        if self._deaf:
            self._connection.close_when_flushed()  # the client has ended its side
        else:
            self._wait_for_request()

    def _go_on_next_turn(self) -> None:
        if self._going_on is None:
            self._going_on = self._server.raw_server.add_task(self._go_on)

    def _go_on(self) -> None:
        self._going_on = None
        self._work()

    def _begin(self, exchange: _Exchange) -> None:
        self._unsent.append(exchange)
        request = exchange.request
        if request is not None:
            if request.method in ("GET", "HEAD"):
                answer = self._server.answer(request, lambda later: self._answered(exchange, later))
            else:
                headers = {"Allow": "GET, HEAD"}
                answer = HttpResponse(b"only GET and HEAD\n", 405, headers=headers)
            # What was answered within the call has precedence.
            exchange.answer = exchange.answer or answer
        exchange.asked = True
        self._send_answers()

    def _answered(self, exchange: _Exchange, response: HttpResponse) -> None:
        if exchange.answer is None:
            exchange.answer = response
            if exchange.asked:
                self._send_answers()
                self._work()

    def _send_answers(self) -> None:
        while self._unsent and not self._finished:
            first = self._unsent[0]
            if first.answer is None:
                return
            self._unsent.popleft()
            self._send(first, first.answer)

    def _send(self, exchange: _Exchange, response: HttpResponse) -> None:
        request = exchange.request
        try:
            data = _to_bytes(exchange, response)
        except ValueError as error:
            # A header that cannot be sent. The client still waits.
            response = self._server.fault(error)
            data = _to_bytes(exchange, response)
        if request is not None:
            self._server.answered(request, response)
        self._connection.write(data)
        if exchange.last:
            self._finished = True
            self._unasked.clear()
            # The engine sees to it that who is still sending receives this before the end.
            self._connection.close_when_flushed()


def _to_bytes(exchange: _Exchange, response: HttpResponse) -> bytes:
    request = exchange.request
    return response.to_bytes(
        head_only=request is not None and request.method == "HEAD",
        gzip=request is not None and request.accepts_gzip(),
        keep_alive=not exchange.last,
        old=request is not None and request.version == "1.0",
    )


def _local_ip(connection: SingleSocket) -> str:
    try:
        return peer_of(connection.getsockname())[0]
    except OSError:
        return ""  # macOS, where the client has gone already; the first read will say so


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
