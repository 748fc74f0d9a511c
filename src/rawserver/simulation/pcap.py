"""What a host sent and received, as a capture file that Wireshark, tshark and tcpdump read.

The format is that of draft-ietf-opsawg-pcap with nanoseconds and raw IP. Checksums are right, and
sequence numbers begin with a number of each connection's own, as they do on real wires.
"""

from __future__ import annotations

import errno
from functools import lru_cache
from ipaddress import ip_address
from struct import Struct, pack, unpack
from typing import BinaryIO
from zlib import crc32

from rawserver.simulation.packet import (
    ACK,
    DATA,
    DATAGRAM,
    FIN,
    PROBE,
    RST,
    SEGMENT,
    SYN,
    SYN_ACK,
    UNREACHABLE,
    Endpoint,
    Packet,
)

NANOSECOND_MAGIC = 0xA1B23C4D
LINKTYPE_RAW = 101
# More than any packet has.
SNAPLEN = 262144
# Windows are sent in units of 256 bytes, so that 16 MiB can be said (RFC 7323 section 2).
WINDOW_SHIFT = 8

_PROTOCOL_TCP = 6
_PROTOCOL_UDP = 17
_PROTOCOL_ICMP = 1
_PROTOCOL_ICMP6 = 58

_FLAG_FIN, _FLAG_SYN, _FLAG_RST, _FLAG_PSH, _FLAG_ACK = 1, 2, 4, 8, 16
_FLAGS = {
    SYN: _FLAG_SYN,
    SYN_ACK: _FLAG_SYN | _FLAG_ACK,
    DATA: _FLAG_PSH | _FLAG_ACK,
    ACK: _FLAG_ACK,
    FIN: _FLAG_FIN | _FLAG_ACK,
    RST: _FLAG_RST | _FLAG_ACK,
    PROBE: _FLAG_ACK,
}
# Codes of destination unreachable: RFC 792, RFC 4443 section 3.1; else "prohibited".
_ICMP_CODES = {errno.ENETUNREACH: 0, errno.EHOSTUNREACH: 1, errno.ECONNREFUSED: 3}
_ICMP6_CODES = {errno.ENETUNREACH: 0, errno.EHOSTUNREACH: 3, errno.ECONNREFUSED: 4}

_FILE_HEADER = Struct("<IHHiIII")
_RECORD_HEADER = Struct("<IIII")


class Capture:
    """Writes packets to a file, which stays the caller's."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.packets = 0
        file.write(_FILE_HEADER.pack(NANOSECOND_MAGIC, 2, 4, 0, 0, SNAPLEN, LINKTYPE_RAW))

    def write(self, now: float, packet: Packet) -> None:
        """Write a packet that was seen at `now`; a burst as the segments it consists of."""
        seconds, nanoseconds = divmod(round(now * 1e9), 1_000_000_000)
        for data in ip_packets(packet):
            self.packets += 1
            self._file.write(_RECORD_HEADER.pack(seconds, nanoseconds, len(data), len(data)) + data)


def ip_packets(packet: Packet) -> list[bytes]:
    """Return a packet's bytes from the IP header on; several if it is a burst."""
    kind = packet.kind
    if kind == DATAGRAM:
        return [_ip(packet, _PROTOCOL_UDP, _udp(packet))]
    if kind == UNREACHABLE:
        return [_icmp(packet)]
    payload = bytes(packet.payload)
    if len(payload) <= SEGMENT:
        return [_ip(packet, _PROTOCOL_TCP, _tcp(packet, packet.sequence, payload, True))]
    return [
        _ip(
            packet,
            _PROTOCOL_TCP,
            _tcp(
                packet,
                packet.sequence + start,
                payload[start : start + SEGMENT],
                start + SEGMENT >= len(payload),
            ),
        )
        for start in range(0, len(payload), SEGMENT)
    ]


