"""Which tracker to announce to, and when (BEP 12, multitracker metadata)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf
from typing import Protocol, TypeVar

Element = TypeVar("Element")

# BitTorrent 4.0.3 waited 50 s first; trackers that were just restarted are back sooner.
FIRST_RETRY_SECONDS = 15.0
# Its max_announce_retry_interval.
LONGEST_RETRY_SECONDS = 1800.0
# A tracker that says "0 seconds" is not to be flooded.
SHORTEST_INTERVAL_SECONDS = 5.0
# Its rerequest_interval: how soon one who has few peers may ask again, if the tracker does not say.
DEFAULT_MIN_INTERVAL_SECONDS = 300.0


class Random(Protocol):
    """The chance that tiers need; `random.Random` is one."""

    def random(self) -> float: ...

    def shuffle(self, x: list[Element], /) -> None: ...


class _Tracker:
    __slots__ = ("failures", "retry_at", "url")

    def __init__(self, url: str) -> None:
        self.url = url
        self.failures = 0
        self.retry_at = -inf


class AnnounceTiers:
    """The trackers of a torrent, in tiers: the first that answers is the one to talk to.

    Each tier is shuffled once. A tracker that answers moves to the front of its tier; one that
    fails waits, longer each time, while the next is tried.
    """

    def __init__(self, tiers: Iterable[Iterable[str]], random: Random) -> None:
        """`tiers`: URLs by falling preference; a URL that comes again later is left out."""
        self._random = random
        self._tiers: list[list[_Tracker]] = []
        # When the announce after the last successful one is due, and how soon it may be made.
        self._due_at = -inf
        self._allowed_at = -inf
        self._current: str | None = None
        seen: set[str] = set()
        for urls in tiers:
            fresh = [url for url in dict.fromkeys(urls) if url not in seen]
            seen.update(fresh)
            random.shuffle(fresh)
            if fresh:
                self._tiers.append([_Tracker(url) for url in fresh])

    @property
    def current(self) -> str | None:
        """The tracker that answered last: it has us in its list and should hear when we stop."""
        return self._current

    @property
    def urls(self) -> tuple[str, ...]:
        """All trackers in the order in which they are tried now."""
        return tuple(tracker.url for tracker in self._trackers())

    @property
    def next_announce_at(self) -> float:
        """When `next_tracker` will have an answer: infinity if there is no tracker."""
        retry_at = min((tracker.retry_at for tracker in self._trackers()), default=inf)
        return max(self._due_at, retry_at)

    def next_tracker(self, now: float) -> str | None:
        """Return the tracker to announce to now, or None if it is not time."""
        if now < self._due_at:
            return None
        ready = (tracker.url for tracker in self._trackers() if tracker.retry_at <= now)
        return next(ready, None)

    def succeeded(self, url: str, interval: float, min_interval: float | None, now: float) -> None:
        """Note a tracker's answer and the seconds it asks us to wait; KeyError if unknown."""
        tier, tracker = self._find(url)
        tier.remove(tracker)
        tier.insert(0, tracker)
        tracker.failures = 0
        tracker.retry_at = -inf
        self._current = url
        interval = max(interval, SHORTEST_INTERVAL_SECONDS)
        if min_interval is None:
            soonest = min(DEFAULT_MIN_INTERVAL_SECONDS, interval)
        else:
            soonest = max(min_interval, SHORTEST_INTERVAL_SECONDS)
        self._due_at = now + max(interval, soonest)
        self._allowed_at = now + soonest

    def failed(self, url: str, now: float, retry_in: float | None = None) -> None:
        """Note that a tracker did not answer, or refused; KeyError if unknown.

        `retry_in`: after how many seconds it wants to be asked again, 0 for never (BEP 31).
        """
        tracker = self._find(url)[1]
        if retry_in is not None:
            tracker.failures += 1
            # Later rather than sooner than it says; those whom it refused together come apart.
            later = max(retry_in, SHORTEST_INTERVAL_SECONDS) * (1.0 + 0.1 * self._random.random())
            tracker.retry_at = now + later if retry_in else inf
            if not retry_in and self._current == url:
                self._current = None
            return
        delay = min(FIRST_RETRY_SECONDS * 2.0 ** min(tracker.failures, 20), LONGEST_RETRY_SECONDS)
        tracker.failures += 1
        # Everybody's tracker fails at the same moment; not everybody is to return at the same.
        tracker.retry_at = now + delay * (1.0 - 0.25 * self._random.random())

    def hurry(self, now: float) -> None:
        """Announce again as soon as the tracker allows, because peers are few."""
        self._due_at = min(self._due_at, max(now, self._allowed_at))

    def announce_now(self, now: float) -> None:
        """Announce at once, because there is an event to tell; trackers that failed still wait."""
        self._due_at = min(self._due_at, now)

    def _trackers(self) -> Iterator[_Tracker]:
        for tier in self._tiers:
            yield from tier

    def _find(self, url: str) -> tuple[list[_Tracker], _Tracker]:
        for tier in self._tiers:
            for tracker in tier:
                if tracker.url == url:
                    return tier, tracker
        raise KeyError(url)
