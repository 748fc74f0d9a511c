"""A listening socket: takes connections until none waits; rests when descriptors run out."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Any

from rawserver.engine.network import READABLE, Socket
from rawserver.engine.task import Task

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer

# The system has no room for one more connection; trying again at once would spin.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
# The peer gave up before it was taken, or one of the network errors that accept(2) passes on.
_PEER_GONE = {errno.ECONNABORTED, errno.EPROTO, errno.ECONNRESET, errno.ENETDOWN,
              errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPERM, errno.ETIMEDOUT}  # fmt: skip


class Listener:
    """Gives each connection that comes in to its handler."""

    def __init__(
        self,
        raw_server: RawServer,
        serversocket: Socket,
        handler: Any,
        context: object,
        idle_timeout: float | None,
    ) -> None:
        self.serversocket = serversocket
        self.handler = handler
        self.context = context
        self.idle_timeout = idle_timeout
        self.descriptor = serversocket.fileno()
        self._raw_server = raw_server
        self._pause: Task | None = None
        self._told = False
        raw_server.register(self.descriptor, self, READABLE)

    def ready(self, events: int) -> None:
        """Take what waits, up to a turn's worth; called by the loop."""
        for _ in range(self._raw_server.config.accepts_per_turn):
            try:
                sock, address = self.serversocket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _PEER_GONE:
                    continue
                self._rest(error)
                return
            self._told = False
            self._raw_server.accepted(self, sock, address)
            if self._pause is not None or self.descriptor < 0:
                return

    def _rest(self, error: OSError) -> None:
        seconds = self._raw_server.config.accept_pause
        if error.errno not in _EXHAUSTED or not self._told:
            self._told = True
            self._raw_server.report(
                logging.ERROR, f"cannot accept connections, trying every {seconds:g} s: {error}"
            )
        self._raw_server.unregister(self.descriptor, self)
        self._pause = self._raw_server.add_task(self._go_on, seconds)

    def _go_on(self) -> None:
        self._pause = None
        self._raw_server.register(self.descriptor, self, READABLE)

    def stop(self) -> None:
        """Take no more connections; the socket stays open."""
        if self.descriptor < 0:
            return
        if self._pause is not None:
            self._pause.cancel()
        else:
            self._raw_server.unregister(self.descriptor, self)
        self.descriptor = -1

    def end(self) -> None:
        """Stop and close, because the context ends."""
        self._raw_server.stop_listening(self.serversocket)
        self.serversocket.close()
