"""A tracker's scrapes by HTTP (BEP 48)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rawserver.http.exchange import Answer
from rawserver.http.request import HttpRequest
from rawserver.http.response import HttpResponse
from rawserver.services.tracker.asker import Asker
from rawserver.services.tracker.counters import FrontCounters
from rawserver.services.tracker.full_scrapes import FullScrapes
from rawserver.services.tracker.gate import Refused
from rawserver.services.tracker.http_options import HttpOptions
from rawserver.services.tracker.kept_replies import KeptReplies
from rawserver.wire.announce_request import AnnounceError
from rawserver.wire.announce_response import AnnounceResponse, encode_announce_response
from rawserver.wire.compact_peers import ip_to_bytes
from rawserver.wire.scrape import ScrapeFile, encode_scrape_response, parse_scrape_query

if TYPE_CHECKING:
    from rawserver.services.tracker.tracker import Tracker

# A scrape of all with so few is made at once, in less time than an announce takes.
FEW_TORRENTS = 20
# One with more, up to a megabyte, at once too, but not again at once.
MANY_TORRENTS = 1000
# What one is told who asks for all while too many do.
BUSY_RETRY_SECONDS = 60


class HttpScrapes:
    """Answers /scrape."""

    def __init__(
        self,
        tracker: Tracker,
        options: HttpOptions,
        counters: FrontCounters,
        kept: KeptReplies,
    ) -> None:
        self._tracker = tracker
        self._options = options
        self._counters = counters
        self._kept = kept
        time = tracker.raw_server.network.time
        self._full = FullScrapes(time, options.max_full_scrapes, options.full_scrape_rate)

    def answer(self, request: HttpRequest, passkey: str, later: Answer) -> HttpResponse | None:
        """Answer one; None if the registry must ask elsewhere."""
        if self._options.scrape == "none":
            return self._refused("this tracker answers no scrapes")
        try:
            info_hashes = parse_scrape_query(request.query)
        except AnnounceError as error:
            self._counters.malformed += 1
            return _failure(str(error))
        asker = Asker(ip_to_bytes(request.ip), passkey)
        try:
            if not info_hashes:
                return self._answer_all(request, asker)
            files = self._tracker.scrape(
                info_hashes, asker, lambda files: later(self._listed(files))
            )
        except Refused as refusal:
            return self._refused(str(refusal), refusal.retry_in)
        return None if files is None else self._listed(files)

    def _listed(self, files: Sequence[ScrapeFile]) -> HttpResponse:
        self._counters.scrapes += 1
        return HttpResponse(encode_scrape_response(files))

    def _answer_all(self, request: HttpRequest, asker: Asker) -> HttpResponse:
        if self._options.scrape != "full":
            return self._refused("this tracker answers scrapes of named torrents alone")
        tracker = self._tracker
        tracker.access.admit(asker)
        num_torrents = len(tracker.registry)
        if num_torrents <= MANY_TORRENTS:
            self._counters.full_scrapes += 1
            if num_torrents <= FEW_TORRENTS:
                return self._all()
            return self._kept.get("scrape", self._all)
        stream = self._full.begin(request.ip, tracker.registry.torrents(), tracker.access.shows)
        if stream is None:
            text = "too many scrapes of all torrents are under way"
            return self._refused(text, BUSY_RETRY_SECONDS)
        self._counters.full_scrapes += 1
        return HttpResponse(stream=stream)

    def _all(self) -> HttpResponse:
        return HttpResponse(encode_scrape_response(self._tracker.torrents()))

    def _refused(self, reason: str, retry_in: int | None = None) -> HttpResponse:
        self._counters.refused += 1
        return _failure(reason, retry_in)


def _failure(reason: str, retry_in: int | None = None) -> HttpResponse:
    response = AnnounceResponse(failure=reason, retry_in=retry_in)
    return HttpResponse(encode_announce_response(response))
