"""TLS in memory: ciphertext in, plaintext out, and back. It knows of no connection.

OpenSSL works on two pieces of memory (`ssl.MemoryBIO`), which keep for ever the size they once
had: so they are given about one record at a time, and idle connections stay small.
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from rawserver.engine.disk import Buffer
from rawserver.engine.errors import TlsError, TlsTruncated
from rawserver.engine.tls import TlsSettings, explain

# Ciphertext read at once from below, when nothing of an earlier read is left.
READ_SIZE = 64 * 1024
# The plaintext of a full record (RFC 8446, section 5.1), and the most that its ciphertext takes
# (section 5.2); TLS 1.2 allows more, which nobody uses.
RECORD_SIZE = 16 * 1024
FED_AT_ONCE = 5 + RECORD_SIZE + 256
# With less than this of full records in its memory OpenSSL gets more before it asks.
FEED_BELOW = 1024
_NOTHING = memoryview(b"")


class TlsCodec:
    """One side's TLS.

    `ended` is true when nothing more can be read, because of `error` or, where that is None, of
    the peer's close_notify. What is in `outgoing` after `handshake` and reading is for the peer.
    """

    __slots__ = (
        "_early",
        "_incoming",
        "_ragged_eof",
        "_rest",
        "ended",
        "error",
        "notified",
        "outgoing",
        "tls",
    )

    def __init__(self, settings: TlsSettings, host: str | None, received: Buffer) -> None:
        self._incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = settings.wrap(self._incoming, self.outgoing, host)
        self._ragged_eof = settings.ragged_eof
        # Ciphertext that OpenSSL has not been given.
        self._rest = memoryview(bytes(received))
        # Plaintext that had to be taken out of OpenSSL before it said our end.
        self._early = b""
        # `close_notify` was called.
        self.notified = False
        self.ended = False
        self.error: BaseException | None = None

    def handshake(self) -> bool:
        """Go on with the handshake; False: more is to be received. Raises ssl.SSLError."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                if not self._rest:
                    return False
                self._feed()
            else:
                return True

    # Reading.

    def receive(self, data: bytes) -> None:
        """Take ciphertext, b"" at the stream's end; only when `more` says that none is left."""
        if not data:
            self.end(None if self._ragged_eof else TlsTruncated())
        elif len(data) <= FED_AT_ONCE:
            self._incoming.write(data)
        else:
            self._rest = memoryview(data)
            self._feed()

    def more(self) -> bool:
        """Tell whether there is something in memory that can be read, or may be."""
        if self.ended:
            return bool(self._early)
        return bool(self._rest or self._incoming.pending or self._early or self.tls.pending())

    def read(self, count: int) -> bytes:
        """Return plaintext; b"" when no record is whole, or when it has `ended`."""
        chunk: bytes = self._next(min(count, RECORD_SIZE), None)
        if not chunk or not self.more():
            return chunk
        chunks = [chunk]
        left = count - len(chunk)
        while chunk and left and self.more():
            chunk = self._next(min(left, RECORD_SIZE), None)
            chunks.append(chunk)
            left -= len(chunk)
        return b"".join(chunks)

    def read_into(self, buffer: Any) -> int:
        """Fill a buffer as far as there is plaintext; 0 as `read` returns b""."""
        size = len(buffer)
        if not size:
            return 0
        count: int = self._next(size, buffer) or 0
        if count and count < size and self.more():
            view = memoryview(buffer)
            while count < size and self.more():
                got = self._next(size - count, view[count:])
                if not got:
                    break
                count += got
        return count

    def _next(self, count: int, buffer: Any) -> Any:
        """Take one record's plaintext, or a part of it."""
        if self._early:
            return self._take_early(count, buffer)
        if self.ended:
            return b""
        try:
            while True:
                if self._rest and self._incoming.pending < FEED_BELOW:
                    self._feed()
                try:
                    taken = self.tls.read(count, buffer)
                except ssl.SSLWantReadError:
                    if not self._rest:
                        return b""
                    self._feed()
                else:
                    break
        except ssl.SSLZeroReturnError:  # as b"", where this side has said its end before
            taken = b""
        except ssl.SSLError as error:
            self.end(TlsError(explain(error)))
            return b""
        if not taken:
            self.end()
            return b""
        return taken

    def _take_early(self, count: int, buffer: Any) -> Any:
        taken, self._early = self._early[:count], self._early[count:]
        if buffer is None:
            return taken
        memoryview(buffer)[: len(taken)] = taken
        return len(taken)

    def _feed(self) -> None:
        rest = self._rest
        count = FED_AT_ONCE - self._incoming.pending
        self._incoming.write(rest[:count])
        # An empty piece would keep the whole read alive.
        self._rest = rest[count:] or _NOTHING

    def end(self, error: BaseException | None = None) -> None:
        """Read nothing more but what was decrypted; the first reason stays."""
        if not self.ended:
            self.ended = True
            self.error = error
            self._rest = _NOTHING
            self._incoming.read()

    def drop(self) -> None:
        """Read nothing more, and nothing of what has come."""
        self.end()
        self._early = b""

    # Sending.

    def encrypt(self, data: Buffer) -> bytes:
        """Return the record of some bytes, RECORD_SIZE at most, at least 1."""
        try:
            self.tls.write(data)
        except ssl.SSLError as error:
            if self.notified:
                raise BrokenPipeError(errno.EPIPE, "TLS: this side has said its end") from None
            raise TlsError(explain(error)) from None
        return self.outgoing.read()

    def close_notify(self) -> bytes:
        """Return the record that says this side's end; the peer may still send."""
        self.notified = True
        # `unwrap` also looks for the peer's end, and throws away data that it finds before it.
        pending = self.tls.pending()
        if pending:
            self._early += self.tls.read(pending)
        aside = self._incoming.read()
        with suppress(ssl.SSLError):  # SSLWantReadError, or it has failed before
            self.tls.unwrap()
        self._incoming.write(aside)
        return self.outgoing.read()


def cut(view: memoryview) -> Iterator[memoryview]:
    """Cut into what full records hold."""
    for start in range(0, len(view), RECORD_SIZE):
        yield view[start : start + RECORD_SIZE]


def coalesce(parts: Iterable[Buffer], limit: int) -> Iterator[Buffer]:
    """Cut and join parts into what full records hold, `limit` bytes at most in all."""
    run: list[Buffer] = []
    room = RECORD_SIZE
    for part in parts:
        view = memoryview(part)[:limit]
        limit -= len(view)
        while view:
            run.append(view[:room])
            view = view[room:]
            room -= len(run[-1])
            if not room:
                yield run[0] if len(run) == 1 else b"".join(run)
                run, room = [], RECORD_SIZE
        if not limit:
            break
    if run:
        yield run[0] if len(run) == 1 else b"".join(run)
