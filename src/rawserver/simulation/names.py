"""Names of hosts: what they stand for, how long the answer takes, and that there may be none."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rawserver.engine.addresses import literal_address
from rawserver.engine.network import SocketAddress
from rawserver.simulation.cost_meter import CostMeter

# A query to a name server nearby, and one that it must pass on.
FASTEST_SECONDS = 0.005
SLOWEST_SECONDS = 0.080
# glibc asks twice and waits 5 seconds each time (resolv.conf(5), "attempts" and "timeout").
TIMEOUT_SECONDS = 10.0

_LOCAL = ("::1", "127.0.0.1")


@dataclass(slots=True, eq=False)
class NameFault:
    """What is wrong with look-ups of a name, or of all (None).

    "no answer": the servers are silent; "refused": they fail at once; "unknown": they say that
    there is no such name; None: the answer only takes `seconds` longer. `chance` is that of each
    look-up to be hit; after `times` of them the fault is over.
    """

    name: str | None = None
    kind: Literal["no answer", "refused", "unknown"] | None = None
    seconds: float = 0.0
    chance: float = 1.0
    times: int | None = None


class NameFaults:
    """The faults of a world's name service, in the order in which they were added."""

    def __init__(self) -> None:
        self.active: list[NameFault] = []

    def add(self, fault: NameFault) -> NameFault:
        """Have a fault from now on; returns it."""
        self.active.append(fault)
        return fault

    def remove(self, fault: NameFault) -> None:
        """Have it no more; ValueError if it is not there."""
        self.active.remove(fault)

    def hit(self, name: str, chance: random.Random) -> list[NameFault]:
        """Return the faults that a look-up of a name meets."""
        found = []
        for fault in self.active:
            if fault.name is not None and _key(fault.name) != name:
                continue
            if fault.times == 0 or (fault.chance < 1.0 and chance.random() >= fault.chance):
                continue
            if fault.times is not None:
                fault.times -= 1
            found.append(fault)
        return found


class Names(MutableMapping[str, Sequence[str]]):
    """A world's names with their addresses, and what is wrong with looking them up.

    Case and a last dot make no other name.
    """

    def __init__(self) -> None:
        self.faults = NameFaults()
        self._addresses: dict[str, tuple[str, ...]] = {}

    def __getitem__(self, name: str) -> Sequence[str]:
        return self._addresses[_key(name)]

    def __setitem__(self, name: str, addresses: Sequence[str]) -> None:
        for address in addresses:
            if isinstance(addresses, str) or literal_address(address, 0) is None:
                raise ValueError(f"{addresses!r} is no list of addresses")
        self._addresses[_key(name)] = tuple(addresses)

    def __delitem__(self, name: str) -> None:
        del self._addresses[_key(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._addresses)

    def __len__(self) -> int:
        return len(self._addresses)


class Resolver:
    """One host's way to the names, which may change at any time.

    An answer costs the host's meter its time. Nothing is cached, as nothing is in glibc. What the
    host knows by itself (`own`, its /etc/hosts) is there at once, whatever the others say.
    """

    def __init__(
        self,
        names: Names,
        chance: random.Random,
        meter: CostMeter,
        own: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._names = names
        self._own = Names() if own is None else own
        self._chance = chance
        self._meter = meter
        self.seconds = (FASTEST_SECONDS, SLOWEST_SECONDS)

    def resolve(self, host: str, port: int, kind: int) -> list[SocketAddress]:
        """Return a name's addresses, in the order in which they are noted, as `getaddrinfo` does.

        Raises `socket.gaierror`: EAI_NONAME for what is no name, EAI_AGAIN if none could tell;
        UnicodeError for what can be none.
        """
        literal = literal_address(host, port)
        if literal is not None:
            return [literal]
        name = _key(host)
        addresses = self._own.get(name) or (_LOCAL if name == "localhost" else self._ask(name))
        found = (literal_address(address, port) for address in addresses)
        return [address for address in found if address is not None]

    def _ask(self, name: str) -> Sequence[str]:
        seconds = self._chance.uniform(*self.seconds)
        faults = self._names.faults
        hit = faults.hit(name, self._chance) if faults.active else []
        kinds = [fault.kind for fault in hit]
        self._meter.seconds += seconds + sum(fault.seconds for fault in hit)
        if "no answer" in kinds:
            self._meter.seconds += TIMEOUT_SECONDS
        if "no answer" in kinds or "refused" in kinds:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        addresses = self._names.get(name)
        if "unknown" in kinds or not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return addresses


def _key(name: str) -> str:
    # As `getaddrinfo` of Python has it: UnicodeError for a label that is empty or too long.
    return name.encode("idna").decode("ascii").lower().rstrip(".")
