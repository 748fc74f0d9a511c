"""What a client asks of a UDP tracker (BEP 15): connect, announce and scrape.

Transaction ids (4 bytes) and connection ids (8 bytes) mean something to the side that made them
only; the other returns them as they came. So they stay bytes.
"""

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from rawserver.wire.announce_request import MAX_COUNT, AnnounceError, AnnounceRequest, Event
from rawserver.wire.compact_peers import ip_to_bytes, ip_to_text
from rawserver.wire.udp_tracker_options import decode_url_data, encode_url_data

# The first eight bytes of a connect request; BEP 15 calls it a magic constant.
PROTOCOL_ID = 0x41727101980
CONNECT, ANNOUNCE, SCRAPE, ERROR = range(4)
CONNECT_LENGTH = 16
ANNOUNCE_LENGTH = 98  # options may follow
SCRAPE_HEAD_LENGTH = 16
# BEP 15: "up to about 74 torrents can be scraped at once"; a reply of them has 896 bytes.
MAX_SCRAPE_HASHES = 74

# BEP 15's numbers of events are the places in this list.
EVENTS = (Event.NONE, Event.COMPLETED, Event.STARTED, Event.STOPPED)
_EVENT_NUMBERS = {event: number for number, event in enumerate(EVENTS)}

CONNECT_START = PROTOCOL_ID.to_bytes(8, "big") + bytes(4)
HEAD = Struct(">8sI4s")
# connection id, action, transaction id, info-hash, peer id, downloaded, left, uploaded, event, ip,
# key, num_want, port
ANNOUNCE_STRUCT = Struct(">8sI4s20s20sqqqI4sIiH")
# The same without what was downloaded and uploaded, which only accounts are kept of.
ANNOUNCE_WITHOUT_AMOUNTS = Struct(">8sI4s20s20s8xq8xI4sIiH")
NO_IP = bytes(4)


class UdpConnect(NamedTuple):
    """Asks for a connection id."""

    transaction_id: bytes


class UdpAnnounce(NamedTuple):
    """An announce; `path` is the path and query of the tracker's URL, if the client told (BEP 41).

    The key of `announce` is the number's eight hex digits, as clients write it over HTTP.
    """

    connection_id: bytes
    transaction_id: bytes
    announce: AnnounceRequest
    path: str = ""


class UdpScrape(NamedTuple):
    """Asks for the numbers of torrents; the reply has them in the same order."""

    connection_id: bytes
    transaction_id: bytes
    info_hashes: tuple[bytes, ...]


UdpRequest = UdpConnect | UdpAnnounce | UdpScrape


def encode_udp_connect(transaction_id: bytes) -> bytes:
    """Return a connect request."""
    return CONNECT_START + transaction_id


def encode_udp_announce(
    connection_id: bytes, transaction_id: bytes, request: AnnounceRequest, path: str = ""
) -> bytes:
    """Return an announce; `path` is the path and query of the tracker's URL, escaped (BEP 41).

    A key is sent as the number that its hex digits say, any other as its first four bytes; an ip
    only if it is of IPv4, as BEP 15 has no room for another. ValueError if `path` does not do.
    """
    return ANNOUNCE_STRUCT.pack(
        connection_id,
        ANNOUNCE,
        transaction_id,
        request.info_hash,
        request.peer_id,
        min(request.downloaded, MAX_COUNT),
        min(request.left, MAX_COUNT),
        min(request.uploaded, MAX_COUNT),
        _EVENT_NUMBERS.get(request.event, 0),
        _ipv4(request.ip),
        _key_number(request.key),
        -1 if request.numwant is None else min(request.numwant, 2**31 - 1),
        request.port,
    ) + encode_url_data(path)


def encode_udp_scrape(
    connection_id: bytes, transaction_id: bytes, info_hashes: Sequence[bytes]
) -> bytes:
    """Return a scrape of 1 to MAX_SCRAPE_HASHES torrents; ValueError for another number."""
    if not 1 <= len(info_hashes) <= MAX_SCRAPE_HASHES:
        raise ValueError(f"a scrape is of 1 to {MAX_SCRAPE_HASHES} torrents")
    return HEAD.pack(connection_id, SCRAPE, transaction_id) + b"".join(info_hashes)


def decode_udp_request(data: bytes) -> UdpRequest:
    """Read a request. AnnounceError for what is none; whose it is has not been checked then.

    More than a connect request needs is ignored.
    """
    if len(data) < CONNECT_LENGTH:
        raise AnnounceError(f"a request has at least {CONNECT_LENGTH} bytes, not {len(data)}")
    connection_id, action, transaction_id = HEAD.unpack_from(data)
    if action == CONNECT:
        if not data.startswith(CONNECT_START):
            raise AnnounceError("a connect request begins with another number")
        return UdpConnect(transaction_id)
    if action == ANNOUNCE:
        announce, path = decode_udp_announce(data)
        return UdpAnnounce(connection_id, transaction_id, announce, path)
    if action == SCRAPE:
        return UdpScrape(connection_id, transaction_id, decode_udp_scrape(data))
    raise AnnounceError(f"there is no action {action}")


def decode_udp_announce(data: bytes) -> tuple[AnnounceRequest, str]:
    """Read an announce's body; returns it, and the path and query of BEP 41. AnnounceError."""
    if len(data) < ANNOUNCE_LENGTH:
        raise AnnounceError(f"an announce has at least {ANNOUNCE_LENGTH} bytes, not {len(data)}")
    fields = ANNOUNCE_STRUCT.unpack_from(data)
    _, _, _, info_hash, peer_id, downloaded, left, uploaded, event, ip, key, numwant, port = fields
    if downloaded < 0 or uploaded < 0:
        raise AnnounceError("nobody transfers less than nothing")
    request = AnnounceRequest(
        info_hash,
        peer_id,
        port,
        uploaded,
        downloaded,
        # Clients that do not know yet (a magnet link) say -1: they want all of it.
        left if left >= 0 else MAX_COUNT,
        # An event that we do not know is a sign of life like any other.
        EVENTS[event] if event < 4 else Event.NONE,
        numwant if numwant >= 0 else None,
        key=b"%08X" % key if key else b"",
        ip=ip_to_text(ip) if ip != NO_IP else "",
    )
    return request, decode_url_data(data, ANNOUNCE_LENGTH) if len(data) > ANNOUNCE_LENGTH else ""


def decode_udp_scrape(data: bytes) -> tuple[bytes, ...]:
    """Return the info-hashes of a scrape, in order. AnnounceError."""
    count, rest = divmod(len(data) - SCRAPE_HEAD_LENGTH, 20)
    if rest or count < 1:
        raise AnnounceError("a scrape has 20 bytes for each torrent, and one at least")
    if count > MAX_SCRAPE_HASHES:
        raise AnnounceError(f"a scrape is of at most {MAX_SCRAPE_HASHES} torrents")
    return tuple([data[start : start + 20] for start in range(16, len(data), 20)])


def _ipv4(text: str) -> bytes:
    if not text:
        return NO_IP
    try:
        packed = ip_to_bytes(text)
    except ValueError:
        return NO_IP
    return packed if len(packed) == 4 else NO_IP


def _key_number(key: bytes) -> int:
    if len(key) == 8:
        try:
            return int.from_bytes(bytes.fromhex(key.decode("latin-1")), "big")
        except ValueError:
            pass  # it is eight bytes of something else
    return int.from_bytes(key[:4], "big")
