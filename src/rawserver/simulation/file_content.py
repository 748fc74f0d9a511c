"""The bytes of a file in memory: sparse, and what of them a power cut may take away."""

from __future__ import annotations

import errno
import os
import random

from rawserver.engine.disk import Buffer
from rawserver.simulation.block_pool import BLOCK_BYTES, BlockPool

# What a medium writes whole or not at all.
SECTOR_BYTES = 512
# A file's blocks are listed by so many, 2 MiB: a hole costs nothing, a filled list 8 bytes each.
_SEGMENT_BLOCKS = 128
# States between the synchronized one and the last that a crash may bring back. Of a block that
# is written over and over, more of them would find no more faults.
_MOST_OVERWRITTEN = 8
# ext4's limit with the common blocks of 4 KiB.
LARGEST_FILE = 16 << 40

_ZEROS = memoryview(bytes(BLOCK_BYTES))

Segment = list[bytes | None]


class DiskSpace:
    """Blocks that are taken, of those that there are; `capacity` in bytes, None for no end."""

    __slots__ = ("capacity", "used")

    def __init__(self, capacity: int | None) -> None:
        self.capacity = capacity
        self.used = 0

    def take(self) -> bool:
        """Take one block; False if that is more than there are."""
        if self.capacity is not None and self.used + BLOCK_BYTES > self.capacity:
            return False
        self.used += BLOCK_BYTES
        return True


class FileContent:
    """A file without its name. A block that was never written is a hole, and reads as zeros.

    `modified_ns` is the caller's to set. `cold` are the blocks that the system has not in memory.
    """

    __slots__ = ("_durable", "_durable_modified_ns", "_durable_size", "_overwritten", "_segments",
                 "cold", "modified_ns", "num_blocks", "size")  # fmt: skip

    def __init__(self, modified_ns: int) -> None:
        self.size = 0
        self.modified_ns = modified_ns
        self.num_blocks = 0
        self.cold: set[int] = set()
        self._segments: dict[int, Segment] = {}
        # What the medium has, of segments that were written since.
        self._durable: dict[int, Segment | None] = {}
        self._durable_size = 0
        self._durable_modified_ns = modified_ns
        # What was between the two, of blocks that were written more than once.
        self._overwritten: dict[int, list[bytes | None]] = {}

    # Reading.

    def read_into(self, view: memoryview, offset: int) -> int:
        """Fill the view; returns the bytes read, fewer only at the end."""
        count = min(len(view), self.size - offset)
        done = 0
        while done < count:
            index, start = divmod(offset + done, BLOCK_BYTES)
            length = min(BLOCK_BYTES - start, count - done)
            block = self._block(index)
            # A block ends where its last byte was written; what follows is zeros.
            have = 0 if block is None else min(length, max(0, len(block) - start))
            if have and block is not None:
                view[done : done + have] = memoryview(block)[start : start + have]
            if have < length:
                view[done + have : done + length] = _ZEROS[: length - have]
            done += length
        return max(done, 0)

    def is_hole(self, offset: int, count: int) -> bool:
        """Tell whether all of these bytes are in the file and in blocks never written."""
        index, end = offset // BLOCK_BYTES, -(-(offset + count) // BLOCK_BYTES)
        while count and index < end:
            number, place = divmod(index, _SEGMENT_BLOCKS)
            segment = self._segments.get(number)
            stop = min(_SEGMENT_BLOCKS, place + end - index)
            if segment is not None and any(block is not None for block in segment[place:stop]):
                return False
            index += stop - place
        return offset + count <= self.size

    def _block(self, index: int) -> bytes | None:
        number, place = divmod(index, _SEGMENT_BLOCKS)
        segment = self._segments.get(number)
        return None if segment is None else segment[place]

    # Writing.

    def write(self, data: Buffer, offset: int, pool: BlockPool, space: DiskSpace) -> None:
        """Write all of the data; OSError (ENOSPC) after what there was room for."""
        view = memoryview(data)
        while view:
            index, start = divmod(offset, BLOCK_BYTES)
            part = view[: BLOCK_BYTES - start]
            old = self._block(index)
            if old is None:
                if not space.take():
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                self.num_blocks += 1
            self._put(index, pool.share(_written_over(old, part, start)))
            view = view[len(part) :]
            offset += len(part)
            self.size = max(self.size, offset)

    def _put(self, index: int, block: bytes) -> None:
        number, place = divmod(index, _SEGMENT_BLOCKS)
        segment = self._segments.get(number)
        if number not in self._durable:
            self._durable[number] = None if segment is None else segment.copy()
        elif segment is not None:
            durable = self._durable[number]
            if segment[place] is not (None if durable is None else durable[place]):
                between = self._overwritten.setdefault(index, [])
                between.append(segment[place])
                del between[:-_MOST_OVERWRITTEN]
        if segment is None:
            segment = self._segments[number] = [None] * _SEGMENT_BLOCKS
        segment[place] = block
        if self.cold:
            self.cold.discard(index)

    def synchronize(self) -> None:
        """Have all of it on the medium."""
        self._durable.clear()
        self._overwritten.clear()
        self._durable_size = self.size
        self._durable_modified_ns = self.modified_ns

    # The power cut.

    def crash(self, chance: random.Random, pool: BlockPool) -> None:
        """Keep of what was not synchronized what chance keeps, sector by sector."""
        for number in sorted(self._durable):
            durable, segment = self._durable[number], self._segments[number]
            for place, block in enumerate(segment):
                old = None if durable is None else durable[place]
                if block is not old:
                    index = number * _SEGMENT_BLOCKS + place
                    states = [old, *self._overwritten.get(index, ()), block]
                    segment[place] = _what_is_left(states, chance, pool)
        if self.size != self._durable_size:
            between = chance.randint(self._durable_size, self.size)
            self._shorten(chance.choice((self._durable_size, between, self.size)))
        if self.modified_ns != self._durable_modified_ns:
            self.modified_ns = chance.choice((self._durable_modified_ns, self.modified_ns))
        self.synchronize()
        self.forget_cached()

    def forget_cached(self) -> None:
        """Have no block in memory, and count them anew."""
        self.cold = {
            number * _SEGMENT_BLOCKS + place
            for number, segment in self._segments.items()
            for place, block in enumerate(segment)
            if block is not None
        }
        self.num_blocks = len(self.cold)

    def _shorten(self, size: int) -> None:
        self.size = size
        last, keep = divmod(size, BLOCK_BYTES)
        for number in sorted(self._segments):
            segment = self._segments[number]
            for place, block in enumerate(segment):
                index = number * _SEGMENT_BLOCKS + place
                if block is not None and index >= last:
                    segment[place] = block[:keep] if index == last and keep else None


def _written_over(old: bytes | None, part: memoryview, start: int) -> bytes:
    if start == 0 and len(part) >= len(old or b""):
        return bytes(part)
    block = bytearray(old or b"")
    block.extend(bytes(max(0, start + len(part) - len(block))))
    block[start : start + len(part)] = part
    return bytes(block)


def _what_is_left(
    states: list[bytes | None], chance: random.Random, pool: BlockPool
) -> bytes | None:
    fate = chance.randrange(3)
    if fate < 2:
        return states[0] if fate == 0 else states[-1]
    length = max(len(state or b"") for state in states)
    block = bytearray(length)
    for start in range(0, length, SECTOR_BYTES):
        end = min(start + SECTOR_BYTES, length)
        state = chance.choice(states) or b""
        block[start:end] = state[start:end].ljust(end - start, b"\0")
    return pool.share(bytes(block))
