"""The net between the hosts: takes packets from one and brings them to another in their time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from rawserver.simulation.packet import Packet


class Receiver(Protocol):
    """What is attached to an address; a host's kernel is one."""

    def receive(self, packet: Packet) -> None:
        """Take a packet that has arrived."""


class World(Protocol):
    """What the net needs of the world: its time, and to be called at one."""

    @property
    def now(self) -> float:
        """The virtual time in seconds."""

    def schedule(self, delay: float, func: Callable[..., object], /, *args: Any) -> object:
        """Call `func(*args)` in `delay` seconds."""


class Fabric:
    """The net that all hosts of a world are attached to."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._receivers: dict[str, Receiver] = {}

    def attach(self, ip: str, receiver: Receiver) -> None:
        """Bring what is sent to an address to a receiver from now on."""
        self._receivers[ip] = receiver

    def detach(self, ip: str) -> None:
        """Let what is sent to an address vanish, what is under way to it too."""
        del self._receivers[ip]

    def send(self, packet: Packet) -> None:
        """Take a packet from the host that has its source's address."""
        local = packet.source[0] == packet.destination[0]
        self._world.schedule(20e-6 if local else 0.02, self._deliver, packet)

    def _deliver(self, packet: Packet) -> None:
        receiver = self._receivers.get(packet.destination[0])
        if receiver is not None:
            receiver.receive(packet)
