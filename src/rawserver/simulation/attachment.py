"""An address of the net: who receives there, and what guards and watches it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Protocol

from rawserver.simulation.firewall import Firewall
from rawserver.simulation.link import Direction, Line
from rawserver.simulation.nat import Nat
from rawserver.simulation.packet import UNREACHABLE, Packet, unreachable
from rawserver.simulation.trace import Trace


class Receiver(Protocol):
    """What is attached to an address; a host's kernel is one. Hashable by identity."""

    def receive(self, packet: Packet, /) -> None:
        """Take a packet that has arrived."""


class Scene(Protocol):
    """What an address needs of the world."""

    @property
    def now(self) -> float:
        """The virtual time in seconds."""

    @property
    def trace(self) -> Trace:
        """Where it notes what happens."""


class Attachment:
    """One address; it stays when its host is gone, with all that belongs to the place."""

    __slots__ = (
        "_scene",
        "_send",
        "arrive",
        "down",
        "firewall",
        "has_paths",
        "ip",
        "is_special",
        "line",
        "nat",
        "receiver",
        "tap",
        "was_attached",
    )

    def __init__(self, ip: str, scene: Scene, send: Callable[[Packet], object]) -> None:
        self.ip = ip
        self._scene = scene
        self._send = send
        self.receiver: Receiver | None = None
        self.was_attached = False
        self.line: Line | None = None
        # The link of it to here, and what takes what has passed that: for all paths the same.
        self.down: Direction | None = None
        self.arrive = self.deliver
        # The router that it is behind.
        self.nat: Nat | None = None
        self.firewall: Firewall | None = None
        self.tap: Callable[[float, Packet], object] | None = None
        # True if there may be paths to it.
        self.has_paths = False
        # True if there is more to do with a packet than to hand it over.
        self.is_special = True

    def settle(self) -> None:
        """Take note of a change of the above."""
        self.down = None if self.line is None else self.line.down
        self.is_special = not (self.receiver and self.firewall is None and self.tap is None)

    def deliver(self, packet: Packet) -> None:
        """Hand over a packet that has arrived."""
        if self.is_special and not self._inspect(packet):
            return
        scene = self._scene
        scene.trace.delivery(scene.now, packet)
        receiver = self.receiver
        assert receiver is not None
        receiver.receive(packet)

    def note_sent(self, packet: Packet) -> None:
        """Show a packet that leaves to what guards and watches the place."""
        if self.tap is not None:
            self.tap(self._scene.now, packet)
        if self.firewall is not None:
            self.firewall.outgoing(packet)

    def _inspect(self, packet: Packet) -> bool:
        scene = self._scene
        if self.receiver is None:
            # A host that is down is silent; where there never was one, a router says so.
            scene.trace.drop(scene.now, "host down" if self.was_attached else "no host", packet)
            if not self.was_attached:
                self.refuse(packet)
            return False
        if self.firewall is not None and not self.firewall.admits(packet):
            scene.trace.drop(scene.now, "firewall", packet)
            refusal = self.firewall.refusal(packet)
            if refusal is not None:
                self._send(refusal)
            return False
        if self.tap is not None:
            self.tap(scene.now, packet)
        return True

    def refuse(self, packet: Packet) -> None:
        """Tell a packet's sender that there is no way to here (EHOSTUNREACH)."""
        if packet.kind != UNREACHABLE:
            self._send(unreachable(packet, packet.destination[0], errno.EHOSTUNREACH))
