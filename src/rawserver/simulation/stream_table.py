"""The streams of a host: who listens, who is connected, and whose a packet is."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rawserver.simulation.connection import TIME_WAIT, Connection
from rawserver.simulation.description import error_of
from rawserver.simulation.packet import FIN, RST, SYN, SYN_ACK, Endpoint, Packet
from rawserver.simulation.port_table import PortTable
from rawserver.simulation.socket_addresses import ANY_IPV4, ANY_IPV6

if TYPE_CHECKING:
    from rawserver.simulation.kernel import Kernel
    from rawserver.simulation.stream_socket import StreamSocket


class StreamTable:
    """All of a kernel's listening sockets and connections."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._random = kernel.random
        self.ports = PortTable(kernel.random, for_streams=True)
        # By this end and the other; the kernel looks here first.
        self.connections: dict[tuple[Endpoint, Endpoint], Connection] = {}
        self._listeners: dict[Endpoint, list[StreamSocket]] = {}

    # Connections.

    def add(self, connection: Connection) -> None:
        """Have a connection be given its packets."""
        self.connections[connection.local, connection.remote] = connection
        self.ports.add(connection)

    def remove(self, connection: Connection) -> None:
        """Forget a connection."""
        key = (connection.local, connection.remote)
        if self.connections.get(key) is connection:
            del self.connections[key]
        self.ports.remove(connection)

    def all(self) -> list[Connection]:
        """Return the connections, in the order in which they began."""
        return list(self.connections.values())

    def is_taken(self, local: Endpoint, remote: Endpoint) -> bool:
        """Tell whether there is a connection between two endpoints."""
        return (local, remote) in self.connections

    def choose_port(self, ip: str, remote: Endpoint) -> Endpoint:
        """Return an ephemeral port to connect from; OSError (EADDRNOTAVAIL) if none is left.

        A port serves as many connections as there are peers, but none that a socket was bound to.
        """
        for port in self.ports.ephemeral():
            local = (ip, port)
            if local != remote and not self.is_taken(local, remote):
                holders = self.ports.holders(port)
                if all(isinstance(holder, Connection) for holder in holders):
                    return local
        raise error_of(errno.EADDRNOTAVAIL)

    # Listeners.

    def add_listener(self, sock: StreamSocket) -> None:
        """Have a socket be given who asks for its address."""
        self._listeners.setdefault(sock.local, []).append(sock)

    def remove_listener(self, sock: StreamSocket) -> None:
        """Forget a listening socket."""
        listeners = self._listeners[sock.local]
        listeners.remove(sock)
        if not listeners:
            del self._listeners[sock.local]

    def _listener(self, to: Endpoint) -> StreamSocket | None:
        ip, port = to
        ways: list[Endpoint] = [to, (ANY_IPV6, port)]
        if ":" not in ip:
            ways.insert(1, (ANY_IPV4, port))
        for way in ways:
            listeners = self._listeners.get(way, ())
            if way[0] == ANY_IPV6 and ":" not in ip:
                listeners = [one for one in listeners if not one.v6only]
            if listeners:
                # SO_REUSEPORT shares them out.
                return listeners[0] if len(listeners) == 1 else self._random.choice(listeners)
        return None

    # Packets.

    def receive(self, packet: Packet) -> None:
        """Give a packet to whom it is for; who is not there resets."""
        connection = self.connections.get((packet.destination, packet.source))
        if connection is not None:
            if packet.kind != SYN or connection.state != TIME_WAIT:
                connection.receive(packet)
                return
            connection.reset()  # the same peer and port again (RFC 9293, section 3.6.1)
        if packet.kind == SYN:
            listener = self._listener(packet.destination)
            if listener is not None and listener.queue is not None:
                listener.queue.called(packet)
                return
        if packet.kind != RST:
            self._refuse(packet)

    def _refuse(self, packet: Packet) -> None:
        # SYN and FIN count as a byte (RFC 9293, section 3.10.7.1).
        length = len(packet.payload) + (packet.kind in (SYN, SYN_ACK, FIN))
        sequence, acknowledged = packet.acknowledged, packet.sequence + length
        self._kernel.send(
            Packet(RST, packet.destination, packet.source, b"", sequence, acknowledged, 0)
        )

    def unreachable(self, about: Packet, code: int) -> None:
        """Tell the connection that a packet was of that it got nowhere."""
        connection = self.connections.get((about.source, about.destination))
        if connection is not None:
            connection.unreachable(code)
