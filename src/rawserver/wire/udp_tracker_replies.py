"""What a UDP tracker replies (BEP 15): a connection id, peers, numbers, or what is wrong."""

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

from rawserver.wire.announce_request import AnnounceError
from rawserver.wire.announce_response import (
    MAX_INTERVAL_SECONDS,
    MAX_PEERS,
    MAX_TEXT_LENGTH,
    AnnounceResponse,
)
from rawserver.wire.compact_peers import unpack_peers
from rawserver.wire.udp_tracker_requests import ANNOUNCE, CONNECT, ERROR, SCRAPE

CONNECT_REPLY_LENGTH = 16
ANNOUNCE_REPLY_HEAD_LENGTH = 20
# A reason is read by a person, in a line; a request has 16 bytes at least, and a proven asker.
MAX_ERROR_LENGTH = 200

CONNECT_REPLY = Struct(">I4s8s")
# action, transaction id, interval, leechers, seeders
ANNOUNCE_REPLY_HEAD = Struct(">I4sIII")
_REPLY_HEAD = Struct(">I4s")
# seeders, completed, leechers
_SCRAPED = Struct(">III")
_MOST = 2**32 - 1


class ScrapedNumbers(NamedTuple):
    """What a tracker knows of a torrent; all 0 for one that it does not know."""

    complete: int
    downloaded: int
    incomplete: int


class UdpConnectReply(NamedTuple):
    """A connection id: good for a minute, from the address that asked."""

    transaction_id: bytes
    connection_id: bytes


class UdpAnnounceReply(NamedTuple):
    """Peers; `response` is as one that came over HTTP."""

    transaction_id: bytes
    response: AnnounceResponse


class UdpScrapeReply(NamedTuple):
    """Numbers of torrents, in the order in which they were asked for."""

    transaction_id: bytes
    torrents: tuple[ScrapedNumbers, ...]


class UdpError(NamedTuple):
    """A refusal; `reason` is for a person to read."""

    transaction_id: bytes
    reason: str


UdpReply = UdpConnectReply | UdpAnnounceReply | UdpScrapeReply | UdpError


def encode_udp_connect_reply(transaction_id: bytes, connection_id: bytes) -> bytes:
    """Return a reply to a connect request, as long as that was."""
    return CONNECT_REPLY.pack(CONNECT, transaction_id, connection_id)


def encode_udp_announce_reply(
    transaction_id: bytes, interval: int, incomplete: int, complete: int, peers: bytes
) -> bytes:
    """Return a reply to an announce: seconds, leechers, seeders, and compact peers of one family.

    IPv4 peers (6 bytes each) for who asked over IPv4, IPv6 peers (18 bytes) for who asked over
    IPv6.
    """
    head = ANNOUNCE_REPLY_HEAD.pack(ANNOUNCE, transaction_id, interval, incomplete, complete)
    return head + peers


def encode_udp_scrape_reply(transaction_id: bytes, torrents: Iterable[ScrapedNumbers]) -> bytes:
    """Return a reply to a scrape."""
    parts = [_REPLY_HEAD.pack(SCRAPE, transaction_id)]
    for complete, downloaded, incomplete in torrents:
        parts.append(_SCRAPED.pack(complete, min(downloaded, _MOST), incomplete))
    return b"".join(parts)


def encode_udp_error(transaction_id: bytes, reason: str) -> bytes:
    """Return a refusal; a reason that is too long is cut."""
    return _REPLY_HEAD.pack(ERROR, transaction_id) + reason.encode()[:MAX_ERROR_LENGTH]


def decode_udp_reply(data: bytes, address_length: int = 4) -> UdpReply:
    """Read a reply; `address_length` is 16 if it came over IPv6, which says what its peers are.

    AnnounceError for what is none.
    """
    if len(data) < _REPLY_HEAD.size:
        raise AnnounceError(f"a reply has at least {_REPLY_HEAD.size} bytes, not {len(data)}")
    action, transaction_id = _REPLY_HEAD.unpack_from(data)
    if action == CONNECT:
        if len(data) < CONNECT_REPLY_LENGTH:
            raise AnnounceError("the reply to a connect request is cut short")
        return UdpConnectReply(transaction_id, data[8:16])
    if action == ANNOUNCE:
        return UdpAnnounceReply(transaction_id, _announce_response(data, address_length))
    if action == SCRAPE:
        if (len(data) - _REPLY_HEAD.size) % _SCRAPED.size:
            raise AnnounceError("the reply to a scrape is cut short")
        numbers = _SCRAPED.iter_unpack(data[_REPLY_HEAD.size :])
        return UdpScrapeReply(transaction_id, tuple(map(ScrapedNumbers._make, numbers)))
    if action == ERROR:
        return UdpError(transaction_id, _line(data[_REPLY_HEAD.size :]))
    raise AnnounceError(f"there is no action {action}")


def _announce_response(data: bytes, address_length: int) -> AnnounceResponse:
    if len(data) < ANNOUNCE_REPLY_HEAD_LENGTH:
        raise AnnounceError("the reply to an announce is cut short")
    _, _, interval, incomplete, complete = ANNOUNCE_REPLY_HEAD.unpack_from(data)
    stop = ANNOUNCE_REPLY_HEAD_LENGTH + MAX_PEERS * (address_length + 2)
    try:
        peers = unpack_peers(data[ANNOUNCE_REPLY_HEAD_LENGTH:stop], address_length)
    except ValueError as error:
        raise AnnounceError(str(error)) from None
    return AnnounceResponse(
        interval=max(1, min(interval, MAX_INTERVAL_SECONDS)),
        peers=tuple(peers),
        complete=complete,
        incomplete=incomplete,
    )


def _line(data: bytes) -> str:
    """Return what a person may be shown. Some end it with a zero, as C does."""
    text = data[:MAX_TEXT_LENGTH].decode("utf-8", "replace")
    shown = "".join([character if character.isprintable() else " " for character in text])
    return shown.strip() or "the tracker gives no reason"
