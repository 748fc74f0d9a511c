"""An HTTP/1.1 server on RawServer, for answers made in memory."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Collection

from rawserver.engine import RawServer, SingleSocket
from rawserver.http.exchange import Answer, Exchange, close_stream
from rawserver.http.known_heads import KnownHeads
from rawserver.http.request import HttpRequest
from rawserver.http.request_deadlines import RequestDeadlines
from rawserver.http.response import HttpResponse
from rawserver.http.server_connection import ServerConnection

# A whole request, and the time that a kept connection may be idle: bttrack's socket_timeout.
REQUEST_TIMEOUT_SECONDS = 15.0

Respond = Callable[[HttpRequest, Answer], HttpResponse | None]
# What was asked, what it is answered, and how many bytes the body has as it is sent.
AccessLog = Callable[[HttpRequest, HttpResponse, int], None]
Admits = Callable[[SingleSocket], bool]


class HttpServer:
    """The handler to give to `start_listening`.

    `respond(request, answer)` returns the reply, or None and calls `answer(reply)` later; replies
    leave in the order of the requests in any case. A fault in it is a 500, and costs nobody else
    anything. It is asked for those `methods` alone. `access_log(request, reply, bytes)` is told of
    each reply that leaves. A connection that `admits` is not true of is closed. Times are in
    seconds.
    """

    def __init__(
        self,
        raw_server: RawServer,
        respond: Respond,
        *,
        request_timeout: float = REQUEST_TIMEOUT_SECONDS,
        methods: Collection[str] = ("GET", "HEAD"),
        access_log: AccessLog | None = None,
        admits: Admits | None = None,
    ) -> None:
        self.raw_server = raw_server
        self.heads = KnownHeads()
        self.deadlines = RequestDeadlines(raw_server, request_timeout)
        self.access_log = access_log
        self._respond = respond
        self._methods = methods
        self._admits = admits

    def external_connection_made(self, connection: SingleSocket) -> None:
        if self._admits is not None and not self._admits(connection):
            connection.close()
            return
        connection.handler = ServerConnection(self, connection)

    # For the connections of this server.

    def answer(self, request: HttpRequest, later: Answer) -> HttpResponse | None:
        """Answer one request."""
        if request.method not in self._methods:
            return method_not_allowed(self._methods)
        try:
            return self._respond(request, later)
        except Exception as error:
            return self.fault(error)

    def bytes_of(self, exchange: Exchange) -> bytes:
        """Return a reply, or its head if a stream follows, for the wire; notes that it leaves."""
        assert exchange.answer is not None
        try:
            data = exchange.to_bytes(exchange.answer)
        except ValueError as error:
            # A header that cannot be sent. The client still waits.
            close_stream(exchange.answer)
            exchange.answer = self.fault(error)
            data = exchange.to_bytes(exchange.answer)
        if self.access_log is not None and exchange.stream is None:
            self.answered(exchange, len(data) - data.index(b"\r\n\r\n") - 4)
        return data

    def answered(self, exchange: Exchange, body_bytes: int) -> None:
        """Note an answer that leaves, or has left."""
        if self.access_log is None or exchange.request is None or exchange.answer is None:
            return
        try:
            self.access_log(exchange.request, exchange.answer, body_bytes)
        except Exception as error:
            self.fault(error)  # the client has its answer all the same

    def fault(self, error: Exception) -> HttpResponse:
        """Report a fault of ours; returns what the client is told of it."""
        text = "".join(traceback.format_exception(error)).rstrip()
        self.raw_server.report(logging.ERROR, text)
        return HttpResponse(b"a fault of this server\n", 500)


def method_not_allowed(methods: Collection[str]) -> HttpResponse:
    """Return the reply that names what may be asked (RFC 9110, section 15.5.6)."""
    allowed = ", ".join(methods)
    text = f"only {' and '.join(methods)}\n"
    return HttpResponse(text.encode(), 405, headers={"Allow": allowed})
