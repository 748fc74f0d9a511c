"""One client of a server: what comes whole is answered at once, all else by a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rawserver.engine import SingleSocket
from rawserver.http.exchange import Exchange
from rawserver.http.known_heads import KnownHead
from rawserver.http.pipeline import Pipeline
from rawserver.http.request import HttpRequest

if TYPE_CHECKING:
    from rawserver.http.server import HttpServer


class ServerConnection:
    """The handler of a client's connection.

    `waiting_since` is the time of the loop from which the next request has been waited for; None
    while a client waits for us. An idle connection holds nothing but this.
    """

    __slots__ = ("_heads", "_pipeline", "connection", "server", "waiting_since")

    def __init__(self, server: HttpServer, connection: SingleSocket) -> None:
        self.server = server
        self.connection = connection
        self.waiting_since: float | None = server.raw_server.now
        self._heads = server.heads
        self._pipeline: Pipeline | None = None
        server.deadlines.add(self)

    # What RawServer calls.

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        pipeline = self._pipeline
        if pipeline is None:
            found = self._heads.read(data)
            if found is not None:
                self._answer(*found)
                return
            pipeline = self._pipeline = Pipeline(self)
        pipeline.feed(data)
        self.look_after(pipeline)

    def connection_flushed(self, connection: SingleSocket) -> None:
        pipeline = self._pipeline
        if pipeline is not None:
            pipeline.work()
            self.look_after(pipeline)
        elif not connection.lost:
            self.waiting_since = self.server.raw_server.now
            connection.resume_reading()

    def eof_received(self, connection: SingleSocket) -> bool:
        if self._pipeline is None:
            if connection.is_flushed():
                return False
            self._pipeline = Pipeline(self)
        return self._pipeline.end_of_stream()

    def connection_lost(self, connection: SingleSocket) -> None:
        self.server.deadlines.remove(self)
        if self._pipeline is not None:
            self._pipeline.end()
            self._pipeline = None
        # What refers to itself waits for the collector, and has it run for every few dozen.
        connection.handler = self.server

    # Answering.

    def _answer(self, url: bytes, head: KnownHead) -> None:
        """Answer a request that came whole, alone, and with nothing before it to be answered."""
        connection, server = self.connection, self.server
        path, _, query = url.partition(b"?")
        request = HttpRequest(
            "GET",
            path.decode("latin-1"),
            query,
            connection.ip,
            connection.port,
            head.headers,
            b"",
            head.version,
            connection,
        )
        exchange = Exchange(request, not head.keeps_alive)
        answer = server.answer(request, exchange.answer_with)
        if exchange.answer is None:
            exchange.answer = answer
        if exchange.answer is None or exchange.answer.stream is not None:
            pipeline = self._pipeline = Pipeline(self)
            pipeline.begin_with(exchange)
            self.look_after(pipeline)
            return
        data = server.bytes_of(exchange)
        if exchange.last:
            self.waiting_since = None
            # The request was read to its end: no late byte of it could make a reset of this.
            connection.write_last(data, lingers=False)
            return
        connection.write(data)
        if connection.is_flushed():
            self.waiting_since = server.raw_server.now
        else:
            self.waiting_since = None
            connection.pause_reading()

    def look_after(self, pipeline: Pipeline) -> None:
        """Let go of a pipeline in which nothing is left."""
        if self._pipeline is pipeline and pipeline.is_idle:
            self._pipeline = None
