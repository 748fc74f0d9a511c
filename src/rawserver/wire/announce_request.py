"""What a client asks of an HTTP tracker: the query string of an announce (BEP 3, "trackers")."""

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from rawserver.wire.compact_peers import ip_to_bytes, ip_to_text

# A client's announce has about 400 bytes; a scrape of 50 torrents has 3,600.
MAX_QUERY_LENGTH = 8192
# What fits a signed 64-bit integer: nothing that anybody counts in bytes is larger.
MAX_COUNT = 2**63 - 1
# Keys have 8 characters and tracker ids a few more; they are kept for each peer.
MAX_TOKEN_LENGTH = 128

# What a usual announce consists of, each value in the form that needs no second look. Names that we
# know with any other value are for the whole reading, as is `ip`; names that we do not know are
# skipped. The quantifiers are possessive: what does not fit is given up at once.
_USUAL = re.compile(
    rb"(?:(?:^|&)(?:info_hash=([^&]*+)|peer_id=([^&]*+)|port=([0-9]{1,5}+)"
    rb"|uploaded=([0-9]{1,18}+)|downloaded=([0-9]{1,18}+)|left=([0-9]{1,18}+)"
    rb"|event=([a-z]*+)|numwant=([0-9]{0,9}+)|compact=(1)|key=([^&]{0,128}+)"
    rb"|no_peer_id=([01])|trackerid=([^&%]{0,128}+)|ipv4=([^&%]*+)|ipv6=([^&]*+)"
    rb"|(?!(?:info_hash|peer_id|port|uploaded|downloaded|left|event|numwant|compact|key|no_peer_id"
    rb"|trackerid|ip|ipv4|ipv6)(?:[=&]|$))[^&]++))++",
    re.DOTALL,
)


class AnnounceError(ValueError):
    """An announce, a scrape or a reply is malformed. The text may be sent as `failure reason`."""


class Event(StrEnum):
    """Why a client announces; NONE is the announce made at regular intervals.

    PAUSED is said in every announce of one who has all that he wants, but not all (BEP 21).
    """

    NONE = ""
    STARTED = "started"
    STOPPED = "stopped"
    COMPLETED = "completed"
    PAUSED = "paused"


class AnnounceRequest(NamedTuple):
    """One announce. `uploaded`, `downloaded` and `left` are bytes.

    `numwant` None leaves the number of peers to the tracker. `ip` is an address that the client
    says is its own, or empty; whether to believe it is for the tracker to say. `ipv4` and `ipv6`
    are where else it says that it listens, as it says it (BEP 7): `said_endpoint` reads them.
    """

    info_hash: bytes
    peer_id: bytes
    port: int
    uploaded: int = 0
    downloaded: int = 0
    left: int = 0
    event: Event = Event.NONE
    numwant: int | None = None
    compact: bool = True
    no_peer_id: bool = False
    key: bytes = b""
    tracker_id: bytes = b""
    ip: str = ""
    ipv4: bytes = b""
    ipv6: bytes = b""


_EVENTS = {event.value.encode(): event for event in Event}
# A member of an enumeration costs a look-up each time.
_NONE = Event.NONE


def encode_announce_query(request: AnnounceRequest) -> str:
    """Return the query string, without a question mark."""
    fields: list[tuple[str, str | bytes | int]] = [
        ("info_hash", request.info_hash),
        ("peer_id", request.peer_id),
        ("port", request.port),
        ("uploaded", request.uploaded),
        ("downloaded", request.downloaded),
        ("left", request.left),
        ("compact", int(request.compact)),
    ]
    if request.no_peer_id:
        fields.append(("no_peer_id", 1))
    if request.numwant is not None:
        fields.append(("numwant", request.numwant))
    optional = {
        "event": request.event.value,
        "key": request.key,
        "trackerid": request.tracker_id,
        "ip": request.ip,
        "ipv4": request.ipv4,
        "ipv6": request.ipv6,
    }
    fields += [(name, value) for name, value in optional.items() if value]
    return "&".join([f"{name}={_escape(value)}" for name, value in fields])


def announce_url(tracker_url: str, request: AnnounceRequest) -> str:
    """Return the URL of an announce; a query that the tracker's URL has (a passkey) stays."""
    base = tracker_url.partition("#")[0]
    if "?" not in base:
        base += "?"
    elif base[-1] not in "?&":
        base += "&"
    return base + encode_announce_query(request)


def parse_announce_query(query: bytes | str) -> AnnounceRequest:
    """Read an announce.

    A name that comes twice counts with its last value: a tracker's URL may bring its own `key`,
    and the client's follows it. Only two info-hashes are a contradiction. Unknown names are
    ignored. Raises AnnounceError.
    """
    if isinstance(query, bytes) and len(query) <= MAX_QUERY_LENGTH:
        usual = _parse_usual(query)
        if usual is not None:
            return usual
    return _parse_any(query)


def _parse_usual(query: bytes) -> AnnounceRequest | None:
    """Read an announce such as clients send, in a fifth of the time; None leaves it to the other.

    Whatever this returns the other would.
    """
    match = _USUAL.fullmatch(query)
    if match is None or query.count(b"info_hash") != 1:
        return None
    (
        escaped, peer_id, port_text, uploaded, downloaded, left, event, numwant, _, key, no_peer_id,
        tracker_id, ipv4, ipv6,
    ) = match.groups(b"")  # fmt: skip
    if not port_text or not left:
        return None
    # A longer one is none, and would be remembered at its length.
    info_hash = _unescaped_hash(escaped) if len(escaped) <= 60 else b""
    if b"%" in peer_id:
        peer_id = unquote_to_bytes(peer_id)
    port = int(port_text)
    if len(info_hash) != 20 or len(peer_id) != 20 or port > 65535:
        return None
    fields = (
        info_hash,
        peer_id,
        port,
        int(uploaded or 0),
        int(downloaded or 0),
        int(left),
        _EVENTS.get(event, _NONE) if event else _NONE,
        int(numwant) if numwant else None,
        True,
        no_peer_id == b"1",
        unquote_to_bytes(key) if b"%" in key else key,
        tracker_id,
        "",
        ipv4,
        unquote_to_bytes(ipv6) if ipv6 else b"",
    )
    # As `AnnounceRequest(*fields)`, without a call in between.
    return tuple.__new__(AnnounceRequest, fields)


