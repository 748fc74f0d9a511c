"""The way from one address to another."""

from __future__ import annotations

from collections.abc import Callable

from rawserver.simulation.attachment import Attachment
from rawserver.simulation.link import Direction
from rawserver.simulation.packet import SEGMENT, Packet

# What a burst may take of the time of a slow link, and of the room of its queue. A packet of
# somebody else waits so much longer at the most than if segments travelled one by one. With twice
# as much there are a tenth fewer packets, but small swarms take 7 % longer.
BURST_SECONDS = 0.01
BURST_SHARE = 8
MOST_BURST_BYTES = 64 * 1024


class Path:
    """The way from one address to another.

    `arrive` takes a packet at its end. What is sent passes the `directions` in turn, and then
    `down`, the link to the receiver, where packets of all senders meet in one queue. `sender`
    is set if it guards or watches what it sends.
    """

    __slots__ = (
        "_burst_bytes",
        "after_up",
        "arrive",
        "delay",
        "directions",
        "down",
        "is_clean",
        "is_constant",
        "is_plain",
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
        directions: tuple[Direction, ...] = (),
        down: Direction | None = None,
        *,
        sender: Attachment | None = None,
        delay: float = 0.0,
    ) -> None:
        self.arrive = arrive
        # Decides between what arrives at once: what is of one path keeps its order.
        self.tie = tie
        self.directions = directions
        self.down = down
        self.sender = sender
        # When the last packet arrives that was sent, and at the queue of `down`: none overtakes it.
        self.last = 0.0
        self.last_entry = 0.0
        # Found out when a stream first asks: datagrams never do. 0 until then.
        self._burst_bytes = 0
        # In one go, for a node of a DHT speaks to somebody new all the time.
        is_clean = True
        varies = False
        limited = 0
        for each in directions if down is None else (*directions, down):
            delay += each.constant
            is_clean = is_clean and each.is_clean
            varies = varies or each.varying is not None
            limited += each.bandwidth is not None
        # The constant part of the latency.
        self.delay = delay
        self.is_clean = is_clean
        # True if every packet takes just `delay`.
        self.is_constant = is_clean and not varies and not limited
        # True if nothing is to be done but to wait.
        self.is_plain = self.is_constant and sender is None and delay > 0
        # True if all that happens on the way are the queues of `up`, if that has one, and `down`,
        # with a constant time between them, `after_up`: as between most homes.
        self.up = directions[0] if directions and directions[0].bandwidth is not None else None
        self.after_up = delay
        ends = (self.up is not None) + (down is not None and down.bandwidth is not None)
        self.is_steady = (
            is_clean and not varies and limited == ends and sender is None and delay > 0
        )

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
