"""Datagram sockets of IPv4 and IPv6 (RFC 768), and their membership of groups."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rawserver.engine.disk import Buffer
from rawserver.engine.network import Datagram
from rawserver.engine.packed_address import pack_address, show_address
from rawserver.simulation.description import ERROR, HANG_UP, READABLE, WRITABLE, error_of
from rawserver.simulation.internet_socket import InternetSocket
from rawserver.simulation.packet import DATAGRAM, Endpoint, Packet
from rawserver.simulation.port_table import PortTable
from rawserver.simulation.socket_addresses import (
    ANY_IPV4,
    ANY_IPV6,
    PLAIN_HOSTS,
    check_family,
    endpoint_of,
    is_multicast,
    is_plain_host,
    shown,
)
from rawserver.simulation.socket_options import IP_MULTICAST_ALL, IPV6_MULTICAST_ALL

if TYPE_CHECKING:
    from rawserver.simulation.kernel import Kernel

# What has room in a packet of IPv4 and of IPv6.
LONGEST_IPV4 = 65507
LONGEST_IPV6 = 65527
# What a datagram takes of a receive buffer besides its bytes (Linux: the truesize of a small one).
OVERHEAD = 768
# A plain number: an operation on one of socket's flags costs as much as a whole call here.
MSG_PEEK = int(socket.MSG_PEEK)
_JOIN_IPV6 = getattr(socket, "IPV6_JOIN_GROUP", 20)
_LEAVE_IPV6 = getattr(socket, "IPV6_LEAVE_GROUP", 21)


class DatagramSocket(InternetSocket):
    """One of UDP. What there is no room for in its buffer is lost."""

    __slots__ = (
        "_error", "_fabric", "_groups", "_is_ipv6", "_queue", "_room", "_shut", "_size",
        "_source", "takes_all", "takes_ipv6",
    )  # fmt: skip

    def __init__(self, kernel: Kernel, family: int) -> None:
        super().__init__(kernel, family)
        self._is_ipv6 = family == socket.AF_INET6
        self._queue: list[tuple[Endpoint, bytes]] = []
        self._size = 0
        self._error = 0
        self._shut = 0
        self._groups: dict[str, None] = {}
        self._room = kernel.limits.datagram_buffer
        self._fabric = kernel.world.fabric
        # Whether all is its that comes to its port, whomever from, and that of IPv6, too.
        self.takes_all = self.takes_ipv6 = False
        # Whence a datagram of IPv4 comes that it sends, if there is nothing more to find out.
        self._source: Endpoint | None = None

    @property
    def ports(self) -> PortTable:
        return self.kernel.datagrams.ports

    def poll_events(self) -> int:
        events = WRITABLE
        if self._queue or self._shut & 1:
            events |= READABLE
        if self._error:
            events |= ERROR
        return events | HANG_UP if self._shut == 3 else events

    def buffer_size(self, option: int) -> int:
        size = self.options.buffer(option)
        return self.kernel.limits.datagram_buffer if size is None else size

    # What comes.

    def take(self, source: Endpoint, payload: bytes | memoryview) -> None:
        """Keep a datagram that is for this socket, if there is room."""
        size = len(payload) + OVERHEAD
        if self._size and self._size + size > self._room:
            return
        self._queue.append((source, payload if type(payload) is bytes else bytes(payload)))
        self._size += size
        for watcher in self.watchers:
            watcher.changed(self)

    def failed(self, code: int) -> None:
        """Have the next call fail."""
        self._error = code
        self.changed()

    def _next(self) -> tuple[Endpoint, bytes]:
        self.check_open()
        if self._error:
            raise error_of(self.take_error())
        if not self._queue:
            raise error_of(errno.EAGAIN)
        source, payload = self._queue.pop(0)
        self._size -= len(payload) + OVERHEAD
        return source, payload

    def take_out(self, limit: int) -> tuple[list[Datagram], int]:
        """Do as `DatagramBatches.receive`."""
        batch = self._queue
        if self._error or not batch or self.descriptor < 0:
            batch = [self._next()]  # which raises
        elif len(batch) <= limit:
            self._queue = []
            size, self._size = self._size, 0
        else:
            self._queue, batch = batch[limit:], batch[:limit]
            size = sum(len(payload) for _, payload in batch) + OVERHEAD * len(batch)
            self._size -= size
        if self._is_ipv6:
            for index, (source, payload) in enumerate(batch):
                if ":" in source[0]:
                    batch[index] = (shown(self.family, source), payload)
        return batch, size - OVERHEAD * len(batch)

    @property
    def has_next(self) -> bool:
        """Whether the next call gives a datagram, and no error."""
        return bool(self._queue) and not self._error

    def recvfrom(self, count: int, /) -> tuple[bytes, Any]:
        source, payload = self._next()
        return payload[:count], shown(self.family, source)

    def recv(self, count: int, flags: int = 0, /) -> bytes:
        if not count:
            return b""  # as Python does, without a call
        self.check_open()
        if flags & MSG_PEEK and self._queue and not self._error:
            return bytes(self._queue[0][1][:count])
        return self._next()[1][:count]

    def recv_into(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self.recv(len(view))
        view[: len(data)] = data
        return len(data)

    # What goes.

    def bind(self, address: Any, /) -> None:
        super().bind(address)
        self._settle()

    def bind_anywhere(self) -> None:
        if not self.is_bound:
            super().bind_anywhere()
            self._settle()

    def _settle(self) -> None:
        """Note what is asked for at each datagram."""
        ip, port = self.local
        is_for_all = self.is_bound and (ip == ANY_IPV4 or (ip == ANY_IPV6 and not self.v6only))
        self.takes_all = is_for_all and self.remote is None
        self.takes_ipv6 = self._is_ipv6
        own = [ip for ip in self.kernel.host.addresses if ":" not in ip]
        may_send = is_for_all and len(own) == 1 and not self._shut & 2
        self._source = (own[0], port) if may_send else None

    def connect_ex(self, address: Any, /) -> int:
        if self.descriptor < 0:
            return errno.EBADF
        ip, port = endpoint_of(self.family, address, "connect_ex")
        ip = {ANY_IPV4: "127.0.0.1", ANY_IPV6: "::1"}.get(ip, ip)
        try:
            self.kernel.check_call("connect")
            check_family(self.family, ip, self.v6only)
            source = self.source_for(ip)
            if not self.is_bound:
                self.ports.bind(self, source, 0)
                self.is_bound = True
        except OSError as error:
            return error.errno or errno.EIO
        self.ports.remove(self)
        self.local, self.remote = (source, self.local[1]), (ip, port)
        self.ports.add(self)
        self._settle()
        return 0

    def send(self, data: Any, flags: int = 0, /) -> int:
        self.check_open()
        self.bind_anywhere()
        if self.remote is None:
            raise error_of(errno.EDESTADDRREQ)
        return self._send(data, self.remote)

    def sendto(self, data: Any, address: Any, /) -> int:
        to = endpoint_of(self.family, address, "sendto")
        self.check_open()
        self.bind_anywhere()
        if not to[1]:
            raise error_of(errno.EINVAL)
        return self._send(data, to)

    def send_to(self, data: Buffer, address: Any) -> int:
        """Do as `sendto`; an IPv4 address is (ip, port) on a socket of IPv6, too."""
        source = self._source
        # The usual case without the way around, of which half the time is to ask again what is
        # known of the socket and of the address.
        if source is not None and type(data) is bytes and len(address) == 2:
            ip, port = address
            if (
                (ip in PLAIN_HOSTS or is_plain_host(ip))
                and ip != source[0]
                and type(address) is tuple
                and type(port) is int
                and 0 < port < 65536
                and len(data) <= LONGEST_IPV4
                and not self._error
            ):
                code = self._fabric.send(Packet(DATAGRAM, source, address, data))
                if code:
                    raise error_of(code)
                return len(data)
        if self._is_ipv6 and ":" not in address[0]:
            address = (f"::ffff:{address[0]}", address[1])
        return self.sendto(data, address)

    def sendmsg(self, buffers: Any, ancdata: Any = (), flags: int = 0, /) -> int:
        return self.send(b"".join(buffers), flags)

    def _send(self, data: Any, to: Endpoint) -> int:
        payload = data if type(data) is bytes else bytes(data)
        ip, port = to
        if ip == ANY_IPV4 or ip == ANY_IPV6:
            ip = "127.0.0.1" if ip == ANY_IPV4 else "::1"
        if len(payload) > (LONGEST_IPV6 if ":" in ip else LONGEST_IPV4):
            raise error_of(errno.EMSGSIZE)
        if self._error or self._shut & 2:
            raise error_of(self.take_error() or errno.EPIPE)
        check_family(self.family, ip, self.v6only)
        source = self.source_for(ip)
        packet = Packet(DATAGRAM, (source, self.local[1]), (ip, port), payload)
        if is_multicast(ip):
            self._send_to_group(packet)
        elif code := self.kernel.send(packet):
            raise error_of(code)
        return len(payload)

    def _send_to_group(self, packet: Packet) -> None:
        if ":" in packet.destination[0]:
            level, loop, hops = (
                socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, socket.IPV6_MULTICAST_HOPS,
            )  # fmt: skip
        else:
            level, loop, hops = (
                socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, socket.IP_MULTICAST_TTL,
            )  # fmt: skip
        loops = bool(self.options.get(level, loop))
        self.kernel.datagrams.send_to_group(packet, loops, self.options.get(level, hops))

    # Groups.

    def setsockopt(self, level: int, option: int, value: Any, /) -> None:
        self.check_open()
        if level == socket.IPPROTO_IP and option in (
            socket.IP_ADD_MEMBERSHIP, socket.IP_DROP_MEMBERSHIP,
        ):  # fmt: skip
            group = socket.inet_ntoa(bytes(value[:4]))
            self._change_membership(group, option == socket.IP_ADD_MEMBERSHIP)
        elif level == socket.IPPROTO_IPV6 and option in (_JOIN_IPV6, _LEAVE_IPV6):
            group = socket.inet_ntop(socket.AF_INET6, bytes(value[:16]))
            self._change_membership(group, option == _JOIN_IPV6)
        elif (level, option) not in (
            (socket.IPPROTO_IP, socket.IP_MULTICAST_IF),
            (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF),
        ):  # a host has one interface: whichever is asked for, that is it
            super().setsockopt(level, option, value)
            self._settle()
            self._room = self.buffer_size(socket.SO_RCVBUF)

    def _change_membership(self, group: str, joins: bool) -> None:
        if not is_multicast(group):
            raise error_of(errno.EINVAL)
        if joins == (group in self._groups):
            raise error_of(errno.EADDRINUSE if joins else errno.EADDRNOTAVAIL)
        if joins:
            self._groups[group] = None
            self.kernel.datagrams.join(group)
        else:
            del self._groups[group]
            self.kernel.datagrams.leave(group)

    def has_peer(self, endpoint: Endpoint) -> bool:
        """Whether it is connected to an endpoint. Port 0 stands for every port."""
        remote = self.remote
        return remote is not None and remote[0] == endpoint[0] and remote[1] in (0, endpoint[1])

    def takes_group(self, group: str) -> bool:
        """Whether it is given what comes to a group: its own, or every one of the host's."""
        if group in self._groups:
            return True
        if ":" in group:
            return bool(self.options.get(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL))
        return bool(self.options.get(socket.IPPROTO_IP, IP_MULTICAST_ALL))

    # Ending.

    def take_error(self) -> int:
        code, self._error = self._error, 0
        return code

    def accept(self) -> tuple[Any, Any]:
        self.check_open()
        raise error_of(errno.EOPNOTSUPP)

    def listen(self, backlog: int = 128, /) -> None:
        self.check_open()
        raise error_of(errno.EOPNOTSUPP)

    def shutdown(self, how: int, /) -> None:
        self.check_open()
        self._shut |= (1, 2, 3)[how]
        self._settle()
        self.changed()
        if self.remote is None:
            raise error_of(errno.ENOTCONN)

    def close(self) -> None:
        """Give the descriptor and the port back, and leave all groups."""
        if not self.release():
            return
        self._source = None
        for group in tuple(self._groups):
            self._change_membership(group, False)
        if self.is_bound:
            self.ports.remove(self)


class SimulatedBatches:
    """Many datagrams of one socket by one call; see `DatagramBatches`."""

    __slots__ = ("_is_ipv6", "receive", "send_to")

    def __init__(self, sock: DatagramSocket) -> None:
        self._is_ipv6 = sock.family == socket.AF_INET6
        self.receive = sock.take_out
        self.send_to = sock.send_to

    def send(self, datagrams: Sequence[tuple[Any, Buffer]]) -> tuple[int, int]:
        count = size = 0
        try:
            for address, data in datagrams:
                size += self.send_to(data, address)
                count += 1
        except OSError:
            if not count:
                raise
        return count, size

    def receive_packed(self, limit: int) -> tuple[list[bytes], list[bytes], int]:
        batch, size = self.receive(limit)
        addresses = [pack_address(address, self._is_ipv6) for address, _ in batch]
        return addresses, [data for _, data in batch], size

    def send_packed(
        self, addresses: Sequence[bytes], datagrams: Sequence[Buffer]
    ) -> tuple[int, int]:
        return self.send(list(zip(map(show_address, addresses), datagrams, strict=True)))
