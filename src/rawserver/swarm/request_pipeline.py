"""How many blocks to keep requested of one peer, so that it never waits for us to ask."""

from __future__ import annotations

BLOCK_LENGTH_BYTES = 16384
# libtorrent's request_queue_time. Far more than any round trip, so the requests on their way are
# always more than bandwidth times delay, and the rate may grow 3 s / round trip times a second.
QUEUE_TIME_SECONDS = 3.0
# Where a peer starts: 128 KiB asked at once, which every client takes.
FIRST_DEPTH = 8
# A peer so slow that 3 s is less than a block still has a next block to send while the request
# for the one after travels; and 4 let a peer whose rate fell for a while show that it can do more.
MIN_DEPTH = 4
# libtorrent's max_out_request_queue. 8 MiB on their way fill 1 GB/s over 8 ms; other clients keep
# no more than 250 to 2000 requests of a peer and drop the rest.
MAX_DEPTH = 500
# Below this growth from one second to the next the peer, or the way to it, has reached its limit.
GROWTH = 1.1


class RequestPipeline:
    """The number of requests to keep outstanding with one peer, learnt from what it delivers.

    `depth` is that number. It starts small and grows by one for each block (so it doubles with each
    round trip: hundreds within milliseconds on a local network) while the rate still grows; from
    then on it is what the peer sends in three seconds. A peer that sent nothing for as long as its
    rate is measured starts anew.
    """

    __slots__ = ("_blocks", "_last_rate", "_slow_start", "_snubbed", "depth")

    def __init__(self) -> None:
        self.depth = FIRST_DEPTH
        self._slow_start = True
        self._snubbed = False
        self._last_rate = 0.0
        self._blocks = 0  # since the last tick

    def received(self) -> None:
        """Note a block that came as asked."""
        self._blocks += 1
        if self._slow_start and self.depth < MAX_DEPTH:
            self.depth += 1

    def tick(self, rate: float) -> None:
        """Take in the peer's rate, in bytes a second; called about once a second."""
        # The rate is an average over some seconds. After a pause it would long be too low, and too
        # few requests would keep it low; what came since the last tick shows at once what is there.
        rate = max(rate, self._blocks * BLOCK_LENGTH_BYTES)
        self._blocks = 0
        if self._snubbed:
            return
        if rate <= 0:
            self._start_anew()
        elif self._slow_start and rate > self._last_rate * GROWTH:
            self._last_rate = rate
        else:
            self._slow_start = False
            depth = 1 + int(rate * QUEUE_TIME_SECONDS / BLOCK_LENGTH_BYTES)
            self.depth = min(max(depth, MIN_DEPTH), MAX_DEPTH)

    def _start_anew(self) -> None:
        self.depth = FIRST_DEPTH
        self._slow_start = True
        self._last_rate = 0.0

    @property
    def snubbed(self) -> bool:
        """Whether the peer went silent while it owed us blocks: it is asked for one at a time."""
        return self._snubbed

    @snubbed.setter
    def snubbed(self, snubbed: bool) -> None:
        if snubbed == self._snubbed:
            return
        self._snubbed = snubbed
        self._start_anew()
        if snubbed:
            self._slow_start = False
            self.depth = 1

    def refill(self, outstanding: int) -> int:
        """Return how many blocks to request now, given how many are outstanding.

        That is none until a quarter of the depth has come in, and then as many as are lacking:
        requests travel together in one write instead of one by one.
        """
        depth = self.depth
        if outstanding * 4 > depth * 3:
            return 0
        return depth - outstanding
