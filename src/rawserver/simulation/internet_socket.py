"""What stream and datagram sockets of IPv4 and IPv6 have in common."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any

from rawserver.simulation.description import Description, error_of
from rawserver.simulation.packet import Endpoint
from rawserver.simulation.port_table import PortTable
from rawserver.simulation.socket_addresses import (
    ANY_IPV4,
    ANY_IPV6,
    endpoint_of,
    is_multicast,
    shown,
)
from rawserver.simulation.socket_options import SO_REUSEPORT, SocketOptions

if TYPE_CHECKING:
    from rawserver.simulation.kernel import Kernel


class InternetSocket(Description):
    """A socket with an address; the methods are those of `socket.socket`."""

    __slots__ = (
        "bound_ip", "family", "is_bound", "local", "options", "port_was_chosen", "remote",
        "reuse_address", "reuse_port", "v6only",
    )  # fmt: skip

    is_stream = False

    def __init__(self, kernel: Kernel, family: int) -> None:
        super().__init__(kernel)
        self.family = family
        self.options = SocketOptions(family, self.is_stream)
        self.local: Endpoint = (self.any_ip, 0)
        self.remote: Endpoint | None = None
        # As a holder of its port: whether IPv4 is not for it, and who may have the port, too.
        self.v6only = self.reuse_address = self.reuse_port = False
        # What it was bound to, however it is connected.
        self.bound_ip = self.any_ip
        # Whether it has the port of `local`, which is shown even when it has not.
        self.is_bound = False
        # Whether the port was asked for by its number, and so is kept whatever becomes of it.
        self.port_was_chosen = False

    @property
    def any_ip(self) -> str:
        """The wildcard of its family."""
        return ANY_IPV6 if self.family == socket.AF_INET6 else ANY_IPV4

    @property
    def ports(self) -> PortTable:
        """The ports of its protocol."""
        raise NotImplementedError

    @property
    def is_listening(self) -> bool:
        """Whether it takes connections."""
        return False

    # Addresses.

    def bind(self, address: Any, /) -> None:
        self.check_open()
        ip, port = endpoint_of(self.family, address, "bind")
        if self.is_bound:
            raise error_of(errno.EINVAL)
        port_before = self.local[1]
        self.kernel.check_call("bind")
        if ip not in (ANY_IPV4, ANY_IPV6) and not self._may_bind_to(ip):
            raise error_of(errno.EADDRNOTAVAIL)
        if port == 0 and self._needs_no_port():
            self.local, self.bound_ip = (ip, 0), ip
            return
        try:
            self.ports.bind(self, ip, port)
        except OSError:
            self.local = (self.any_ip, port_before)
            raise
        self.is_bound, self.bound_ip = True, ip
        self.port_was_chosen = port != 0

    def _may_bind_to(self, ip: str) -> bool:
        if self.v6only and ":" not in ip:
            return False
        return self.kernel.is_local(ip) or (not self.is_stream and is_multicast(ip))

    def _needs_no_port(self) -> bool:
        return False

    def bind_anywhere(self) -> None:
        """Have an ephemeral port, if there is none yet."""
        if not self.is_bound:
            self.ports.bind(self, self.local[0], 0)
            self.is_bound = True

    def source_for(self, ip: str) -> str:
        """Return the local ip from which another is reached; OSError (ENETUNREACH) if none is."""
        own = self.local[0]
        if own in (ANY_IPV4, ANY_IPV6):
            return self.kernel.source_for(ip)
        if (":" in own) != (":" in ip):
            raise error_of(errno.ENETUNREACH)
        return own

    def getsockname(self) -> Any:
        self.check_open()
        return shown(self.family, self.local)

    def getpeername(self) -> Any:
        self.check_open()
        if self.remote is None or not self.remote[1]:
            raise error_of(errno.ENOTCONN)
        return shown(self.family, self.remote)

    # Options.

    def take_error(self) -> int:
        """Return and forget the errno that waits to be told."""
        raise NotImplementedError

    def getsockopt(self, level: int, option: int, /) -> int:
        self.check_open()
        if level == socket.SOL_SOCKET:
            if option == socket.SO_ERROR:
                return self.take_error()
            if option == socket.SO_TYPE:
                return int(socket.SOCK_STREAM if self.is_stream else socket.SOCK_DGRAM)
            if option == getattr(socket, "SO_ACCEPTCONN", 30):
                return int(self.is_listening)
            if option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                return self.buffer_size(option)
        return self.options.get(level, option)

    def buffer_size(self, option: int) -> int:
        """Return the size of a buffer, which is twice what it holds, as Linux has it."""
        size = self.options.buffer(option)
        if size is None:
            limits = self.kernel.limits
            asked = option == socket.SO_SNDBUF
            size = 2 * (limits.send_buffer if asked else limits.receive_buffer)
        return size

    def setsockopt(self, level: int, option: int, value: Any, /) -> None:
        self.check_open()
        self.options.set(level, option, value)
        self.take_options()

    def take_options(self) -> None:
        """Note those that are asked for often."""
        options = self.options
        if self.family == socket.AF_INET6:
            self.v6only = bool(options.get(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
        self.reuse_address = bool(options.get(socket.SOL_SOCKET, socket.SO_REUSEADDR))
        self.reuse_port = bool(options.get(socket.SOL_SOCKET, SO_REUSEPORT))

    def setblocking(self, flag: bool, /) -> None:
        self.check_open()
        if flag:
            raise error_of(errno.EOPNOTSUPP)  # there is nobody to wait here
