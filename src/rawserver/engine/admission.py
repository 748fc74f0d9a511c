"""Who is let in by a listener: how many in all, and of one address."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

# Whoever has one IPv6 address has all of its /64 (RFC 6177, section 2).
IPV6_PREFIX_BITS = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections a listener has at once; None is any number.

    `per_ip` counts an IPv6 /64 as one. `opening` counts those whose handshake, or PROXY header,
    is not over. `when_full` is what becomes of one above `total`: it is refused, or it waits in
    the system's backlog until another ends. Above the other limits it is always refused: waiting
    would hold up everybody behind it. A connection that is refused is closed, after it is
    sent `refusal`, if there is one.
    """

    total: int | None = None
    per_ip: int | None = None
    opening: int | None = None
    when_full: Literal["refuse", "wait"] = "refuse"
    refusal: bytes = b""


class Admission:
    """Counts those that are in, and says why another may not come.

    `refused` counts by the reason.
    """

    def __init__(self, limits: Limits, on_room: Callable[[], object]) -> None:
        """`on_room` is called when one ends and `is_full` was true."""
        self.limits = limits
        self.total = 0
        self.opening = 0
        self.refused: Counter[str] = Counter()
        self._per_ip: Counter[str] = Counter()
        self._on_room = on_room

    @property
    def is_full(self) -> bool:
        """Whether as many are in as may be in all."""
        return self.limits.total is not None and self.total >= self.limits.total

    def why_not(self, ip: str) -> str | None:
        """Return the limit that one more of an address would exceed, None if it may come."""
        limits = self.limits
        if limits.total is not None and self.total >= limits.total:
            return "total"
        if limits.opening is not None and self.opening >= limits.opening:
            return "opening"
        return None if limits.per_ip is None else self.why_not_from(ip)

    def why_not_from(self, ip: str) -> str | None:
        """Return "per_ip" if too many are in from an address."""
        limit = self.limits.per_ip
        # Unix sockets have no address: they are all this machine's.
        if limit is not None and ip and self._per_ip[network_of(ip)] >= limit:
            return "per_ip"
        return None

    def admit(self, ip: str) -> Ticket:
        """Let one in; what is returned is given back when it ends."""
        self.total += 1
        ticket = Ticket(self)
        if self.limits.per_ip is not None:
            ticket.comes_from(ip)
        return ticket

    def enter(self, network: str) -> None:
        """Count one of a network; for `Ticket`."""
        self._per_ip[network] += 1

    def leave(self, network: str) -> None:
        """Count one of a network no more; for `Ticket`."""
        self._per_ip[network] -= 1
        if not self._per_ip[network]:
            del self._per_ip[network]

    def ended(self) -> None:
        """Count one less; for `Ticket`."""
        was_full = self.is_full
        self.total -= 1
        if was_full:
            self._on_room()


class Ticket:
    """What one that was let in holds. Giving it back twice counts once."""

    __slots__ = ("_admission", "_given_back", "_network")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._given_back = False
        self._network = ""

    def comes_from(self, ip: str) -> None:
        """Count it for an address; a proxy may tell of another than the socket shows."""
        if self._admission.limits.per_ip is not None:
            self._leave_network()
            self._network = network_of(ip) if ip else ""
            if self._network:
                self._admission.enter(self._network)

    def give_back(self) -> None:
        """Note that it has ended."""
        if not self._given_back:
            self._given_back = True
            if self._network:
                self._leave_network()
            self._admission.ended()

    def _leave_network(self) -> None:
        if self._network:
            self._admission.leave(self._network)
            self._network = ""


@lru_cache(maxsize=4096)
def network_of(ip: str) -> str:
    """Return what counts as one for an address: itself, or the /64 of an IPv6 one."""
    address, _, _ = ip.partition("%")
    if ":" not in address:
        return ip
    packed = int(ipaddress.IPv6Address(address))
    return str(ipaddress.IPv6Address(packed >> IPV6_PREFIX_BITS << IPV6_PREFIX_BITS))
