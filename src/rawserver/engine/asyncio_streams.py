"""Connections of a RawServer for coroutines: read and written with `await`."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Hashable
from types import TracebackType
from typing import Any, TypeVar

from rawserver.engine.asyncio_runner import EventLoop, running_loop
from rawserver.engine.disk import Buffer
from rawserver.engine.handler import Address
from rawserver.engine.rawserver import RawServer
from rawserver.engine.single_socket import SingleSocket

# As asyncio's own: a line or chunk that is longer is hardly meant, and a peer could fill memory.
DEFAULT_LIMIT = 64 * 1024

E = TypeVar("E", bound=BaseException)


class Stream:
    """A connection to read from and write to. It is the connection's handler.

    `connection` is the SingleSocket, whose methods may be used too (`sendfile`, `shutdown`,
    `close`). When `limit` bytes wait to be read, reading pauses and the peer is held back by TCP;
    it goes on when half of them are taken. One coroutine may read while others write.

    What the peer ended in good order reads as the end, b"". When the connection was lost with an
    error, reading (once what came before is taken) and `drain` raise ConnectionResetError, with
    the reason as its `__cause__`.
    """

    __slots__ = (
        "__weakref__", "_buffer", "_fault", "_gone", "_limit", "_loop", "_most", "_paused",
        "_room", "_waiter", "_wanted", "blamed", "connection", "ended", "leaving", "made",
    )  # fmt: skip

    connection: SingleSocket

    def __init__(self, loop: EventLoop, limit: int = DEFAULT_LIMIT) -> None:
        if limit <= 0:
            raise ValueError("the limit must be positive")
        self._loop = loop
        self._limit = limit
        self._buffer = bytearray()
        # Reading pauses at so many bytes, and who waits is woken at so many.
        self._most = limit
        self._wanted = 1
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._gone = asyncio.Event()
        self._fault: BaseException | None = None
        # No more bytes come.
        self.ended = False
        # We asked for the end.
        self.leaving = False
        # The error that a method raised last because of what the peer did.
        self.blamed: BaseException | None = None
        # For connections that we start: done when it is made, or failed.
        self.made: asyncio.Future[None] = loop.create_future()

    # Reading.

    async def read(self, count: int) -> bytes:
        """Return from 1 to `count` bytes as soon as there are any; b"" at the end."""
        if count < 0:
            raise ValueError("a stream has no size: say how much to read at most")
        while count and not self._buffer:
            if not await self._more(1):
                return b""
        return self._take(count)

    async def readexactly(self, count: int) -> bytes:
        """Return `count` bytes, which may be more than the limit: bound them if a peer says it.

        asyncio.IncompleteReadError, with the rest, if the stream ends before.
        """
        if count < 0:
            raise ValueError("a count cannot be negative")
        while len(self._buffer) < count:
            if not await self._more(count):
                raise self._blame(asyncio.IncompleteReadError(self._rest(), count))
        return self._take(count)

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        """Return what comes up to and with a separator.

        asyncio.IncompleteReadError, with the rest, if the stream ends before.
        asyncio.LimitOverrunError if more than the limit comes before it; nothing is taken then.
        """
        if not separator:
            raise ValueError("a separator has at least one byte")
        buffer, start = self._buffer, 0
        while True:
            at = buffer.find(separator, start)
            if at < 0:
                start = max(0, len(buffer) - len(separator) + 1)
            if max(at, start) > self._limit:
                text = f"no separator in the first {self._limit} bytes"
                raise self._blame(asyncio.LimitOverrunError(text, max(at, start)))
            if at >= 0:
                return self._take(at + len(separator))
            if not await self._more(len(buffer) + 1):
                raise self._blame(asyncio.IncompleteReadError(self._rest(), None))

    async def readline(self) -> bytes:
        r"""Return a line with its \n, or at the end what is left; errors as of `readuntil`."""
        try:
            return await self.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            return error.partial

    def at_eof(self) -> bool:
        """Tell whether the stream has ended and everything is taken."""
        return self.ended and not self._buffer

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk; where one ends means nothing."""
        chunk = await self.read(self._limit)
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def _more(self, wanted: int) -> bool:
        """Wait until so many bytes are there in all, or the end comes; False if it has."""
        if self.ended:
            self._raise_fault()
            return False
        if self._waiter is not None:
            raise RuntimeError("another coroutine reads this stream already")
        self._wanted = wanted
        self._most = max(self._limit, wanted)
        self._waiter = self._loop.create_future()
        self._read_on()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._most = self._limit
        return True

    def _take(self, count: int) -> bytes:
        taken = bytes(memoryview(self._buffer)[:count])
        del self._buffer[:count]
        if self._paused and len(self._buffer) <= self._limit // 2:
            self._read_on()
        return taken

    def _rest(self) -> bytes:
        return self._take(len(self._buffer))

    def _read_on(self) -> None:
        if self._paused:
            self._paused = False
            self.connection.resume_reading()

    # Writing.

    def write(self, data: Buffer) -> None:
        """Send bytes, at once as far as the system takes them; `await drain()` after much.

        Nothing once the connection has ended, as `drain` tells.
        """
        self.connection.write(data)

    async def drain(self) -> None:
        """Wait until no more than the config's high-water mark waits to be sent.

        When it was exceeded that is until the low mark. ConnectionResetError once it has ended.
        """
        connection = self.connection
        high = self._loop.raw_server.config.high_water_mark
        while connection.buffered > high and not connection.lost:
            self._room.clear()
            await self._room.wait()
        if connection.lost:
            raise self._reset()

    def write_eof(self) -> None:
        """End our side when everything is sent; the peer may send on."""
        self.connection.shutdown()

    # Ending.

    async def close(self) -> None:
        """Send what is written, end, and wait until it is so.

        How long a peer that takes nothing is waited for is the idle time-out's matter; cancelling
        this ends it at once.
        """
        self.leaving = True
        self.connection.close_when_flushed()
        try:
            await self._gone.wait()
        except asyncio.CancelledError:
            self.connection.close()
            raise

    aclose = close

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            await self.close()
        else:
            self.leave()  # an error or a cancellation must not wait for the peer

    def leave(self) -> None:
        """Send what is written and end, without waiting for it."""
        self.leaving = True
        self.connection.close_when_flushed()

    # What the peer did.

    def _blame(self, error: E) -> E:
        self.blamed = error
        return error

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._reset()

    def _reset(self) -> ConnectionResetError:
        error = ConnectionResetError(errno.ECONNRESET, "the connection was lost")
        error.__cause__ = self._fault
        return self._blame(error)

    # As a handler.

    def connection_made(self, connection: SingleSocket) -> None:
        """Note that it is made."""
        if not self.made.done():
            self.made.set_result(None)

    def connection_failed(self, address: Address, error: BaseException) -> None:
        """Note that it was not made."""
        if not self.made.done():
            self.made.set_exception(error)

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        """Keep bytes until they are read."""
        buffer = self._buffer
        buffer += data
        if self._waiter is not None and len(buffer) >= self._wanted:
            self._wake()
        if len(buffer) >= self._most and not self._paused:
            self._paused = True
            connection.pause_reading()

    def eof_received(self, connection: SingleSocket) -> bool:
        """Note that no more comes; we may write on."""
        self.ended = True
        self._wake()
        return True

    def connection_flushed(self, connection: SingleSocket) -> None:
        """Let those go on who wait to write."""
        self._room.set()

    def connection_lost(self, connection: SingleSocket) -> None:
        """Let all go on who wait for anything."""
        self.ended = True
        self._fault = connection.error
        if not self._loop.is_closed():
            self._wake()
            self._room.set()
            self._gone.set()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def connect(
    raw_server: RawServer,
    address: Address,
    context: Hashable = None,
    *,
    limit: int = DEFAULT_LIMIT,
    **options: Any,
) -> Stream:
    """Connect to (host, port) or a Unix socket's path; options as of `start_connection`.

    Raises the error that `connection_failed` would be given, most often an OSError. Cancelling it
    ends the attempt.
    """
    stream = Stream(running_loop(raw_server), limit)
    connection = raw_server.start_connection(address, stream, context, **options)
    stream.connection = connection
    try:
        await stream.made
    except asyncio.CancelledError:
        connection.close()
        raise
    return stream
