"""The time between two announces of a peer, not only told but enforced."""

from __future__ import annotations

import math
from collections.abc import Callable

from rawserver.services.tracker.asker import Asker
from rawserver.services.tracker.gate import Refused
from rawserver.swarm.announce_interval import LONELY_INTERVAL_SECONDS, AnnounceInterval
from rawserver.swarm.recent_announces import MAX_REMEMBERED, RecentAnnounces
from rawserver.swarm.registry import AnnounceResult
from rawserver.wire.announce_request import AnnounceRequest, Event

# Clients round, and their clocks and the network's delays are not ours: so much of the time need
# not have passed.
SLACK = 0.1
# Whoever begins, ends or completes says what others need to know now. One who says so all the
# time is for the rate of his address.
_MATTERS = frozenset({Event.STARTED, Event.STOPPED, Event.COMPLETED})


class MinInterval:
    """A gate, and `watch` is its watcher: give a tracker both.

    `interval` is the tracker's, so that nobody is refused who came when he was told to. A peer is
    one of a torrent, peer id and address. `clock` is the network's `time`. Who is refused is not
    put off any longer by it.
    """

    def __init__(
        self,
        interval: AnnounceInterval,
        clock: Callable[[], float],
        max_remembered: int = MAX_REMEMBERED,
    ) -> None:
        self._least = interval.least
        self._lonely_least = min(interval.least, LONELY_INTERVAL_SECONDS)
        self._clock = clock
        self._recent = RecentAnnounces(self._least, max_remembered)

    def __call__(self, announce: AnnounceRequest, asker: Asker) -> str | None:
        """Raise Refused for who comes too soon, with the seconds that are left."""
        if announce.event in _MATTERS:
            return None
        left = self._recent.seconds_left(
            announce.info_hash, announce.peer_id, asker.ip, self._clock()
        )
        if left > 0:
            seconds = math.ceil(left)
            raise Refused(f"too soon: come back in {seconds} seconds", seconds)
        return None

    def watch(self, announce: AnnounceRequest, asker: Asker, result: AnnounceResult) -> None:
        """Note that one was answered."""
        least = self._lonely_least if _is_lonely(announce, result) else self._least
        seconds = 0.0 if announce.event is Event.STOPPED else least * (1 - SLACK)
        self._recent.note(announce.info_hash, announce.peer_id, asker.ip, seconds, self._clock())


def _is_lonely(announce: AnnounceRequest, result: AnnounceResult) -> bool:
    """Tell whether the tracker has him come back soon: he wants data and was told of nobody."""
    return announce.left > 0 and not (result.peers4 or result.peers6)
