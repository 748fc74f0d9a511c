"""Ending connections whose peer connects and then says nothing."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rawserver.engine.errors import FirstBytesTimeout

if TYPE_CHECKING:
    from rawserver.engine.single_socket import SingleSocket


class FirstBytes:
    """Watches a connection until its first byte has come."""

    __slots__ = ("_connection", "_timeout")

    def __init__(self, connection: SingleSocket, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout

    def look(self, now: float) -> float | None:
        """End the connection if nothing has come; see `Timeouts`."""
        if not self._connection.received:
            text = f"the peer said nothing for {self._timeout:g} seconds"
            self._connection.lose(FirstBytesTimeout(errno.ETIMEDOUT, text))
        return None
