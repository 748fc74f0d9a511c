"""A listening socket: takes connections until none waits; rests when descriptors run out."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rawserver.engine.network import Socket
from rawserver.engine.receiver import Receiver

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer

# The peer gave up before it was taken, or one of the network errors that accept(2) passes on.
_PEER_GONE = {errno.ECONNABORTED, errno.EPROTO, errno.ECONNRESET, errno.ENETDOWN,
              errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPERM, errno.ETIMEDOUT}  # fmt: skip


class Listener(Receiver):
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
        super().__init__(raw_server, serversocket.fileno(), "accept connections")

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
                # Mostly that descriptors have run out.
                self.rest(error)
                return
            self.went_well()
            self._raw_server.accepted(self, sock, address)
            if not self.is_reading:
                return

    def end(self) -> None:
        """Stop and close, because the context ends."""
        self._raw_server.stop_listening(self.serversocket)
        self.serversocket.close()
