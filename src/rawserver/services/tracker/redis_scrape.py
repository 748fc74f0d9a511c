"""One scrape of a store: a question for each torrent, and one answer when the last is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rawserver.engine import RawServer
from rawserver.services.tracker.redis_commands import file_of
from rawserver.wire.scrape import ScrapeFile

ScrapeLater = Callable[[Sequence[ScrapeFile]], None]


class ScrapedStore(Protocol):
    """Whom to ask, and who knows what if the store does not answer."""

    def ask_for_file(self, info_hash: bytes, answered: Callable[[Any], None]) -> bool: ...
    def file_from_here(self, info_hash: bytes) -> ScrapeFile | None: ...


class RedisScrape:
    """Asks for some torrents, one at least; `later(files)` hears of those that are known."""

    def __init__(
        self,
        raw_server: RawServer,
        store: ScrapedStore,
        info_hashes: Sequence[bytes],
        later: ScrapeLater,
    ) -> None:
        self._raw_server = raw_server
        self._store = store
        self._later = later
        # In the order in which they were asked for.
        self._files: dict[bytes, ScrapeFile | None] = dict.fromkeys(info_hashes)
        self._missing = len(self._files)

    def start(self) -> None:
        """Ask; nothing is called from here."""
        for info_hash in self._files:

            def answered(reply: Any, info_hash: bytes = info_hash) -> None:
                self._take(info_hash, reply)

            if not self._store.ask_for_file(info_hash, answered):
                self._raw_server.add_task(answered, 0, (False,))

    def _take(self, info_hash: bytes, reply: Any) -> None:
        if isinstance(reply, list) and len(reply) == 4:
            self._files[info_hash] = file_of(info_hash, reply)
        elif reply is not None:
            self._files[info_hash] = self._store.file_from_here(info_hash)
        self._missing -= 1
        if not self._missing:
            self._later([file for file in self._files.values() if file is not None])
