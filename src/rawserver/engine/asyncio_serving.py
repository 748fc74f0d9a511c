"""A coroutine for each connection that comes in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

from rawserver.engine.asyncio_runner import EventLoop, running_loop
from rawserver.engine.asyncio_streams import DEFAULT_LIMIT, Stream
from rawserver.engine.fault_reports import Where, call_of
from rawserver.engine.listener import Listener
from rawserver.engine.network import Socket
from rawserver.engine.rawserver import RawServer
from rawserver.engine.single_socket import SingleSocket

StreamFunction = Callable[[Stream], Coroutine[Any, Any, object]]


class Conversation(Stream):
    """A connection and the coroutine that serves it, which the connection's context owns."""

    __slots__ = ("_context", "_is_cancelled", "_task")

    def begin(self, connection: SingleSocket, func: StreamFunction) -> None:
        """Start the coroutine."""
        self.connection = connection
        self._context = connection.context
        self._is_cancelled = False
        self._task = self._loop.create_task(func(self), name=call_of(func))
        connection.handler = self
        # asyncio itself keeps no task alive that waits.
        self._loop.raw_server.own(self, self._context)
        self._task.add_done_callback(self._done)

    def end(self) -> None:
        """Cancel the coroutine, because the context ends."""
        # Once: after the loss it may be cleaning up.
        if not self._is_cancelled and not self._loop.is_closed():
            self._is_cancelled = True
            self._task.cancel()

    def connection_lost(self, connection: SingleSocket) -> None:
        """Cancel the coroutine, unless it is who ended the connection."""
        super().connection_lost(connection)
        if not self.leaving:
            self.end()

    def _done(self, task: asyncio.Task[object]) -> None:
        raw_server, connection = self._loop.raw_server, self.connection
        raw_server.disown(self, self._context)
        error = None if task.cancelled() else task.exception()
        if error is None:
            self.leave()
        elif error is self.blamed:
            connection.lose(error)  # the peer's fault, and nobody else's business
        else:
            connection.lose(error)
            where = Where(task.get_name(), connection)
            raw_server.context_failed(connection.context, error, where)


class Serving:
    """The handler of a listener: begins a conversation with each who comes."""

    def __init__(self, loop: EventLoop, func: StreamFunction, limit: int) -> None:
        self._loop = loop
        self._func = func
        self._limit = limit

    def external_connection_made(self, connection: SingleSocket) -> None:
        """Serve a connection."""
        if self._loop.ending:
            connection.close()  # nobody would wait for the coroutine's end any more
            return
        Conversation(self._loop, self._limit).begin(connection, self._func)


def serve(
    raw_server: RawServer,
    serversocket: Socket,
    func: StreamFunction,
    context: Hashable = None,
    *,
    limit: int = DEFAULT_LIMIT,
    **options: Any,
) -> Listener:
    """Run `func(stream)`, a coroutine, for each connection; options as of `start_listening`.

    When it returns, the connection ends as soon as what it wrote is sent. It is cancelled when
    the connection is lost before it asked for that, and with its context. An exception of its
    own ends the connection and goes to the context's `got_exception`; one that the stream raised
    because of what the peer did (ConnectionResetError, IncompleteReadError, LimitOverrunError)
    ends the connection only. `stop_listening` ends the listening.
    """
    return raw_server.start_listening(
        serversocket, Serving(running_loop(raw_server), func, limit), context, **options
    )
