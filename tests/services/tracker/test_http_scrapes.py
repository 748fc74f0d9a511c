"""Scrapes: of some torrents, of all, or none at all."""

from typing import Any
from urllib.parse import quote

import pytest

from kit.tracker_desk import GETTER, HASH, Desk, announce, ask, seed
from rawserver.http.request import HttpRequest
from rawserver.http.response import HttpResponse
from rawserver.services.tracker import Tracker
from rawserver.services.tracker.http_options import HttpOptions
from rawserver.services.tracker.http_scrapes import BUSY_RETRY_SECONDS, MANY_TORRENTS
from rawserver.wire.bencode import decode, decode_document
from rawserver.wire.scrape import ScrapeFile

NAMED = f"info_hash={quote(HASH)}"


def scraped(tracker: Tracker, query: str = "", path: str = "/scrape") -> dict[bytes, Any]:
    reply = decode(ask(tracker, path, query).body)
    assert isinstance(reply, dict)
    return reply


def numbers(entry: dict[bytes, int]) -> tuple[int, int, int]:
    return entry[b"complete"], entry[b"downloaded"], entry[b"incomplete"]


def with_many(options: HttpOptions | None = None) -> Tracker:
    tracker = Tracker(Desk(), http=options)
    for number in range(MANY_TORRENTS + 1):
        announce(tracker, info_hash=b"%020d" % number)
    return tracker


def test_some_and_all() -> None:
    tracker = Tracker(Desk())
    seed(tracker)
    announce(tracker, info_hash=b"x" * 20)
    files = scraped(tracker)[b"files"]
    assert {name: numbers(entry) for name, entry in files.items()} == {
        HASH: (1, 0, 0),
        b"x" * 20: (0, 0, 1),
    }
    assert list(scraped(tracker, f"{NAMED}&info_hash=" + "y" * 20)[b"files"]) == [HASH]
    assert list(scraped(tracker, NAMED, "/secret/scrape")[b"files"]) == [HASH]
    counters = tracker.counters.http
    assert (counters.scrapes, counters.full_scrapes) == (2, 1)


def test_nonsense_is_told_what_is_wrong() -> None:
    tracker = Tracker(Desk())
    reply = scraped(tracker, "info_hash=short")
    assert reply == {b"failure reason": b"info_hash has 5 bytes, not 20"}
    assert tracker.counters.http.malformed == 1


@pytest.mark.parametrize(
    ("allowed", "query", "why"),
    [
        ("none", NAMED, b"this tracker answers no scrapes"),
        ("none", "", b"this tracker answers no scrapes"),
        ("specific", "", b"this tracker answers scrapes of named torrents alone"),
    ],
)
def test_what_is_not_allowed_is_refused(allowed: Any, query: str, why: bytes) -> None:
    tracker = Tracker(Desk(), http=HttpOptions(scrape=allowed))
    assert scraped(tracker, query) == {b"failure reason": why}
    assert tracker.counters.http.refused == 1


def test_named_torrents_are_scraped_where_all_are_not() -> None:
    tracker = Tracker(Desk(), http=HttpOptions(scrape="specific"))
    seed(tracker)
    assert list(scraped(tracker, NAMED)[b"files"]) == [HASH]


def test_very_many_are_streamed() -> None:
    tracker = with_many()
    response = ask(tracker, "/scrape")
    assert response.stream is not None
    reply = decode_document(b"".join(response.stream), allow_unsorted=True).value
    assert isinstance(reply, dict)
    assert len(reply[b"files"]) == MANY_TORRENTS + 1  # type: ignore[arg-type]


def test_too_many_who_want_all_are_told_to_come_later() -> None:
    tracker = with_many(HttpOptions(max_full_scrapes=1))
    first = ask(tracker, "/scrape")
    reply = scraped(tracker)
    assert reply[b"failure reason"] == b"too many scrapes of all torrents are under way"
    assert reply[b"retry in"] * 60 == BUSY_RETRY_SECONDS
    list(first.stream)
    assert ask(tracker, "/scrape").stream is not None


def test_a_registry_that_asks_elsewhere_answers_later() -> None:
    tracker = Tracker(Desk())
    waiting: list[Any] = []
    tracker.scrape = lambda hashes, asker, later: waiting.append(later)  # type: ignore[method-assign,assignment]
    answers: list[HttpResponse] = []
    request = HttpRequest("GET", "/scrape", NAMED.encode(), "203.0.113.9", 4000)
    assert tracker.http.respond(request, answers.append) is None
    waiting[0]([ScrapeFile(HASH, 1, 2, 3)])
    reply = decode(answers[0].body)
    assert isinstance(reply, dict)
    assert numbers(reply[b"files"][HASH]) == (1, 2, 3)  # type: ignore[index,arg-type,call-overload]


def test_the_numbers_of_a_scrape_come_with_an_announce_that_asks() -> None:
    tracker = Tracker(Desk())
    seed(tracker)
    reply = announce(tracker, GETTER, scrape=1)
    assert numbers(reply[b"scrape"]) == (1, 0, 1)
    assert b"scrape" not in announce(tracker, GETTER, scrape=0)
    assert b"scrape" not in announce(tracker, GETTER, noscrape=1)
