"""A connection without a network: remembers what is written; a test says what its peer reads."""

from typing import Any


class FakeConnection:
    """Has the part of a SingleSocket that protocols use. `full` makes all that is written wait."""

    def __init__(self, ip: str = "192.0.2.7", port: int = 4000) -> None:
        self.ip = ip
        self.port = port
        self.handler: Any = None
        self.error: BaseException | None = None
        self.written = bytearray()
        self.full = False
        self.reading = True
        self.lost = False
        self.closing = False

    def write(self, data: bytes) -> bool:
        if not (self.lost or self.closing):
            self.written += data
        return not self.full

    def is_flushed(self) -> bool:
        return not self.full

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.lost = True

    def reset(self) -> None:
        self.lost = True

    def close_when_flushed(self) -> None:
        self.closing = True
        self.lost = not self.full

    def write_last(self, data: bytes, *, lingers: bool = True) -> None:
        self.write(data)
        self.close_when_flushed()

    def getsockname(self) -> tuple[str, int]:
        return "192.0.2.1", 80

    def flush(self) -> None:
        """Let the peer read all."""
        self.full = False
        self.handler.connection_flushed(self)
