"""One line of the tracker's page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from rawserver.services.tracker.catalog import Catalog
from rawserver.wire.scrape import ScrapeFile


class TorrentRow(NamedTuple):
    """A torrent; `name` is empty and `size` (bytes) None where they are not known."""

    info_hash: bytes
    name: str
    size: int | None
    complete: int
    downloading: int
    downloaded: int

    @property
    def transferred(self) -> int | None:
        """Bytes that its peers have got in all, as far as they have completed it."""
        return None if self.size is None else self.size * self.downloaded


Key = Callable[[TorrentRow], tuple[object, ...]]

# What may be sorted by. Those of unknown size come as if they had none.
SORT_KEYS: dict[str, Key] = {
    "name": lambda row: (row.name.casefold(), row.info_hash),
    "size": lambda row: (row.size or 0, row.info_hash),
    "complete": lambda row: (row.complete, row.info_hash),
    "downloading": lambda row: (row.downloading, row.info_hash),
    "downloaded": lambda row: (row.downloaded, row.info_hash),
    "transferred": lambda row: (row.transferred or 0, row.info_hash),
}


class SortOrder(NamedTuple):
    """By which column, and whether the largest comes first; no column is the tracker's order."""

    column: str = ""
    descending: bool = False


UNSORTED = SortOrder()


def rows_of(files: Iterable[ScrapeFile], catalog: Catalog | None) -> list[TorrentRow]:
    """Put torrents together with what a catalogue knows of them."""
    rows = []
    for file in files:
        listed = None if catalog is None else catalog.find(file.info_hash)
        name, size = ("", None) if listed is None else (listed.name, listed.size)
        numbers = file.complete, file.incomplete, file.downloaded
        rows.append(TorrentRow(file.info_hash, name, size, *numbers))
    return rows


def sort_order(query: bytes) -> SortOrder:
    """Read `sort=COLUMN&order=asc|desc`; what makes no sense is no order."""
    fields = dict(field.partition(b"=")[::2] for field in query.split(b"&", 8)[:8])
    column = fields.get(b"sort", b"").decode("latin-1")
    if column not in SORT_KEYS:
        return UNSORTED
    return SortOrder(column, fields.get(b"order") == b"desc")


def sorted_rows(rows: list[TorrentRow], order: SortOrder) -> list[TorrentRow]:
    """Return rows in an order."""
    if not order.column:
        return rows
    # The keys of one column can be compared with each other.
    return sorted(rows, key=SORT_KEYS[order.column], reverse=order.descending)
