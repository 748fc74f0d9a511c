"""The options of sockets (socket(7), tcp(7), ip(7), ipv6(7)) that this kernel knows."""

from __future__ import annotations

import errno
import socket
import struct
from typing import Any

from rawserver.simulation.description import error_of

# Linux's numbers of what `socket` does not name everywhere.
IP_BIND_ADDRESS_NO_PORT = 24
IP_MULTICAST_ALL = 49
IPV6_MULTICAST_ALL = 29
SO_REUSEPORT = getattr(socket, "SO_REUSEPORT", 15)
# Linux's least (SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF), and net.core.wmem_max and rmem_max, doubled.
LEAST_SEND_BUFFER = 4608
LEAST_RECEIVE_BUFFER = 2304
MOST_BUFFER = 425_984
_BUFFERS = {socket.SO_SNDBUF: LEAST_SEND_BUFFER, socket.SO_RCVBUF: LEAST_RECEIVE_BUFFER}

_SOCKET = {
    socket.SO_REUSEADDR: 0,
    SO_REUSEPORT: 0,
    socket.SO_KEEPALIVE: 0,
    socket.SO_BROADCAST: 0,
    socket.SO_LINGER: 0,
    socket.SO_OOBINLINE: 0,
}
_TCP = {
    getattr(socket, name): default
    for name, default in (
        ("TCP_NODELAY", 0),
        ("TCP_CORK", 0),
        ("TCP_KEEPIDLE", 7200),
        ("TCP_KEEPINTVL", 75),
        ("TCP_KEEPCNT", 9),
        ("TCP_QUICKACK", 1),
        ("TCP_USER_TIMEOUT", 0),
        ("TCP_FASTOPEN", 0),
        ("TCP_DEFER_ACCEPT", 0),
        ("TCP_NOTSENT_LOWAT", 0),
    )
    if hasattr(socket, name)
}
_IPV4 = {
    socket.IP_TOS: 0,
    socket.IP_TTL: 64,
    socket.IP_MULTICAST_TTL: 1,
    socket.IP_MULTICAST_LOOP: 1,
    IP_BIND_ADDRESS_NO_PORT: 0,
    IP_MULTICAST_ALL: 1,
}
_IPV6 = {
    socket.IPV6_V6ONLY: 0,
    socket.IPV6_TCLASS: 0,
    socket.IPV6_MULTICAST_HOPS: 1,
    socket.IPV6_MULTICAST_LOOP: 1,
    socket.IPV6_UNICAST_HOPS: 64,
    IPV6_MULTICAST_ALL: 1,
}
_SWITCHES = {socket.SO_REUSEADDR, SO_REUSEPORT, socket.SO_KEEPALIVE, socket.SO_BROADCAST}


class SocketOptions:
    """The options of one socket; those that were never set take no memory."""

    __slots__ = ("_family", "_is_stream", "_set", "lingers_for")

    def __init__(self, family: int, is_stream: bool) -> None:
        self._family = family
        self._is_stream = is_stream
        self._set: dict[tuple[int, int], int] = {}
        # SO_LINGER's time in seconds while it is on, None while it is off.
        self.lingers_for: int | None = None

    def copy(self) -> SocketOptions:
        """Return the same again: those that a connection has from where it came in."""
        options = SocketOptions(self._family, self._is_stream)
        options._set = dict(self._set)
        options.lingers_for = self.lingers_for
        return options

    def _default(self, level: int, option: int) -> int | None:
        if level == socket.SOL_SOCKET:
            return 0 if option in _BUFFERS else _SOCKET.get(option)
        if self._family == socket.AF_UNIX:
            return None
        if level == socket.IPPROTO_TCP and self._is_stream:
            return _TCP.get(option)
        if level == socket.IPPROTO_IP:
            return _IPV4.get(option)
        if level == socket.IPPROTO_IPV6 and self._family == socket.AF_INET6:
            return _IPV6.get(option)
        return None

    def get(self, level: int, option: int) -> int:
        """Return an option; OSError (EOPNOTSUPP, ENOPROTOOPT) if there is no such thing here."""
        value = self._set.get((level, option))
        if value is None:
            value = self._default(level, option)
        if value is None:
            raise error_of(self._unknown(level))
        return value

    def _unknown(self, level: int) -> int:
        if level == socket.SOL_SOCKET:
            return errno.ENOPROTOOPT
        if self._family == socket.AF_UNIX:
            return errno.EOPNOTSUPP
        return errno.ENOPROTOOPT

    def set(self, level: int, option: int, value: Any) -> None:
        """Set an option; OSError as `get`, or EINVAL for what cannot be."""
        if level == socket.SOL_SOCKET and option == socket.SO_LINGER:
            self._set_linger(value)
            return
        if self._default(level, option) is None:
            raise error_of(self._unknown(level))
        number = value if isinstance(value, int) else _number(value)
        if level == socket.SOL_SOCKET:
            if option in _BUFFERS:
                number = min(max(2 * number, _BUFFERS[option]), MOST_BUFFER)
            elif option in _SWITCHES:
                number = int(bool(number))
        self._set[level, option] = number

    def _set_linger(self, value: Any) -> None:
        if isinstance(value, int) or len(value) < 8:
            raise error_of(errno.EINVAL)
        is_on, seconds = struct.unpack_from("ii", value)
        self.lingers_for = seconds if is_on else None

    def buffer(self, option: int) -> int | None:
        """Return a buffer's size as `getsockopt` has it; None if it was not set."""
        return self._set.get((socket.SOL_SOCKET, option))


def _number(value: Any) -> int:
    if len(value) < 4:
        raise error_of(errno.EINVAL)
    number: int = struct.unpack_from("i", value)[0]
    return number
