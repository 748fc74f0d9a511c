"""Where everything is: the addresses, and what connects them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from rawserver.simulation.attachment import Attachment, Receiver
from rawserver.simulation.firewall import Firewall
from rawserver.simulation.latency import Constant
from rawserver.simulation.link import Access, Direction, Line, Link
from rawserver.simulation.nat import Nat
from rawserver.simulation.packet import Packet
from rawserver.simulation.path import Path, WayOut
from rawserver.simulation.trace import Trace

# A packet from a host to itself takes so long (seconds).
LOOPBACK_SECONDS = 20e-6
# The net between hosts of which nothing was said.
BACKBONE = Link(latency=Constant(0.02))
# With so many paths of one sender, those are forgotten on which nothing is under way, but for those
# of streams: a node of a DHT speaks to thousands, once to most of them. They are made anew soon,
# and would take more memory than all else of a host.
MANY_PATHS = 256


class World(Protocol):
    """What the net needs of the world: its time, its chance, and to be called."""

    @property
    def now(self) -> float:
        """The virtual time in seconds."""

    @property
    def trace(self) -> Trace:
        """Where it notes what happens."""

    def call_at(
        self, at: float, tie: float, func: Callable[..., object], args: tuple[Any, ...] = ..., /
    ) -> None:
        """Call `func(*args)` at a time; those of one time by `tie`, of one tie in order."""

    def draw_tie(self) -> float:
        """Return a `tie`, by chance."""

    def child_random(self, name: str, /) -> Random:
        """Return a source of chance of its own, which follows from the seed and the name."""


class Topology:
    """The addresses, and what connects them.

    That may be said of an address before anybody is there, and stays when its host is gone.
    Paths are made when the first packet takes them.
    """

    def __init__(self, world: World, send: Callable[[Packet], object]) -> None:
        self._world = world
        self._send = send
        # By source and then by destination.
        self.paths: dict[str, dict[str, Path]] = {}
        # What those of one source have in common, unless it is behind a router, and how many of
        # them are too many.
        self._ways_out: dict[str, WayOut] = {}
        self._limits: dict[str, int] = {}
        self._attachments: dict[str, Attachment] = {}
        self._links: dict[tuple[str, str], Direction] = {}
        self.backbone = BACKBONE
        self._backbone_of: dict[str, Direction] = {}

    def at(self, ip: str) -> Attachment:
        """Return what is at an address."""
        attachment = self._attachments.get(ip)
        if attachment is None:
            attachment = self._attachments[ip] = Attachment(ip, self._world, self._send)
        return attachment

    def place(self, ip: str, receiver: Receiver | None) -> None:
        """Have somebody receive at an address, or nobody any longer."""
        attachment = self.at(ip)
        attachment.receiver = receiver
        attachment.was_attached = attachment.was_attached or receiver is not None
        self.changed(ip)

    def set_access(self, access: Access | None, ips: tuple[str, ...]) -> Line | None:
        """Connect addresses by one line."""
        line = None
        if access is not None:
            line = Line(access, lambda side: self._world.child_random(f"line {ips[0]} {side}"))
        for ip in ips:
            self.at(ip).line = line
            self.changed(ip)
        return line

    def change_access(self, access: Access, ips: tuple[str, ...]) -> None:
        """Change the lines of addresses."""
        for ip in ips:
            line = self.at(ip).line
            if line is None:
                raise ValueError(f"{ip} has no line that could change")
            if line.access != access:
                line.change(access, self._world.now)
                for each in self._attachments.values():
                    if each.line is line:
                        self.changed(each.ip)

    def set_firewall(self, firewall: Firewall | None, ips: tuple[str, ...]) -> None:
        """Put addresses behind a firewall."""
        for ip in ips:
            self.at(ip).firewall = firewall
            self.changed(ip)

    def set_nat(self, nat: Nat | None, ips: tuple[str, ...]) -> None:
        """Put addresses behind a router."""
        for ip in ips:
            self.at(ip).nat = nat
            self.changed(ip)

    def set_tap(self, tap: Callable[[float, Packet], object] | None, ips: tuple[str, ...]) -> None:
        """Show what addresses send and receive."""
        for ip in ips:
            self.at(ip).tap = tap
            self.changed(ip)

    def set_link(self, source: str, destination: str, link: Link | None) -> None:
        """Have a link of its own from one address to another instead of the backbone."""
        self._links.pop((source, destination), None)
        if link is not None:
            name = f"link {source} {destination}"
            self._links[source, destination] = Direction(
                link, lambda: self._world.child_random(name)
            )
        self.paths.get(source, {}).pop(destination, None)

    def set_backbone(self, link: Link) -> None:
        """Set what is between the lines of all hosts."""
        if link.bandwidth is not None:
            raise ValueError("a backbone has no bandwidth; give one to lines and links")
        self.backbone = link
        self._backbone_of.clear()
        self._ways_out.clear()
        self.paths.clear()

    def changed(self, ip: str) -> None:
        """Have the paths from and to an address made anew."""
        attachment = self.at(ip)
        attachment.settle()
        self._ways_out.pop(ip, None)
        self.paths.pop(ip, None)
        # Of many hosts most are set up before anybody sends to them.
        if attachment.has_paths:
            attachment.has_paths = False
            for paths in self.paths.values():
                paths.pop(ip, None)

    def make_path(self, source: str, destination: str) -> Path:
        """Make the path from one address to another, and keep it."""
        paths = self.paths.get(source)
        if paths is None:
            paths = self.paths[source] = {}
        elif len(paths) >= MANY_PATHS:
            self._forget_some(source, paths)
        there = self._attachments.get(destination) or self.at(destination)
        there.has_paths = True
        way_out = self._ways_out.get(source)
        if (
            way_out is None
            or there.nat is not None
            or there.receiver is way_out.receiver
            or self._links
        ):
            path = self._path(self.at(source), there)
        else:
            path = Path(there.arrive, self._world.draw_tie(), way_out, there.down)
        paths[destination] = path
        return path

    def _forget_some(self, source: str, paths: dict[str, Path]) -> None:
        if len(paths) < self._limits.get(source, MANY_PATHS):
            return
        now = self._world.now
        for ip in [ip for ip, one in paths.items() if one.last <= now and not one.is_for_streams]:
            del paths[ip]
        # Not for a few only the next time.
        self._limits[source] = max(MANY_PATHS, 2 * len(paths))

    def _path(self, here: Attachment, there: Attachment) -> Path:
        tie = self._world.draw_tie()
        receiver = there.receiver
        if here is there or (receiver is not None and receiver is here.receiver):
            return Path(there.arrive, tie, WayOut((), _watcher(here), LOOPBACK_SECONDS))
        if there.nat is not None and here.receiver is there.nat:
            return Path(there.arrive, tie, WayOut(), there.down)
        if here.nat is not None and here.nat is not there.nat:
            return Path(here.nat.send_out, tie, self._way(here, ()))
        if here.nat is not None:
            return Path(there.arrive, tie, self._way(here, ()), there.down)
        if there.nat is not None:
            # A private address, seen from outside.
            return Path(there.refuse, tie, self._way_out(here))
        link = self._links.get((here.ip, there.ip))
        way_out = self._way_out(here) if link is None else self._way(here, (link,))
        return Path(there.arrive, tie, way_out, there.down)

    def _way_out(self, here: Attachment) -> WayOut:
        way_out = self._ways_out.get(here.ip)
        if way_out is None:
            way_out = self._ways_out[here.ip] = self._way(here, (self._backbone(here.ip),))
        return way_out

    def _way(self, here: Attachment, then: tuple[Direction, ...]) -> WayOut:
        up = (here.line.up,) if here.line is not None else ()
        return WayOut((*up, *then), _watcher(here), receiver=here.receiver)

    def _backbone(self, source: str) -> Direction:
        direction = self._backbone_of.get(source)
        if direction is None:
            direction = Direction(
                self.backbone, lambda: self._world.child_random(f"backbone {source}")
            )
            self._backbone_of[source] = direction
        return direction


def _watcher(here: Attachment) -> Attachment | None:
    return here if here.tap is not None or here.firewall is not None else None
