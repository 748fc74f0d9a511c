"""The requests of one client that are being read, asked or answered, in their order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from rawserver.engine import Task
from rawserver.http.body_stream import StreamCut
from rawserver.http.exchange import Exchange, close_stream
from rawserver.http.request import HttpRequest
from rawserver.http.request_reader import ReadRequest, RequestError, RequestReader
from rawserver.http.response import HttpResponse

if TYPE_CHECKING:
    from rawserver.http.server_connection import ServerConnection

# Pipelined requests that wait for an answer made elsewhere; the client waits, TCP holds it back.
MAX_PIPELINED = 32
# One read can hold 3,000 pipelined requests. So many are answered in one turn of the loop, then
# others have theirs.
ANSWERS_PER_TURN = 16
# When a stream has nothing to send at the moment, it is asked again so much later.
STREAM_PAUSE_SECONDS = 0.05


class Pipeline:
    """Reads on only when there is nothing more to begin; its answers leave one after the other."""

    def __init__(self, owner: ServerConnection) -> None:
        self._owner = owner
        self._server = owner.server
        self._connection = owner.connection
        self._reader = RequestReader(self._took)
        # Read but not begun, and begun but not sent; both in the order in which they were read.
        self._unasked: deque[Exchange] = deque()
        self._unsent: deque[Exchange] = deque()
        self._going_on: Task | None = None
        # Nothing that comes now counts.
        self._deaf = False
        # Nothing is sent any more.
        self._finished = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is half read, waits, or is to be remembered."""
        return not (
            self._unasked or self._unsent or self._deaf or self._finished or self._reader.is_amid
        )

    # What comes.

    def feed(self, data: bytes) -> None:
        """Read what came, and answer."""
        if self._deaf:
            return
        try:
            self._reader.feed(data)
        except RequestError as error:
            # After the answers to what came before it, or a client would take it for one of those.
            self._deaf = True
            self._owner.waiting_since = None
            fault = HttpResponse(f"{error}\n".encode(), error.status)
            self._unasked.append(Exchange(None, True, fault))
        self.work()

    def begin_with(self, exchange: Exchange) -> None:
        """Take over one that has been asked."""
        self._owner.waiting_since = None
        self._deaf = exchange.last
        self._unsent.append(exchange)
        exchange.pipeline = self
        exchange.asked = True
        self._send_answers()
        self.work()

    def end_of_stream(self) -> bool:
        """Note that the client has ended its side, as it may as soon as it has asked.

        It still gets its answers; False says that there are none to come.
        """
        self._deaf = True
        self._owner.waiting_since = None
        return bool(self._unasked or self._unsent or not self._connection.is_flushed())

    def end(self) -> None:
        """Drop all: the connection is lost."""
        self._deaf = self._finished = True
        self._unasked.clear()
        for exchange in self._unsent:
            close_stream(exchange.answer)
            if exchange.stream is not None:
                self._server.answered(exchange, exchange.stream.sent)
        self._unsent.clear()
        if self._going_on is not None:
            self._going_on.cancel()

    def _took(self, read: ReadRequest) -> None:
        self._owner.waiting_since = None
        connection = self._connection
        path, _, query = read.url.partition(b"?")
        request = HttpRequest(
            read.method,
            path.decode("latin-1"),
            query,
            connection.ip,
            connection.port,
            read.headers,
            read.body,
            read.version,
            connection,
        )
        self._deaf = not read.keeps_alive
        self._unasked.append(Exchange(request, self._deaf))

    # Answering.

    def work(self) -> None:
        """Begin what may be begun, then read on only when there is nothing more to begin."""
        connection = self._connection
        for _ in range(ANSWERS_PER_TURN):
            # Who does not read his answers is not given more of them.
            if not self._unasked or not self._has_room():
                break
            self._begin(self._unasked.popleft())
        if self._finished or connection.lost:
            return
        if self._is_streaming:
            connection.pause_reading()
            if connection.is_flushed():
                self._go_on_later()
        elif self._unasked:
            connection.pause_reading()
            if self._has_room():
                self._go_on_later()
        elif not self._has_room():
            connection.pause_reading()
        else:
            connection.resume_reading()
            if not self._unsent:
                self._wait_or_end()

    def _has_room(self) -> bool:
        return (
            len(self._unsent) < MAX_PIPELINED
            and not self._is_streaming
            and self._connection.is_flushed()
        )

    @property
    def _is_streaming(self) -> bool:
        return bool(self._unsent) and self._unsent[0].stream is not None

    def _wait_or_end(self) -> None:
        if self._deaf:
            self._connection.close_when_flushed()  # the client has ended its side
        elif self._owner.waiting_since is None:
            self._owner.waiting_since = self._server.raw_server.now

    def _go_on_later(self, seconds: float = 0.0) -> None:
        if self._going_on is None:
            self._going_on = self._server.raw_server.add_task(self._go_on, seconds)

    def _go_on(self) -> None:
        self._going_on = None
        if self._is_streaming and self._connection.is_flushed():
            self._send_piece(self._unsent[0])
        self.work()
        self._owner.look_after(self)

    def _begin(self, exchange: Exchange) -> None:
        self._unsent.append(exchange)
        exchange.pipeline = self
        request = exchange.request
        if request is not None:
            answer = self._server.answer(request, exchange.answer_with)
            # What was answered within the call has precedence.
            exchange.answer = exchange.answer or answer
        exchange.asked = True
        self._send_answers()

    def was_answered(self, exchange: Exchange) -> None:
        """Send what can be sent: an exchange that waits here has its answer."""
        if self._finished:
            close_stream(exchange.answer)
            return
        self._send_answers()
        self.work()
        self._owner.look_after(self)

    def _send_answers(self) -> None:
        while self._unsent and not self._finished and not self._is_streaming:
            first = self._unsent[0]
            if first.answer is None:
                return
            self._connection.write(self._server.bytes_of(first))
            if first.stream is None:
                self._sent(first)

    def _sent(self, exchange: Exchange) -> None:
        self._unsent.popleft()
        if exchange.stream is not None:
            self._server.answered(exchange, exchange.stream.sent)
        if exchange.last:
            self._finished = True
            self._unasked.clear()
            # The engine sees to it that who is still sending receives this before the end.
            self._connection.close_when_flushed()

    def _send_piece(self, exchange: Exchange) -> None:
        stream = exchange.stream
        assert stream is not None
        try:
            piece = stream.next()
        except Exception as error:
            if not isinstance(error, StreamCut):
                self._server.fault(error)
            # What was sent must not look whole, which without chunks an end in good order would.
            self._connection.reset()
            return
        if piece:
            self._connection.write(piece)
        if stream.is_over:
            self._sent(exchange)
            self._send_answers()
        elif stream.waits:
            self._go_on_later(STREAM_PAUSE_SECONDS)
