"""Torrents that a program tracks for itself."""

from kit.content import metainfo_of, random_bytes
from rawserver.services.tracker.catalog import Listed
from rawserver.services.tracker.published import Published


def test_what_is_added_is_listed_with_name_and_size() -> None:
    metainfo = metainfo_of(random_bytes(40_000))
    published = Published()
    assert metainfo.info_hash not in published
    assert published.find(metainfo.info_hash) is None
    given: list[bytes | None] = []
    published.torrent(metainfo.info_hash, given.append)
    published.add(metainfo)
    assert metainfo.info_hash in published
    assert published.find(metainfo.info_hash) == Listed(metainfo.name, 40_000)
    published.torrent(metainfo.info_hash, given.append)
    assert given == [None, metainfo.raw]
