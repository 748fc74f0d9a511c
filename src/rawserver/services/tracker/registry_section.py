"""A registry in memory as a section of a tracker's state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.registry_state import Restorer, dump


class RegistrySection:
    """Keeps the swarms of a registry over a restart."""

    name = "swarms"

    def __init__(self, registry: MemoryRegistry) -> None:
        self._registry = registry

    def dump(self, now: float) -> Iterator[bytes]:
        """Yield its peers, torrents and counts, some hundred peers at a time."""
        return dump(self._registry, now)

    def restore(self, blocks: Iterable[bytes], now: float, away: float) -> None:
        """Take them back; RegistryStateError if they make no sense."""
        restorer = Restorer(self._registry, now, away)
        for block in blocks:
            restorer.feed(block)
        restorer.close()
