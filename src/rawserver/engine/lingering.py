"""The rest of a connection that was closed in good order: nobody's, until its peer closes too."""

from __future__ import annotations

import socket
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from rawserver.engine.network import READABLE, Socket

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer

# What is swallowed at once.
READ_SIZE = 64 * 1024


class Lingering:
    """Says the end to the peer, and swallows what it still sends.

    A socket that is closed while its peer still sends resets the connection, and with that the
    peer loses what it was sent and has not received yet (RFC 1122, section 4.2.2.13; RFC 9112,
    section 9.6). It ends with the peer's end, the context, or `Config.linger_timeout`.
    """

    __slots__ = ("_context", "_deadline", "_descriptor", "_on_end", "_raw_server", "_sock")

    def __init__(
        self,
        raw_server: RawServer,
        sock: Socket,
        context: Hashable,
        on_end: Callable[[], object] | None = None,
    ) -> None:
        """`on_end` is called when it has closed, from the loop or from here."""
        self._on_end = on_end
        self._raw_server = raw_server
        self._sock = sock
        self._context = context
        self._descriptor = sock.fileno()
        raw_server.register(self._descriptor, self, READABLE)
        raw_server.own(self, context)
        self._deadline = raw_server.add_task(self.end, raw_server.config.linger_timeout)
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.end()  # the peer has reset it meanwhile: nothing is left to wait for

    def ready(self, events: int) -> None:
        """Swallow what has come; called by the loop."""
        try:
            if self._sock.recv(READ_SIZE):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass  # reset: that is an end too
        self.end()

    def end(self) -> None:
        """Close, because there is nothing or no time left to wait for."""
        self._deadline.cancel()
        self._raw_server.disown(self, self._context)
        self._raw_server.forget(self._descriptor, self._sock, True)
        if self._on_end is not None:
            self._on_end()
