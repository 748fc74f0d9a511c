"""The handlers of a soak: each checks every call that it gets, and every byte."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from rawserver import SingleSocket

if TYPE_CHECKING:
    from soak.soak import Soak

# What all streams are parts of, so that checking one is comparing memory. Each begins at a place
# of its own: bytes of another stream, or of another place of this one, are found out.
PATTERN = random.Random(1).randbytes(1 << 20)
TWICE = memoryview(PATTERN + PATTERN)
# Who calls says first which stream it sends.
HEADER_SIZE = 4


class Fault(Exception):
    """Raised by a handler on purpose."""


class Stream:
    """One direction of a connection."""

    def __init__(self, key: int) -> None:
        self._begin = key * 7919
        self.position = 0

    @property
    def offset(self) -> int:
        """Where in the pattern the next byte is."""
        return (self._begin + self.position) % len(PATTERN)

    def peek(self, count: int) -> memoryview:
        """Return the next bytes, 1 MiB at most."""
        return TWICE[self.offset : self.offset + count]

    def take(self, data: Any) -> None:
        """Check the next bytes."""
        data = memoryview(data)
        while data:
            part = data[: len(PATTERN)]
            assert part == self.peek(len(part)), "bytes were lost, doubled or out of order"
            self.position += len(part)
            data = data[len(part) :]


class Side:
    """One end of a connection, and what has been told of it: made once, lost once and last."""

    def __init__(self, soak: Soak, key: int | None) -> None:
        self.soak = soak
        self.state = "new"
        self.connection: SingleSocket | None = None
        self.paused = False
        # Where it is in the soak's list.
        self.place = -1
        self.starts_tls = False
        self.sent: Stream | None = None
        self.received: Stream | None = None
        self._header = b""
        if key is not None:
            self.sent, self.received = Stream(2 * key), Stream(2 * key + 1)
        if soak.random.random() < 0.3:
            self.buffer = bytearray(soak.random.choice([1, 777, 70_000]))
            self.get_buffer = self._get_buffer
            self.buffer_filled = self._buffer_filled

    def note(self, name: str, *, before: str = "made", after: str = "made") -> None:
        """Check that something may be told now."""
        assert self.soak.calls_allowed, f"{name} from within a call of ours"
        assert self.state == before, f"{name} when it was {self.state}"
        self.state = after
        self.soak.told[name] += 1

    def made(self, connection: SingleSocket, name: str) -> None:
        """Begin."""
        self.note(name, before="new")
        assert connection.connected
        self.connection = connection
        self.place = len(self.soak.sides)
        self.soak.sides.append(self)
        if self.starts_tls:
            self.soak.start_tls(self)
        self.soak.act(self)

    def tls_started(self, connection: SingleSocket) -> None:
        self.note("tls_started")
        self.soak.act(self)

    def connection_made(self, connection: SingleSocket) -> None:
        assert connection is self.connection
        self.made(connection, "connection_made")

    def connection_failed(self, address: object, error: BaseException) -> None:
        self.note("connection_failed", before="new", after="failed")
        assert isinstance(error, OSError)
        self.soak.callers -= 1
        self.soak.fail_at_random()

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        assert connection is self.connection
        self._take(data)

    def _get_buffer(self, connection: SingleSocket) -> bytearray:
        self.note("get_buffer")
        self.soak.fail_at_random()
        return self.buffer

    def _buffer_filled(self, connection: SingleSocket, count: int) -> None:
        assert connection is self.connection
        self._take(memoryview(self.buffer)[:count])

    def _take(self, data: Any) -> None:
        self.note("data_came_in")
        assert not self.paused, "bytes for who had paused"
        assert len(data) > 0
        if self.received is None:
            data = self._take_header(data)
        if self.received is not None:
            self.received.take(data)
        self.soak.act(self)

    def _take_header(self, data: Any) -> Any:
        missing = HEADER_SIZE - len(self._header)
        self._header += bytes(data[:missing])
        if len(self._header) == HEADER_SIZE:
            key = int.from_bytes(self._header)
            self.sent, self.received = Stream(2 * key + 1), Stream(2 * key)
        return data[missing:]

    def connection_flushed(self, connection: SingleSocket) -> None:
        self.note("connection_flushed")
        self.soak.act(self)

    def eof_received(self, connection: SingleSocket) -> bool:
        self.note("eof_received")
        self.soak.act(self)
        return self.soak.random.random() < 0.5

    def drain(self, connection: SingleSocket) -> None:
        self.note("drain")
        self.soak.act(self)
        if self.soak.random.random() < 0.5:
            connection.close_when_flushed()

    def connection_lost(self, connection: SingleSocket) -> None:
        self.note("connection_lost", after="lost")
        assert connection is self.connection
        assert connection.lost
        assert not connection.connected
        assert connection.fileno() == -1
        self.soak.told[repr(connection.error)[:60]] += 1
        self.soak.ended(self)
        self.soak.fail_at_random()


class Caller(Side):
    """The end that starts it."""

    def __init__(self, soak: Soak, key: int) -> None:
        super().__init__(soak, key)
        self.key = key

    def connection_lost(self, connection: SingleSocket) -> None:
        self.soak.callers -= 1
        super().connection_lost(connection)


class Rude(Caller):
    """One that says what nobody understands, or nothing, and goes."""

    def made(self, connection: SingleSocket, name: str) -> None:
        self.received = self.sent = None
        self._header = b"x" * HEADER_SIZE
        super().made(connection, name)

    def _take(self, data: Any) -> None:
        self.note("data_came_in")


class Door:
    """Who listens: every connection that comes in gets a side of its own."""

    def __init__(self, soak: Soak, *, starts_tls: bool) -> None:
        self.soak = soak
        self.starts_tls = starts_tls

    def external_connection_made(self, connection: SingleSocket) -> None:
        side = Side(self.soak, None)
        side.starts_tls = self.starts_tls
        connection.handler = side
        side.made(connection, "external_connection_made")

    def opening_failed(self, connection: SingleSocket, error: BaseException) -> None:
        assert self.soak.calls_allowed
        assert isinstance(error, OSError)
        assert connection.lost
        assert not connection.connected
        self.soak.told["opening_failed"] += 1
        self.soak.fail_at_random()
