"""The tracker's page for people, in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from interop.peers.browser import DESK, PHONE, Browser
from interop.peers.our_tracker import OurTracker
from rawserver.wire.bencode import encode
from rawserver.wire.metainfo import parse_metainfo

GIB = 1024**3
INJECTED = (
    "<script>document.title='run'; window.run = 1<script><img src=x onerror=window.run=1> &amp;"
)
# Name, size, and how many seeds and others there are.
TORRENTS = [
    ("debian-13.2.0-amd64-netinst.iso", 784 * 1024 * 1024, 41, 7),
    ("Holiday photos, summer", 23 * GIB // 10, 2, 3),
    (INJECTED, 4096, 1, 0),
    ("a-name-without-a-blank-in-it-" + "x" * 120 + ".tar.zst", 912 * GIB, 0, 12),
    ("Übungen für Klavier 🎹", 350_000_000, 11, 2),
]
# The page's text and ground, as red, green and blue; no ground of its own is Canvas (CSS Color 4).
COLOURS = """
const shown = document.createElement("canvas").getContext("2d");
return [getComputedStyle(document.body).color, "Canvas"].map(colour => {
  const mark = document.createElement("i");
  mark.style.color = colour;
  document.body.append(mark);
  shown.fillStyle = getComputedStyle(mark).color;
  mark.remove();
  shown.fillRect(0, 0, 1, 1);
  return Array.from(shown.getImageData(0, 0, 1, 1).data.slice(0, 3));
});
"""


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurTracker]:
    """A tracker with some torrents, in a folder, and peers."""
    folder = tmp_path_factory.mktemp("torrents")
    info_hashes = []
    for number, (name, size, _, _) in enumerate(TORRENTS):
        torrent = torrent_of(name, size)
        (folder / f"{number}.torrent").write_bytes(torrent)
        info_hashes.append(parse_metainfo(torrent).info_hash)
    icon = folder / "icon"
    icon.write_bytes(b"an icon")
    tracker = OurTracker(folder.parent, "--torrents", str(folder), "--favicon", str(icon))
    for info_hash, (_, _, seeds, others) in zip(info_hashes, TORRENTS, strict=True):
        for number in range(seeds + others):
            left = 0 if number < seeds else 1
            event = "completed" if number % 2 == 0 and number < seeds else "started"
            join(tracker, info_hash, number, left, event)
    yield tracker
    tracker.close()


def torrent_of(name: str, size: int) -> bytes:
    piece_length = 64 * 1024 * 1024
    pieces = b"p" * (20 * (-(-size // piece_length)))
    info = {b"name": name.encode(), b"length": size, b"piece length": piece_length}
    return encode({b"info": info | {b"pieces": pieces}})


def join(tracker: OurTracker, info_hash: bytes, number: int, left: int, event: str) -> None:
    peer = f"peer_id=-XX0001-{number:012}&port={7000 + number}&left={left}&event={event}"
    path = f"/announce?info_hash={quote(info_hash)}&{peer}&uploaded=0&downloaded=0"
    assert b"failure" not in tracker.fetch(path)


def contrast(one: list[int], other: list[int]) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG 2.2)."""

    def luminance(colour: list[int]) -> float:
        parts = [value / 255 for value in colour]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture
def page(browser: Browser, tracker: OurTracker) -> Browser:
    """The page, opened anew in a window of a desk."""
    browser.show(*DESK)
    browser.driver.get(tracker.url().removesuffix("announce"))
    return browser


def names(page: Browser) -> list[str]:
    """Return the torrents' names, from the top; each stands above its info-hash."""
    return [row[0].rpartition("\n")[0] for row in page.table()]


def test_names_sizes_and_counts_stand_in_the_table(page: Browser) -> None:
    rows = {row[0].rpartition("\n")[0]: row[1:] for row in page.table()}
    assert rows.keys() == {name for name, *_ in TORRENTS}
    for name, _, seeds, others in TORRENTS:
        assert rows[name][1:3] == [str(seeds), str(others)]
    assert rows["debian-13.2.0-amd64-netinst.iso"] == ["784.0 MiB", "41", "7", "21", "16.1 GiB"]
    peers = sum(seeds + others for *_, seeds, others in TORRENTS)
    assert f"{len(TORRENTS)} torrents, {peers} peers." in page.run("return document.body.innerText")


@pytest.mark.parametrize(("heading", "column"), [("Size", 1), ("Complete", 2)])
def test_a_click_on_a_heading_sorts_and_another_turns_it_round(
    page: Browser, heading: str, column: int
) -> None:
    ascending = [name for name, *_ in sorted(TORRENTS, key=lambda torrent: torrent[column])]
    for direction, expected in (("descending", ascending[::-1]), ("ascending", ascending)):
        page.click(heading)
        assert names(page) == expected
        script = "return document.querySelector('[aria-sort]')"
        assert page.run(f"{script}.getAttribute('aria-sort')") == direction
    # It was done in the page, which is where it was.
    assert "?" not in page.driver.current_url


def test_names_are_sorted_as_text_and_again_without_the_script(page: Browser) -> None:
    page.click("Torrent")
    by_click = names(page)
    assert by_click == sorted(by_click, key=str.lower)
    page.driver.get(f"{page.driver.current_url}?sort=name&order=asc")
    assert names(page) == by_click


def test_what_stands_in_a_name_is_text(page: Browser) -> None:
    assert INJECTED in names(page)
    assert page.run("return [document.title, window.run, document.scripts.length]") == [
        "Tracker", None, 1,
    ]  # fmt: skip


def test_the_policy_lets_through_what_is_in_the_page(page: Browser) -> None:
    page.click("Size")
    assert page.complaints() == []
    # And nothing else.
    page.run("const added = document.createElement('script'); added.text = 'window.run = 1';"
             "document.body.append(added)")  # fmt: skip
    assert page.run("return window.run") is None
    (complaint,) = page.complaints()
    assert "Content Security Policy" in complaint


@pytest.mark.parametrize("width", [320, PHONE[0], 768, 1000])
def test_no_window_is_too_narrow(page: Browser, width: int) -> None:
    page.show(width, 800)
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert page.run("return document.querySelector('tbody td').clientWidth") >= 240
    # Nor does anything stand over its neighbour.
    over = "cell => cell.scrollWidth - cell.clientWidth"
    cells = "document.querySelectorAll('th, td')"
    assert page.run(f"return Math.max(...Array.from({cells}, {over}))") <= 0


@pytest.mark.parametrize("window", [DESK, PHONE], ids=["desk", "phone"])
def test_it_is_light_or_dark_as_people_like_it(
    page: Browser, tmp_path: Path, window: tuple[int, int]
) -> None:
    pictures = []
    for dark in (False, True):
        page.show(*window, dark=dark)
        pictures.append(page.screenshot(tmp_path / f"{'dark' if dark else 'light'}.png"))
        text, background = page.run(COLOURS)
        assert contrast(text, background) > 7
        assert (sum(background) < sum(text)) is dark
    light, dark_picture = pictures
    assert light.startswith(b"\x89PNG")
    assert len(light) > 10_000
    assert light != dark_picture
