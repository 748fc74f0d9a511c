"""Accepting by the system's own sockets: half of what `socket.accept` and `close` take is saved."""

from __future__ import annotations

import socket
import sys
from typing import Any

from rawserver.engine.acceptor import Acceptor, acceptor, set_no_delay
from rawserver.engine.network import Socket

_INTERNET = (socket.AF_INET, socket.AF_INET6)


def os_acceptor(serversocket: Socket) -> Acceptor:
    """Return an acceptor of a listening socket of the system.

    `socket.socket` is a class in Python around one in C, and wraps each connection in one of the
    former, whose making and closing take longer than the calls to the system. What is returned
    here is what it is built on, `socket.SocketType`, which has the same methods but for files and
    `with`.
    """
    # `_accept` has no name of its own without an underscore. Every Python since 3.0 has it, gevent
    # and eventlet call it, and where it is missing everything goes the usual way.
    take = getattr(serversocket, "_accept", None)
    # A subclass may accept in a manner of its own, as that of `ssl` does.
    if take is None or type(serversocket) is not socket.socket:
        return acceptor(serversocket)
    # Plain numbers: those of `socket` would be looked up in their enumerations each time.
    family, kind, protocol = int(serversocket.family), int(serversocket.type), serversocket.proto
    sets_no_delay = family in _INTERNET and not _hands_down_no_delay(serversocket)
    make: Any = socket.SocketType

    def accept() -> tuple[Any, Any]:
        descriptor, address = take()
        sock = make(family, kind, protocol, descriptor)
        sock.setblocking(False)
        if sets_no_delay:
            set_no_delay(sock)
        return sock, address

    return accept


def _hands_down_no_delay(serversocket: Socket) -> bool:
    """Tell whether connections begin without delay: one that is set now is no help to who waits."""
    return sys.platform == "linux" and bool(
        serversocket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    )
