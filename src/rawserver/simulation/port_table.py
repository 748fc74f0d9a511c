"""Which sockets of a host are bound to which ports, of one protocol."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from itertools import chain
from random import Random
from typing import Protocol

from rawserver.simulation.description import error_of
from rawserver.simulation.packet import Endpoint
from rawserver.simulation.socket_addresses import ANY_IPV4, ANY_IPV6

# Linux's net.ipv4.ip_local_port_range.
FIRST_EPHEMERAL = 32768
LAST_EPHEMERAL = 60999
# Below it a port is the superuser's. All programs here are, as in a container.
_EPHEMERAL = range(FIRST_EPHEMERAL, LAST_EPHEMERAL + 1)


class Bound(Protocol):
    """What has a port: a socket, or a connection that came in at one."""

    local: Endpoint

    @property
    def v6only(self) -> bool:
        """Whether IPv4 is not for it."""

    @property
    def reuse_address(self) -> bool:
        """SO_REUSEADDR."""

    @property
    def reuse_port(self) -> bool:
        """SO_REUSEPORT."""

    @property
    def is_listening(self) -> bool:
        """Whether it takes connections."""


def overlap(one: Bound, other: Bound) -> bool:
    """Tell whether two of one port would take what comes to the same address."""
    ip, other_ip = one.local[0], other.local[0]
    if ip == other_ip:
        return True
    return _covers(one, other_ip) or _covers(other, ip)


def _covers(wildcard: Bound, ip: str) -> bool:
    if wildcard.local[0] == ANY_IPV4:
        return ":" not in ip
    if wildcard.local[0] == ANY_IPV6:
        return ":" in ip or not wildcard.v6only
    return False


class PortTable:
    """The ports of one protocol. Those whom an ephemeral port fits are found from a random one on.

    Streams may share a port by SO_REUSEADDR unless one of them listens; datagram sockets may by
    SO_REUSEADDR alone, as multicast wants it.
    """

    __slots__ = ("_for_streams", "_random", "_shared", "alone")

    def __init__(self, random: Random, for_streams: bool) -> None:
        # Who has a port for himself, as most have; it may be read. And those who share one.
        self.alone: dict[int, Bound] = {}
        self._shared: dict[int, dict[Bound, None]] = {}
        self._random = random
        self._for_streams = for_streams

    def holders(self, port: int) -> tuple[Bound, ...]:
        """Return who has a port."""
        alone = self.alone.get(port)
        return tuple(self._shared.get(port, ())) if alone is None else (alone,)

    def add(self, bound: Bound) -> None:
        """Note one that has its port already."""
        port = bound.local[1]
        if port in self._shared:
            self._shared[port][bound] = None
        elif self.alone.setdefault(port, bound) is not bound:
            self._shared[port] = {self.alone.pop(port): None, bound: None}

    def remove(self, bound: Bound) -> None:
        """Forget one."""
        port = bound.local[1]
        holders = self._shared.get(port)
        if holders is not None:
            holders.pop(bound, None)
            if len(holders) == 1:
                [self.alone[port]] = self._shared.pop(port)
        elif self.alone.get(port) is bound:
            del self.alone[port]

    def bind(self, bound: Bound, ip: str, port: int) -> None:
        """Give a port of an address (0: any free one); OSError (EADDRINUSE) if it is taken."""
        if port:
            bound.local = (ip, port)
            if not self.is_free_for(bound):
                bound.local = (ip, 0)
                raise error_of(errno.EADDRINUSE)
        else:
            self._bind_ephemeral(bound, ip)
        self.add(bound)

    def _bind_ephemeral(self, bound: Bound, ip: str) -> None:
        for port in self.ephemeral():
            bound.local = (ip, port)
            # Not one that could be shared: nobody asked for a port of another's.
            if port not in self.alone and port not in self._shared:
                return
        for port in self.ephemeral():
            bound.local = (ip, port)
            if self.is_free_for(bound):
                return
        bound.local = (ip, 0)
        raise error_of(errno.EADDRINUSE)

    def ephemeral(self) -> Iterator[int]:
        """Return the ephemeral ports, from a random one on and round."""
        start = self._random.randrange(len(_EPHEMERAL))
        return chain(_EPHEMERAL[start:], _EPHEMERAL[:start])

    def is_free_for(self, bound: Bound) -> bool:
        """Tell whether one may have the port that it names."""
        for other in self.holders(bound.local[1]):
            if other is not bound and overlap(bound, other) and not self._share(bound, other):
                return False
        return True

    def _share(self, one: Bound, other: Bound) -> bool:
        if one.reuse_port and other.reuse_port:
            return True
        if not (one.reuse_address and other.reuse_address):
            return False
        return not self._for_streams or not other.is_listening
