"""The tracker by HTTP: /announce and /scrape for programs, / for people (BEP 3, 7, 23, 48)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rawserver.http.request import HttpRequest
from rawserver.http.response import HttpResponse
from rawserver.http.exchange import Answer
from rawserver.services.tracker.asker import Asker
from rawserver.services.tracker.page import tracker_page
from rawserver.wire.announce_request import AnnounceError, parse_announce_query
from rawserver.wire.announce_response import AnnounceResponse, encode_announce_response
from rawserver.wire.compact_peers import ip_to_bytes
from rawserver.wire.scrape import encode_scrape_response, parse_scrape_query

if TYPE_CHECKING:
    from rawserver.services.tracker.tracker import Tracker

# A reply of 1,000 torrents has some 80 KB; more would let one request hold up the others.
MAX_LISTED_TORRENTS = 1000

_TEXT = "text/plain; charset=utf-8"


class HttpFront:
    """Answers requests; give its `respond` to an HttpServer."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._files: dict[str, tuple[bytes, str]] = {}

    def publish(self, path: str, body: bytes, content_type: str) -> None:
        """Serve a file at a path, percent-encoded as it stands in the URL."""
        self._files[path] = (body, content_type)

    def respond(self, request: HttpRequest, later: Answer) -> HttpResponse | None:
        """Answer a request; a malformed announce gets a failure reason that says what is wrong."""
        if request.path == "/announce":
            return self._announce(request, later)
        if request.path == "/scrape":
            return HttpResponse(self._scrape(request), content_type=_TEXT)
        if request.path in ("/", "/index.html"):
            return HttpResponse(self._page(), content_type="text/html; charset=utf-8")
        if request.path in self._files:
            body, content_type = self._files[request.path]
            return HttpResponse(body, content_type=content_type)
        return HttpResponse(b"there is nothing here; a tracker answers at /announce\n", 404)

    def _announce(self, request: HttpRequest, later: Answer) -> HttpResponse | None:
        try:
            announce = parse_announce_query(request.query)
        except AnnounceError as error:
            return HttpResponse(encode_announce_response(AnnounceResponse(failure=str(error))))

        def reply(response: AnnounceResponse) -> HttpResponse:
            body = encode_announce_response(
                response, compact=announce.compact, no_peer_id=announce.no_peer_id
            )
            return HttpResponse(body, content_type=_TEXT)

        asker = Asker(ip_to_bytes(request.ip))
        response = self._tracker.announce(announce, asker, lambda response: later(reply(response)))
        return None if response is None else reply(response)

    def _scrape(self, request: HttpRequest) -> bytes:
        try:
            info_hashes = parse_scrape_query(request.query)
        except AnnounceError as error:
            return encode_announce_response(AnnounceResponse(failure=str(error)))
        registry = self._tracker.registry
        if info_hashes:
            return encode_scrape_response(registry.scrape(info_hashes) or ())
        return encode_scrape_response(registry.torrents(MAX_LISTED_TORRENTS))

    def _page(self) -> bytes:
        registry = self._tracker.registry
        files = registry.torrents(MAX_LISTED_TORRENTS)
        page = tracker_page(files, len(registry), registry.num_peers, self._name_of)
        # The name of a file need not be text (PEP 383); one of those costs nobody the page.
        return page.encode(errors="replace")

    def _name_of(self, info_hash: bytes) -> str | None:
        catalog = self._tracker.catalog
        listed = None if catalog is None else catalog.find(info_hash)
        return None if listed is None else listed.name
