"""What an HTTP tracker replies to an announce (BEP 3, 23 compact, 7 IPv6, 24, 31)."""

from typing import Any, NamedTuple

from rawserver.wire.announce_request import AnnounceError
from rawserver.wire.bencode import BencodeError, decode_document, encode
from rawserver.wire.compact_peers import Peer, pack_peers, unpack_peers

# Trackers send 50 to 200 peers: some 2 KB compact, 20 KB as dictionaries. libtorrent's limit.
MAX_RESPONSE_LENGTH = 1024 * 1024
# libtorrent's max_peerlist_size: more would not be dialled.
MAX_PEERS = 3000
# What trackers say as a rule; used for one that says nothing.
DEFAULT_INTERVAL_SECONDS = 1800
# A tracker that says more than a day would in effect never be asked again.
MAX_INTERVAL_SECONDS = 24 * 3600
# It is shown to a person in one line or a few.
MAX_TEXT_LENGTH = 1000
# What a host name may have (RFC 1035, section 2.3.4).
MAX_HOST_LENGTH = 255
# It is sent back with each announce.
MAX_TRACKER_ID_LENGTH = 1024


class AnnounceResponse(NamedTuple):
    """A tracker's reply; if `failure` is not empty nothing else counts but `retry_in`.

    `interval`, `min_interval`: seconds. `complete`, `incomplete`, `downloaded`: seeds, the other
    peers, and how often the torrent has been completed; None where the tracker does not say.
    `packed`: the peers in compact form, IPv4 and IPv6, if whoever made the reply has them so; they
    are then what a compact reply lists. `retry_in`: after how many seconds one who is refused may
    ask again, in whole minutes; 0 for never, None where the tracker does not say (BEP 31).
    `external_ip`: the address that the tracker sees the client at, 4 or 16 bytes, or b"" (BEP 24).
    """

    interval: int = DEFAULT_INTERVAL_SECONDS
    min_interval: int | None = None
    peers: tuple[Peer, ...] = ()
    complete: int | None = None
    incomplete: int | None = None
    downloaded: int | None = None
    tracker_id: bytes = b""
    warning: str = ""
    failure: str = ""
    packed: tuple[bytes, bytes] | None = None
    retry_in: int | None = None
    external_ip: bytes = b""


def encode_announce_response(
    response: AnnounceResponse,
    *,
    compact: bool = True,
    no_peer_id: bool = False,
    with_scrape: bool = False,
) -> bytes:
    """Return the reply, bencoded; `no_peer_id` leaves the ids out of dictionaries.

    `with_scrape` adds what a scrape of the torrent says, as bttrack did for who asked for it.
    ValueError if a peer of a compact reply has no address but a host name.
    """
    if response.failure:
        return encode(_encode_failure(response))
    reply: dict[bytes, Any] = {b"interval": response.interval}
    numbers = {
        b"complete": response.complete,
        b"downloaded": response.downloaded,
        b"incomplete": response.incomplete,
        b"min interval": response.min_interval,
    }
    reply |= {name: number for name, number in numbers.items() if number is not None}
    if compact:
        # Packing fifty peers costs more than all the rest of an announce.
        reply[b"peers"], peers6 = response.packed or pack_peers(response.peers)
        if peers6:
            reply[b"peers6"] = peers6
    else:
        reply[b"peers"] = [_encode_peer(peer, no_peer_id) for peer in response.peers]
    if response.external_ip:
        reply[b"external ip"] = response.external_ip
    if with_scrape:
        reply[b"scrape"] = {
            name: numbers[name] or 0 for name in (b"complete", b"downloaded", b"incomplete")
        }
    if response.tracker_id:
        reply[b"tracker id"] = response.tracker_id
    if response.warning:
        reply[b"warning message"] = response.warning.encode()
    return encode(reply)


def encode_usual_response(
    complete: int,
    downloaded: int,
    external_ip: bytes,
    incomplete: int,
    interval: int,
    min_interval: int,
    peers4: bytes,
    peers6: bytes,
) -> bytes:
    """Return what nearly all announces are replied; `encode_announce_response` says the same.

    It takes a sixth of the time, for a tracker that does this more often than all else.
    """
    return (
        b"d8:completei%de10:downloadedi%de11:external ip%d:%b10:incompletei%de8:intervali%de"
        b"12:min intervali%de5:peers%d:%b%be"
    ) % (
        complete,
        downloaded,
        len(external_ip),
        external_ip,
        incomplete,
        interval,
        min_interval,
        len(peers4),
        peers4,
        b"6:peers6%d:%b" % (len(peers6), peers6) if peers6 else b"",
    )


