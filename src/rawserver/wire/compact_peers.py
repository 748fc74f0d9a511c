"""Peers as trackers list them: address texts, and the compact form (BEP 23, BEP 7).

`ipaddress` would do for the texts, at ten times the price, and a tracker does this for each peer
of each reply.
"""

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

_GROUPS = Struct(">8H")
_PORT = Struct(">H")
_MAPPED_PREFIX = bytes(10) + b"\xff\xff"
# A leading zero is octal to some and decimal to others (RFC 6943, section 3.1.1): it is no address.
_OCTETS = {str(octet): octet for octet in range(256)}
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


class Peer(NamedTuple):
    """Where a peer listens. `ip`: an address, or a host name from a dictionary reply."""

    ip: str
    port: int
    peer_id: bytes | None = None


def ip_to_bytes(text: str) -> bytes:
    """Return the 4 or 16 bytes of an address; ValueError if the text is none.

    An IPv4 address that came as IPv6 (`::ffff:192.0.2.1`) is the IPv4 address. A scope (`%eth0`)
    means something on one machine only and is left off.
    """
    if ":" not in text:
        return _ipv4_to_bytes(text)
    packed = _ipv6_to_bytes(text.partition("%")[0])
    return packed[12:] if packed.startswith(_MAPPED_PREFIX) else packed


def is_address(text: str) -> bool:
    """Tell an address from a name."""
    try:
        ip_to_bytes(text)
    except ValueError:
        return False
    return True


def ip_to_text(packed: bytes) -> str:
    """Return the address of 4 or 16 bytes as RFC 5952 writes it; ValueError for other lengths."""
    if len(packed) == 4:
        return ".".join(map(str, packed))
    if len(packed) != 16:
        raise ValueError(f"an address has 4 or 16 bytes, not {len(packed)}")
    if packed.startswith(_MAPPED_PREFIX):
        return ".".join(map(str, packed[12:]))
    groups = _GROUPS.unpack(packed)
    start, stop = _longest_zeros(groups)
    if stop - start < 2:
        return ":".join([f"{group:x}" for group in groups])
    head = ":".join([f"{group:x}" for group in groups[:start]])
    return head + "::" + ":".join([f"{group:x}" for group in groups[stop:]])


def pack_peers(peers: Iterable[Peer]) -> tuple[bytes, bytes]:
    """Return the values of `peers` (IPv4, 6 bytes each) and `peers6` (IPv6, 18 bytes each).

    ValueError for a peer whose `ip` is no address, struct.error for an impossible port.
    """
    parts: list[bytes] = []
    parts6: list[bytes] = []
    for ip, port, _ in peers:
        packed = ip_to_bytes(ip)
        (parts if len(packed) == 4 else parts6).append(packed + _PORT.pack(port))
    return b"".join(parts), b"".join(parts6)


def unpack_peers(packed: bytes, address_length: int) -> list[Peer]:
    """Read a compact list of 4 or 16 byte addresses; port 0 means that nobody listens: left off.

    ValueError if the list does not end with an entry.
    """
    size = address_length + 2
    if len(packed) % size:
        raise ValueError(f"a compact list of {len(packed)} bytes has no whole number of peers")
    peers = []
    for start in range(0, len(packed), size):
        port = int.from_bytes(packed[start + address_length : start + size], "big")
        if port:
            peers.append(Peer(ip_to_text(packed[start : start + address_length]), port))
    return peers


def _ipv4_to_bytes(text: str) -> bytes:
    try:
        first, second, third, fourth = text.split(".")
        return bytes((_OCTETS[first], _OCTETS[second], _OCTETS[third], _OCTETS[fourth]))
    except (KeyError, ValueError):
        raise ValueError(f"{text!r} is no IP address") from None


def _ipv6_to_bytes(text: str) -> bytes:
    head, gap, tail = text.partition("::")
    before = _groups_to_bytes(head, last=not gap)
    after = _groups_to_bytes(tail, last=True)
    missing = 16 - len(before) - len(after)
    if (missing < 2) if gap else (missing != 0):
        raise ValueError(f"{text!r} is no IP address")
    return before + bytes(missing) + after


def _groups_to_bytes(text: str, last: bool) -> bytes:
    if not text:
        return b""
    packed = bytearray()
    groups = text.split(":")
    if last and "." in groups[-1]:
        ipv4 = _ipv4_to_bytes(groups.pop())
    else:
        ipv4 = b""
    for group in groups:
        if not 1 <= len(group) <= 4 or not _HEX_DIGITS.issuperset(group):
            raise ValueError(f"{text!r} is no part of an IP address")
        packed += int(group, 16).to_bytes(2, "big")
    return bytes(packed) + ipv4


def _longest_zeros(groups: tuple[int, ...]) -> tuple[int, int]:
    """Return where the first of the longest runs of zeros begins and ends."""
    best = (0, 0)
    start = 0
    for place, group in enumerate(groups):
        if group:
            start = place + 1
        elif place + 1 - start > best[1] - best[0]:
            best = (start, place + 1)
    return best
