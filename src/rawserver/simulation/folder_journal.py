"""Changes of folders that are not on the medium yet: a power cut takes back the last ones."""

from __future__ import annotations

import random
from collections import deque

from rawserver.simulation.folder import Folder, Node

# ext4 writes its journal out so often (its option "commit").
COMMIT_SECONDS = 5.0


class FolderJournal:
    """Names that came, went or changed what they stand for, in order.

    As in a journaling file system: the changes reach the medium in the order in which they were
    made, all of them when any file is synchronized, and by themselves after a while.
    """

    __slots__ = ("_changes",)

    def __init__(self) -> None:
        self._changes: deque[tuple[float, Folder, str, Node | None]] = deque()

    def put(self, folder: Folder, name: str, node: Node | None, now: float) -> None:
        """Have a name stand for something else, or for nothing (None)."""
        self._commit_before(now - COMMIT_SECONDS)
        self._changes.append((now, folder, name, folder.entries.get(name)))
        _set(folder, name, node)

    def commit(self) -> None:
        """Have all changes on the medium."""
        self._changes.clear()

    def crash(self, chance: random.Random, now: float) -> None:
        """Take back as many of the last changes as chance says."""
        self._commit_before(now - COMMIT_SECONDS)
        if self._changes:
            for _ in range(chance.randint(0, len(self._changes))):
                _, folder, name, before = self._changes.pop()
                _set(folder, name, before)
        self.commit()

    def _commit_before(self, time: float) -> None:
        while self._changes and self._changes[0][0] <= time:
            self._changes.popleft()


def _set(folder: Folder, name: str, node: Node | None) -> None:
    if node is None:
        del folder.entries[name]
    else:
        folder.entries[name] = node
