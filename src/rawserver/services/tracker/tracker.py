"""The tracker's core: who asks by HTTP or UDP is let through its gates and told of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING

from rawserver.engine import RawServer
from rawserver.engine.fault_reports import Where, method_of
from rawserver.services.tracker.access import Access
from rawserver.services.tracker.asker import Asker, is_local, is_loopback
from rawserver.services.tracker.catalog import Catalog
from rawserver.services.tracker.counters import Counters
from rawserver.services.tracker.gate import Gate, Refused, Watcher
from rawserver.services.tracker.http_front import HttpFront
from rawserver.services.tracker.http_options import HttpOptions
from rawserver.services.tracker.loopback_peers import as_seen_from_outside, names_loopback
from rawserver.services.tracker.udp_front import UdpFront
from rawserver.swarm.announce_interval import DEFAULT_INTERVAL_SECONDS, AnnounceInterval
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.registry import (
    PEER_LIFETIME_SECONDS,
    AnnounceResult,
    Registry,
    RegistryError,
)
from rawserver.wire.announce_request import AnnounceRequest, Event, said_endpoint
from rawserver.wire.announce_response import AnnounceResponse
from rawserver.wire.compact_peers import ip_to_bytes, ip_to_text
from rawserver.wire.scrape import ScrapeFile

if TYPE_CHECKING:
    # OpenSSL is for who serves HTTPS.
    from rawserver.engine.tls import TlsServer
    from rawserver.services.tracker.state_file import StateFile

# The registry is swept a little each time, so that no sweep holds up an announce.
SWEEP_SECONDS = 1.0
# What 50 milliseconds bring at 100,000 announces a second, each some 800 bytes to the system: the
# loop may have something else to do for so long.
UDP_RECEIVE_BUFFER = 4 * 1024 * 1024

AnswerLater = Callable[[AnnounceResponse], None]
ScrapeLater = Callable[[Sequence[ScrapeFile]], None]


class Tracker:
    """Tells the peers of a torrent of each other.

    `registry` remembers them, by default in memory. `interval` is the time between announces, in
    seconds, that peers are told (some are told up to a tenth less), `min_interval` the least, by
    default a quarter. `catalog` knows torrents by name and size; whether others are tracked too is
    for the gates. Each of `gates` may refuse an announce or add a warning; each of `watchers` is
    told of every announce that was right. `trusts(ip)` says who may name another address than he
    is seen at, by default those of local networks. `local_address` is where other machines reach
    peers that announce from this one by a loopback address, by default this machine's own in the
    network. `http` says what is served by HTTP beside announces, to whom and within which limits.
    """

    def __init__(
        self,
        raw_server: RawServer,
        registry: Registry | None = None,
        *,
        interval: int = DEFAULT_INTERVAL_SECONDS,
        min_interval: int | None = None,
        catalog: Catalog | None = None,
        gates: Iterable[Gate] = (),
        watchers: Iterable[Watcher] = (),
        trusts: Callable[[bytes], bool] = is_local,
        local_address: str | None = None,
        http: HttpOptions | None = None,
    ) -> None:
        random = raw_server.network.random
        self.raw_server = raw_server
        if registry is None:
            lifetime = min(PEER_LIFETIME_SECONDS, 2.5 * interval)
            registry = MemoryRegistry(random, peer_lifetime_seconds=lifetime)
        self.registry: Registry = registry
        self.interval = AnnounceInterval(random, interval, min_interval)
        self.catalog = catalog
        self.gates = list(gates)
        self.watchers = list(watchers)
        self.trusts = trusts
        self.counters = Counters()
        # Where it is kept, if it is in a file; for the figures.
        self.state: StateFile | None = None
        self.access = Access(self)
        self.http = HttpFront(self, http)
        self.port = 0
        self.udp_port = 0
        self._local_address = local_address
        self.has_loopback_peers = False
        self._sweeps = False
        raw_server.add_context(self)

    # Its life.

    def listen(
        self,
        port: int = 0,
        bind: str = "",
        *,
        tls: TlsServer | None = None,
        proxy_protocol: bool = False,
        reuse_port: bool = False,
    ) -> None:
        """Serve HTTP on a port (0: any free one, then in `port`) of an address, "" for all.

        With `tls` it is HTTPS. With `proxy_protocol` whoever connects says for whom he does, and is
        believed: name those who may in `HttpOptions.trusted_proxies`, the others are let in no
        more. Raises OSError when the port cannot be had.
        """
        serversocket = self.raw_server.create_serversocket(port, bind, reuse_port=reuse_port)
        self.port = serversocket.getsockname()[1]
        self.raw_server.start_listening(
            serversocket,
            self.http.server(),
            self,
            # The server itself sees to who says nothing.
            idle_timeout=inf,
            limits=self.http.options.effective_limits,
            tls=tls,
            proxy_protocol=proxy_protocol,
        )
        self._begin_to_sweep()

    def listen_udp(
        self,
        port: int = 0,
        bind: str = "",
        *,
        secret: bytes | None = None,
        reuse_port: bool = False,
    ) -> None:
        """Serve UDP on a port (0: any free one, then in `udp_port`) of an address, "" for all.

        Processes that share a port with `reuse_port` need the same `secret`, of 32 bytes, to know
        each other's connection ids. Raises OSError when the port cannot be had.
        """
        raw_server, room = self.raw_server, UDP_RECEIVE_BUFFER
        if bind:
            one = raw_server.create_udpsocket(
                port, bind, reuse_port=reuse_port, receive_buffer=room
            )
            sockets = [one]
        else:
            sockets = raw_server.create_udpsockets(port, reuse_port=reuse_port, receive_buffer=room)
        self.udp_port = sockets[0].getsockname()[1]
        front = UdpFront(self, self.counters.udp, secret)
        for sock in sockets:
            raw_server.start_listening_udp(sock, front, self)
        self._begin_to_sweep()

    def close(self) -> None:
        """End the service and its connections; a registry's late answers are told to nobody."""
        self.watchers = []
        self.raw_server.remove_context(self)

    def publish(self, path: str, body: bytes, content_type: str) -> None:
        """Serve a file by HTTP at a path, percent-encoded as it stands in the URL."""
        self.http.publish(path, body, content_type)

    def _begin_to_sweep(self) -> None:
        if not self._sweeps:
            self._sweeps = True
            self.raw_server.add_task(self._sweep, SWEEP_SECONDS, (), self)

    def _sweep(self) -> None:
        self.raw_server.add_task(self._sweep, SWEEP_SECONDS, (), self)
        self.registry.expire(self.raw_server.network.time())

    # Questions.

    def announce(
        self,
        request: AnnounceRequest,
        asker: Asker,
        later: AnswerLater,
        *,
        only_own_family: bool = False,
    ) -> AnnounceResponse | None:
        """Answer one announce; None if the registry must ask elsewhere: then `later(response)`.

        What is refused is a response with a failure. `only_own_family`: the reply has room for
        peers of the asker's own family only.
        """
        is_trusted = _names_an_address(request) and self.trusts(asker.ip)
        if request.ip and is_trusted:
            asker = asker._replace(ip=ip_to_bytes(request.ip), seen_ip=asker.ip)
        try:
            warnings = self._pass_gates(request, asker)
        except Refused as refusal:
            reason = str(refusal) or "refused"
            return AnnounceResponse(failure=reason, retry_in=refusal.retry_in)
        if is_trusted:
            warnings += self._announce_other_family(request, asker)
        warning = "; ".join(warnings)
        try:
            result = self.registry.announce(
                request.info_hash,
                request.peer_id,
                asker.ip,
                request.port,
                request.left,
                request.event,
                request.numwant,
                self.raw_server.network.time(),
                request.key,
                with_ids=not request.compact,
                partial=request.event is Event.PAUSED,
                only_own_family=only_own_family,
                later=lambda outcome: later(self._outcome(request, asker, warning, outcome)),
            )
        except RegistryError as error:
            self.counters.note_refusal(self.registry)
            return AnnounceResponse(failure=str(error))
        return None if result is None else self._outcome(request, asker, warning, result)

    def _announce_other_family(self, request: AnnounceRequest, asker: Asker) -> list[str]:
        """Note where a peer listens beside his address (BEP 7); returns why that cannot be."""
        said = request.ipv6 if len(asker.ip) == 4 else request.ipv4
        endpoint = said_endpoint(said, request.port)
        if endpoint is None or len(endpoint[0]) == len(asker.ip):
            return []
        ip, port = endpoint
        # What was completed was so once.
        event = Event.NONE if request.event is Event.COMPLETED else request.event
        try:
            self.registry.announce(
                request.info_hash,
                request.peer_id,
                ip,
                port,
                request.left,
                event,
                0,
                self.raw_server.network.time(),
                request.key,
                partial=event is Event.PAUSED,
                later=lambda outcome: None,  # it is about him as he was seen that he asks
            )
        except RegistryError as error:
            self.counters.note_refusal(self.registry)
            return [f"{ip_to_text(ip)}: {error}"]
        return []

    def _pass_gates(self, request: AnnounceRequest, asker: Asker) -> list[str]:
        """Ask the gates; returns their warnings, raises Refused."""
        warnings: list[str] = []
        for gate in self.gates:
            try:
                told = gate(request, asker)
            except Refused:
                self.counters.note_refusal(gate)
                raise
            if told:
                warnings.append(told)
        return warnings

    def _outcome(
        self,
        request: AnnounceRequest,
        asker: Asker,
        warning: str,
        result: AnnounceResult | RegistryError,
    ) -> AnnounceResponse:
        if isinstance(result, RegistryError):
            self.counters.note_refusal(self.registry)
            return AnnounceResponse(failure=str(result))
        for watch in self.watchers:
            try:
                watch(request, asker, result)
            except Exception as error:
                # What was asked has been done: a fault of who looks on does not cost the answer.
                self.raw_server.context_failed(self, error, Where(method_of(watch, "__call__")))
        result = self.as_seen_by(asker.ip, result)
        found = bool(result.peers4 or result.peers6)
        lonely = request.left > 0 and not found and request.event is not Event.STOPPED
        interval, least = self.interval.after(lonely)
        return AnnounceResponse(
            interval=interval,
            min_interval=least,
            peers=result.peers,
            complete=result.complete,
            incomplete=result.incomplete,
            downloaded=result.downloaded,
            warning=warning,
            external_ip=asker.ip,
            packed=(result.peers4, result.peers6),
        )

    def as_seen_by(self, ip: bytes, result: AnnounceResult) -> AnnounceResult:
        """Return a result with peers of this machine at addresses that others reach."""
        if is_loopback(ip):
            self.has_loopback_peers = True
            return result
        if not self.has_loopback_peers or not names_loopback(result):
            return result
        text = self._local_address or self.raw_server.network.primary_address()
        address = ip_to_bytes(text)
        return as_seen_from_outside(result, None if is_loopback(address) else address)

    def scrape(
        self, info_hashes: Sequence[bytes], asker: Asker, later: ScrapeLater
    ) -> Sequence[ScrapeFile] | None:
        """Return what is known of torrents; None if the registry must ask: then `later(files)`.

        Raises Refused.
        """
        if self.gates:
            self.access.admit(asker)
            info_hashes = [each for each in info_hashes if self.access.shows(each)]
        return self.registry.scrape(info_hashes, later)

    def torrents(self, limit: int | None = None) -> Iterator[ScrapeFile]:
        """Yield what is known of all torrents, or of the first `limit`, but for those not shown."""
        files = self.registry.torrents(limit)
        if not self.gates:
            return files
        return (file for file in files if self.access.shows(file.info_hash))


def _names_an_address(request: AnnounceRequest) -> bool:
    return bool(request.ip or request.ipv4 or request.ipv6)
