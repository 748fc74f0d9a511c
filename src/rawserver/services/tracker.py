"""The HTTP tracker: /announce and /scrape for programs, / for people (BEP 3, 7, 23, 48)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from rawserver.engine import RawServer
from rawserver.http.request import HttpRequest
from rawserver.http.response import HttpResponse
from rawserver.http.server import HttpServer
from rawserver.http.server_connection import Answer
from rawserver.services.tracker_page import tracker_page
from rawserver.swarm.registry import PEER_LIFETIME_SECONDS, Registry, RegistryError
from rawserver.wire.announce_request import (
    AnnounceError,
    AnnounceRequest,
    Event,
    parse_announce_query,
)
from rawserver.wire.announce_response import AnnounceResponse, encode_announce_response
from rawserver.wire.compact_peers import Peer
from rawserver.wire.scrape import encode_scrape_response, parse_scrape_query

# bttrack's reannounce_interval.
DEFAULT_INTERVAL_SECONDS = 1800
# A peer that wants data and was told of nobody comes back soon: who starts before the seed would
# else wait half an hour. It costs an announce each time, and only while the swarm is empty.
LONELY_INTERVAL_SECONDS = 15
# Peers that came together do not come back together: each is told up to so much less.
JITTER = 0.1
EXPIRY_SECONDS = 30.0
# A reply of 1,000 torrents has some 80 KB; more would let one request hold up the others.
MAX_LISTED_TORRENTS = 1000

_TEXT = "text/plain; charset=utf-8"


class Tracker:
    """Tells the peers of a torrent of each other.

    `interval` is the time between announces, in seconds, that peers are told (some are told up to
    a tenth less), `min_interval` the least, by default a quarter. `allowed(info_hash)` says which
    torrents are tracked, by default all; `name_of(info_hash)` what the page calls them.
    `heard(announce, ip)` is told of every announce that was right. `local_address` is where other
    machines reach peers that announce from this one by a loopback address, by default this
    machine's own in the network.
    """

    def __init__(
        self,
        raw_server: RawServer,
        *,
        interval: int = DEFAULT_INTERVAL_SECONDS,
        min_interval: int | None = None,
        allowed: Callable[[bytes], bool] | None = None,
        name_of: Callable[[bytes], str | None] | None = None,
        heard: Callable[[AnnounceRequest, str], None] | None = None,
        local_address: str | None = None,
    ) -> None:
        lifetime = min(PEER_LIFETIME_SECONDS, 2.5 * interval)
        self.registry = Registry(raw_server.network.random, peer_lifetime_seconds=lifetime)
        self._raw_server = raw_server
        self._interval = interval
        self._min_interval = min_interval
        self._local_address = local_address
        self._has_loopback_peers = False
        self._allowed = allowed
        self._heard = heard
        self._name_of = name_of or (lambda info_hash: None)
        self._files: dict[str, tuple[bytes, str]] = {}
        self.port = 0
        raw_server.add_context(self)

    def listen(self, port: int = 0, bind: str = "") -> None:
        """Serve on a port (0: any free one, then in `port`) of an address, "" for all.

        Raises OSError when the port cannot be had.
        """
        serversocket = self._raw_server.create_serversocket(port, bind)
        self.port = serversocket.getsockname()[1]
        server = HttpServer(self._raw_server, self.respond)
        self._raw_server.start_listening(serversocket, server, self)
        self._raw_server.add_task(self._expire, EXPIRY_SECONDS, (), self)

    def close(self) -> None:
        """End the service and its connections."""
        self._raw_server.remove_context(self)

    def publish(self, path: str, body: bytes, content_type: str) -> None:
        """Serve a file at a path, percent-encoded as it stands in the URL."""
        self._files[path] = (body, content_type)

    def _expire(self) -> None:
        self._raw_server.add_task(self._expire, EXPIRY_SECONDS, (), self)
        self.registry.expire(self._raw_server.network.time())

    # One request.

    def respond(self, request: HttpRequest, later: Answer) -> HttpResponse:
        """Answer a request; a malformed announce gets a failure reason that says what is wrong."""
        if request.path == "/announce":
            return HttpResponse(self._announce(request), content_type=_TEXT)
        if request.path == "/scrape":
            return HttpResponse(self._scrape(request), content_type=_TEXT)
        if request.path in ("/", "/index.html"):
            return HttpResponse(self._page(), content_type="text/html; charset=utf-8")
        if request.path in self._files:
            body, content_type = self._files[request.path]
            return HttpResponse(body, content_type=content_type)
        return HttpResponse(b"there is nothing here; a tracker answers at /announce\n", 404)

    def _announce(self, request: HttpRequest) -> bytes:
        try:
            announce = parse_announce_query(request.query)
            response = self._answer(announce, request.ip)
        except (AnnounceError, RegistryError) as error:
            response = AnnounceResponse(failure=str(error))
            return encode_announce_response(response)
        return encode_announce_response(
            response, compact=announce.compact, no_peer_id=announce.no_peer_id
        )

    def _answer(self, announce: AnnounceRequest, ip: str) -> AnnounceResponse:
        if self._allowed is not None and not self._allowed(announce.info_hash):
            raise AnnounceError("this torrent is not tracked here")
        if announce.ip and is_local(ip):
            # Only one of our own network may say that it is reached at another address.
            ip = announce.ip
        result = self.registry.announce(
            announce.info_hash,
            announce.peer_id,
            ip,
            announce.port,
            announce.left,
            announce.event,
            announce.numwant,
            self._raw_server.network.time(),
            announce.key,
        )
        if self._heard is not None:
            self._heard(announce, ip)
        peers = result.peers
        packed: tuple[bytes, bytes] | None = result.packed
        if is_loopback(ip):
            self._has_loopback_peers = True
        elif self._has_loopback_peers:
            peers = self._as_seen_from_outside(peers)
            packed = None if peers != result.peers else packed
        lonely = announce.left > 0 and not peers and announce.event is not Event.STOPPED
        interval = min(self._interval, LONELY_INTERVAL_SECONDS) if lonely else self._interval
        least = self._min_interval or max(1, interval // 4)
        early = int(interval * JITTER * self._raw_server.network.random.random())
        return AnnounceResponse(
            interval=max(interval - early, min(least, interval)),
            min_interval=min(least, interval),
            peers=peers,
            complete=result.complete,
            incomplete=result.incomplete,
            downloaded=result.downloaded,
            packed=packed,
        )

    def _as_seen_from_outside(self, peers: tuple[Peer, ...]) -> tuple[Peer, ...]:
        """Give peers of this machine the address at which others reach it.

        Whoever dials a loopback address reaches himself; without another they are left out.
        """
        if not any(is_loopback(peer.ip) for peer in peers):
            return peers
        address = self._local_address or self._raw_server.network.primary_address()
        if is_loopback(address):
            return tuple(peer for peer in peers if not is_loopback(peer.ip))
        return tuple(peer._replace(ip=address) if is_loopback(peer.ip) else peer for peer in peers)

    def _scrape(self, request: HttpRequest) -> bytes:
        try:
            info_hashes = parse_scrape_query(request.query)
        except AnnounceError as error:
            return encode_announce_response(AnnounceResponse(failure=str(error)))
        if info_hashes:
            return encode_scrape_response(self.registry.scrape(info_hashes))
        return encode_scrape_response(self.registry.torrents(MAX_LISTED_TORRENTS))

    def _page(self) -> bytes:
        registry = self.registry
        files = registry.torrents(MAX_LISTED_TORRENTS)
        page = tracker_page(files, len(registry), registry.num_peers, self._name_of)
        # The name of a file need not be text (PEP 383); one of those costs nobody the page.
        return page.encode(errors="replace")


def is_loopback(ip: str) -> bool:
    """Tell whether an address is this machine's name for itself."""
    return ip == "::1" or ip.startswith("127.")


def is_local(ip: str) -> bool:
    """Tell whether an address is of this machine or of a private network (RFC 1918, RFC 4193)."""
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return False
    return address.is_private or address.is_loopback or address.is_link_local
