"""Addresses as sockets have them, and as packets do: the ip in its one canonical form, and a port.

IPv4 is IPv4 within, also on a socket of IPv6 that shows it mapped (RFC 4291, section 2.5.5.2).
"""

from __future__ import annotations

import errno
import socket
from functools import lru_cache
from typing import Any

from rawserver.simulation.description import error_of
from rawserver.simulation.packet import Endpoint

ANY_IPV4 = "0.0.0.0"
ANY_IPV6 = "::"
_MAPPED = "::ffff:"
# What a host may call itself without being asked about in names.
_LOCAL = {"localhost": ("127.0.0.1", "::1")}


@lru_cache(maxsize=65536)
def canonical_ip(text: str) -> str:
    """Return an ip in its one form, a mapped one as IPv4; OSError if it is none."""
    if ":" not in text:
        return socket.inet_ntoa(socket.inet_pton(socket.AF_INET, text))
    ip = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, text))
    return ip[len(_MAPPED) :] if ip.startswith(_MAPPED) and "." in ip else ip


def is_loopback(ip: str) -> bool:
    """Tell whether an ip never leaves its host."""
    return ip.startswith("127.") or ip == "::1"


@lru_cache(maxsize=4096)
def is_multicast(ip: str) -> bool:
    """Tell whether an ip is a group's (RFC 5771, RFC 4291 section 2.7)."""
    return ip.startswith("ff") if ":" in ip else 224 <= int(ip.partition(".")[0]) <= 239


# Those that `is_plain_host` has said yes to; to be looked into before it is asked.
PLAIN_HOSTS: dict[str, None] = {}
MOST_PLAIN_HOSTS = 65536


def is_plain_host(text: str) -> bool:
    """Tell whether a text is the ip of one other machine, IPv4 in its one form."""
    try:
        is_plain = ":" not in text and canonical_ip(text) == text
    except OSError:
        return False
    if not is_plain or text == ANY_IPV4 or is_loopback(text) or is_multicast(text):
        return False
    if len(PLAIN_HOSTS) >= MOST_PLAIN_HOSTS:
        PLAIN_HOSTS.clear()
    PLAIN_HOSTS[text] = None
    return True


def endpoint_of(family: int, address: Any, call: str) -> Endpoint:
    """Return what an address says that a call on a socket of a family was given.

    Raises as `socket.socket` does: TypeError for what is no address, OverflowError for what is no
    port, OSError (gaierror) for what is no ip of the family.
    """
    return _endpoint_of(family, address, call)


@lru_cache(maxsize=65536)
def _endpoint_of(family: int, address: Any, call: str) -> Endpoint:
    if not isinstance(address, tuple):
        raise TypeError(f"{call}(): AF_INET address must be tuple, not {type(address).__name__}")
    most = 2 if family == socket.AF_INET else 4
    if not 2 <= len(address) <= most:
        raise TypeError(f"{call}(): an address of this family is no tuple of {len(address)}")
    host, port = address[0], address[1]
    if not isinstance(host, str) or not isinstance(port, int):
        raise TypeError(f"{call}(): an address is a str and an int")
    if not 0 <= port <= 65535:
        raise OverflowError(f"{call}(): port must be 0-65535.")
    return _ip_of(family, host), port


def _ip_of(family: int, host: str) -> str:
    is_ipv6 = family == socket.AF_INET6
    if not host:
        return ANY_IPV6 if is_ipv6 else ANY_IPV4
    if host in _LOCAL:
        return _LOCAL[host][is_ipv6]
    if (":" in host) != is_ipv6:
        raise socket.gaierror(
            socket.EAI_ADDRFAMILY if hasattr(socket, "EAI_ADDRFAMILY") else socket.EAI_FAMILY,
            "Address family for hostname not supported",
        )
    try:
        return canonical_ip(host.partition("%")[0])
    except OSError:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None


def shown(family: int, endpoint: Endpoint) -> Any:
    """Return an endpoint as a socket of a family shows it."""
    ip, port = endpoint
    if family == socket.AF_INET:
        return endpoint
    if ":" not in ip:
        ip = _MAPPED + ip
    return (ip, port, 0, 0)


def check_family(family: int, ip: str, v6only: bool) -> None:
    """Raise OSError (ENETUNREACH) where a socket of IPv6 alone is to use IPv4."""
    if family == socket.AF_INET6 and v6only and ":" not in ip:
        raise error_of(errno.ENETUNREACH)
