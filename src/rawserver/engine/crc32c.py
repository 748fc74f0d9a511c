"""CRC32C, Castagnoli's checksum (RFC 3720, appendix B.4), for short data: a table, byte by byte."""

from __future__ import annotations

_POLYNOMIAL = 0x82F63B78  # with the lowest bit first


def _table_entry(index: int) -> int:
    for _ in range(8):
        index = index >> 1 ^ (_POLYNOMIAL if index & 1 else 0)
    return index


_TABLE = [_table_entry(index) for index in range(256)]


def crc32c(data: bytes) -> int:
    """Return the checksum of bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[crc & 0xFF ^ byte]
    return crc ^ 0xFFFFFFFF
