"""A tracker of the torrents of a catalogue alone."""

from collections.abc import Iterator

import pytest

from kit.tracker_desk import HASH, SEED
from rawserver.services.tracker import Asker, Listed, Refused
from rawserver.services.tracker.catalog import TorrentDone
from rawserver.services.tracker.only_listed import OnlyListed
from rawserver.wire.announce_request import AnnounceRequest

ASKER = Asker(b"\x08\x08\x08\x08")
REQUEST = AnnounceRequest(HASH, SEED, 6881)


class One:
    """A catalogue of one torrent."""

    def __init__(self, listed: Listed) -> None:
        self._listed = listed

    def __contains__(self, info_hash: object) -> bool:
        return info_hash == HASH

    def __iter__(self) -> Iterator[bytes]:
        yield HASH

    def find(self, info_hash: bytes) -> Listed | None:
        return self._listed if info_hash == HASH else None

    def torrent(self, info_hash: bytes, done: TorrentDone) -> None:
        done(None)


def test_what_is_listed_is_tracked_and_nothing_else() -> None:
    gate = OnlyListed(One(Listed("name", 1)))
    assert gate(REQUEST, ASKER) is None
    with pytest.raises(Refused, match="not tracked here"):
        gate(REQUEST._replace(info_hash=b"x" * 20), ASKER)


def test_a_torrent_may_be_listed_with_a_failure_or_a_warning() -> None:
    with pytest.raises(Refused, match="withdrawn"):
        OnlyListed(One(Listed("name", 1, failure="withdrawn")))(REQUEST, ASKER)
    assert OnlyListed(One(Listed("name", 1, warning="old")))(REQUEST, ASKER) == "old"
