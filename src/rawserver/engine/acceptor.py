"""Taking those who wait at a listening socket, one after the other."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rawserver.engine.network import Socket

# Returns the socket of the next one, and its address as `accept` has it. OSError as `accept`.
Acceptor = Callable[[], tuple[Any, Any]]


def acceptor(serversocket: Socket) -> Acceptor:
    """Return an acceptor that does everything by the methods of sockets; see `Network`."""

    def accept() -> tuple[Any, Any]:
        sock, address = serversocket.accept()
        sock.setblocking(False)
        if isinstance(address, tuple):  # a Unix socket has none, and delays nothing
            set_no_delay(sock)
        return sock, address

    return accept


def set_no_delay(sock: Socket) -> None:
    """Have little writes leave at once: who writes little means it to go (RFC 9293, 3.7.4)."""
    # Where a socket whose peer has gone refuses this, its first read says so.
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
