"""What a store that is away was not told yet: of each peer the last that it announced."""

from __future__ import annotations

from rawserver.services.tracker.redis_commands import Announce, Completions, Verdict, Writable
from rawserver.wire.announce_request import Event


class Unwritten:
    """Keeps `limit` at most, the last; `has_dropped` says whether there were more."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.has_dropped = False
        self._items: dict[tuple[object, ...], Writable] = {}

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Writable) -> None:
        """Keep one, in place of what it makes worthless."""
        items = self._items
        if isinstance(item, Completions):
            items[item.info_hash, "completions"] = item
        elif isinstance(item, Verdict):
            items[item.info_hash, item.peer_id, len(item.ip), "verdict"] = item
        else:
            self._add_announce((item.info_hash, item.peer_id, len(item.ip)), item)
        if len(items) > self._limit:
            self.has_dropped = True
            del items[next(iter(items))]

    def _add_announce(self, name: tuple[object, ...], item: Announce) -> None:
        # Pop first: the order is that in which they came.
        old = self._items.pop(name, None)
        if isinstance(old, Announce):
            item, old = (old, item) if old.now > item.now else (item, old)
            if old.event is Event.COMPLETED and item.event is Event.STOPPED:
                self._items[(*name, "completed")] = old
            elif old.event is Event.COMPLETED and item.left == 0:
                item = item._replace(event=Event.COMPLETED)
        self._items[name] = item

    def take(self, count: int) -> list[Writable]:
        """Take out the first ones."""
        taken: list[Writable] = []
        while self._items and len(taken) < count:
            taken.append(self._items.pop(next(iter(self._items))))
        return taken
