"""The tracker by HTTP: /announce and /scrape for programs, the rest for people (BEP 3, 7, 23)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rawserver.engine import SingleSocket
from rawserver.http.exchange import Answer
from rawserver.http.request import HttpRequest
from rawserver.http.response import HttpResponse
from rawserver.http.server import HttpServer, method_not_allowed
from rawserver.services.tracker.asker import MAX_PASSKEY_LENGTH, Asker, is_loopback
from rawserver.services.tracker.forwarded import TrustedProxies
from rawserver.services.tracker.http_options import HttpOptions
from rawserver.services.tracker.http_pages import RELOAD, HttpPages
from rawserver.services.tracker.http_scrapes import HttpScrapes
from rawserver.services.tracker.kept_replies import KeptReplies
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.registry import RegistryError
from rawserver.wire.announce_request import (
    AnnounceError,
    AnnounceRequest,
    Event,
    parse_announce_query,
)
from rawserver.wire.announce_response import (
    AnnounceResponse,
    encode_announce_response,
    encode_usual_response,
)
from rawserver.wire.compact_peers import ip_to_bytes

if TYPE_CHECKING:
    from rawserver.services.tracker.tracker import Tracker

METHODS = ("GET", "HEAD", "POST")
# What may stand behind a passkey in a path.
WITH_PASSKEY = ("announce", "scrape", "file")
# A member of an enumeration costs a look-up each time.
_PAUSED, _STOPPED = Event.PAUSED, Event.STOPPED


class HttpFront:
    """Answers requests; its `server()` is to be given to `start_listening`.

    Each of `reloads` is called when a POST to /reload asks for it.
    """

    def __init__(self, tracker: Tracker, options: HttpOptions | None = None) -> None:
        options = HttpOptions() if options is None else options
        self.options = options
        self._tracker = tracker
        self._counters = tracker.counters.http
        self._time: Callable[[], float] = tracker.raw_server.network.time
        self._proxies = TrustedProxies(options.trusted_proxies, options.proxy_header)
        self._has_proxies = bool(options.trusted_proxies)
        self.began_at = self._time()
        kept = KeptReplies(self._time)
        self._scrapes = HttpScrapes(tracker, options, self._counters, kept)
        self._pages = HttpPages(tracker, options, kept)
        self.reloads = self._pages.reloads

    def server(self) -> HttpServer:
        """Return a handler for a listening socket."""
        return HttpServer(
            self._tracker.raw_server,
            self.respond,
            request_timeout=self.options.request_timeout,
            methods=METHODS,
            access_log=self.options.access_log,
            admits=self._admits,
        )

    def _admits(self, connection: SingleSocket) -> bool:
        if self._has_proxies and not self._proxies.admits(connection):
            return False
        tracker = self._tracker
        return not tracker.gates or not tracker.access.refuses(ip_to_bytes(connection.ip))

    def publish(self, path: str, body: bytes, content_type: str) -> None:
        """Serve a file at a path, percent-encoded as it stands in the URL."""
        self._pages.publish(path, body, content_type)

    def add_private(self, path: str, make: Callable[[], bytes]) -> None:
        """Serve the JSON that `make()` returns, to local networks alone; kept for a moment."""
        self._pages.add_private(path, make)

    def respond(self, request: HttpRequest, later: Answer) -> HttpResponse | None:
        """Answer a request; a malformed announce gets a failure reason that says what is wrong."""
        if self._has_proxies:
            request.ip = self._proxies.client_of(request.ip, request.headers)
        path = request.path
        if request.method == "POST" and path != RELOAD:
            return method_not_allowed(("GET", "HEAD"))
        if path == "/announce":
            return self._announce(request, "", later)
        if path == "/scrape":
            return self._scrapes.answer(request, "", later)
        passkey, slash, last = path[1:].partition("/")
        if slash and last in WITH_PASSKEY and 0 < len(passkey) <= MAX_PASSKEY_LENGTH:
            if last == "announce":
                return self._announce(request, passkey, later)
            if last == "scrape":
                return self._scrapes.answer(request, passkey, later)
            return self._pages.file(request, passkey, later)
        return self._pages.answer(request, later)

    # Announces.

    def _announce(self, request: HttpRequest, passkey: str, later: Answer) -> HttpResponse | None:
        query = request.query
        try:
            announce = parse_announce_query(query)
        except AnnounceError as error:
            self._counters.malformed += 1
            return _reply(AnnounceResponse(failure=str(error)))
        ip = ip_to_bytes(request.ip)
        tracker = self._tracker
        registry = tracker.registry
        # What asks for no more than peers, and has nothing before or behind the registry.
        if (
            not tracker.gates
            and not tracker.watchers
            and announce.compact
            and (not (announce.ip or announce.ipv4 or announce.ipv6) or not tracker.trusts(ip))
            and type(registry) is MemoryRegistry
            # In half the time of `in`.
            and query.rfind(b"scrape") < 0
        ):
            return self._ask(registry, announce, ip)
        return self._ask_tracker(announce, Asker(ip, passkey), asks_for_scrape(query), later)

    def _ask_tracker(
        self, announce: AnnounceRequest, asker: Asker, with_scrape: bool, later: Answer
    ) -> HttpResponse | None:
        """Have the gates, the registry and the watchers answer."""

        def answer(response: AnnounceResponse) -> HttpResponse:
            self._count(response)
            return _reply(response, announce, with_scrape)

        response = self._tracker.announce(announce, asker, lambda response: later(answer(response)))
        return None if response is None else answer(response)

    def _ask(self, registry: MemoryRegistry, announce: AnnounceRequest, ip: bytes) -> HttpResponse:
        """Do as `Tracker.announce` does, without what is in between."""
        event, left = announce.event, announce.left
        try:
            result = registry.announce(
                announce.info_hash,
                announce.peer_id,
                ip,
                announce.port,
                left,
                event,
                announce.numwant,
                self._time(),
                announce.key,
                partial=event is _PAUSED,
            )
        except RegistryError as error:
            self._counters.refused += 1
            self._tracker.counters.note_refusal(registry)
            return _reply(AnnounceResponse(failure=str(error)))
        tracker = self._tracker
        if tracker.has_loopback_peers or is_loopback(ip):
            result = tracker.as_seen_by(ip, result)
        self._counters.announces += 1
        peers4, peers6 = result.peers4, result.peers6
        lonely = left > 0 and not peers4 and not peers6 and event is not _STOPPED
        interval, least = tracker.interval.after(lonely)
        body = encode_usual_response(
            result.complete,
            result.downloaded,
            ip,
            result.incomplete,
            interval,
            least,
            peers4,
            peers6,
        )
        return HttpResponse(body, compressible=False)

    def _count(self, response: AnnounceResponse) -> None:
        if response.failure:
            self._counters.refused += 1
        else:
            self._counters.announces += 1


def asks_for_scrape(query: bytes) -> bool:
    """Tell whether an announce has bttrack's `scrape`, which asks for the torrent's numbers."""
    return b"scrape" in query and any(
        name == b"scrape" and value not in (b"", b"0")
        for name, _, value in (field.partition(b"=") for field in query.split(b"&"))
    )


def _reply(
    response: AnnounceResponse,
    announce: AnnounceRequest | None = None,
    with_scrape: bool = False,
) -> HttpResponse:
    if announce is None:
        return HttpResponse(encode_announce_response(response), compressible=False)
    body = encode_announce_response(
        response,
        compact=announce.compact,
        no_peer_id=announce.no_peer_id,
        with_scrape=with_scrape,
    )
    # Addresses in compact form are as good as noise.
    return HttpResponse(body, compressible=not announce.compact)
