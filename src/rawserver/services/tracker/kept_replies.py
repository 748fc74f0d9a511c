"""Replies that are kept a moment: who asks again and again does not have them made each time."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from rawserver.http.response import HttpResponse

KEEP_SECONDS = 1.0
# Orders of the page, statistics of two kinds, and the scrape of all.
MAX_KEPT = 32


class KeptReplies:
    """Makes a reply once in KEEP_SECONDS. `time` is the loop's."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._kept: dict[Hashable, tuple[float, HttpResponse]] = {}

    def get(self, name: Hashable, make: Callable[[], HttpResponse]) -> HttpResponse:
        """Return the reply of a name, the one that is kept or a new one."""
        now = self._time()
        kept = self._kept.get(name)
        if kept is not None and now - kept[0] < KEEP_SECONDS:
            return kept[1]
        reply = make()
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[name] = now, reply
        return reply
