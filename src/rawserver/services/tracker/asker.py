"""Who asks a tracker, as the front end that was asked knows him."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from rawserver.wire.compact_peers import ip_to_text

# Keys have 32 or 40 characters; what is longer is looked up for nothing.
MAX_PASSKEY_LENGTH = 128
LOOPBACK_IPV6 = bytes(15) + b"\x01"


class Asker(NamedTuple):
    """`ip`: his address, 4 or 16 bytes; an IPv4 address never stands as IPv6 (RFC 4291, 2.5.5.2).

    Behind a proxy that is trusted it is the address that the proxy says. `passkey` is what stood in
    the path before `announce`, as text; empty if nothing did.
    """

    ip: bytes
    passkey: str = ""


def is_loopback(ip: bytes) -> bool:
    """Tell whether an address is a machine's name for itself."""
    return ip[0] == 127 if len(ip) == 4 else ip == LOOPBACK_IPV6


def is_local(ip: bytes) -> bool:
    """Tell whether an address is of this machine or of a private network (RFC 1918, RFC 4193)."""
    address = ipaddress.ip_address(ip_to_text(ip))
    return address.is_private or address.is_loopback or address.is_link_local
