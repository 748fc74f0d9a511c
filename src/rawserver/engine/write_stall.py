"""Ending connections whose peer takes nothing of what waits to be sent to it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rawserver.engine.errors import WriteStalled
from rawserver.engine.throttle import Throttle

if TYPE_CHECKING:
    from rawserver.engine.connection_loop import ConnectionLoop
    from rawserver.engine.single_socket import SingleSocket

# It is looked at so often in its time, so that one that stalls is found within a quarter more.
LOOKS = 4


class WriteStall:
    """Watches a connection from when its writes wait until all that was sent is acknowledged.

    What counts is what the peer's system acknowledges, not what ours takes: a peer that is slow
    but moves is left alone, however much waits, and one that has gone is found though the
    system's own buffer had room for all. To wait for a rate limit of ours is no stall.
    """

    __slots__ = ("_connection", "_raw_server", "_seen", "_seen_at", "_timeout")

    def __init__(
        self, raw_server: ConnectionLoop, connection: SingleSocket, timeout: float
    ) -> None:
        self._raw_server = raw_server
        self._connection = connection
        self._timeout = timeout
        self._seen = connection.acknowledged()
        self._seen_at = raw_server.now
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
        if acknowledged != self._seen or self._waits_for_a_rate():
            self._seen = acknowledged
            self._seen_at = now
        elif now - self._seen_at >= self._timeout:
            text = f"the peer took nothing for {self._timeout:g} seconds"
            connection.lose(WriteStalled(errno.ETIMEDOUT, text))
            return None
        return min(self._seen_at + self._timeout, now + self._timeout / LOOKS)

    def _waits_for_a_rate(self) -> bool:
        top = self._connection.top()
        lowest = None if top is None else top.wire.above
        return isinstance(lowest, Throttle) and lowest.waits_to_send
