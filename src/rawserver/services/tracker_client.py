"""Announcing to trackers, by HTTP, HTTPS or UDP as their URLs say."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from rawserver.engine import RawServer
from rawserver.http.client import HttpClient, HttpError, HttpReply
from rawserver.http.url import HTTP_PORTS, Url, UrlError, parse_url
from rawserver.services.udp_announce import UdpAnnounce
from rawserver.services.udp_connection_ids import UdpConnectionIds
from rawserver.wire.announce_request import AnnounceError, AnnounceRequest, announce_url
from rawserver.wire.announce_response import (
    MAX_RESPONSE_LENGTH,
    AnnounceResponse,
    decode_announce_response,
)
from rawserver.wire.compact_peers import ip_to_bytes, is_address
from rawserver.wire.udp_tracker_options import MAX_URL_DATA_LENGTH

if TYPE_CHECKING:
    from rawserver.engine.tls import TlsClient

# URLs of UDP trackers name their port as a rule. Those of trackers that speak HTTP at the same
# address, port 80, do not always; so Transmission has it.
TRACKER_PORTS: Mapping[str, int] = MappingProxyType({**HTTP_PORTS, "udp": 80})

_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_HERE = (bytes(16), bytes(15) + b"\x01")

# A response (which may be the tracker's refusal), or why there is none, in a line.
Done = Callable[[AnnounceResponse | None, str], None]


class Announcing(Protocol):
    """An announce that is being made."""

    def cancel(self) -> None:
        """End; `done` is not called any more."""


class TrackerClient:
    """Makes announces; any number of torrents can share one.

    `tls` says whom to trust for https:// and how; None: whom the system does.
    """

    def __init__(self, raw_server: RawServer, *, tls: TlsClient | None = None) -> None:
        self._raw_server = raw_server
        self._http = HttpClient(raw_server, tls=tls)
        self._ids = UdpConnectionIds()

    def announce(
        self,
        url: str,
        request: AnnounceRequest,
        done: Done,
        context: Hashable = None,
        *,
        timeout: float,
    ) -> Announcing:
        """Announce to the tracker at `url`; `done(response, "")` or `done(None, reason)`, once.

        From the loop, never from here, within `timeout` seconds; not after the context has ended.
        Raises UrlError for a URL that `check_tracker_url` refuses.
        """
        parts = check_tracker_url(url)
        if parts.scheme == "udp":
            announce = UdpAnnounce(
                self._raw_server, self._ids, parts, request, done, context, timeout
            )
            announce.start()
            return announce
        return self._http.get(
            announce_url(url, request),
            lambda reply, error: done(*_read(reply, error)),
            context,
            limit=MAX_RESPONSE_LENGTH,
            timeout=timeout,
        )


def _read(reply: HttpReply | None, error: HttpError | None) -> tuple[AnnounceResponse | None, str]:
    if reply is None:
        return None, short_reason(str(error))
    try:
        return decode_announce_response(reply.body), ""
    except AnnounceError as fault:
        return None, str(fault)


def check_tracker_url(url: str) -> Url:
    """Return a tracker's URL taken apart; UrlError for one that is none, or not to be asked."""
    parts = parse_url(url, TRACKER_PORTS)
    if parts.scheme == "udp":
        # On this machine, too: a service that is no tracker hears 16 bytes of which none is of the
        # stranger's choice.
        if len(parts.target) > MAX_URL_DATA_LENGTH:
            raise UrlError(f"{url}: its path has more than {MAX_URL_DATA_LENGTH} bytes")
    # A .torrent from a stranger must not have us ask whatever service of this machine it likes.
    elif is_this_machine(parts.host) and not parts.target.partition("?")[0].endswith("/announce"):
        raise UrlError(f"{url}: leads to this machine, but not to /announce")
    return parts


def short_reason(text: str) -> str:
    """Leave the long URL of an announce out of an error: the tracker's name stands before it."""
    return re.sub(r"^https?://\S+: ", "", text)


def is_this_machine(host: str) -> bool:
    """Tell whether a host is this machine, as far as its name shows it."""
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True  # RFC 6761, section 6.3
    if not is_address(host):
        # No name ends in a number; systems read "127.1", "0x7f.1" and "0" as they read addresses.
        return _NUMBER.fullmatch(host.rpartition(".")[2]) is not None
    packed = ip_to_bytes(host)
    # Whoever dials "no address" reaches himself, too (RFC 1122, section 3.2.1.3).
    return packed[0] in (0, 127) if len(packed) == 4 else packed in _HERE
