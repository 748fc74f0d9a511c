"""Lists of info-hashes in files, and gates for the torrents that are on them."""

from __future__ import annotations

from collections.abc import Container

from rawserver.services.tracker.asker import Asker
from rawserver.services.tracker.gate import Refused
from rawserver.services.tracker.watched_file import WatchedFile
from rawserver.swarm.info_hash_set import InfoHashSet, parse_info_hashes
from rawserver.wire.announce_request import AnnounceRequest


class InfoHashList(WatchedFile[InfoHashSet]):
    """The info-hashes of a file, one a line: 40 hex digits, 32 of base32, or 64 hex digits."""

    parse = staticmethod(parse_info_hashes)

    def __contains__(self, info_hash: object) -> bool:
        return info_hash in self.contents

    def __len__(self) -> int:
        return len(self.contents)


class AllowedHashes:
    """Refuses torrents that are on no list: an InfoHashList, or any container of info-hashes."""

    def __init__(self, *lists: Container[bytes]) -> None:
        self._lists = lists

    def __call__(self, announce: AnnounceRequest, asker: Asker) -> str | None:
        """Raise Refused for a torrent that is on none."""
        if not self.shows(announce.info_hash):
            raise Refused("this torrent is not tracked here")
        return None

    def shows(self, info_hash: bytes) -> bool:
        """Tell whether a torrent is on one."""
        return any(info_hash in listed for listed in self._lists)


class DeniedHashes:
    """Refuses torrents that are on a list: an InfoHashList, or any container of info-hashes."""

    def __init__(self, *lists: Container[bytes]) -> None:
        self._lists = lists

    def __call__(self, announce: AnnounceRequest, asker: Asker) -> str | None:
        """Raise Refused for a torrent that is on one."""
        if not self.shows(announce.info_hash):
            # A deny list is seldom changed back: who may not now may spare us the asking.
            raise Refused("this torrent is refused here", 0)
        return None

    def shows(self, info_hash: bytes) -> bool:
        """Tell whether a torrent is on none."""
        return not any(info_hash in listed for listed in self._lists)
