"""The kernel of one host: its descriptors, its sockets, and the packets that come and go."""

from __future__ import annotations

import errno
import socket
from collections import deque
from typing import TYPE_CHECKING

from rawserver.simulation.call_faults import CallFaults
from rawserver.simulation.datagram_socket import DatagramSocket
from rawserver.simulation.datagram_table import DatagramTable
from rawserver.simulation.description import error_of
from rawserver.simulation.descriptors import Descriptors
from rawserver.simulation.packet import DATAGRAM, SYN, UNREACHABLE, Packet
from rawserver.simulation.socket_addresses import is_loopback, is_multicast
from rawserver.simulation.stream_socket import StreamSocket
from rawserver.simulation.stream_table import StreamTable
from rawserver.simulation.unix_socket import UnixSocket

if TYPE_CHECKING:
    from rawserver.simulation.host import Host

AnySocket = StreamSocket | DatagramSocket | UnixSocket


class Kernel:
    """What a host's processes and the net know of it; new with each boot."""

    __slots__ = (
        "_addresses", "_connections", "_first_ipv4", "_first_ipv6", "_is_delivering",
        "_to_itself", "call_faults", "datagrams", "descriptors", "host", "limits", "random",
        "send_out", "streams", "world",
    )  # fmt: skip

    def __init__(self, host: Host) -> None:
        self.host = host
        self.world = host.world
        self.random = host.random
        self.limits = host.limits
        self.descriptors = Descriptors(self.limits)
        self.call_faults = CallFaults()
        self.streams = StreamTable(self)
        self._connections = self.streams.connections
        self.datagrams = DatagramTable(self)
        self._addresses = dict.fromkeys(host.addresses)
        self._first_ipv4 = next((ip for ip in host.addresses if ":" not in ip), None)
        self._first_ipv6 = next((ip for ip in host.addresses if ":" in ip), None)
        self.send_out = host.world.fabric.send
        # What the host sends to itself arrives before the call returns, as on Linux.
        self._to_itself: deque[Packet] = deque()
        self._is_delivering = False

    # Addresses.

    def is_local(self, ip: str) -> bool:
        """Tell whether an ip is this host's."""
        return ip in self._addresses or is_loopback(ip)

    def source_for(self, ip: str) -> str:
        """Return the ip from which another is reached; OSError (ENETUNREACH) if none is."""
        if self.is_local(ip):
            return "127.0.0.1" if ip.startswith("127.") else ip
        own = self._first_ipv6 if ":" in ip else self._first_ipv4
        if own is None:
            if is_multicast(ip):
                return "::1" if ":" in ip else "127.0.0.1"
            raise error_of(errno.ENETUNREACH)
        return own

    # Packets.

    def send(self, packet: Packet) -> int:
        """Send a packet on its way, or to the host itself; returns the errno that it fails with."""
        ip = packet.destination[0]
        if ip in self._addresses or ip.startswith("127.") or ip == "::1":
            return self.send_to_itself(packet)
        return self.send_out(packet)

    def send_to_itself(self, packet: Packet) -> int:
        """Have a packet of the host's arrive at it."""
        queue = self._to_itself
        queue.append(packet)
        # What is sent because of it comes after it.
        if not self._is_delivering:
            self._is_delivering = True
            try:
                while queue:
                    arrived = queue.popleft()
                    self.world.trace.delivery(self.world.now, arrived)
                    self.receive(arrived)
            finally:
                self._is_delivering = False
        return 0

    def receive(self, packet: Packet) -> None:
        """Take a packet that has arrived; the net calls this."""
        kind = packet.kind
        if kind < DATAGRAM:
            connection = self._connections.get((packet.destination, packet.source))
            if connection is not None and kind != SYN:
                connection.receive(packet)
            else:
                self.streams.receive(packet)
        elif kind == DATAGRAM:
            self.datagrams.receive(packet)
        elif kind == UNREACHABLE and packet.about is not None:
            about = packet.about
            table = self.datagrams if about.kind == DATAGRAM else self.streams
            table.unreachable(about, packet.error)

    # Sockets.

    def check_call(self, call: str) -> None:
        """Raise OSError if a test has a call fail now."""
        self.call_faults.check(call)

    def socket(self, family: int, kind: int) -> AnySocket:
        """Return a new socket; OSError if there can be none."""
        self.check_call("socket")
        sock: AnySocket
        if family == socket.AF_UNIX:
            if kind != socket.SOCK_STREAM:
                raise error_of(errno.ESOCKTNOSUPPORT)
            sock = UnixSocket(self)
        elif family not in (socket.AF_INET, socket.AF_INET6):
            raise error_of(errno.EAFNOSUPPORT)
        elif len(self.descriptors) >= self.limits.sockets:
            raise error_of(errno.ENOBUFS)
        elif kind == socket.SOCK_STREAM:
            sock = StreamSocket(self, family)
        elif kind == socket.SOCK_DGRAM:
            sock = DatagramSocket(self, family)
        else:
            raise error_of(errno.ESOCKTNOSUPPORT)
        sock.open()
        return sock

    # The end of its process.

    def close_all(self) -> None:
        """Close what is open, as the end of a process does."""
        for description in self.descriptors.all():
            description.close()

    def reset_all(self) -> None:
        """Reset every connection, and close what is open."""
        for connection in self.streams.all():
            connection.reset()
        self.close_all()

    def abandon(self) -> None:
        """Stop without a word to anybody."""
        for connection in self.streams.all():
            connection.abandon()
        for members in self.world.groups.values():
            members.pop(self.host, None)
        names = self.host.unix_names
        for name in [*names]:
            if name[0] == "\0":
                del names[name]
            else:
                names[name] = None
