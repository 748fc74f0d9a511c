"""The page for people."""

from html.parser import HTMLParser

from rawserver.services.tracker.page import tracker_page
from rawserver.wire.scrape import ScrapeFile

HASH = bytes(range(20))


class Cells(HTMLParser):
    """The texts of a page's table, a list each row; and what tags it has at all."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open, "a tag is not closed"

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def page(*files: ScrapeFile, torrents: int | None = None, name: str | None = None) -> Cells:
    count = len(files) if torrents is None else torrents
    return Cells(tracker_page(files, count, 5, lambda info_hash: name))


def test_torrents_stand_with_their_numbers_under_their_names() -> None:
    cells = page(ScrapeFile(HASH, 1, 20, 300), name="a file")
    assert cells.rows[0] == ["Torrent", "Complete", "Downloading", "Downloaded"]
    assert cells.rows[1] == ["a file" + HASH.hex(), "1", "300", "20"]


def test_a_torrent_without_a_name_shows_its_hash() -> None:
    assert page(ScrapeFile(HASH, 1, 20, 300)).rows[1][0] == HASH.hex()


def test_names_are_text_whatever_they_hold() -> None:
    name = "<script>alert('1')</script> & \"{file}\" {0} &lt;"
    cells = page(ScrapeFile(HASH, 0, 0, 0), name=name)
    assert "script" not in cells.tags
    assert cells.rows[1][0] == name + HASH.hex()


def test_what_there_is_is_counted() -> None:
    assert "0 torrents, 5 peers." in page().text
    assert not page().rows
    assert "1 torrent, 5 peers." in page(ScrapeFile(HASH, 1, 1, 1)).text
    many = page(ScrapeFile(HASH, 1, 1, 1), torrents=7)
    assert "7 torrents, 5 peers. The first 1 are listed." in many.text


def test_the_page_fits_a_phone() -> None:
    text = tracker_page([], 0, 0, lambda info_hash: None)
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert "overflow-wrap: anywhere" in text
