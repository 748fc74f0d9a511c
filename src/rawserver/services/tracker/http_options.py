"""How a tracker's HTTP front is to behave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rawserver.engine import Limits
from rawserver.http.server import REQUEST_TIMEOUT_SECONDS, AccessLog
from rawserver.services.tracker.forwarded import ProxyHeaderName
from rawserver.services.tracker.full_scrapes import MAX_AT_ONCE, TORRENTS_PER_SECOND
from rawserver.swarm.address_set import AddressSet

# A connection that is idle takes some 2 KB here; what a process may have open is said elsewhere.
MAX_CONNECTIONS = 20_000
# Many of one provider stand behind one address (RFC 6888); one who floods is stopped there.
MAX_CONNECTIONS_PER_ADDRESS = 1_000
# Handshakes of TLS cost a hundred times what an announce does.
MAX_HANDSHAKES = 1_000
DEFAULT_LIMITS = Limits(MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS, MAX_HANDSHAKES)
# A page of so many has some 200 KB, and is made in a few milliseconds.
MAX_ROWS = 1_000

NO_PROXIES = AddressSet()

Scrapes = Literal["none", "specific", "full"]
Audience = Literal["all", "local", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """What is served, to whom, and within which limits. bttrack's names stand in brackets."""

    # Whether /scrape answers at all, for torrents that are named, or for all too [scrape_allowed].
    scrape: Scrapes = "full"
    # Scrapes of all that are under way at once, and how fast they go together.
    max_full_scrapes: int = MAX_AT_ONCE
    full_scrape_rate: float = TORRENTS_PER_SECOND
    # The page for people at / [show_infopage], or where / leads instead [infopage_redirect].
    infopage: bool = True
    infopage_redirect: str = ""
    # Whether names and sizes that the catalogue knows stand on it [show_names].
    names: bool = True
    max_rows: int = MAX_ROWS
    # Whether /file?info_hash= gives a .torrent of the catalogue [allow_get].
    torrents: bool = False
    # What /favicon.ico is, and its media type [favicon].
    favicon: bytes = b""
    favicon_type: str = "image/x-icon"
    # Who may see /stats.json and /metrics; "local" are this machine and private networks.
    statistics: Audience = "all"
    # Who is not on this machine may POST to /reload with `Authorization: Bearer` and this.
    reload_token: str = ""
    # Proxies that are believed when they say who asks, by the PROXY protocol or by this header.
    trusted_proxies: AddressSet = NO_PROXIES
    proxy_header: ProxyHeaderName = "x-forwarded-for"
    # Told of each request and its reply.
    access_log: AccessLog | None = None
    # For a request, and between two on one connection; seconds [socket_timeout].
    request_timeout: float = REQUEST_TIMEOUT_SECONDS
    # How many may be connected to each listener; None stands for DEFAULT_LIMITS, without its limit
    # per address if there are proxies to trust: those come from few.
    limits: Limits | None = None

    @property
    def effective_limits(self) -> Limits:
        """The limits that a listener gets."""
        if self.limits is not None:
            return self.limits
        if self.trusted_proxies:
            return Limits(MAX_CONNECTIONS, None, MAX_HANDSHAKES)
        return DEFAULT_LIMITS
