"""The torrents that a program tracks for itself: added one by one, kept in memory."""

from __future__ import annotations

from collections.abc import Iterator

from rawserver.services.tracker.catalog import Listed, TorrentDone
from rawserver.wire.metainfo import Metainfo


class Published:
    """A catalogue of what was added to it."""

    def __init__(self) -> None:
        self._torrents: dict[bytes, Metainfo] = {}

    def add(self, metainfo: Metainfo) -> None:
        """List a torrent from now on."""
        self._torrents[metainfo.info_hash] = metainfo

    def __contains__(self, info_hash: object) -> bool:
        return info_hash in self._torrents

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._torrents)

    def find(self, info_hash: bytes) -> Listed | None:
        """Return what is known of a torrent; None if it was not added."""
        metainfo = self._torrents.get(info_hash)
        return None if metainfo is None else Listed(metainfo.name, metainfo.total_size)

    def torrent(self, info_hash: bytes, done: TorrentDone) -> None:
        """Call `done` at once with the .torrent, None if it was not added."""
        metainfo = self._torrents.get(info_hash)
        done(None if metainfo is None else metainfo.raw)
