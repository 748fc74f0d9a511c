"""The way from one address to another."""

from __future__ import annotations

from collections.abc import Callable

from rawserver.simulation.attachment import Attachment, Receiver
from rawserver.simulation.link import Direction
from rawserver.simulation.packet import SEGMENT, Packet

# What a burst may take of the time of a slow link, and of the room of its queue. A packet of
# somebody else waits so much longer at the most than if segments travelled one by one. A block of
# BitTorrent's, 16 KiB, is one packet on a line of 10 Mbit/s; with more there are hardly fewer.
BURST_SECONDS = 0.014
BURST_SHARE = 8
MOST_BURST_BYTES = 64 * 1024


class WayOut:
    """What the paths from one address have in common: the links before the receiver's own.

    `sender` is set if it guards or watches what it sends, `receiver` if somebody is there.
    """

    __slots__ = (
        "delay", "directions", "is_clean", "is_constant", "is_steady", "receiver", "sender", "up",
    )  # fmt: skip

    def __init__(
        self,
        directions: tuple[Direction, ...] = (),
        sender: Attachment | None = None,
        delay: float = 0.0,
        receiver: Receiver | None = None,
    ) -> None:
        self.directions = directions
        self.sender = sender
        self.receiver = receiver
        num_limited = 0
        self.is_clean = is_even = True
        for each in directions:
            delay += each.constant
            num_limited += each.bandwidth is not None
            self.is_clean = self.is_clean and each.is_clean
            is_even = is_even and each.is_clean and each.varying is None
        self.delay = delay
        self.up = directions[0] if directions and directions[0].bandwidth is not None else None
        self.is_constant = is_even and not num_limited
        self.is_steady = is_even and num_limited == (self.up is not None) and sender is None


class Path:
    """The way from one address to another.

    `arrive` takes a packet at its end. What is sent passes the `directions` in turn, and then
    `down`, the link to the receiver, where packets of all senders meet in one queue.
    """

    __slots__ = (
        "_burst_bytes",
        "arrive",
        "delay",
        "directions",
        "down",
        "is_clean",
        "is_constant",
        "is_steady",
        "last",
        "last_entry",
        "sender",
        "tie",
        "up",
    )

    def __init__(
        self,
        arrive: Callable[[Packet], object],
        tie: float,
        way_out: WayOut,
        down: Direction | None = None,
    ) -> None:
        # As little as can be, for a node of a DHT speaks to somebody new all the time.
        self.arrive = arrive
        # Decides between what arrives at once: what is of one path keeps its order.
        self.tie = tie
        self.directions = way_out.directions
        self.down = down
        self.sender = way_out.sender
        # When the last packet arrives that was sent, and at the queue of `down`: none overtakes it.
        self.last = 0.0
        self.last_entry = 0.0
        # Found out when a stream first asks: datagrams never do. 0 until then.
        self._burst_bytes = 0
        self.up = way_out.up
        delay = way_out.delay
        # True if every packet takes just `delay`.
        self.is_constant = is_constant = way_out.is_constant
        self.is_clean = way_out.is_clean
        is_steady = way_out.is_steady
        if down is not None:
            delay += down.constant
            if not down.is_clean:
                self.is_clean = self.is_constant = is_steady = False
            elif down.varying is not None:
                self.is_constant = is_steady = False
            elif is_constant and down.bandwidth is not None:
                self.is_constant = False
        # The constant part of the latency.
        self.delay = delay
        # True if all that happens on the way are the queues of `up`, if that has one, and `down`,
        # with `delay` between them: as between most homes.
        self.is_steady = is_steady and delay > 0

    @property
    def is_for_streams(self) -> bool:
        """Whether one has asked for `burst_bytes`."""
        return self._burst_bytes > 0

    def every(self) -> tuple[Direction, ...]:
        """Return all links that it consists of."""
        return self.directions if self.down is None else (*self.directions, self.down)

    def burst_bytes(self) -> int:
        """Return how much of a stream may travel as one packet: whole segments, one at least.

        That is one where single packets get lost, and little where it would hold up others.
        """
        if not self._burst_bytes:
            self._burst_bytes = self._find_burst_bytes()
        return self._burst_bytes

    def _find_burst_bytes(self) -> int:
        if not self.is_clean:
            return SEGMENT
        most = MOST_BURST_BYTES
        for each in self.every():
            if each.bandwidth is not None:
                most = min(most, int(each.bandwidth * BURST_SECONDS))
                if each.queue_bytes is not None:
                    most = min(most, each.queue_bytes // BURST_SHARE)
        return max(most // SEGMENT, 1) * SEGMENT
