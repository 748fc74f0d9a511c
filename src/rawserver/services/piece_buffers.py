"""The memory in which blocks become pieces; used again and again, since fresh pages are dear."""

from __future__ import annotations

from collections.abc import Callable


class PieceBuffers:
    """A buffer for each piece that is being fetched, hashed or written."""

    # Enough to lend to the pieces of a fast transfer; beyond it memory goes back to the system.
    KEEP = 16

    def __init__(self, piece_length: int, piece_size: Callable[[int], int]) -> None:
        self._piece_length = piece_length
        self._piece_size = piece_size
        self._lent: dict[int, memoryview] = {}
        self._free: list[memoryview] = []

    def put(self, index: int, begin: int, block: memoryview) -> None:
        """Copy a block to its place in its piece."""
        buffer = self._lent.get(index)
        if buffer is None:
            whole = self._free.pop() if self._free else memoryview(bytearray(self._piece_length))
            buffer = self._lent[index] = whole[: self._piece_size(index)]
        buffer[begin : begin + len(block)] = block

    def get(self, index: int) -> memoryview:
        """Return the bytes of a piece, as far as they have come."""
        return self._lent[index]

    def release(self, index: int) -> None:
        """Take the piece's buffer back."""
        buffer = self._lent.pop(index, None)
        if buffer is not None and len(self._free) < self.KEEP:
            self._free.append(memoryview(buffer.obj))
