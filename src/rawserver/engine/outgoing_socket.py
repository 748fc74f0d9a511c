"""One socket that is being connected to one address."""

from __future__ import annotations

import errno
import os
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rawserver.engine.addresses import literal_address
from rawserver.engine.bound_sockets import set_tos
from rawserver.engine.network import WRITABLE, Socket, SocketAddress

if TYPE_CHECKING:
    from rawserver.engine.connection_attempt import ConnectionAttempt
    from rawserver.engine.rawserver import RawServer

_IN_PROGRESS = {errno.EINPROGRESS, errno.EALREADY}
if errno.EWOULDBLOCK != errno.EAGAIN:
    # Windows says it so. Elsewhere EAGAIN is a failure: a full backlog, or no free local port.
    _IN_PROGRESS.add(errno.EWOULDBLOCK)

# ip(7); Python names it from 3.13 on.
_IP_BIND_ADDRESS_NO_PORT = 24


class OutgoingSocket:
    """Connects, and tells its attempt how that ended: `won` or `not_here`, once.

    `address` is what it connects to. OSError, ValueError, OverflowError or TypeError, and nothing
    left open, where that cannot even begin.
    """

    __slots__ = ("_attempt", "_raw_server", "_sock", "address")

    def __init__(
        self,
        raw_server: RawServer,
        attempt: ConnectionAttempt,
        target: SocketAddress,
        local: SocketAddress | None,
    ) -> None:
        self._raw_server = raw_server
        self._attempt = attempt
        self.address = target.address
        self._sock = raw_server.network.socket(target.family, socket.SOCK_STREAM)
        try:
            if target.family != socket.AF_UNIX:
                set_tos(self._sock, target.family, raw_server.config.tos)
                if local is not None:
                    _bind(self._sock, local.address)
            code = self._sock.connect_ex(self.address)
            if code and code not in _IN_PROGRESS:
                raise OSError(code, os.strerror(code))
            raw_server.register(self._sock.fileno(), self, WRITABLE)
        except BaseException:
            self._sock.close()
            raise

    def ready(self, events: int) -> None:
        """Learn how `connect` ended; called by the loop."""
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._attempt.not_here(self, OSError(code, os.strerror(code)))
            return
        try:
            peer: Any = self._sock.getpeername()
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                self._attempt.not_here(self, error)
            return  # an event of another's: still connecting
        if isinstance(peer, tuple) and self._sock.getsockname() == peer:
            # Nobody listens, but TCP connects a port that the system chose for us to itself
            # (RFC 9293, section 3.5, simultaneous open).
            itself = ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself")
            self._attempt.not_here(self, itself)
            return
        self._attempt.won(self, peer)

    def hand_over(self) -> Socket:
        """Return the socket, which is no more polled for this."""
        self._raw_server.unregister(self._sock.fileno(), self)
        return self._sock

    def close(self) -> None:
        """Give up; the descriptor is held until the turn is over."""
        self._raw_server.forget(self._sock.fileno(), self._sock, True)


def local_address(bind: str) -> SocketAddress | None:
    """Return what to bind an outgoing socket to; None for any. ValueError if it is no address.

    "::" is any, as it is where one listens. A name is none: looking it up would block.
    """
    if bind in ("", "::"):
        return None
    local = literal_address(bind, 0)
    if local is None:
        raise ValueError(f"{bind!r} is no address of this machine to connect from")
    return local


def _bind(sock: Socket, address: Any) -> None:
    if sys.platform == "linux":
        # The port is chosen by `connect`, when the peer is known: a port then serves many
        # connections, where otherwise the 28,000 of the machine are all that it can make.
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
    sock.bind(address)
