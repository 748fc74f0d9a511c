"""Scrapes of all torrents: sent while they are made, and never more than a share of the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from rawserver.http.body_stream import StreamCut
from rawserver.swarm.token_bucket import TokenBucket
from rawserver.wire.scrape import SCRAPE_END, SCRAPE_START, ScrapeFile, encode_scraped

# Each holds a connection and an iterator.
MAX_AT_ONCE = 4
# What all together may take: some 5 % of the time of one core.
TORRENTS_PER_SECOND = 50_000.0
# A piece has some 20 KB and is made in a third of a millisecond.
TORRENTS_PER_PIECE = 250
# A million torrents take twenty seconds; one that reads slowly must not keep others out for ever.
LONGEST_SECONDS = 300.0


def _all_are_shown(info_hash: bytes) -> bool:
    return True


class FullScrapes:
    """Gives the body of each; all that are under way share one rate."""

    def __init__(
        self,
        time: Callable[[], float],
        max_at_once: int = MAX_AT_ONCE,
        torrents_per_second: float = TORRENTS_PER_SECOND,
    ) -> None:
        self.time = time
        self._max_at_once = max_at_once
        self._bucket = TokenBucket(torrents_per_second)
        self._under_way: dict[FullScrape, None] = {}

    def begin(
        self,
        asker: str,
        files: Iterator[ScrapeFile],
        shows: Callable[[bytes], bool] = _all_are_shown,
    ) -> FullScrape | None:
        """Return the body for an asker; None if he has one already, or there are too many.

        Torrents that `shows(info_hash)` is not true of are left out.
        """
        # One whose client takes nothing is asked for nothing, and so does not end by itself.
        for scrape in [each for each in self._under_way if each.is_late]:
            self.ended(scrape)
        if len(self._under_way) >= self._max_at_once:
            return None
        if any(scrape.asker == asker for scrape in self._under_way):
            return None
        scrape = FullScrape(self, asker, files, shows)
        self._under_way[scrape] = None
        return scrape

    def may_go_on(self) -> bool:
        """Take a piece's worth of the rate, if there is as much."""
        return self._bucket.take(TORRENTS_PER_PIECE, self.time())

    def ended(self, scrape: FullScrape) -> None:
        """Note that one is over."""
        self._under_way.pop(scrape, None)


class FullScrape:
    """One body, in pieces: the stream of a reply.

    Its info-hashes come in the order in which the registry has them, not sorted as bencoding asks:
    to sort a million takes a second.
    """

    def __init__(
        self,
        scrapes: FullScrapes,
        asker: str,
        files: Iterator[ScrapeFile],
        shows: Callable[[bytes], bool],
    ) -> None:
        self._scrapes = scrapes
        self.asker = asker
        self._files = files
        self._shows = shows
        self._start = SCRAPE_START
        self._over = False
        self._deadline = scrapes.time() + LONGEST_SECONDS

    @property
    def is_late(self) -> bool:
        """Whether it has had all the time that there is for one."""
        return self._scrapes.time() > self._deadline

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """Return the next piece, empty if the others have taken what the rate allows."""
        if self._over:
            raise StopIteration
        if self.is_late:
            self.close()
            raise StreamCut(f"a scrape of all torrents took more than {LONGEST_SECONDS:g} seconds")
        if not self._scrapes.may_go_on():
            return b""
        start, self._start = self._start, b""
        files = list(islice(self._files, TORRENTS_PER_PIECE))
        listed = b"".join(encode_scraped(file) for file in files if self._shows(file.info_hash))
        if len(files) == TORRENTS_PER_PIECE:
            return start + listed
        self.close()
        return start + listed + SCRAPE_END

    def close(self) -> None:
        """Give back its place."""
        self._over = True
        self._scrapes.ended(self)
