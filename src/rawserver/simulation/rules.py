"""Faults as rules: what becomes of packets, decided by functions that a test adds and removes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from rawserver.simulation.packet import Packet


@dataclass(frozen=True, slots=True)
class Pass:
    """This rule has nothing against it; the next one is asked."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send it on its way, later by `after` seconds; no other rule is asked."""

    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Drop:
    """It vanishes."""


@dataclass(frozen=True, slots=True)
class Fail:
    """It vanishes, and its sender's socket has this errno."""

    error: int


Verdict = Pass | Deliver | Drop | Fail
# A rule sees each packet at each hop: what passes a NAT is seen before and after.
Rule = Callable[[Packet], Verdict]

PASS = Pass()
DROP = Drop()


class HasAddresses(Protocol):
    """A host, as far as rules know one."""

    @property
    def addresses(self) -> Iterable[str]:
        """Its IP addresses."""


# A host, or one IP address.
Place = HasAddresses | str


def addresses_of(*places: Place) -> frozenset[str]:
    """Return the addresses of hosts."""
    found: set[str] = set()
    for place in places:
        found.update((place,) if isinstance(place, str) else place.addresses)
    return frozenset(found)


class RuleHandle:
    """A rule that is in force, until it is removed or the `with` block ends."""

    __slots__ = ("_rules", "rule")

    def __init__(self, rules: Rules, rule: Rule) -> None:
        self._rules = rules
        self.rule = rule

    def remove(self) -> None:
        """End it; no harm if it has ended."""
        self._rules.remove(self)

    def __enter__(self) -> RuleHandle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()


class Rules:
    """The rules of a net, in the order in which they are asked; true if there are any."""

    __slots__ = ("handles",)

    def __init__(self) -> None:
        # The same list for ever: who looks at it for each packet keeps it.
        self.handles: list[RuleHandle] = []

    def __len__(self) -> int:
        return len(self.handles)

    def add(self, rule: Rule, *, first: bool = False) -> RuleHandle:
        """Ask a rule from now on, after the others or before them."""
        handle = RuleHandle(self, rule)
        self.handles.insert(0 if first else len(self.handles), handle)
        return handle

    def remove(self, handle: RuleHandle) -> None:
        """Ask a rule no longer."""
        if handle in self.handles:
            self.handles.remove(handle)

    def judge(self, packet: Packet) -> Verdict:
        """Return the first verdict that is not Pass, or Pass."""
        # A rule may remove itself or others.
        for handle in tuple(self.handles):
            verdict = handle.rule(packet)
            if verdict is not PASS and not isinstance(verdict, Pass):
                return verdict
        return PASS


def between(
    one: Iterable[Place], other: Iterable[Place], verdict: Verdict = DROP, *, both: bool = True
) -> Rule:
    """Return the rule for what is sent from some to others, and back unless `both` is False."""
    here, there = addresses_of(*one), addresses_of(*other)

    def judge(packet: Packet) -> Verdict:
        source, destination = packet.source[0], packet.destination[0]
        if source in here and destination in there:
            return verdict
        if both and source in there and destination in here:
            return verdict
        return PASS

    return judge


def partition(*sides: Iterable[Place]) -> Rule:
    """Return the rule that lets nothing pass between the sides; who is on none reaches all."""
    side_of: dict[str, int] = {}
    for number, side in enumerate(sides):
        for address in addresses_of(*side):
            if side_of.setdefault(address, number) != number:
                raise ValueError(f"{address} is on two sides")

    def judge(packet: Packet) -> Verdict:
        source = side_of.get(packet.source[0])
        destination = side_of.get(packet.destination[0])
        if source is None or destination is None or source == destination:
            return PASS
        return DROP

    return judge


def isolate(*places: Place) -> Rule:
    """Return the rule that cuts hosts off from all but themselves: each is alone."""
    alone = addresses_of(*places)
    owner: dict[str, int] = {}
    for number, place in enumerate(places):
        for address in addresses_of(place):
            owner[address] = number

    def judge(packet: Packet) -> Verdict:
        source, destination = packet.source[0], packet.destination[0]
        if source not in alone and destination not in alone:
            return PASS
        return PASS if owner.get(source) == owner.get(destination) else DROP

    return judge


def flapping(rule: Rule, now: Callable[[], float], up_seconds: float, down_seconds: float) -> Rule:
    """Return a rule that is in force again and again: for `down_seconds` after each `up_seconds`.

    `now` tells the time; the first stretch, which begins with the first packet seen, is up.
    """
    if up_seconds < 0 or down_seconds < 0 or up_seconds + down_seconds <= 0:
        raise ValueError("a link flaps up and down for some time each")
    began: float | None = None

    def judge(packet: Packet) -> Verdict:
        nonlocal began
        if began is None:
            began = now()
        if (now() - began) % (up_seconds + down_seconds) < up_seconds:
            return PASS
        return rule(packet)

    return judge


def with_chance(rule: Rule, draw: Callable[[], float], probability: float) -> Rule:
    """Return a rule that is in force for a part of what it is for; `draw` returns 0 up to 1."""

    def judge(packet: Packet) -> Verdict:
        verdict = rule(packet)
        if isinstance(verdict, Pass) or draw() >= probability:
            return PASS
        return verdict

    return judge
