"""Everything goes wrong, by a seed: faults are planned first, and any part of a plan can be run.

So a failure can be made smaller: the same run again with fewer faults. Each fault draws from a
chance of its own, so that leaving one out does not change another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from rawserver.simulation.fabric import Fabric
from rawserver.simulation.fault import Fault
from rawserver.simulation.host_faults import HOST_FAULTS
from rawserver.simulation.link import Access, Link
from rawserver.simulation.net_faults import NET_FAULTS
from rawserver.simulation.overlay import Overlay

if TYPE_CHECKING:
    from rawserver.simulation.host import Host
    from rawserver.simulation.world import World

FAULT_KINDS = {**NET_FAULTS, **HOST_FAULTS}
# Mean seconds from one fault to the next, and of one fault.
EVERY_SECONDS = 3.0
MEAN_SECONDS = 3.0
# Faults are planned in thousandths of a second, so that their text says all.
_DIGITS = 3


def plan(
    seed: int,
    hosts: Sequence[str],
    seconds: float,
    *,
    kinds: Iterable[str] = tuple(FAULT_KINDS),
    every_seconds: float = EVERY_SECONDS,
    mean_seconds: float = MEAN_SECONDS,
) -> list[Fault]:
    """Plan what goes wrong with hosts of these names within some seconds, at the end of which
    all is well again.

    Each seed has its own mix of kinds, so that some runs have much of a few and others a bit of
    all. Raises ValueError for a kind that there is not.
    """
    if not hosts:
        raise ValueError("nothing goes wrong where there is no host")
    random = Random(f"chaos {seed}")
    names = list(kinds)
    unknown = [name for name in names if name not in FAULT_KINDS]
    if unknown:
        raise ValueError(f"no such fault: {', '.join(unknown)}")
    chosen = random.sample(names, random.randint(1, len(names)))
    faults = []
    at = random.expovariate(1 / every_seconds)
    while at < seconds:
        kind = random.choice(chosen)
        arguments = FAULT_KINDS[kind].draw(random, hosts)
        length = min(random.expovariate(1 / mean_seconds), seconds - at)
        if arguments is not None:
            faults.append(Fault(round(at, _DIGITS), round(length, _DIGITS), kind, arguments))
        at += random.expovariate(1 / every_seconds)
    return faults


class Note(NamedTuple):
    """That a fault began or ended, and when."""

    at: float
    what: str
    fault: Fault


class Chaos:
    """Has faults happen to hosts of a world.

    `reboot` begins the program of a host that has crashed. `notes` say what was done.
    """

    def __init__(
        self,
        world: World,
        hosts: Mapping[str, Host] | None = None,
        reboot: Callable[[Host], object] | None = None,
    ) -> None:
        self.world = world
        self.hosts: Mapping[str, Host] = world.hosts if hosts is None else hosts
        self.fabric: Fabric = world.fabric
        self.notes: list[Note] = []
        # Hosts that wait for their reboot.
        self.crashed: dict[str, None] = {}
        self.backbone: Overlay[Link] = Overlay(self.fabric.backbone, self.fabric.set_backbone)
        self._reboot = reboot
        self._accesses: dict[str, Overlay[Access]] = {}
        self._ends: dict[int, Callable[[], None]] = {}
        self._numbers = count()
        self._is_stopped = False

    def start(self, faults: Iterable[Fault]) -> None:
        """Have faults happen from now on, each at its time, unless the world leaves them out.

        Raises ValueError for hosts that crash while nothing reboots them, and for kinds that
        there are not.
        """
        faults = self.world.choose_faults(faults)
        for fault in faults:
            if fault.kind not in FAULT_KINDS:
                raise ValueError(f"no such fault: {fault.kind}")
            if fault.kind == "crash" and self._reboot is None:
                raise ValueError("hosts that crash need somebody who reboots them")
        for fault in faults:
            self._call_in(fault.at, fault, self._begin, next(self._numbers), fault)

    def stop(self) -> None:
        """End what goes wrong now, and have nothing more go wrong."""
        self._is_stopped = True
        for end in list(self._ends.values()):
            end()

    def reboot(self, host: Host) -> None:
        """Begin the program of a host again."""
        assert self._reboot is not None
        self._reboot(host)

    def addresses(self, names: Iterable[str]) -> frozenset[str]:
        """Return the addresses by which hosts are seen: those of their routers too."""
        found: set[str] = set()
        for name in names:
            for address in self.hosts[name].addresses:
                found.update(self._seen_as(address))
        return frozenset(found)

    def access_of(self, name: str) -> Overlay[Access]:
        """Return the access of a host, or of its router, to be changed."""
        addresses = [each for own in self.hosts[name].addresses for each in self._seen_as(own)]
        lines = [address for address in addresses if self.fabric.line_of(address) is not None]
        key = lines[0] if lines else ""
        overlay = self._accesses.get(key)
        if overlay is None:
            overlay = self._accesses[key] = self._overlay_of(lines)
        return overlay

    def _overlay_of(self, addresses: list[str]) -> Overlay[Access]:
        line = self.fabric.line_of(addresses[0]) if addresses else None
        if line is None:
            return Overlay(Access(Link(), Link()), lambda access: None)
        return Overlay(line.access, lambda access: self.fabric.change_access(access, addresses[0]))

    def _seen_as(self, address: str) -> list[str]:
        found = [address]
        nat = self.fabric.nat_of(address)
        while nat is not None:
            found.append(nat.public_ip)
            nat = self.fabric.nat_of(nat.public_ip)
        return found

    def _begin(self, number: int, fault: Fault) -> None:
        if self._is_stopped:
            return
        random = self.world.child_random(f"fault {fault}")
        end = FAULT_KINDS[fault.kind].begin(self, fault, random)
        self._note("begins", fault)

        def finish() -> None:
            if self._ends.pop(number, None) is not None:
                end()
                self._note("ends", fault)

        self._ends[number] = finish
        self._call_in(fault.seconds, fault, finish)

    def _call_in(
        self, seconds: float, fault: Fault, func: Callable[..., object], *args: object
    ) -> None:
        # What comes first of two at once must not depend on a third that is left out.
        tie = self.world.child_random(f"tie {fault}").random()
        self.world.call_at(self.world.now + seconds, tie, func, args)

    def _note(self, what: str, fault: Fault) -> None:
        now = self.world.now
        self.notes.append(Note(now, what, fault))
        self.world.trace.event(now, f"fault {what}", str(fault))
