"""A handler that remembers what it is told, in order."""

from collections.abc import Callable
from typing import Any

from rawserver import SingleSocket


class Recorder:
    """Events as (name, connection); `on` may name what to do at an event."""

    def __init__(self, **on: Callable[[SingleSocket], object]) -> None:
        self.events: list[str] = []
        self.connections: list[SingleSocket] = []
        self.data = bytearray()
        self.failures: list[tuple[Any, BaseException]] = []
        self.on = on

    @property
    def connection(self) -> SingleSocket:
        """The first connection."""
        return self.connections[0]

    def _note(self, name: str, connection: SingleSocket) -> Any:
        self.events.append(name)
        if name.endswith("connection_made"):
            self.connections.append(connection)
        return self.on.get(name, _nothing)(connection)

    def external_connection_made(self, connection: SingleSocket) -> None:
        self._note("external_connection_made", connection)

    def connection_made(self, connection: SingleSocket) -> None:
        self._note("connection_made", connection)

    def connection_failed(self, address: object, error: BaseException) -> None:
        self.events.append("connection_failed")
        self.failures.append((address, error))

    def opening_failed(self, connection: SingleSocket, error: BaseException) -> None:
        self.events.append("opening_failed")
        self.failures.append((connection.ip, error))

    def tls_started(self, connection: SingleSocket) -> None:
        self._note("tls_started", connection)

    def drain(self, connection: SingleSocket) -> None:
        self._note("drain", connection)

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        assert data
        self.data += data
        self._note("data_came_in", connection)

    def connection_flushed(self, connection: SingleSocket) -> None:
        self._note("connection_flushed", connection)

    def eof_received(self, connection: SingleSocket) -> bool:
        return bool(self._note("eof_received", connection))

    def connection_lost(self, connection: SingleSocket) -> None:
        self._note("connection_lost", connection)


def _nothing(connection: SingleSocket) -> None:
    pass
