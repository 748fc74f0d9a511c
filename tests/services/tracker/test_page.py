"""The page for people."""

from html.parser import HTMLParser

import pytest

from rawserver.services.tracker.page import shown_size, tracker_page
from rawserver.services.tracker.page_assets import SCRIPT, STYLE
from rawserver.services.tracker.torrent_row import UNSORTED, SortOrder, TorrentRow

HASH = bytes(range(20))
DASH = "\N{EN DASH}"
ROW = TorrentRow(HASH, "", None, 1, 300, 20)
SIZED = TorrentRow(HASH, "a file", 3 * 1024**3 // 2, 1, 300, 2000)


class Cells(HTMLParser):
    """The texts of a page's table, a list each row; its links, tags and attributes of headings."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.headings: list[dict[str, str | None]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open, "a tag is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "a":
            self.links.append(dict(attrs)["href"] or "")
        elif tag == "th":
            self.headings.append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def page(*rows: TorrentRow, torrents: int | None = None, order: SortOrder = UNSORTED) -> Cells:
    return Cells(tracker_page(rows, len(rows) if torrents is None else torrents, 5, order))


def test_torrents_stand_with_their_numbers_under_their_names() -> None:
    cells = page(SIZED)
    assert cells.rows == [
        ["Torrent", "Size", "Complete", "Downloading", "Downloaded", "Transferred"],
        ["a file" + HASH.hex(), "1.5 GiB", "1", "300", "2,000", "2.9 TiB"],
        ["Total", "1.5 GiB", "1", "300", "2,000", "2.9 TiB"],
    ]


def test_where_no_size_is_known_there_is_no_column_of_it() -> None:
    assert page(ROW).rows == [
        ["Torrent", "Complete", "Downloading", "Downloaded"],
        [HASH.hex(), "1", "300", "20"],
        ["Total", "1", "300", "20"],
    ]
    assert page(SIZED, ROW).rows[2] == [HASH.hex(), DASH, "1", "300", "20", DASH]


def test_names_are_text_whatever_they_hold() -> None:
    name = "<script>alert('1')</script> & \"{file}\" {0} &lt; %s %"
    cells = page(ROW._replace(name=name))
    assert cells.tags.count("script") == 1  # ours
    assert cells.rows[1][0] == name + HASH.hex()


def test_what_there_is_is_counted() -> None:
    assert "0 torrents, 5 peers." in page().text
    assert not page().rows
    assert "1 torrent, 5 peers." in page(ROW).text
    assert "7,000 torrents, 5 peers. The first 1 are listed." in page(ROW, torrents=7000).text


def test_every_heading_asks_for_the_page_by_its_column() -> None:
    columns = ["name", "size", "complete", "downloading", "downloaded", "transferred"]
    orders = ["asc"] + ["desc"] * 5
    expected = [
        f"?sort={column}&order={order}" for column, order in zip(columns, orders, strict=True)
    ]
    assert page(SIZED).links == expected
    assert all(heading["scope"] in ("col", "row") for heading in page(SIZED).headings)


@pytest.mark.parametrize(
    ("descending", "said", "other"), [(True, "descending", "asc"), (False, "ascending", "desc")]
)
def test_the_column_that_it_is_sorted_by_says_so_and_turns_round(
    descending: bool, said: str, other: str
) -> None:
    cells = page(SIZED, order=SortOrder("size", descending))
    assert [heading.get("aria-sort") for heading in cells.headings[:3]] == [None, said, None]
    assert f"?sort=size&order={other}" in cells.links


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (2**50, "1.0 PiB"),
     (2**80, "1048576.0 EiB")],
)  # fmt: skip
def test_sizes_are_read_by_people(count: int, text: str) -> None:
    assert shown_size(count) == text


def test_it_has_its_look_and_its_script_within_and_fits_a_phone() -> None:
    text = tracker_page([], 0, 0)
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert f"<style>{STYLE}</style>" in text
    assert f"<script>{SCRIPT}</script>" in text
    assert "://" not in text
