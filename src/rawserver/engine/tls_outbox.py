"""Ciphertext on its way to the one below."""

from __future__ import annotations

from contextlib import suppress
from typing import NoReturn, cast

from rawserver.engine.disk import Buffer, File
from rawserver.engine.layer import Layer, Wire
from rawserver.engine.network import Socket
from rawserver.engine.write_buffer import WriteBuffer


class TlsOutbox:
    """Sends what the one below takes, with one call each time, and holds the rest.

    `held` is None while nothing is; its `size` counts bytes. Errors are those of below, without
    BlockingIOError.
    """

    __slots__ = ("below", "held")

    def __init__(self, below: Wire | Layer) -> None:
        self.below = below
        self.held: WriteBuffer | None = None

    def send(self, record: Buffer, flags: int = 0) -> None:
        """Send one record, after what is held."""
        if self.held is not None:
            self.held.add(record)
            return
        try:
            count = self.below.send(record, flags)
        except (BlockingIOError, InterruptedError):
            count = 0
        if count != len(record):
            self.held = WriteBuffer()
            self.held.add(memoryview(record)[count:])

    def send_all(self, records: list[bytes]) -> None:
        """Send several records; only while nothing is held."""
        self.held = WriteBuffer()
        self.held.add_lent(records)
        self.flush()

    def flush(self) -> None:
        """Go on with what is held."""
        held = self.held
        if held is not None:
            # More than one byte is enough: no second call that would find the socket full.
            held.send(cast(Socket, self.below), _no_file, 1)
            if not held.size:
                self.held = None

    def send_last(self, record: bytes) -> None:
        """Send what may be lost, as the connection ends in any case and for another reason."""
        if record and self.held is None:
            with suppress(OSError):
                self.below.send(record)


def _no_file(sock: Socket, file: File, offset: int, count: int) -> NoReturn:
    raise TypeError("ciphertext is in no file")
