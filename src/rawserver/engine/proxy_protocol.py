"""The PROXY protocol: what a proxy says, before all else, of the connection that it passes on.

Versions 1 (text) and 2 (binary) of haproxy's proxy-protocol.txt (2020). Whoever can send this
header can pretend to any address: it is for listeners that only proxies reach, and those require
it of every connection (section 2: never guess whether it is there).
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from rawserver.engine.crc32c import crc32c
from rawserver.engine.handler import Address

# "PROXY UNKNOWN" with the two longest IPv6 addresses and ports, and its CRLF (section 2.1).
MOST_BYTES_V1 = 107
# Addresses take 216 at most; what TLVs carry in practice are names: SNI and ALPN (255 each), a
# unique id (128), a namespace, a certificate's common name (64). 64 KiB, which the length field
# can say, would be memory that anybody claims before it is known who it is.
MOST_BYTES_V2 = 2048

TLV_ALPN, TLV_AUTHORITY, TLV_CRC32C, TLV_NOOP = 0x01, 0x02, 0x03, 0x04
TLV_UNIQUE_ID, TLV_SSL, TLV_NETNS = 0x05, 0x20, 0x30

_START_V1 = b"PROXY "
_START_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED_V2 = struct.Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21
_UNSPEC, _TCP4, _TCP6, _UNIX = 0x00, 0x11, 0x21, 0x31
# What stands for the addresses: both, then both ports. UDP is laid out as TCP is.
_LAYOUTS = {
    0x11: struct.Struct("!4s4sHH"), 0x12: struct.Struct("!4s4sHH"),
    0x21: struct.Struct("!16s16sHH"), 0x22: struct.Struct("!16s16sHH"),
    0x31: struct.Struct("!108s108s"), 0x32: struct.Struct("!108s108s"),
}  # fmt: skip
_VERSIONS = {"TCP4": 4, "TCP6": 6}

Tlv = tuple[int, bytes]


class ProxyProtocolError(ConnectionAbortedError):
    """What a connection began with is no PROXY header, or not a sound one."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.ECONNABORTED, f"PROXY protocol: {text}")


class ProxyHeader(NamedTuple):
    """Between whom the connection is, as the proxy says.

    An address is (ip, port), or a Unix socket's path (an abstract one's begins with a NUL). None
    says that the proxy does not tell: the connection's own stand then. `local` is true where the
    proxy speaks for itself, as its health checks do. `tlvs` are (type, value), in order, without
    padding; version 1 has none.
    """

    source: Address | None
    destination: Address | None
    version: int
    local: bool = False
    tlvs: tuple[Tlv, ...] = ()


class ProxyHeaderParser:
    """Takes a header in pieces; `header` is None until it is complete.

    `feed` tells how many bytes it took, so that what follows can be left in the socket by reading
    with MSG_PEEK first and then exactly that many.
    """

    __slots__ = ("_data", "_most_bytes_v2", "header")

    def __init__(self, most_bytes_v2: int = MOST_BYTES_V2) -> None:
        self._data = bytearray()
        self._most_bytes_v2 = most_bytes_v2
        self.header: ProxyHeader | None = None

    def feed(self, data: bytes) -> int:
        """Take bytes; returns how many of them belong to the header, 0 once it is complete.

        ProxyProtocolError as soon as it is clear that they can be none.
        """
        if self.header is not None or not data:
            return 0
        # Sockets give more than a header: what follows is not copied.
        before = len(self._data)
        self._data += data[: max(self._most_bytes_v2, MOST_BYTES_V1) - before]
        if self._data[:1] == _START_V1[:1]:
            end = self._try_v1()
        else:
            end = self._try_v2()
        del self._data[end:]
        return end - before

    def _try_v1(self) -> int:
        """Return the header's end, or that of the bytes so far."""
        self._check_start(_START_V1)
        newline = self._data.find(b"\r\n", 0, MOST_BYTES_V1)
        if newline >= 0:
            self.header = _parse_v1(bytes(self._data[:newline]))
            return newline + 2
        if len(self._data) >= MOST_BYTES_V1:
            raise ProxyProtocolError(f"no end of the line within {MOST_BYTES_V1} bytes")
        return len(self._data)

    def _try_v2(self) -> int:
        self._check_start(_START_V2)
        if len(self._data) < _FIXED_V2.size:
            return len(self._data)
        _, command, family, length = _FIXED_V2.unpack_from(self._data)
        if command not in (_LOCAL, _PROXY):
            raise ProxyProtocolError(f"version and command 0x{command:02x} are unknown")
        end: int = _FIXED_V2.size + length
        if end > self._most_bytes_v2:
            raise ProxyProtocolError(
                f"a header of {end} bytes, more than the {self._most_bytes_v2} allowed"
            )
        if len(self._data) >= end:
            self.header = _parse_v2(bytes(self._data[:end]), command, family)
            return end
        return len(self._data)

    def _check_start(self, start: bytes) -> None:
        if not start.startswith(self._data[: len(start)]):
            raise ProxyProtocolError(f"a connection cannot begin with {bytes(self._data[:16])!r}")


