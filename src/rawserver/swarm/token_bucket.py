"""A limit on a rate: what may be sent now, and if nothing, when."""

# Half a second's worth: what a pause may save up, and so the largest burst after it.
BURST_SECONDS = 0.5
# A debt this short is rounding: no clock need be fine enough to wait for it.
SHORTEST_WAIT_SECONDS = 1e-6


class TokenBucket:
    """Lets `rate` bytes per second pass, 0 for any number.

    A block passes whole as soon as the bucket is not in debt, and may put it there: so a block
    larger than `burst` passes too, and the rate over time is still right.
    """

    __slots__ = ("_burst", "_filled_at", "_level", "burst", "rate")

    def __init__(self, rate: float, burst: float | None = None) -> None:
        """`rate`: bytes per second; `burst`: bytes, by default half a second's worth."""
        if rate < 0 or (burst is not None and burst < 0):
            raise ValueError("a rate or a burst cannot be negative")
        self._burst = burst
        self.rate = rate
        self.burst = rate * BURST_SECONDS if burst is None else burst
        self._level = self.burst
        self._filled_at: float | None = None

    def take(self, amount: int, now: float) -> bool:
        """Take `amount` bytes if they may pass now."""
        if self.rate == 0:
            return True
        self._fill(now)
        if self._wait() > 0:
            return False
        self._level -= amount
        return True

    def seconds_until_ready(self, now: float) -> float:
        """Return after how many seconds `take` will be true, 0.0 if it is."""
        if self.rate == 0:
            return 0.0
        self._fill(now)
        return self._wait()

    def change_rate(self, rate: float, now: float) -> None:
        """Set another rate; a debt made at the old one is forgiven."""
        if rate < 0:
            raise ValueError("a rate cannot be negative")
        self._fill(now)
        self.rate = rate
        self.burst = rate * BURST_SECONDS if self._burst is None else self._burst
        self._level = min(max(self._level, 0.0), self.burst)

    def _wait(self) -> float:
        seconds = -self._level / self.rate
        return seconds if seconds > SHORTEST_WAIT_SECONDS else 0.0

    def _fill(self, now: float) -> None:
        if self._filled_at is not None and now > self._filled_at:
            gained = (now - self._filled_at) * self.rate
            self._level = min(self._level + gained, self.burst)
        self._filled_at = now