def decode_announce_response(data: bytes) -> AnnounceResponse:
    """Read a reply as trackers really send them; AnnounceError if it makes no sense.

    Numbers that are missing or absurd are as if not said. More than MAX_PEERS peers are left off,
    as are those with port 0.
    """
    if len(data) > MAX_RESPONSE_LENGTH:
        raise AnnounceError(f"the reply has more than {MAX_RESPONSE_LENGTH} bytes")
    try:
        # Trackers were written in every language, and not all of them sort their keys.
        reply = decode_document(data, allow_unsorted=True).value
    except BencodeError as error:
        raise AnnounceError(f"the reply is not bencoded: {error}") from error
    if not isinstance(reply, dict):
        raise AnnounceError("the reply is not a dictionary")
    failure = reply.get(b"failure reason")
    if failure is not None:
        return AnnounceResponse(
            failure=_text(failure) or "the tracker gives no reason",
            retry_in=_decode_retry(reply.get(b"retry in")),
        )
    interval = _count(reply.get(b"interval")) or DEFAULT_INTERVAL_SECONDS
    min_interval = _count(reply.get(b"min interval"))
    tracker_id = reply.get(b"tracker id")
    external_ip = reply.get(b"external ip")
    if not isinstance(external_ip, bytes) or len(external_ip) not in (4, 16):
        external_ip = b""
    return AnnounceResponse(
        interval=min(interval, MAX_INTERVAL_SECONDS),
        min_interval=None if min_interval is None else min(min_interval, MAX_INTERVAL_SECONDS),
        peers=_decode_peers(reply),
        complete=_count(reply.get(b"complete")),
        incomplete=_count(reply.get(b"incomplete")),
        downloaded=_count(reply.get(b"downloaded")),
        tracker_id=tracker_id[:MAX_TRACKER_ID_LENGTH] if isinstance(tracker_id, bytes) else b"",
        warning=_text(reply.get(b"warning message")),
        external_ip=external_ip,
    )


def _encode_failure(response: AnnounceResponse) -> dict[bytes, Any]:
    reply: dict[bytes, Any] = {b"failure reason": response.failure.encode()}
    if response.retry_in == 0:
        reply[b"retry in"] = b"never"
    elif response.retry_in is not None:
        reply[b"retry in"] = -(-response.retry_in // 60)  # not before the time
    return reply


def _decode_retry(value: Any) -> int | None:
    if value == b"never":
        return 0
    minutes = _count(value)
    # BEP 31 has it more than 0; what makes no sense is no "never".
    return min(minutes * 60, MAX_INTERVAL_SECONDS) if minutes else None


def _encode_peer(peer: Peer, no_peer_id: bool) -> dict[bytes, Any]:
    entry: dict[bytes, Any] = {b"ip": peer.ip.encode(), b"port": peer.port}
    if peer.peer_id is not None and not no_peer_id:
        entry[b"peer id"] = peer.peer_id
    return entry


def _decode_peers(reply: dict[bytes, Any]) -> tuple[Peer, ...]:
    peers: list[Peer] = []
    for name, address_length in ((b"peers", 4), (b"peers6", 16)):
        listed = reply.get(name, b"")
        if isinstance(listed, bytes):
            try:
                peers += unpack_peers(listed, address_length)
            except ValueError as error:
                raise AnnounceError(f"the reply's {name.decode()}: {error}") from error
        elif isinstance(listed, list):
            found = map(_decode_peer, listed)
            peers += [peer for peer in found if peer is not None]
        else:
            raise AnnounceError(f"the reply's {name.decode()} is neither a string nor a list")
    return tuple(peers[:MAX_PEERS])


def _decode_peer(entry: Any) -> Peer | None:
    """Read a dictionary; None for a peer that could not be dialled anyway."""
    if not isinstance(entry, dict):
        raise AnnounceError("the reply lists a peer that is not a dictionary")
    ip, port, peer_id = entry.get(b"ip"), entry.get(b"port"), entry.get(b"peer id")
    if not isinstance(ip, bytes) or not isinstance(port, int):
        raise AnnounceError("the reply lists a peer without ip or port")
    host = ip.decode("latin-1")
    if not 0 < port <= 65535 or not 0 < len(host) <= MAX_HOST_LENGTH:
        return None
    if not (host.isascii() and host.isprintable()):
        return None
    known = isinstance(peer_id, bytes) and len(peer_id) == 20
    return Peer(host, port, peer_id if known else None)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 2**63 else None


def _text(value: Any) -> str:
    """Return a text that a person may be shown: one line, without control characters."""
    if not isinstance(value, bytes):
        return ""
    text = value[: 4 * MAX_TEXT_LENGTH].decode("utf-8", "replace")[:MAX_TEXT_LENGTH]
    return "".join(character if character.isprintable() else " " for character in text).strip()
