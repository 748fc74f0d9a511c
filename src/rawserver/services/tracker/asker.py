"""Who asks a tracker, as the front end that was asked knows him."""

from __future__ import annotations

from typing import NamedTuple

from rawserver.swarm.address_set import AddressSet, address_range

# Keys have 32 or 40 characters; what is longer is looked up for nothing.
MAX_PASSKEY_LENGTH = 128
LOOPBACK_IPV6 = bytes(15) + b"\x01"
_LOCAL_NETWORKS = AddressSet(
    map(
        address_range,
        (
            "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
            "::1", "fc00::/7", "fe80::/10",
        ),
    )
)  # fmt: skip


class Asker(NamedTuple):
    """`ip`: his address, 4 or 16 bytes; an IPv4 address never stands as IPv6 (RFC 4291, 2.5.5.2).

    Behind a proxy that is trusted it is the address that the proxy says, and of one who is trusted
    to say it, what he says of himself: `seen_ip` is then where he is seen, else b"". `passkey` is
    what stood in the path before `announce`, as text; empty if nothing did.
    """

    ip: bytes
    passkey: str = ""
    seen_ip: bytes = b""


def is_loopback(ip: bytes) -> bool:
    """Tell whether an address is a machine's name for itself."""
    return ip[0] == 127 if len(ip) == 4 else ip == LOOPBACK_IPV6


def is_local(ip: bytes) -> bool:
    """Tell whether an address is of this machine, its link or a private network.

    RFC 1918, RFC 4193, RFC 3927, RFC 4291. Not what else is no public address to `ipaddress`:
    there are strangers at 2001::/32 (Teredo).
    """
    return ip in _LOCAL_NETWORKS
