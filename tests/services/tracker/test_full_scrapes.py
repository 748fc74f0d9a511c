"""Scrapes of all torrents: whole, bounded, and never many at once."""

from collections.abc import Iterator

import pytest

from rawserver.http.body_stream import StreamCut
from rawserver.services.tracker.full_scrapes import (
    LONGEST_SECONDS,
    MAX_AT_ONCE,
    TORRENTS_PER_PIECE,
    FullScrapes,
)
from rawserver.wire.bencode import decode_document
from rawserver.wire.scrape import ScrapeFile


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def files(count: int) -> Iterator[ScrapeFile]:
    return (ScrapeFile(b"%020d" % number, number, 2, 3) for number in range(count))


@pytest.mark.parametrize(
    "count", [0, 1, TORRENTS_PER_PIECE - 1, TORRENTS_PER_PIECE, 3 * TORRENTS_PER_PIECE + 7]
)
def test_all_torrents_come_in_pieces(count: int) -> None:
    scrape = FullScrapes(Clock(), torrents_per_second=1e6).begin("a", files(count))
    assert scrape is not None
    pieces = list(scrape)
    assert len(pieces) == count // TORRENTS_PER_PIECE + 1
    reply = decode_document(b"".join(pieces), allow_unsorted=True).value
    assert isinstance(reply, dict)
    assert len(reply[b"files"]) == count  # type: ignore[arg-type]


def test_what_is_not_shown_costs_its_share_and_is_left_out() -> None:
    every = FullScrapes(Clock(), torrents_per_second=1e6)
    scrape = every.begin(
        "a", files(3 * TORRENTS_PER_PIECE), lambda info_hash: info_hash[-1:] == b"7"
    )
    assert scrape is not None
    pieces = list(scrape)
    assert len(pieces) == 4
    reply = decode_document(b"".join(pieces), allow_unsorted=True).value
    assert isinstance(reply, dict)
    assert len(reply[b"files"]) == 3 * TORRENTS_PER_PIECE // 10  # type: ignore[arg-type]


def test_only_so_many_at_once_and_one_of_each_asker() -> None:
    scrapes = FullScrapes(Clock(), max_at_once=2)
    first = scrapes.begin("a", files(1))
    assert first is not None
    assert scrapes.begin("a", files(1)) is None
    second = scrapes.begin("b", files(1))
    assert second is not None
    assert scrapes.begin("c", files(1)) is None
    second.close()
    assert scrapes.begin("c", files(1)) is not None
    list(first)
    assert scrapes.begin("a", files(1)) is not None


def test_all_together_go_no_faster_than_the_rate() -> None:
    clock = Clock()
    scrapes = FullScrapes(clock, torrents_per_second=1000.0)
    begun = [scrapes.begin(asker, files(100_000)) for asker in "abcd"[:MAX_AT_ONCE]]
    sent = 0
    for step in range(100):
        clock.now = step / 10
        for scrape in begun:
            assert scrape is not None
            sent += bool(next(scrape))
    assert 10_000 <= sent * TORRENTS_PER_PIECE <= 10_000 + 500 + 2 * TORRENTS_PER_PIECE


def test_who_reads_too_slowly_is_cut_off() -> None:
    clock = Clock()
    scrapes = FullScrapes(clock)
    scrape = scrapes.begin("a", files(100_000))
    assert scrape is not None
    next(scrape)
    clock.now = LONGEST_SECONDS + 1
    with pytest.raises(StreamCut):
        next(scrape)
    assert scrapes.begin("a", files(1)) is not None


def test_those_who_take_nothing_at_all_do_not_keep_others_out() -> None:
    clock = Clock()
    scrapes = FullScrapes(clock)
    late = [scrapes.begin(asker, files(100_000)) for asker in "abcd"[:MAX_AT_ONCE]]
    clock.now = LONGEST_SECONDS - 1
    assert scrapes.begin("e", files(1)) is None
    clock.now = LONGEST_SECONDS + 1
    assert scrapes.begin("e", files(1)) is not None
    assert scrapes.begin("a", files(1)) is not None
    for scrape in late:
        assert scrape is not None
        with pytest.raises(StreamCut):
            next(scrape)


def test_one_that_is_closed_gives_no_more() -> None:
    scrape = FullScrapes(Clock()).begin("a", files(100_000))
    assert scrape is not None
    scrape.close()
    scrape.close()
    assert list(scrape) == []
