"""When a tracker has its peers come back."""

from __future__ import annotations

from rawserver.swarm.registry import Random

# bttrack's reannounce_interval.
DEFAULT_INTERVAL_SECONDS = 1800
# A peer that wants data and was told of nobody comes back soon: who starts before the seed would
# else wait half an hour. It costs an announce each time, and only while the swarm is empty.
LONELY_INTERVAL_SECONDS = 15
# Peers that came together do not come back together: each is told up to so much less.
JITTER = 0.1


class AnnounceInterval:
    """Says the time until the next announce, in seconds.

    `interval` is what peers are told, but for up to a tenth less; `least` how soon they may come by
    themselves, by default after a quarter.
    """

    def __init__(self, random: Random, interval: int, least: int | None = None) -> None:
        self._random = random.random
        self.interval = interval
        self.least = min(least or max(1, interval // 4), interval)
        self._lonely = min(interval, LONELY_INTERVAL_SECONDS)
        self._lonely_least = min(self.least, self._lonely)

    def after(self, lonely: bool) -> tuple[int, int]:
        """Return `interval` and `min interval`; `lonely` is one who wants data and found nobody."""
        if lonely:
            interval, least = self._lonely, self._lonely_least
        else:
            interval, least = self.interval, self.least
        interval -= int(interval * JITTER * self._random())
        return interval if interval > least else least, least