def checksum(data: bytes) -> int:
    """Return the internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return int(total ^ 0xFFFF)


def first_sequence(source: Endpoint, destination: Endpoint) -> int:
    """Return the sequence number (32 bits) that stands for 0 in one direction of a connection."""
    return crc32(f"{source} {destination}".encode())


@lru_cache(maxsize=65536)
def _address(ip: str) -> bytes:
    return ip_address(ip.partition("%")[0]).packed


def _pseudo_header(packet: Packet, protocol: int, length: int) -> bytes:
    source, destination = _address(packet.source[0]), _address(packet.destination[0])
    if len(source) == 4:
        return source + destination + pack("!BBH", 0, protocol, length)
    return source + destination + pack("!IHBB", length, 0, 0, protocol)


def _ip(packet: Packet, protocol: int, body: bytes) -> bytes:
    source, destination = _address(packet.source[0]), _address(packet.destination[0])
    if len(source) == 16:
        return pack("!IHBB", 6 << 28, len(body), protocol, 64) + source + destination + body
    # Bit 14 is "don't fragment".
    head = pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, 64, protocol, 0)
    head += source + destination
    return head[:10] + pack("!H", checksum(head)) + head[12:] + body


def _udp(packet: Packet) -> bytes:
    payload = bytes(packet.payload)
    length = 8 + len(payload)
    ports = pack("!HHH", packet.source[1], packet.destination[1], length)
    pseudo = _pseudo_header(packet, _PROTOCOL_UDP, length)
    # RFC 768: a sum of 0 is sent as all ones, for 0 says that there is none.
    value = checksum(pseudo + ports + b"\0\0" + payload) or 0xFFFF
    return ports + pack("!H", value) + payload


def _tcp(packet: Packet, sequence: int, payload: bytes, is_last: bool) -> bytes:
    source, destination = packet.source, packet.destination
    flags = _FLAGS[packet.kind]
    if packet.kind == FIN and not is_last:
        flags = _FLAG_ACK
    elif packet.kind == DATA and not is_last:
        flags &= ~_FLAG_PSH
    options = b""
    window = min(packet.window >> WINDOW_SHIFT, 0xFFFF)
    if flags & _FLAG_SYN:
        # Maximum segment size, no-operation, window scale.
        options = pack("!BBHBBBB", 2, 4, SEGMENT + 12, 1, 3, 3, WINDOW_SHIFT)
        window = min(packet.window, 0xFFFF)
    acknowledged = 0
    if flags & _FLAG_ACK:
        acknowledged = first_sequence(destination, source) + packet.acknowledged
    head = pack(
        "!HHIIBBHHH",
        source[1],
        destination[1],
        (first_sequence(source, destination) + sequence) & 0xFFFFFFFF,
        acknowledged & 0xFFFFFFFF,
        (20 + len(options)) // 4 << 4,
        flags,
        window,
        0,
        0,
    )
    body = head + options + payload
    value = checksum(_pseudo_header(packet, _PROTOCOL_TCP, len(body)) + body)
    return body[:16] + pack("!H", value) + body[18:]


def _icmp(packet: Packet) -> bytes:
    is_6 = ":" in packet.destination[0]
    quoted = b""
    if packet.about is not None:
        # The header of IP and the first 8 bytes after it.
        quoted = ip_packets(packet.about)[0][: 48 if is_6 else 28]
    if is_6:
        message = pack("!BBHI", 1, _ICMP6_CODES.get(packet.error, 1), 0, 0) + quoted
        pseudo = _pseudo_header(packet, _PROTOCOL_ICMP6, len(message))
        value = checksum(pseudo + message)
        return _ip(packet, _PROTOCOL_ICMP6, message[:2] + pack("!H", value) + message[4:])
    message = pack("!BBHI", 3, _ICMP_CODES.get(packet.error, 13), 0, 0) + quoted
    return _ip(packet, _PROTOCOL_ICMP, message[:2] + pack("!H", checksum(message)) + message[4:])
