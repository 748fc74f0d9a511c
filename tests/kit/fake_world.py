"""A world that is nothing but a clock, chance and what is due, for tests of the simulated net."""

from __future__ import annotations

import random
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from rawserver.simulation.packet import DATAGRAM, Endpoint, Packet
from rawserver.simulation.trace import Trace


class FakeWorld:
    """Runs what was scheduled in the order of its time; simultaneous things come by chance."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.now = 1000.0
        self.random = random.Random(seed)
        self.trace = Trace()
        self._due: list[tuple[float, float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._count = 0

    def call_at(
        self, at: float, tie: float, func: Callable[..., object], args: tuple[Any, ...] = ()
    ) -> None:
        assert at >= self.now
        self._count += 1
        heappush(self._due, (at, tie, self._count, func, args))

    def schedule(self, delay: float, func: Callable[..., object], /, *args: Any) -> None:
        self.call_at(self.now + delay, self.draw_tie(), func, args)

    def draw_tie(self) -> float:
        return self.random.random()

    def child_random(self, name: str) -> random.Random:
        return random.Random(f"{self.seed} {name}")

    def run(self, until: float = float("inf")) -> None:
        while self._due and self._due[0][0] <= until:
            self.now, _, _, func, args = heappop(self._due)
            func(*args)
        if until != float("inf"):
            self.now = max(self.now, until)


class FakeReceiver:
    """Notes what arrives, and when."""

    def __init__(self, world: FakeWorld) -> None:
        self._world = world
        self.packets: list[Packet] = []
        self.times: list[float] = []

    def receive(self, packet: Packet) -> None:
        self.packets.append(packet)
        self.times.append(self._world.now)

    @property
    def payloads(self) -> list[bytes]:
        return [bytes(packet.payload) for packet in self.packets]


def datagram(source: Endpoint, destination: Endpoint, payload: bytes = b"x") -> Packet:
    return Packet(DATAGRAM, source, destination, payload)
