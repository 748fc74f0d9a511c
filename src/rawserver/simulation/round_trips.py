"""How long an acknowledgement may take (RFC 6298)."""

from __future__ import annotations

# RFC 6298, section 2.1, and Linux's bounds (TCP_RTO_MIN, TCP_RTO_MAX).
FIRST_TIMEOUT = 1.0
SHORTEST_TIMEOUT = 0.2
LONGEST_TIMEOUT = 120.0


class RoundTrips:
    """The times of a connection's round trips, smoothed, in seconds; None before the first."""

    __slots__ = ("_timeout", "smoothed", "variance")

    def __init__(self) -> None:
        self.smoothed: float | None = None
        self.variance = 0.0
        self._timeout = FIRST_TIMEOUT

    def measured(self, seconds: float) -> None:
        """Note one of a packet that was sent once."""
        if self.smoothed is None:
            self.smoothed = seconds
            self.variance = seconds / 2
        else:
            self.variance += (abs(self.smoothed - seconds) - self.variance) / 4
            self.smoothed += (seconds - self.smoothed) / 8
        # Linux bounds the variance's part from below, so that a steady path has some room.
        self._timeout = self.smoothed + max(4 * self.variance, SHORTEST_TIMEOUT)

    def timeout(self, tries: int) -> float:
        """Return how long to wait, after so many that were in vain."""
        if not tries:
            return self._timeout if self._timeout < LONGEST_TIMEOUT else LONGEST_TIMEOUT
        return min(self._timeout * 2.0**tries, LONGEST_TIMEOUT)
