"""An end in good order: nobody new, those who are here may finish, by a deadline all is over."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

from rawserver.engine.listener import Listener
from rawserver.engine.task import Task

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer
    from rawserver.engine.single_socket import SingleSocket

# How often it is looked whether all have gone.
LOOK_SECONDS = 0.05
# Of the time that there is: then those who are still here are closed when what was written to
# them is sent, so that this has the rest of it to arrive.
CLOSE_AFTER_SHARE = 0.75


class Drain:
    """Ends the listeners and connections of one context, or of all, within `deadline` seconds.

    `done()` is called from the loop when none is left. Handlers hear `drain(connection)`, once it
    is made, and should then answer what they have begun, take nothing new, and close. Those that
    do not are closed in good order when three quarters of the time have passed, and reset when
    all has. Those whose opening is not over are not in yet: they are closed.
    """

    def __init__(
        self,
        raw_server: RawServer,
        listeners: Sequence[Listener],
        context: Hashable,
        deadline: float,
        done: Callable[[], object] | None,
    ) -> None:
        self._raw_server = raw_server
        self._context = context
        self._done = done
        for listener in listeners:
            listener.end()
        self._tasks = [
            raw_server.add_task(self._ask),
            raw_server.add_task(self._close, deadline * CLOSE_AFTER_SHARE),
            raw_server.add_task(self._reset, deadline),
        ]
        self._next_look: Task | None = None
        self._told: set[SingleSocket] = set()

    def _ask(self) -> None:
        for connection in self._raw_server.connections(self._context):
            if connection.listener is not None and not connection.connected:
                connection.close()
        self._look()

    def _look(self) -> None:
        raw_server, context = self._raw_server, self._context
        for connection in raw_server.connections(context):
            # One that we start is told when it is made. Others may end, or go, meanwhile.
            if connection.connected and connection not in self._told:
                self._told.add(connection)
                raw_server.call_handler(connection, "drain")
        if raw_server.connections(context) or raw_server.lingering(context):
            self._next_look = self._raw_server.add_task(self._look, LOOK_SECONDS)
        else:
            self._end()

    def _close(self) -> None:
        for connection in self._raw_server.connections(self._context):
            connection.close_when_flushed()

    def _reset(self) -> None:
        for connection in self._raw_server.connections(self._context):
            connection.reset()
        self._end()

    def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._next_look is not None:
            self._next_look.cancel()
        done, self._done = self._done, None
        if done is not None:
            done()
