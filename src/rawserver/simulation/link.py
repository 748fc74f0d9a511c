"""One direction of a cable, a radio or a stretch of the internet, and the queue before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from rawserver.simulation.latency import Constant, Latency, Uniform
from rawserver.simulation.loss import Loss
from rawserver.simulation.packet import DATAGRAM, SEGMENT, Packet

NO_LATENCY = Constant(0.0)
REORDER_DELAY = Uniform(0.001, 0.05)
# What fits a frame with its IP header: a larger datagram travels in fragments.
FRAGMENT = 1480


@dataclass(frozen=True, slots=True)
class Link:
    """What one direction is like.

    `bandwidth` is in bytes (those of headers too) per second, None for no limit; before it stands
    a queue of `queue_bytes`, None for an endless one. What does not fit there is dropped
    (tail drop); what has to wait there is late (a long queue is bufferbloat). Packets keep their
    order, but for datagrams that are reordered: these come later by a sample of `reorder_delay`,
    as the second copies of those that are duplicated do. Both are probabilities.
    """

    latency: Latency = NO_LATENCY
    bandwidth: float | None = None
    queue_bytes: int | None = None
    loss: Loss | None = None
    reorder: float = 0.0
    duplicate: float = 0.0
    reorder_delay: Latency = REORDER_DELAY

    def __post_init__(self) -> None:
        if self.bandwidth is not None and self.bandwidth <= 0:
            raise ValueError("a bandwidth must be more than 0; cut a link by a rule")
        if not (0 <= self.reorder <= 1 and 0 <= self.duplicate <= 1):
            raise ValueError("reorder and duplicate are probabilities")


@dataclass(frozen=True, slots=True)
class Access:
    """What connects a host to the net: the link from it, and the one to it."""

    up: Link
    down: Link


class Direction:
    """A link at work: its queue, its chance, and what it carried if its bandwidth is limited."""

    __slots__ = (
        "_make_random",
        "bandwidth",
        "bytes_carried",
        "constant",
        "free_at",
        "is_clean",
        "link",
        "lost",
        "packets_dropped",
        "packets_lost",
        "queue_bytes",
        "random",
        "varying",
    )

    def __init__(self, link: Link, make_random: Callable[[], Random]) -> None:
        # When what is in the queue will have left it.
        self.free_at = 0.0
        self.bytes_carried = 0
        # By a full queue, and by chance.
        self.packets_dropped = 0
        self.packets_lost = 0
        self.random: Random | None = None
        self._make_random = make_random
        self._set(link)

    def _set(self, link: Link) -> None:
        self.link = link
        self.bandwidth = link.bandwidth
        self.queue_bytes = link.queue_bytes
        latency = link.latency
        self.constant = latency.seconds if isinstance(latency, Constant) else 0.0
        self.varying = None if isinstance(latency, Constant) else latency
        # True if all that enters arrives, once and in order.
        self.is_clean = link.loss is None and not link.reorder and not link.duplicate
        # A source of chance is 2.5 KB: only those who need one have one.
        if self.random is None and (self.varying is not None or not self.is_clean):
            self.random = self._make_random()
        self.lost = link.loss.start(self.random) if link.loss and self.random else None

    def change(self, link: Link, now: float) -> None:
        """Be another link from now on; what is in the queue leaves it as fast as the new one is."""
        queued = self.queued_bytes(now)
        self._set(link)
        self.free_at = now + queued / link.bandwidth if link.bandwidth is not None else now

    def leaves_at(self, now: float, size: int) -> float:
        """Put a packet into the queue; returns when its last byte has left it, -1.0 if dropped."""
        self.bytes_carried += size
        bandwidth = self.bandwidth
        if bandwidth is None:
            return now
        start = self.free_at
        if start <= now:
            start = now
        elif self.queue_bytes is not None:
            if (start - now) * bandwidth + size > self.queue_bytes:
                self.bytes_carried -= size
                self.packets_dropped += 1
                return -1.0
        self.free_at = at = start + size / bandwidth
        return at

    def queued_bytes(self, now: float) -> int:
        """Count the bytes that wait in the queue or are just leaving it."""
        if self.bandwidth is None or self.free_at <= now:
            return 0
        return round((self.free_at - now) * self.bandwidth)

    def loses(self, packet: Packet, at: float) -> bool:
        """Say whether a packet that passes at a time gets lost; of a burst one segment suffices."""
        lost = self.lost
        if lost is None:
            return False
        length = len(packet.payload)
        pieces = 1
        if length > SEGMENT:
            pieces = -(-length // (FRAGMENT if packet.kind == DATAGRAM else SEGMENT))
        # Each piece is asked for, for they all went over the link.
        if sum(lost(at) for _ in range(pieces)):
            self.packets_lost += 1
            return True
        return False

    def sample(self) -> float:
        """Draw the part of the latency that varies."""
        if self.varying is None or self.random is None:
            return 0.0
        return self.varying.sample(self.random)

    def strays(self) -> float:
        """Return how much later a datagram comes than its turn would be, 0.0 for most."""
        return self._late(self.link.reorder)

    def repeats(self) -> float:
        """Return how much later a second copy of a datagram comes, 0.0 for none."""
        return self._late(self.link.duplicate)

    def _late(self, probability: float) -> float:
        if self.random is None or not probability or self.random.random() >= probability:
            return 0.0
        return self.link.reorder_delay.sample(self.random)


class Line:
    """A host's access at work; all addresses of one host may share it."""

    __slots__ = ("access", "down", "up")

    def __init__(self, access: Access, make_random: Callable[[str], Random]) -> None:
        self.access = access
        self.up = Direction(access.up, lambda: make_random("up"))
        self.down = Direction(access.down, lambda: make_random("down"))

    def change(self, access: Access, now: float) -> None:
        """Be another access from now on."""
        self.access = access
        self.up.change(access.up, now)
        self.down.change(access.down, now)
