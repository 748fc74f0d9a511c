"""Which pieces somebody has: one bit a piece, in the layout of BEP 3's `bitfield` message."""

from __future__ import annotations

from collections.abc import Iterator

_SET_BITS = tuple(
    tuple(bit for bit in range(8) if byte & (0x80 >> bit)) for byte in range(256)
)  # for each byte, the places of its ones, the high bit being place 0
_FLIP = bytes(255 - byte for byte in range(256))


class BitfieldError(ValueError):
    """A bitfield of the wrong length, or with bits set past the last piece."""


class Bitfield:
    """A set of the numbers from 0 to `size` - 1, kept as BEP 3 sends it: the high bit first.

    `count` is how many are in the set; it is kept, not computed, and only to be read.
    """

    __slots__ = ("_bytes", "count", "size")

    def __init__(self, size: int, data: bytes | bytearray | None = None) -> None:
        """Make an empty set, or one from its bytes; BitfieldError if they do not fit `size`."""
        length = (size + 7) >> 3
        self.size = size
        if data is None:
            self._bytes = bytearray(length)
            self.count = 0
            return
        if len(data) != length:
            raise BitfieldError(
                f"a bitfield of {size} pieces takes {length} bytes, not {len(data)}"
            )
        if size & 7 and data[-1] & (0xFF >> (size & 7)):
            raise BitfieldError(f"a bitfield has bits set past the last of {size} pieces")
        self._bytes = bytearray(data)
        self.count = int.from_bytes(data, "big").bit_count()

    @classmethod
    def from_wire(cls, size: int, data: bytes) -> Bitfield:
        """Return what a peer's `bitfield` message says of `size` pieces (BEP 3).

        Raises BitfieldError for a wrong length or for spare bits that are set: BEP 3 has the
        connection dropped for either.
        """
        return cls(size, data)

    @classmethod
    def full(cls, size: int) -> Bitfield:
        """Return the set of all numbers below `size`."""
        data = bytearray(b"\xff") * ((size + 7) >> 3)
        if size & 7:
            data[-1] = 0xFF & ~(0xFF >> (size & 7))
        return cls(size, data)

    def has(self, index: int) -> bool:
        """Return whether `index` is in the set; IndexError if it is no piece's number."""
        if not 0 <= index < self.size:
            raise self._no_number(index)
        return self._bytes[index >> 3] & (0x80 >> (index & 7)) != 0

    __contains__ = has

    # These two come with each `have` of each peer, and so do not ask `has`.

    def set(self, index: int) -> bool:
        """Put `index` into the set; False if it is there already."""
        if not 0 <= index < self.size:
            raise self._no_number(index)
        place, bit = index >> 3, 0x80 >> (index & 7)
        if self._bytes[place] & bit:
            return False
        self._bytes[place] |= bit
        self.count += 1
        return True

    def clear(self, index: int) -> bool:
        """Take `index` out of the set; False if it is not there."""
        if not 0 <= index < self.size:
            raise self._no_number(index)
        place, bit = index >> 3, 0x80 >> (index & 7)
        if not self._bytes[place] & bit:
            return False
        self._bytes[place] ^= bit
        self.count -= 1
        return True

    def _no_number(self, index: int) -> IndexError:
        return IndexError(f"piece {index} of {self.size}")

    @property
    def is_full(self) -> bool:
        """Whether every number is in the set; so is the set of no pieces at all."""
        return self.count == self.size

    def to_bytes(self) -> bytes:
        """Return the payload of a `bitfield` message."""
        return bytes(self._bytes)

    def copy(self) -> Bitfield:
        """Return a set of its own with the same numbers."""
        return Bitfield(self.size, self._bytes)

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers in the set, ascending."""
        return self._ones(self._bytes)

    def missing(self) -> Iterator[int]:
        """Yield the numbers that are not in the set, ascending."""
        flipped = self._bytes.translate(_FLIP)
        if self.size & 7:
            flipped[-1] &= ~(0xFF >> (self.size & 7))
        return self._ones(flipped)

    @staticmethod
    def _ones(data: bytearray) -> Iterator[int]:
        for place, byte in enumerate(data):
            if byte:
                for bit in _SET_BITS[byte]:
                    yield place * 8 + bit

    # Whole sets at once, as one big integer: two million pieces take well under a millisecond.

    def integer(self) -> int:
        """Return the set as one number: `a.integer() & b.integer()` is 0 if nothing is in both."""
        return int.from_bytes(self._bytes, "big")

    def _check_same_size(self, other: Bitfield) -> None:
        if self.size != other.size:
            raise ValueError(f"bitfields of {self.size} and of {other.size} pieces")

    def common_with(self, other: Bitfield) -> Bitfield:
        """Return the numbers that are in both sets; ValueError if they differ in size."""
        self._check_same_size(other)
        both = self.integer() & other.integer()
        return Bitfield(self.size, both.to_bytes(len(self._bytes), "big"))

    def without(self, other: Bitfield) -> Bitfield:
        """Return the numbers of this set that `other` lacks; ValueError if they differ in size."""
        self._check_same_size(other)
        left = self.integer() & ~other.integer()
        return Bitfield(self.size, left.to_bytes(len(self._bytes), "big"))

    def count_missing_from(self, other: Bitfield) -> int:
        """Return how many numbers of this set `other` lacks; ValueError if they differ in size."""
        self._check_same_size(other)
        ours = self.integer()
        return self.count - (ours & other.integer()).bit_count()

    def first_common(self, other: Bitfield, start: int) -> int | None:
        """Return the first number from `start` on that is in both sets, going on from 0 at the end.

        None if they have none in common; ValueError if they differ in size. Looks no further than
        it must: next to nothing for well-filled sets, one pass for sets with nothing in common.
        """
        self._check_same_size(other)
        if not self.size:
            return None
        place = start >> 3
        first = self._bytes[place] & other._bytes[place] & (0xFF >> (start & 7))
        if first:
            return place * 8 + 8 - first.bit_length()
        found = self._first_common_in(other, place + 1, len(self._bytes))
        return self._first_common_in(other, 0, place + 1) if found is None else found

    def _first_common_in(self, other: Bitfield, begin: int, end: int) -> int | None:
        length = 16  # bytes; grows, so that long gaps are crossed in few steps
        while begin < end:
            stop = min(begin + length, end)
            both = int.from_bytes(self._bytes[begin:stop], "big")
            both &= int.from_bytes(other._bytes[begin:stop], "big")
            if both:
                return stop * 8 - both.bit_length()
            begin = stop
            length *= 4
        return None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bitfield):
            return NotImplemented
        return self.size == other.size and self._bytes == other._bytes

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"<Bitfield {self.count} of {self.size}>"