def _parse_v1(line: bytes) -> ProxyHeader:
    """Read a line without its end (section 2.1)."""
    try:
        words = line.decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise ProxyProtocolError(f"a line that is not ASCII: {line!r}") from None
    if words[1] == "UNKNOWN":
        return ProxyHeader(None, None, 1)  # and whatever follows is to be ignored
    version = _VERSIONS.get(words[1])
    if version is None or len(words) != 6:
        raise ProxyProtocolError(f"not a line of protocol, two addresses and two ports: {line!r}")
    try:
        source, destination = (_parse_ip(word, version) for word in words[2:4])
        ports = [_parse_port(word) for word in words[4:]]
    except ValueError as error:
        raise ProxyProtocolError(f"{error} in {line!r}") from None
    return ProxyHeader((source, ports[0]), (destination, ports[1]), 1)


def _parse_ip(word: str, version: int) -> str:
    ip = _without_scope(word)
    if ip.version != version:
        raise ValueError(f"{word!r} is not of IPv{version}")
    return _shown(ip)


def _parse_port(word: str) -> int:
    # `isdecimal` takes no sign, space or underscore, as `int` would.
    if not word.isdecimal() or (word[0] == "0" and word != "0") or int(word) > 65535:
        raise ValueError(f"{word!r} is no port")
    return int(word)


def _parse_v2(data: bytes, command: int, family: int) -> ProxyHeader:
    """Read a whole header (section 2.2)."""
    if command == _LOCAL:
        return ProxyHeader(None, None, 2, local=True)  # all that follows is to be discarded
    if family == _UNSPEC:
        return ProxyHeader(None, None, 2)  # how long its addresses are, nobody says: the same
    layout = _LAYOUTS.get(family)
    if layout is None:
        raise ProxyProtocolError(f"address family and protocol 0x{family:02x} are unknown")
    offset = _FIXED_V2.size + layout.size
    if len(data) < offset:
        raise ProxyProtocolError(f"{len(data)} bytes, too short for its addresses")
    parts = layout.unpack_from(data, _FIXED_V2.size)
    source: Address
    destination: Address
    if len(parts) == 2:
        source, destination = _parse_path(parts[0]), _parse_path(parts[1])
    else:
        source = _shown(ip_address(parts[0])), parts[2]
        destination = _shown(ip_address(parts[1])), parts[3]
    return ProxyHeader(source, destination, 2, tlvs=_parse_tlvs(data, offset))


def _parse_path(field: bytes) -> str:
    # An abstract name begins with a NUL; the padding of either kind is NULs.
    end = field.find(b"\0", 1)
    path = field.rstrip(b"\0") if field[0] == 0 else field[:end] if end >= 0 else field
    return path.decode("utf-8", "surrogateescape")


def _parse_tlvs(data: bytes, offset: int) -> tuple[Tlv, ...]:
    tlvs: list[Tlv] = []
    while offset < len(data):
        start = offset + 3
        if start > len(data):
            raise ProxyProtocolError("a TLV is cut off")
        kind, length = struct.unpack_from("!BH", data, offset)
        offset = start + length
        if offset > len(data):
            raise ProxyProtocolError(f"a TLV of type 0x{kind:02x} is longer than the header")
        if kind == TLV_CRC32C:
            _check_crc32c(data, start, length)
        if kind != TLV_NOOP:
            tlvs.append((kind, data[start:offset]))
    return tuple(tlvs)


