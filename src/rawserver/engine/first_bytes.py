"""Ending connections whose peer connects and then says nothing."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rawserver.engine.errors import FirstBytesTimeout

if TYPE_CHECKING:
    from rawserver.engine.connection_loop import ConnectionLoop
    from rawserver.engine.single_socket import SingleSocket


class FirstBytes:
    """Watches a connection until its first byte has come, `timeout` seconds from now at most."""

    __slots__ = ("_connection", "_loop", "_timeout")

    def __init__(self, loop: ConnectionLoop, connection: SingleSocket, timeout: float) -> None:
        self._loop = loop
        self._connection = connection
        self._timeout = timeout
        # Else it would hold one that ended until then, and a peer could make many of those.
        connection.deadline = self
        loop.watch(self, loop.now + timeout)

    def cancel(self) -> None:
        """Watch no more: the connection has ended."""
        self._loop.unwatch(self)

    def look(self, now: float) -> float | None:
        """End the connection if nothing has come; see `Timeouts`."""
        if not self._connection.received:
            text = f"the peer said nothing for {self._timeout:g} seconds"
            self._connection.lose(FirstBytesTimeout(errno.ETIMEDOUT, text))
        return None
