"""An HTTP/1.1 server on RawServer, for small answers: GET and HEAD."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from rawserver.engine import RawServer, SingleSocket
from rawserver.http.request import HttpRequest
from rawserver.http.response import HttpResponse
from rawserver.http.server_connection import Answer, ServerConnection

# A whole request, and the time that a kept connection may be idle: bttrack's socket_timeout.
REQUEST_TIMEOUT_SECONDS = 15.0

Respond = Callable[[HttpRequest, Answer], HttpResponse | None]
AccessLog = Callable[[HttpRequest, HttpResponse], None]


class HttpServer:
    """The handler to give to `start_listening`.

    `respond(request, answer)` returns the reply, or None and calls `answer(reply)` later; replies
    leave in the order of the requests in any case. A fault in it is a 500, and costs nobody else
    anything. `access_log(request, reply)` is told of each reply that leaves. Times are in seconds.
    """

    def __init__(
        self,
        raw_server: RawServer,
        respond: Respond,
        *,
        request_timeout: float = REQUEST_TIMEOUT_SECONDS,
        access_log: AccessLog | None = None,
    ) -> None:
        self.raw_server = raw_server
        self.request_timeout = request_timeout
        self._respond = respond
        self._access_log = access_log

    def external_connection_made(self, connection: SingleSocket) -> None:
        connection.handler = ServerConnection(self, connection)

    def answer(self, request: HttpRequest, later: Answer) -> HttpResponse | None:
        """Answer one request; for the connections of this server."""
        try:
            return self._respond(request, later)
        except Exception as error:
            return self.fault(error)

    def answered(self, request: HttpRequest, response: HttpResponse) -> None:
        """Note an answer that leaves; for the connections of this server."""
        if self._access_log is not None:
            try:
                self._access_log(request, response)
            except Exception as error:
                self.fault(error)  # the client has its answer all the same

    def fault(self, error: Exception) -> HttpResponse:
        """Report a fault of ours; returns what the client is told of it."""
        text = "".join(traceback.format_exception(error)).rstrip()
        self.raw_server.report(logging.ERROR, text)
        return HttpResponse(b"a fault of this server\n", 500)
