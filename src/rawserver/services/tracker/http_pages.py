"""What a tracker serves by HTTP beside announces and scrapes: for people, and who watches it."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote

from rawserver.http.exchange import Answer
from rawserver.http.request import HttpRequest
from rawserver.http.response import TEXT, HttpResponse
from rawserver.http.server import method_not_allowed
from rawserver.services.tracker.asker import Asker, is_local, is_loopback
from rawserver.services.tracker.gate import Refused
from rawserver.services.tracker.http_options import HttpOptions
from rawserver.services.tracker.kept_replies import KeptReplies
from rawserver.services.tracker.page import tracker_page
from rawserver.services.tracker.page_assets import PAGE_HEADERS
from rawserver.services.tracker.statistics import TrackerStatistics, as_json, take_statistics
from rawserver.services.tracker.torrent_row import rows_of, sort_order, sorted_rows
from rawserver.wire.announce_request import AnnounceError
from rawserver.wire.compact_peers import ip_to_bytes
from rawserver.wire.scrape import ScrapeFile, parse_scrape_query

if TYPE_CHECKING:
    from rawserver.services.tracker.tracker import Tracker

# The one path that is for POST.
RELOAD = "/reload"
# A month would keep one that was changed too long.
_FAVICON_HEADERS = {"Cache-Control": "max-age=86400"}
# Whoever is in between must not keep what changes by the second.
_FRESH = {"Cache-Control": "no-store"}
# What proxies add to the requests that they pass on.
_OF_PROXIES = frozenset({"forwarded", "via", "x-forwarded-for", "x-real-ip"})
# A page of so few is made anew each time.
FEW_ROWS = 20
_NOT_FOUND = b"there is nothing here; a tracker answers at /announce\n"


class HttpPages:
    """Answers by path; `reloads` are called when /reload is asked for."""

    def __init__(self, tracker: Tracker, options: HttpOptions, kept: KeptReplies) -> None:
        self._tracker = tracker
        self._options = options
        self._kept = kept
        self._files: dict[str, HttpResponse] = {}
        self.reloads: list[Callable[[], object]] = []
        self._pages: dict[str, Callable[[HttpRequest], HttpResponse]] = {
            "/": self._index,
            "/index.html": self._index,
            "/stats.json": self._stats,
            "/metrics": self._metrics,
            "/favicon.ico": self._favicon,
            "/healthz": self._health,
        }

    def publish(self, path: str, body: bytes, content_type: str) -> None:
        """Serve a file at a path, percent-encoded as it stands in the URL."""
        self._files[path] = HttpResponse(body, content_type=content_type)

    def add_private(self, path: str, make: Callable[[], bytes]) -> None:
        """Serve JSON that is made when it is asked for, to local networks alone."""
        self._pages[path] = lambda request: self._private(request, make)

    def answer(self, request: HttpRequest, later: Answer) -> HttpResponse | None:
        """Answer a request for whatever is neither an announce nor a scrape."""
        path = request.path
        if path == RELOAD:
            return self._reload(request)
        if path in self._files:
            return self._files[path]
        if path == "/file":
            return self.file(request, "", later)
        page = self._pages.get(path)
        return not_found() if page is None else page(request)

    # For people.

    def _index(self, request: HttpRequest) -> HttpResponse:
        if self._options.infopage_redirect:
            location = {"Location": self._options.infopage_redirect}
            return HttpResponse(b"", 302, headers=location)
        if not self._options.infopage:
            return not_found()
        order = sort_order(request.query)
        if len(self._tracker.registry) <= FEW_ROWS:
            return self._page(request)
        return self._kept.get(order, lambda: self._page(request))

    def _page(self, request: HttpRequest) -> HttpResponse:
        registry, catalog = self._tracker.registry, self._tracker.catalog
        order = sort_order(request.query)
        files = islice(self._known_torrents(), self._options.max_rows)
        rows = sorted_rows(rows_of(files, catalog if self._options.names else None), order)
        # Of those that are hidden nobody is to hear; how many of a great many are is not counted.
        num_torrents = max(len(rows), len(registry) * (len(registry) > self._options.max_rows))
        page = tracker_page(rows, num_torrents, registry.num_peers, order)
        # The name of a file need not be text (PEP 383); one of those costs nobody the page.
        body = page.encode(errors="replace")
        return HttpResponse(body, content_type="text/html; charset=utf-8", headers=PAGE_HEADERS)

    def _known_torrents(self) -> Iterator[ScrapeFile]:
        """Yield those that have peers, and then the rest of the catalogue."""
        registry, catalog = self._tracker.registry, self._tracker.catalog
        yield from self._tracker.torrents(self._options.max_rows)
        for info_hash in () if catalog is None else catalog:
            if info_hash not in registry:
                yield ScrapeFile(info_hash, 0, 0, 0)

    def _favicon(self, request: HttpRequest) -> HttpResponse:
        if not self._options.favicon:
            return not_found()
        kind = self._options.favicon_type
        return HttpResponse(self._options.favicon, content_type=kind, headers=_FAVICON_HEADERS)

    def file(self, request: HttpRequest, passkey: str, later: Answer) -> HttpResponse | None:
        """Answer a request for a .torrent; None if it has to be read."""
        tracker, catalog = self._tracker, self._tracker.catalog
        if not self._options.torrents or catalog is None:
            return not_found()
        try:
            tracker.access.admit(Asker(ip_to_bytes(request.ip), passkey))
        except Refused as refusal:
            return HttpResponse(f"{refusal}\n".encode(), 403)
        try:
            info_hashes = parse_scrape_query(request.query)
        except AnnounceError as error:
            return HttpResponse(f"{error}\n".encode(), 400)
        if len(info_hashes) != 1:
            return HttpResponse(b"one info_hash says which .torrent is wanted\n", 400)
        listed = catalog.find(info_hashes[0])
        if listed is None or listed.failure or not tracker.access.shows(info_hashes[0]):
            return not_found()
        name = listed.name
        # What a catalogue has at hand it gives before the call returns.
        at_once: list[HttpResponse] = []
        give = at_once.append
        catalog.torrent(info_hashes[0], lambda torrent: give(_torrent(torrent, name)))
        give = later
        return at_once[0] if at_once else None

    # For who watches.

    def _health(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(b"ok\n", headers=_FRESH)

    def _stats(self, request: HttpRequest) -> HttpResponse:
        return self._figures(request, "stats", lambda: as_json(self._take()), "application/json")

    def _metrics(self, request: HttpRequest) -> HttpResponse:
        # It loads forty modules, which who never asks for this need not wait for.
        from rawserver.services.tracker.metrics import CONTENT_TYPE, metrics_text

        return self._figures(request, "metrics", lambda: metrics_text(self._take), CONTENT_TYPE)

    def _take(self) -> TrackerStatistics:
        return take_statistics(self._tracker)

    def _figures(
        self, request: HttpRequest, name: str, make: Callable[[], bytes], kind: str
    ) -> HttpResponse:
        shown = self._options.statistics
        if shown == "none":
            return not_found()
        if shown == "local" and not self._is_local(request):
            return _not_for_you()
        # The figures are counted over all connections.
        return self._kept.get(name, lambda: HttpResponse(make(), 200, kind, _FRESH))

    def _private(self, request: HttpRequest, make: Callable[[], bytes]) -> HttpResponse:
        if not self._is_local(request):
            return _not_for_you()
        return self._kept.get(
            request.path, lambda: HttpResponse(make(), 200, "application/json", _FRESH)
        )

    def _reload(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return method_not_allowed(("POST",))
        if not self._may_reload(request):
            return _not_for_you()
        for reload in self.reloads:
            reload()
        return HttpResponse(b"reloading\n", 202, TEXT, _FRESH)

    def _may_reload(self, request: HttpRequest) -> bool:
        token = self._options.reload_token
        if token:
            said = request.headers.get("authorization", "").encode("latin-1")
            if hmac.compare_digest(said, f"Bearer {token}".encode()):
                return True
        # A page in a browser of this machine may have been sent here by anybody's site.
        if "origin" in request.headers or self._is_of_a_stranger(request):
            return False
        return is_loopback(ip_to_bytes(request.ip))

    def _is_local(self, request: HttpRequest) -> bool:
        return is_local(ip_to_bytes(request.ip)) and not self._is_of_a_stranger(request)

    def _is_of_a_stranger(self, request: HttpRequest) -> bool:
        """Tell whether a proxy passes it on that nobody has said to trust: for whom, who knows."""
        if self._options.trusted_proxies:
            return False  # then it is the client's own address that counts
        return not _OF_PROXIES.isdisjoint(request.headers)


def _torrent(torrent: bytes | None, name: str) -> HttpResponse:
    if torrent is None:
        return not_found()
    # RFC 6266, section 4.1; a name that is no text is shown as far as it is.
    shown = quote(f"{name}.torrent".encode(errors="replace"), safe="")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{shown}"}
    return HttpResponse(torrent, content_type="application/x-bittorrent", headers=headers)


def not_found() -> HttpResponse:
    """Return the reply for a path at which nothing is."""
    return HttpResponse(_NOT_FOUND, 404)


def _not_for_you() -> HttpResponse:
    return HttpResponse(b"not for you\n", 403)
