"""A gate for the torrents of a catalogue."""

from __future__ import annotations

from rawserver.services.tracker.asker import Asker
from rawserver.services.tracker.catalog import Catalog
from rawserver.services.tracker.gate import Refused
from rawserver.wire.announce_request import AnnounceRequest


class OnlyListed:
    """Refuses torrents that a catalogue does not list, and those that it has a failure for."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def __call__(self, announce: AnnounceRequest, asker: Asker) -> str | None:
        """Return the warning that the catalogue has for this torrent; raises Refused."""
        listed = self._catalog.find(announce.info_hash)
        if listed is None:
            raise Refused("this torrent is not tracked here")
        if listed.failure:
            raise Refused(listed.failure)
        return listed.warning or None

    def shows(self, info_hash: bytes) -> bool:
        """Tell whether a torrent is listed, and without a failure."""
        listed = self._catalog.find(info_hash)
        return listed is not None and not listed.failure
