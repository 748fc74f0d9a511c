"""A stateful firewall: what was asked for from inside comes in, and nothing else."""

from __future__ import annotations

import errno
from collections import OrderedDict
from collections.abc import Callable, Collection

from rawserver.simulation.packet import (
    DATAGRAM,
    RST,
    UNREACHABLE,
    Endpoint,
    Packet,
    unreachable,
)

# As Linux's conntrack has them: what it takes to forget a flow that is silent.
UDP_SECONDS = 180.0
TCP_SECONDS = 5 * 24 * 3600.0
# A home router's table; beyond that the flow that was silent longest is forgotten.
MOST_FLOWS = 16384


class Firewall:
    """Keeps out what no host behind it began.

    TCP and UDP ports of `open_ports` are reachable all the same. What is kept out vanishes, or
    with `refuse` its sender hears that it is refused (ECONNREFUSED). A packet of a TCP
    connection whose flow was forgotten is kept out too: the connection hangs.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        open_ports: Collection[int] = (),
        refuse: bool = False,
        udp_seconds: float = UDP_SECONDS,
        tcp_seconds: float = TCP_SECONDS,
        most_flows: int = MOST_FLOWS,
    ) -> None:
        self._now = now
        self._open_ports = frozenset(open_ports)
        self._refuse = refuse
        self._udp_seconds = udp_seconds
        self._tcp_seconds = tcp_seconds
        self._most_flows = most_flows
        # By (is UDP, inside, outside) when it will be forgotten; who spoke last is last.
        self._flows: OrderedDict[tuple[bool, Endpoint, Endpoint], float] = OrderedDict()
        self.packets_kept_out = 0

    def outgoing(self, packet: Packet) -> None:
        """Note what leaves."""
        if packet.kind == UNREACHABLE:
            return
        self._touch((packet.kind == DATAGRAM, packet.source, packet.destination))

    def admits(self, packet: Packet) -> bool:
        """Say whether what arrives comes in."""
        if packet.kind == UNREACHABLE:
            about = packet.about
            return about is not None and self._is_known(
                (about.kind == DATAGRAM, about.source, about.destination)
            )
        flow = (packet.kind == DATAGRAM, packet.destination, packet.source)
        if self._is_known(flow):
            self._touch(flow)
            return True
        if packet.destination[1] in self._open_ports:
            return True
        self.packets_kept_out += 1
        return False

    def refusal(self, packet: Packet) -> Packet | None:
        """Return what the sender of a packet that was not admitted is told, None for nothing."""
        # RFC 1122 section 3.2.2: no error about an error.
        if not self._refuse or packet.kind in (UNREACHABLE, RST):
            return None
        return unreachable(packet, packet.destination[0], errno.ECONNREFUSED)

    def _touch(self, flow: tuple[bool, Endpoint, Endpoint]) -> None:
        flows = self._flows
        flows[flow] = self._now() + (self._udp_seconds if flow[0] else self._tcp_seconds)
        flows.move_to_end(flow)
        if len(flows) > self._most_flows:
            flows.popitem(last=False)

    def _is_known(self, flow: tuple[bool, Endpoint, Endpoint]) -> bool:
        return self._flows.get(flow, 0.0) > self._now()
