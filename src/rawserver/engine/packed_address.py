"""Addresses as Linux keeps them, for who handles many and shows few.

A packed address is a struct sockaddr_in (16 bytes) or sockaddr_in6 (28 bytes), on every system: the
family (2 bytes in the machine's order), the port (2, in the network's); then of IPv4 the ip (4) and
8 zeros, of IPv6 the flow (4), the ip (16) and the scope (4, in the machine's order). A socket of
both families has IPv4 addresses in IPv6 (RFC 4291, section 2.5.5.2).
"""

from __future__ import annotations

import socket
import struct
from typing import Any

_IPV4 = struct.Struct("!2xH4s8x")
_IPV6 = struct.Struct("!2xHI16s")
_SCOPE = struct.Struct("=I")
_FAMILY = struct.Struct("=H")
PACKED_IPV4_LENGTH = _IPV4.size
PACKED_IPV6_LENGTH = _IPV6.size + _SCOPE.size
IPV4_IN_IPV6 = bytes(10) + b"\xff\xff"


def pack_address(address: Any, is_ipv6: bool) -> bytes:
    """Return (ip, port), or what `recvfrom` has, as a socket of the family has it.

    OSError if it has no ip that fits, OverflowError for an impossible port.
    """
    ip, number = address[0], address[1]
    if not 0 <= number <= 65535:
        raise OverflowError("port must be 0-65535")
    if not is_ipv6:
        packed = bytearray(_IPV4.pack(number, socket.inet_pton(socket.AF_INET, ip)))
        _FAMILY.pack_into(packed, 0, socket.AF_INET)
        return bytes(packed)
    flow, scope = address[2:] if len(address) == 4 else (0, 0)
    in_6 = f"::ffff:{ip}" if ":" not in ip else ip
    packed = bytearray(_IPV6.pack(number, flow, socket.inet_pton(socket.AF_INET6, in_6)))
    _FAMILY.pack_into(packed, 0, socket.AF_INET6)
    return bytes(packed) + _SCOPE.pack(scope)


def show_address(packed: bytes) -> Any:
    """Return the address as `recvfrom` has it, but one of IPv4 always as (ip, port)."""
    if len(packed) == PACKED_IPV4_LENGTH:
        number, ip = _IPV4.unpack(packed)
        return (socket.inet_ntoa(ip), number)
    number, flow, ip = _IPV6.unpack_from(packed)
    if ip.startswith(IPV4_IN_IPV6):
        return (socket.inet_ntoa(ip[12:]), number)
    (scope,) = _SCOPE.unpack_from(packed, _IPV6.size)
    return (socket.inet_ntop(socket.AF_INET6, ip), number, flow, scope)


def ip_of_packed(packed: bytes) -> bytes:
    """Return the 4 or 16 bytes of the ip; 4 for one of IPv4 in IPv6."""
    if len(packed) == PACKED_IPV4_LENGTH:
        return packed[4:8]
    ip = packed[8:24]
    return ip[12:] if ip.startswith(IPV4_IN_IPV6) else ip
