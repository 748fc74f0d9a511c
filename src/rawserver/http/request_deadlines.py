"""Ending connections whose next request does not become whole in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rawserver.engine import RawServer, Task
    from rawserver.http.server_connection import ServerConnection

# How often all are looked at: 10,000 take half a millisecond. A request notes the time and nothing
# else: a task for each, added and cancelled, would cost as much as reading it.
LOOK_SECONDS = 1.0


class RequestDeadlines:
    """Has a time for the whole request, not for each byte: one a second is not served.

    A kept connection may be idle for as long. It is ended up to LOOK_SECONDS later.
    """

    def __init__(self, raw_server: RawServer, timeout: float) -> None:
        self._raw_server = raw_server
        self._timeout = timeout
        self._period = min(LOOK_SECONDS, timeout / 4)
        # In order, so that a simulation ends them in the same order in each run.
        self._connections: dict[ServerConnection, None] = {}
        self._task: Task | None = None

    def add(self, connection: ServerConnection) -> None:
        """Watch a connection until it is removed."""
        self._connections[connection] = None
        if self._task is None:
            self._task = self._raw_server.add_task(self._look, self._period)

    def remove(self, connection: ServerConnection) -> None:
        """Watch a connection no more; nothing if it is not watched."""
        self._connections.pop(connection, None)
        if not self._connections and self._task is not None:
            self._task.cancel()
            self._task = None

    def _look(self) -> None:
        self._task = self._raw_server.add_task(self._look, self._period)
        latest = self._raw_server.now - self._timeout
        late = [
            one
            for one in self._connections
            if one.waiting_since is not None and one.waiting_since <= latest
        ]
        for one in late:
            one.connection.close()
