import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.tracker_desk import Names
from rawserver.services.tracker.torrent_row import (
    SORT_KEYS,
    UNSORTED,
    SortOrder,
    TorrentRow,
    rows_of,
    sort_order,
    sorted_rows,
)
from rawserver.wire.scrape import ScrapeFile

HASH, OTHER = b"a" * 20, b"b" * 20
ROWS = [TorrentRow(HASH, "b", 10, 1, 5, 3), TorrentRow(OTHER, "A", None, 2, 4, 9)]


def test_a_row_has_what_the_catalogue_knows_beside_the_numbers() -> None:
    files = [ScrapeFile(HASH, 1, 3, 2), ScrapeFile(OTHER, 4, 6, 5)]
    known, unknown = rows_of(files, Names({HASH: "a name"}))
    assert known[:2] == (HASH, "a name")
    assert known[3:] == (1, 2, 3)
    assert unknown == (OTHER, "", None, 4, 5, 6)
    assert rows_of(files, None)[0].name == ""


def test_what_was_transferred_is_known_with_the_size() -> None:
    assert [row.transferred for row in ROWS] == [30, None]


@pytest.mark.parametrize("column", SORT_KEYS)
def test_rows_are_sorted_by_any_column(column: str) -> None:
    up = sorted_rows(ROWS, SortOrder(column))
    assert sorted_rows(ROWS, SortOrder(column, True)) == up[::-1]
    first = {"name": "A", "size": "A", "complete": "b", "downloading": "A", "downloaded": "b",
             "transferred": "A"}[column]  # fmt: skip
    assert up[0].name == first
    assert sorted_rows(ROWS, UNSORTED) == ROWS


@pytest.mark.parametrize(
    ("query", "order"),
    [
        (b"", UNSORTED),
        (b"sort=size", SortOrder("size")),
        (b"sort=size&order=desc", SortOrder("size", True)),
        (b"order=asc&sort=name", SortOrder("name")),
        (b"sort=__class__&order=desc", UNSORTED),
        (b"sort=%73ize", UNSORTED),
    ],
)
def test_an_order_is_read(query: bytes, order: SortOrder) -> None:
    assert sort_order(query) == order


@given(st.binary(max_size=100))
def test_any_query_is_an_order_or_none(query: bytes) -> None:
    assert sort_order(query).column in {"", *SORT_KEYS}