def _check_crc32c(data: bytes, start: int, length: int) -> None:
    """Check the sum over the header with the sum itself as zeros (section 2.2.3)."""
    end = start + length
    if length != 4 or crc32c(data[:start] + bytes(4) + data[end:]) != int.from_bytes(
        data[start:end], "big"
    ):
        raise ProxyProtocolError("its checksum is wrong")


def _shown(ip: IPv4Address | IPv6Address) -> str:
    # A dual-stack proxy shows IPv4 as IPv6 (RFC 4291, section 2.5.5.2).
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip)


def _without_scope(text: str) -> IPv4Address | IPv6Address:
    if "%" in text:  # it names an interface of one machine, and means nothing to another
        raise ValueError(f"{text!r} has a scope")
    return ip_address(text)


def encode_v1(source: Address | None, destination: Address | None) -> bytes:
    """Return the header of version 1; without IP addresses it says UNKNOWN.

    ValueError for an address that is not literal or a port that is none.
    """
    if not isinstance(source, tuple) or not isinstance(destination, tuple):
        return b"PROXY UNKNOWN\r\n"
    one, other = _of_one_family(source[0], destination[0])
    ports = [_checked_port(source[1]), _checked_port(destination[1])]
    return f"PROXY TCP{one.version} {one} {other} {ports[0]} {ports[1]}\r\n".encode("ascii")


def encode_v2(
    source: Address | None,
    destination: Address | None,
    tlvs: Sequence[Tlv] = (),
    *,
    local: bool = False,
    checksum: bool = False,
) -> bytes:
    """Return the header of version 2 for a stream; `checksum` adds a CRC32C.

    Without addresses it says UNSPEC; `local` says that the proxy speaks for itself. ValueError
    for an address or TLV that it cannot hold.
    """
    family, addresses = _UNSPEC, b""
    if not local and isinstance(source, tuple) and isinstance(destination, tuple):
        one, other = _of_one_family(source[0], destination[0])
        family = _TCP4 if one.version == 4 else _TCP6
        ports = _checked_port(source[1]), _checked_port(destination[1])
        addresses = _LAYOUTS[family].pack(one.packed, other.packed, *ports)
    elif not local and isinstance(source, str) and isinstance(destination, str):
        family = _UNIX
        addresses = _encode_path(source) + _encode_path(destination)
    if checksum:
        tlvs = (*tlvs, (TLV_CRC32C, bytes(4)))
    body = addresses + b"".join(_encode_tlv(kind, value) for kind, value in tlvs)
    if len(body) > 65535:
        raise ValueError("TLVs of more than 64 KiB")
    command = _LOCAL if local else _PROXY
    data = _FIXED_V2.pack(_START_V2, command, family, len(body)) + body
    return data[:-4] + crc32c(data).to_bytes(4, "big") if checksum else data


def _of_one_family(
    source: str, destination: str
) -> tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address]:
    one, other = _without_scope(source), _without_scope(destination)
    if one.version == other.version:
        return one, other
    return _as_ipv6(one), _as_ipv6(other)


def _as_ipv6(ip: IPv4Address | IPv6Address) -> IPv6Address:
    return ip if isinstance(ip, IPv6Address) else IPv6Address(b"\0" * 10 + b"\xff\xff" + ip.packed)


def _checked_port(port: int) -> int:
    if not 0 <= port <= 65535:
        raise ValueError(f"{port} is no port")
    return port


def _encode_path(path: str) -> bytes:
    field = path.encode("utf-8", "surrogateescape")
    if len(field) > 108:
        raise ValueError("a path of more than 108 bytes")
    return field.ljust(108, b"\0")


def _encode_tlv(kind: int, value: bytes) -> bytes:
    if not 0 <= kind <= 255 or len(value) > 65535:
        raise ValueError(f"a TLV of type {kind} and {len(value)} bytes")
    return struct.pack("!BH", kind, len(value)) + value
