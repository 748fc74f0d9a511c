"""Addresses as people write them."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from rawserver.engine.network import SocketAddress


def literal_address(host: str, port: int) -> SocketAddress | None:
    """Return the address that `host` says, or None if it is a name that must be looked up."""
    address, _, scope = host.partition("%")
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return None
    if version == 4:
        # "1.2.3.4%x" is none: `connect` would look it up, and hold up the loop meanwhile.
        return None if "%" in host else SocketAddress(socket.AF_INET, (host, port))
    scope_id = 0
    if scope:
        try:
            scope_id = int(scope) if scope.isdecimal() else socket.if_nametoindex(scope)
        except (OSError, ValueError):
            return None  # no such interface, or what no interface can be called
    return SocketAddress(socket.AF_INET6, (address, port, 0, scope_id))


def peer_of(address: Any) -> tuple[str, int]:
    """Return ip and port of what `accept` or `getpeername` said; "" and 0 for a Unix socket."""
    if not isinstance(address, tuple):
        return "", 0
    ip, port = address[0], address[1]
    # A dual-stack listener shows IPv4 peers as IPv6 (RFC 4291, section 2.5.5.2).
    if ip.startswith("::ffff:") and "." in ip:
        ip = ip[7:]
    return ip, port


def unix_address(path: str) -> SocketAddress:
    """Return the address of a Unix socket's path, or of its abstract name on Linux.

    A name begins with a zero byte or, as `ss` and systemd write it, with "@".
    """
    return SocketAddress(socket.AF_UNIX, "\0" + path[1:] if path.startswith("@") else path)
