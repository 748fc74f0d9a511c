"""Network address translation: hosts that share one public address (RFC 4787, RFC 5382)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from rawserver.simulation.packet import (
    DATAGRAM,
    FIN,
    RST,
    SYN,
    UNREACHABLE,
    Endpoint,
    Packet,
    readdressed,
)

# Upon what of the other end a mapping or its filter depends (RFC 4787 sections 4.1 and 5).
NOTHING = 0
ADDRESS = 1
ADDRESS_AND_PORT = 2

# The least that RFC 4787 REQ-5 and RFC 5382 REQ-5 allow; for a closed connection section 5 of it.
UDP_SECONDS = 120.0
TCP_SECONDS = 7440.0
CLOSED_SECONDS = 240.0
# A home router's table. When it is full, what is new gets no mapping.
MOST_MAPPINGS = 16384
# Who may still send to one mapping; beyond that who was sent to longest ago may not.
MOST_CONTACTS = 4096
FIRST_PORT = 1024
LAST_PORT = 65535
# Half of the ports: a free one is found by guessing twice on average.
MOST_PORTS = (LAST_PORT - FIRST_PORT) // 2


@dataclass(frozen=True, slots=True)
class NatKind:
    """Upon what of the other end the public port depends, and who may send to it."""

    mapping: int
    filtering: int


# By the names of RFC 3489 section 5. Anyone may send to the public port ...
FULL_CONE = NatKind(NOTHING, NOTHING)
# ... addresses that were sent to ...
RESTRICTED_CONE = NatKind(NOTHING, ADDRESS)
# ... addresses and ports that were sent to: most home routers.
PORT_RESTRICTED_CONE = NatKind(NOTHING, ADDRESS_AND_PORT)
# Another public port for each other end, so that nobody else could know it.
SYMMETRIC = NatKind(ADDRESS_AND_PORT, ADDRESS_AND_PORT)

_Key = tuple[bool, Endpoint, object]


class Net(Protocol):
    """What a NAT sends through; Fabric is one."""

    def send(self, packet: Packet) -> int:
        """Send a packet from the public address."""

    def hand_down(self, public_ip: str, packet: Packet) -> None:
        """Bring a packet to a host behind the public address."""

    def drop(self, reason: str, packet: Packet) -> None:
        """Note that a packet goes no further."""


class Mapping:
    """A public port, the endpoint inside that it stands for, and whom that has sent to."""

    __slots__ = ("closed", "contacts", "expires_at", "inside", "port")

    def __init__(self, inside: Endpoint, port: int) -> None:
        self.inside = inside
        self.port = port
        self.expires_at = 0.0
        self.closed = False
        self.contacts: OrderedDict[object, None] = OrderedDict()


class Nat:
    """A router with one public address for the hosts behind it.

    A mapping lives as long as something passes it in either direction. With `hairpin` hosts
    behind it reach each other by the public address; with `preserve_ports` the public port is
    the private one if that is free. `udp_seconds` and `tcp_seconds` are the time-outs.
    """

    def __init__(
        self,
        net: Net,
        public_ip: str,
        now: Callable[[], float],
        random: Random,
        kind: NatKind = PORT_RESTRICTED_CONE,
        *,
        hairpin: bool = False,
        preserve_ports: bool = True,
        udp_seconds: float = UDP_SECONDS,
        tcp_seconds: float = TCP_SECONDS,
        most_mappings: int = MOST_MAPPINGS,
    ) -> None:
        if most_mappings > MOST_PORTS:
            raise ValueError("there are not so many ports that a free one is soon found")
        self.public_ip = public_ip
        self.kind = kind
        self._net = net
        self._now = now
        self._random = random
        self._hairpin = hairpin
        self._preserve_ports = preserve_ports
        self._seconds = {True: udp_seconds, False: tcp_seconds}
        self._most_mappings = most_mappings
        # Of UDP and of TCP each: who was used last is last.
        self._mappings: dict[bool, OrderedDict[_Key, Mapping]] = {
            True: OrderedDict(),
            False: OrderedDict(),
        }
        self._by_port: dict[tuple[bool, int], tuple[_Key, Mapping]] = {}
        self._forwards: dict[tuple[bool, int], Endpoint] = {}
        self._forwarded: dict[tuple[bool, Endpoint], int] = {}
        # What was sent to it from outside and had nowhere to go; what found no free mapping.
        self.packets_kept_out = 0
        self.packets_without_mapping = 0

    def forward_port(self, port: int, inside: Endpoint, *, udp: bool) -> None:
        """Let everybody reach an endpoint inside by a public port, as UPnP or a user does."""
        self._forwards[udp, port] = inside
        self._forwarded[udp, inside] = port

    def forget(self) -> None:
        """Lose all mappings, as a router that was switched off and on; port forwards stay."""
        for mappings in self._mappings.values():
            mappings.clear()
        self._by_port.clear()

    def send_out(self, packet: Packet) -> None:
        """Take a packet from a host behind it to somewhere outside."""
        if packet.kind == UNREACHABLE:
            self._send_out_report(packet)
            return
        source = self._public_source(packet)
        if source is None:
            self.packets_without_mapping += 1
            self._net.drop("nat full", packet)
            return
        if packet.destination[0] != self.public_ip:
            self._net.send(readdressed(packet, source, packet.destination))
        elif self._hairpin:
            # RFC 4787 REQ-9: the other one sees the public address.
            self.receive(readdressed(packet, source, packet.destination))
        else:
            self._net.drop("no hairpin", packet)

    def receive(self, packet: Packet) -> None:
        """Take a packet that was sent to the public address."""
        if packet.kind == UNREACHABLE:
            self._receive_report(packet)
            return
        is_udp = packet.kind == DATAGRAM
        port = packet.destination[1]
        inside = self._forwards.get((is_udp, port))
        if inside is None:
            key, mapping = self._by_port.get((is_udp, port), (None, None))
            if key is None or mapping is None or not self._admits(mapping, packet.source):
                # RFC 5382 REQ-4: a SYN that nobody expects is not answered.
                self.packets_kept_out += 1
                self._net.drop("nat", packet)
                return
            self._touch(key, mapping, packet.kind)
            inside = mapping.inside
        self._net.hand_down(self.public_ip, readdressed(packet, packet.source, inside))

    def _public_source(self, packet: Packet) -> Endpoint | None:
        is_udp = packet.kind == DATAGRAM
        inside = packet.source
        port = self._forwarded.get((is_udp, inside))
        if port is not None:
            return self.public_ip, port
        key = (is_udp, inside, _part(packet.destination, self.kind.mapping))
        self._expire(is_udp)
        mapping = self._mappings[is_udp].get(key)
        if mapping is not None and mapping.expires_at <= self._now():
            self._drop(key, mapping)
            mapping = None
        if mapping is None:
            mapping = self._make(key)
        if mapping is None:
            return None
        self._touch(key, mapping, packet.kind)
        contact = _part(packet.destination, self.kind.filtering)
        if contact is not None:
            mapping.contacts[contact] = None
            mapping.contacts.move_to_end(contact)
            if len(mapping.contacts) > MOST_CONTACTS:
                mapping.contacts.popitem(last=False)
        return self.public_ip, mapping.port

    def _make(self, key: _Key) -> Mapping | None:
        is_udp, inside, _ = key
        if len(self._mappings[is_udp]) >= self._most_mappings:
            return None
        mapping = Mapping(inside, self._free_port(is_udp, inside[1]))
        self._mappings[is_udp][key] = mapping
        self._by_port[is_udp, mapping.port] = (key, mapping)
        return mapping

    def _free_port(self, is_udp: bool, wanted: int) -> int:
        port = wanted
        if not self._preserve_ports or port < FIRST_PORT:
            port = self._random.randint(FIRST_PORT, LAST_PORT)
        while (is_udp, port) in self._by_port or (is_udp, port) in self._forwards:
            port = self._random.randint(FIRST_PORT, LAST_PORT)
        return port

    def _touch(self, key: _Key, mapping: Mapping, kind: int) -> None:
        if kind in (FIN, RST):
            mapping.closed = True
        elif kind == SYN:
            mapping.closed = False
        seconds = self._seconds[key[0]]
        if mapping.closed:
            seconds = min(seconds, CLOSED_SECONDS)
        mapping.expires_at = self._now() + seconds
        self._mappings[key[0]].move_to_end(key)

    def _expire(self, is_udp: bool) -> None:
        # A closed one among others that live longer waits for its turn; it is not used, though.
        mappings = self._mappings[is_udp]
        now = self._now()
        while mappings:
            key, mapping = next(iter(mappings.items()))
            if mapping.expires_at > now:
                return
            self._drop(key, mapping)

    def _drop(self, key: _Key, mapping: Mapping) -> None:
        del self._mappings[key[0]][key]
        del self._by_port[key[0], mapping.port]

    def _admits(self, mapping: Mapping, source: Endpoint) -> bool:
        if mapping.expires_at <= self._now():
            return False
        filtering = self.kind.filtering
        return filtering == NOTHING or _part(source, filtering) in mapping.contacts

    def _receive_report(self, report: Packet) -> None:
        about = report.about
        if about is None:
            return
        is_udp, port = about.kind == DATAGRAM, about.source[1]
        inside = self._forwards.get((is_udp, port))
        if inside is None:
            _, mapping = self._by_port.get((is_udp, port), (None, None))
            if mapping is None or mapping.expires_at <= self._now():
                return
            inside = mapping.inside
        copy = readdressed(report, report.source, inside)
        copy.about = readdressed(about, inside, about.destination)
        self._net.hand_down(self.public_ip, copy)

    def _send_out_report(self, report: Packet) -> None:
        about = report.about
        if about is None:
            return
        is_udp, inside = about.kind == DATAGRAM, about.destination
        port = self._forwarded.get((is_udp, inside))
        if port is None:
            key = (is_udp, inside, _part(about.source, self.kind.mapping))
            mapping = self._mappings[is_udp].get(key)
            if mapping is None:
                return
            port = mapping.port
        copy = readdressed(report, (self.public_ip, 0), report.destination)
        copy.about = readdressed(about, about.source, (self.public_ip, port))
        self._net.send(copy)


def _part(endpoint: Endpoint, dependence: int) -> object:
    if dependence == NOTHING:
        return None
    return endpoint[0] if dependence == ADDRESS else endpoint
