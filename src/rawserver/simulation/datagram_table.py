"""The datagram sockets of a host: whose a datagram is."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, cast

from rawserver.simulation.packet import DATAGRAM, Endpoint, Packet, unreachable
from rawserver.simulation.port_table import PortTable
from rawserver.simulation.socket_addresses import ANY_IPV4, ANY_IPV6, is_multicast

if TYPE_CHECKING:
    from rawserver.simulation.datagram_socket import DatagramSocket
    from rawserver.simulation.kernel import Kernel


class GroupPacket(Packet):
    """A datagram on its way to one host that is a member of a multicast group."""

    __slots__ = ("group",)

    def __init__(self, source: Endpoint, to: Endpoint, payload: bytes, group: str) -> None:
        super().__init__(DATAGRAM, source, to, payload)
        self.group = group


class DatagramTable:
    """All of a kernel's datagram sockets, by port."""

    __slots__ = ("_alone", "_kernel", "_random", "ports")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._random = kernel.random
        self.ports = PortTable(kernel.random, for_streams=False)
        self._alone = cast("dict[int, DatagramSocket]", self.ports.alone)

    def _holders(self, port: int) -> tuple[DatagramSocket, ...]:
        return cast("tuple[DatagramSocket, ...]", self.ports.holders(port))

    def receive(self, packet: Packet) -> None:
        """Give a datagram to whom it is for; who is not there is told of."""
        sock = self._alone.get(packet.destination[1])
        # The usual case first: nothing is to be asked but whether it is of the family.
        if sock is not None and sock.takes_all and type(packet) is Packet:
            if sock.takes_ipv6 or ":" not in packet.destination[0]:
                sock.take(packet.source, packet.payload)
                return
        if isinstance(packet, GroupPacket):
            self.receive_for_group(packet.group, packet)
            return
        best = self._best(packet)
        if best is not None:
            best.take(packet.source, packet.payload)
        else:
            # Port unreachable (RFC 1122, section 4.1.3.1).
            report = unreachable(packet, packet.destination[0], errno.ECONNREFUSED)
            self._kernel.send(report)

    def _best(self, packet: Packet) -> DatagramSocket | None:
        holders = self._holders(packet.destination[1])
        if len(holders) == 1:
            return holders[0] if _score(holders[0], packet) else None
        best: list[DatagramSocket] = []
        highest = 0
        for sock in holders:
            score = _score(sock, packet)
            if score > highest:
                highest, best = score, [sock]
            elif score and score == highest:
                best.append(sock)
        if len(best) > 1:
            if all(sock.reuse_port for sock in best):
                return self._random.choice(best)
            return best[-1]
        return best[0] if best else None

    def receive_for_group(self, group: str, packet: Packet) -> None:
        """Give a datagram to all members of its group that have its port."""
        for sock in self._holders(packet.destination[1]):
            local = sock.local[0]
            takes = local == group or _is_wildcard_for(sock, group)
            is_from_peer = sock.remote is None or sock.has_peer(packet.source)
            if takes and is_from_peer and sock.takes_group(group):
                sock.take(packet.source, packet.payload)

    def unreachable(self, about: Packet, code: int) -> None:
        """Tell the socket that sent a datagram that it got nowhere, if it is connected there."""
        for sock in self._holders(about.source[1]):
            if sock.has_peer(about.destination) and sock.local[0] in (
                about.source[0], ANY_IPV4, ANY_IPV6,
            ):  # fmt: skip
                sock.failed(code)

    # Groups.

    def send_to_group(self, packet: Packet, loops: bool, hops: int) -> None:
        """Send a datagram to the members of its destination, on this host and on the others.

        All hosts are on one link here, so one hop reaches them, and none only this host.
        """
        group, port = packet.destination
        kernel = self._kernel
        members = kernel.world.groups.get(group, {})
        if loops and kernel.host in members:
            self.receive_for_group(group, packet)
        if not hops:
            return
        for host in tuple(members):
            ip = host.address_like(group)
            if host is not kernel.host and ip is not None:
                payload = bytes(packet.payload)
                kernel.send(GroupPacket(packet.source, (ip, port), payload, group))

    def join(self, group: str) -> None:
        """Note that a socket of this host has joined a group."""
        members = self._kernel.world.groups.setdefault(group, {})
        members[self._kernel.host] = members.get(self._kernel.host, 0) + 1

    def leave(self, group: str) -> None:
        """Note that one has left."""
        members = self._kernel.world.groups[group]
        host = self._kernel.host
        members[host] -= 1
        if not members[host]:
            del members[host]


def _is_wildcard_for(sock: DatagramSocket, ip: str) -> bool:
    local = sock.local[0]
    if local == ANY_IPV4:
        return ":" not in ip
    return local == ANY_IPV6 and (":" in ip or not sock.v6only)


def _score(sock: DatagramSocket, packet: Packet) -> int:
    """Return how well a socket fits a datagram; 0 if not."""
    ip = packet.destination[0]
    score = 1
    if sock.local[0] == ip:
        score = 3
    elif not _is_wildcard_for(sock, ip) or is_multicast(ip):
        return 0
    if sock.remote is not None:
        if not sock.has_peer(packet.source):
            return 0
        score += 4
    # One of IPv4 alone is nearer than one of both (Linux: compute_score).
    if ":" not in ip and sock.local[0] == ANY_IPV4:
        score += 1
    return score