def _parse_any(query: bytes | str) -> AnnounceRequest:
    fields: dict[bytes, bytes] = {}
    for name, value in split_query(query):
        if name == b"info_hash" and name in fields:
            raise AnnounceError("info_hash is given twice; an announce is for one torrent")
        fields[name] = value
    return AnnounceRequest(
        info_hash=_twenty_bytes(fields, "info_hash"),
        peer_id=_twenty_bytes(fields, "peer_id"),
        port=_number(fields, "port", 65535),
        uploaded=_number(fields, "uploaded", MAX_COUNT, default=0),
        downloaded=_number(fields, "downloaded", MAX_COUNT, default=0),
        left=_number(fields, "left", MAX_COUNT),
        event=_event(fields.get(b"event", b"")),
        numwant=_numwant(fields.get(b"numwant", b"")),
        # BEP 23: a tracker may send compact replies to all who do not refuse them.
        compact=fields.get(b"compact") != b"0",
        no_peer_id=fields.get(b"no_peer_id", b"0") not in (b"", b"0"),
        key=_token(fields, "key"),
        tracker_id=_token(fields, "trackerid"),
        ip=_ip(fields.get(b"ip", b"")),
        ipv4=fields.get(b"ipv4", b""),
        ipv6=fields.get(b"ipv6", b""),
    )


def said_endpoint(said: bytes, port: int) -> tuple[bytes, int] | None:
    """Read an `ipv4` or `ipv6`: an address, packed then, with or without a port of its own.

    Without one it is `port`. None if it is nothing of that.
    """
    text = said.decode("latin-1")
    if text.startswith("["):
        ip, bracket, rest = text[1:].partition("]")
    else:
        bracket, rest = "]", ""
        ip = text
        if text.count(":") == 1:
            ip, colon, rest = text.partition(":")
            rest = colon + rest
    try:
        packed = ip_to_bytes(ip)
    except ValueError:
        return None
    if not rest:
        return (packed, port) if bracket else None
    if rest[0] != ":" or not rest[1:].isascii() or not rest[1:].isdigit() or len(rest) > 6:
        return None
    port = int(rest[1:])
    return (packed, port) if port <= 65535 else None


def split_query(query: bytes | str) -> Iterator[tuple[bytes, bytes]]:
    """Yield names and values of a query string, unescaped; AnnounceError above its limit.

    A plus sign stays one: info-hashes are bytes, not form text, and clients that escape as RFC
    1738 allowed send it bare.
    """
    if len(query) > MAX_QUERY_LENGTH:
        raise AnnounceError(f"the query has more than {MAX_QUERY_LENGTH} bytes")
    if isinstance(query, str):
        query = query.encode("utf-8", "replace")
    for field in query.split(b"&"):
        if field:
            name, _, value = field.partition(b"=")
            yield name, unquote_to_bytes(value) if b"%" in value else value


# The swarms that are asked for are the same ones again and again. 16,384 take some 4 megabytes.
@lru_cache(maxsize=16384)
def _unescaped_hash(escaped: bytes) -> bytes:
    return unquote_to_bytes(escaped)


def _escape(value: str | bytes | int) -> str:
    return str(value) if isinstance(value, int) else quote(value, safe="")


def _twenty_bytes(fields: dict[bytes, bytes], name: str) -> bytes:
    value = fields.get(name.encode())
    if value is None:
        raise AnnounceError(f"{name} is missing")
    if len(value) != 20:
        raise AnnounceError(f"{name} has {len(value)} bytes, not 20")
    return value


def _number(
    fields: dict[bytes, bytes], name: str, limit: int, *, default: int | None = None
) -> int:
    text = fields.get(name.encode())
    if text is None:
        if default is None:
            raise AnnounceError(f"{name} is missing")
        return default
    # bytes.isdigit is true for ASCII digits only; 19 of them are as many as the limit has.
    if not text.isdigit():
        raise AnnounceError(f"{name} is not a number of 0 or more")
    if len(text) > 19 or (number := int(text)) > limit:
        raise AnnounceError(f"{name} is more than {limit}")
    return number


def _numwant(text: bytes) -> int | None:
    """Some clients send -1 for "as many as you like"; any nonsense is taken for that."""
    return int(text) if text.isdigit() and len(text) <= 9 else None


def _event(text: bytes) -> Event:
    """An event that we do not know is a sign of life like any other."""
    try:
        return Event(text.decode("latin-1"))
    except ValueError:
        return Event.NONE


def _token(fields: dict[bytes, bytes], name: str) -> bytes:
    value = fields.get(name.encode(), b"")
    if len(value) > MAX_TOKEN_LENGTH:
        raise AnnounceError(f"{name} has more than {MAX_TOKEN_LENGTH} bytes")
    return value


def _ip(text: bytes) -> str:
    """BEP 3 allows a host name too, but a tracker that looks names up can be sent anywhere."""
    if not text:
        return ""
    try:
        return ip_to_text(ip_to_bytes(text.decode("latin-1")))
    except ValueError:
        return ""
