"""Ending connections whose peer takes nothing of what waits to be sent to it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rawserver.engine.errors import WriteStalled

if TYPE_CHECKING:
    from rawserver.engine.endpoint import Endpoint
    from rawserver.engine.rawserver import RawServer

# One that stalls is found so many looks after it began to: within a quarter more of its time.
LOOKS = 4


class WriteStall:
    """Watches a connection from when its writes wait until all that was sent is acknowledged.

    What counts is what the peer's system acknowledges, not what ours takes: a peer that is slow
    but moves is left alone, however much waits, and one that has gone is found though the
    system's own buffer had room for all.
    """

    __slots__ = ("_connection", "_idle_looks", "_raw_server", "_seen", "_timeout")

    def __init__(self, raw_server: RawServer, connection: Endpoint, timeout: float) -> None:
        self._raw_server = raw_server
        self._connection = connection
        self._timeout = timeout
        self._seen = connection.acknowledged()
        self._idle_looks = 0
        raw_server.watch(self, raw_server.now + timeout / LOOKS)

    def look(self, now: float) -> float | None:
        """End the connection if nothing moved for too long; see `Timeouts`."""
        connection = self._connection
        if connection.lost:
            return None
        if not connection.buffered and not connection.unacknowledged():
            connection.stall = None
            return None
        acknowledged = connection.acknowledged()
        if acknowledged != self._seen:
            self._seen = acknowledged
            self._idle_looks = 0
        else:
            self._idle_looks += 1
            if self._idle_looks >= LOOKS:
                text = f"the peer took nothing for {self._timeout:g} seconds"
                connection.lose(WriteStalled(errno.ETIMEDOUT, text))
                return None
        return now + self._timeout / LOOKS
