"""Telling a store that is back what it has missed, and one that has lost all what is known here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Protocol

from rawserver.engine import RawServer, Task
from rawserver.services.tracker.redis_client import StoreError
from rawserver.services.tracker.redis_commands import Writable
from rawserver.services.tracker.unwritten import Unwritten

# Some 2,500 a second: a store does ten times as much, and a tracker with 500,000 peers has told of
# all of them in a few minutes, beside its announces.
PORTION = 125
PAUSE_SECONDS = 0.05
# What came up while the store was away takes some 500 bytes each. Of more than this the last are
# kept, and the store is told of all who are known; of those who stopped before it learns by their
# silence.
MAX_UNWRITTEN = 50_000


class Store(Protocol):
    """Who passes on what is written; False if it cannot be passed on now."""

    def write(self, item: Writable, written: Callable[[Any], None]) -> bool: ...


class WriteBack:
    """Writes in portions, each when the one before is answered, until nothing is left."""

    def __init__(self, raw_server: RawServer, store: Store) -> None:
        self._raw_server = raw_server
        self._store = store
        self._unwritten = Unwritten(MAX_UNWRITTEN)
        self._all: Iterator[Writable] = iter(())
        self._task: Task | None = None
        self._unanswered = 0

    def __len__(self) -> int:
        """Count what came up while the store was away, and that the store does not know."""
        return len(self._unwritten)

    def add(self, item: Writable) -> None:
        """Keep what is to be written when `start` is called."""
        self._unwritten.add(item)

    @property
    def has_dropped(self) -> bool:
        """Whether there was too much to keep: then `add_all` what is known."""
        return self._unwritten.has_dropped

    def add_all(self, items: Iterator[Writable]) -> None:
        """Have these written too, the last, in place of those that were given before."""
        self._all = items
        self._unwritten.has_dropped = False

    def start(self) -> None:
        """Go on; nothing if it does already."""
        if self._task is None and not self._unanswered:
            self._task = self._raw_server.add_task(self._write_some, PAUSE_SECONDS)

    def stop(self) -> None:
        """Write no more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _write_some(self) -> None:
        self._task = None
        portion: list[Writable] = [*self._unwritten.take(PORTION)]
        portion += islice(self._all, PORTION - len(portion))
        self._unanswered = len(portion)
        for item in portion:
            if not self._store.write(item, partial(self._written, item)):
                self._unanswered -= 1
                self._unwritten.add(item)

    def _written(self, item: Writable, reply: Any) -> None:
        self._unanswered -= 1
        if isinstance(reply, StoreError):
            self._unwritten.add(item)
        elif not self._unanswered:
            self.start()
