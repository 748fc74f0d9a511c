"""What `rawserver tracker` was told, read from its options."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rawserver.cli.command_error import CommandError
from rawserver.services.tracker.forwarded import ProxyHeaderName
from rawserver.services.tracker.http_options import Audience, Scrapes
from rawserver.wire.announce_response import MAX_INTERVAL_SECONDS

Address = tuple[str, int]

# What may stand in a header.
_URL = re.compile(r"(?:https?://|/)[!-~]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerOptions:
    """The options, by their names; times in seconds. docs/tracker.md tells what each is for."""

    # Where it listens; a host of "" is every address.
    http: tuple[Address, ...]
    https: tuple[Address, ...]
    udp: tuple[Address, ...]
    no_http: bool
    no_udp: bool
    certificate: str | None
    key: str | None
    proxy_protocol: bool
    trusted_proxy: tuple[str, ...]
    proxy_header: ProxyHeaderName
    workers: int
    # Peers.
    interval: int
    min_interval: int | None
    enforce_interval: bool
    expire: float | None
    numwant: int
    max_numwant: int
    max_peers: int
    max_torrents: int
    near_first: bool
    nat_check: int
    trust_ip: str
    # Torrents.
    torrents: str | None
    rescan: float
    torrent_messages: bool
    serve_torrents: bool
    allow_hashes: str | None
    deny_hashes: str | None
    keep_dead: bool
    # Who may.
    users: str | None
    allow_clients: str | None
    deny_clients: str | None
    deny_addresses: str | None
    rate: float
    burst: float
    # Memory.
    state: str | None
    save_every: float
    store: str | None
    # People.
    info_page: bool
    redirect: str | None
    names: bool
    favicon: str | None
    scrape: Scrapes
    statistics: Audience
    reload_token: str | None
    access_log: str | None
    log_nat_checks: bool

    @property
    def http_addresses(self) -> tuple[Address, ...]:
        """Where it listens for HTTP."""
        return () if self.no_http else self.http

    def check(self) -> None:
        """Raise CommandError for options that do not go together."""
        self._check_listening()
        if self.workers > 1:
            self._check_workers()
        if self.proxy_protocol and not self.trusted_proxy:
            raise CommandError("--proxy-protocol needs a --trusted-proxy: who else may speak it?")
        if self.min_interval is not None and self.min_interval > self.interval:
            raise CommandError("--min-interval is longer than --interval")
        if self.interval > MAX_INTERVAL_SECONDS:
            raise CommandError(f"--interval is more than a day, {MAX_INTERVAL_SECONDS} seconds")
        if self.rate and self.burst < 1:
            raise CommandError("--burst is less than one announce")
        if self.numwant > self.max_numwant:
            raise CommandError("--numwant is more than --max-numwant")
        if self.torrents is None and (self.serve_torrents or self.torrent_messages):
            raise CommandError("--serve-torrents and --torrent-messages need --torrents")

        if self.log_nat_checks and not (self.nat_check and self.access_log is not None):
            raise CommandError("--log-nat-checks needs a --nat-check and an --access-log")
        if self.redirect is not None and not _URL.fullmatch(self.redirect):
            raise CommandError("--redirect is no URL: http://..., https://... or /...")

    def _check_listening(self) -> None:
        if self.https and self.certificate is None:
            raise CommandError("--https needs a --certificate")
        if self.certificate is not None and not self.https:
            raise CommandError("--certificate is for --https, which is not given")
        if self.key is not None and self.certificate is None:
            raise CommandError("--key is that of a --certificate, which is not given")
        if self.no_udp and self.udp:
            raise CommandError("--no-udp and --udp contradict each other")
        if self.no_http and self.no_udp and not self.https:
            raise CommandError("without HTTP, HTTPS and UDP there is nothing to listen on")

    def _check_workers(self) -> None:
        if self.store is None:
            raise CommandError("--workers need a --store, or each would know its own peers alone")
        if self.state is not None:
            raise CommandError("--workers keep their peers in the --store; --state is for one")
        if self.users is not None:
            raise CommandError("--users are accounted for by one process, not by several --workers")
        if any(port == 0 for _, port in (*self.http_addresses, *self.https, *self.udp)):
            raise CommandError("--workers share their ports: none of them can be 0")
