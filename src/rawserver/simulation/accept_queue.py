"""Connections that came in at a listening socket and wait to be accepted."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from rawserver.simulation.packet import Packet

if TYPE_CHECKING:
    from rawserver.simulation.connection import Connection
    from rawserver.simulation.stream_socket import StreamSocket

# Half-open ones beside a small backlog (Linux: tcp_max_syn_backlog of a small machine). Beyond it
# who asks is not answered, and asks again.
MOST_HALF_OPEN = 128


class AcceptQueue:
    """The queue of one listening socket; one more than `backlog` fit in, as Linux counts."""

    __slots__ = ("_half_open", "_ready", "_socket", "backlog")

    def __init__(self, socket: StreamSocket, backlog: int) -> None:
        self._socket = socket
        self.backlog = backlog
        # Those that have not answered our answer, in the order in which they came.
        self._half_open: dict[Connection, None] = {}
        self._ready: deque[Connection] = deque()

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def is_full(self) -> bool:
        """Whether none more fits in."""
        return len(self._ready) > self.backlog

    def called(self, packet: Packet) -> None:
        """Answer somebody who asks for a connection, if there is room."""
        if self.is_full or len(self._half_open) >= max(self.backlog, MOST_HALF_OPEN):
            return
        connection = self._socket.begin(packet)
        self._half_open[connection] = None
        connection.answer(packet, self)

    def established(self, connection: Connection) -> None:
        """Have a connection wait to be accepted."""
        del self._half_open[connection]
        self._ready.append(connection)
        self._socket.changed()

    def take(self) -> Connection | None:
        """Return the one that has waited longest; None if none does."""
        if not self._ready:
            return None
        connection = self._ready.popleft()
        connection.queue = None
        return connection

    def forget(self, connection: Connection) -> None:
        """Forget a half-open one that ended; one that waits is accepted all the same."""
        self._half_open.pop(connection, None)

    def close(self) -> None:
        """Reset all, as nobody will accept them."""
        for connection in (*self._half_open, *self._ready):
            connection.queue = None
            connection.reset()
        self._half_open.clear()
        self._ready.clear()
