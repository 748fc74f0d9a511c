"""How a tracker's state is written: sections of blocks, each under its name and a checksum.

All numbers are big-endian:

    "RawServer tracker state 1\n"  milliseconds of the wall clock (8 bytes)
    then, per section:  length of name (1, not 0)  name
                        [length of block (4, not 0)  block]...  0 (4)  CRC-32 of the blocks (4)
    and at the end:  0 (1)
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from struct import Struct

MAGIC = b"RawServer tracker state 1\n"
_STAMP = Struct(">Q")
_LENGTH = Struct(">I")


class StateFileError(ValueError):
    """Not a whole state; one line that says what and where."""


def write_sections(
    saved_at: float, sections: Iterable[tuple[str, Iterable[bytes]]]
) -> Iterator[bytes]:
    """Yield a state in parts; `saved_at` in seconds of the wall clock."""
    yield MAGIC + _STAMP.pack(int(saved_at * 1000))
    for name, blocks in sections:
        yield bytes((len(name),)) + name.encode("ascii")
        checksum = 0
        for block in blocks:
            if block:
                checksum = zlib.crc32(block, checksum)
                yield _LENGTH.pack(len(block)) + block
        yield _LENGTH.pack(0) + _LENGTH.pack(checksum)
    yield b"\0"


def read_sections(data: bytes) -> tuple[float, list[tuple[str, list[bytes]]]]:
    """Return when a state was saved and its sections; StateFileError if it is not whole."""
    if not data.startswith(MAGIC):
        raise StateFileError("not a tracker's state of this version")
    reader = _Reader(data, len(MAGIC))
    (milliseconds,) = reader.numbers(_STAMP)
    sections = []
    while length := reader.take(1)[0]:
        name = reader.take(length).decode("latin-1")
        sections.append((name, _read_blocks(reader, name)))
    if reader.place != len(data):
        raise StateFileError(f"damaged: it goes on after its end, at byte {reader.place}")
    return milliseconds / 1000, sections


def _read_blocks(reader: _Reader, name: str) -> list[bytes]:
    blocks = []
    checksum = 0
    while length := reader.numbers(_LENGTH)[0]:
        block = reader.take(length)
        checksum = zlib.crc32(block, checksum)
        blocks.append(block)
    if reader.numbers(_LENGTH)[0] != checksum:
        raise StateFileError(
            f"damaged: section {name!r} before byte {reader.place} is not as saved"
        )
    return blocks


class _Reader:
    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self.place = place

    def take(self, length: int) -> bytes:
        part = self._data[self.place : self.place + length]
        if len(part) != length:
            raise StateFileError(f"damaged: it ends at byte {len(self._data)}, too early")
        self.place += length
        return part

    def numbers(self, struct: Struct) -> tuple[int, ...]:
        return struct.unpack(self.take(struct.size))
