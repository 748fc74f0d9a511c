"""A request and what it is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rawserver.http.body_stream import BodyStream, stream_head
from rawserver.http.request import HttpRequest
from rawserver.http.response import HttpResponse

if TYPE_CHECKING:
    from rawserver.http.pipeline import Pipeline

Answer = Callable[[HttpResponse], None]


class Exchange:
    """A request that has been read (None: what came was none) and its answer, once there is one.

    `last` says that nothing follows it on its connection.
    """

    __slots__ = ("answer", "asked", "last", "pipeline", "request", "stream")

    def __init__(
        self, request: HttpRequest | None, last: bool, answer: HttpResponse | None = None
    ) -> None:
        self.request = request
        self.last = last
        self.answer = answer
        # The call that asks for the answer has returned.
        self.asked = False
        self.stream: BodyStream | None = None
        # Where it waits if the answer is not there at once.
        self.pipeline: Pipeline | None = None

    def answer_with(self, response: HttpResponse) -> None:
        """Be answered; the first answer counts."""
        if self.answer is None:
            self.answer = response
            if self.asked and self.pipeline is not None:
                self.pipeline.was_answered(self)

    def to_bytes(self, response: HttpResponse) -> bytes:
        """Return a reply for the wire; ValueError as `HttpResponse.to_bytes`.

        Of one with a stream it is the head, and `stream` is what follows.
        """
        request = self.request
        if response.stream is not None:
            return self._begin_stream(response, response.stream)
        # Here every reply passes: what few need is asked last.
        return response.to_bytes(
            head_only=request is not None and request.method == "HEAD",
            gzip=response.compressible
            and request is not None
            and response.is_long
            and request.accepts_gzip(),
            keep_alive=not self.last,
            old=request is not None and request.version == "1.0",
        )

    def _begin_stream(self, response: HttpResponse, pieces: Iterator[bytes]) -> bytes:
        request = self.request
        chunked = request is not None and request.version != "1.0"
        gzip = response.is_long and request is not None and request.accepts_gzip()
        # HTTP/1.0 has no chunks: there the end of the connection is that of the body.
        self.last = self.last or not chunked
        head = stream_head(response, chunked=chunked, gzip=gzip, keep_alive=not self.last)
        if request is not None and request.method == "HEAD":
            close_stream(response)
        else:
            self.stream = BodyStream(pieces, chunked=chunked, gzip=gzip)
        return head


def close_stream(response: HttpResponse | None) -> None:
    """Tell the source of a reply's stream, if it has one, that nobody reads on."""
    close = None if response is None else getattr(response.stream, "close", None)
    if close is not None:
        close()
