"""Which piece to start next: the first few at random, then the rarest.

Pieces that are still to be started stand in buckets by how many peers have them, each bucket a
bitfield. A piece moves one bucket when a peer gains or loses it; a pick compares the peer's bits
with each bucket, the rarest first, many pieces at a time.
"""

from __future__ import annotations

from array import array
from typing import Protocol

from rawserver.swarm.bitfield import Bitfield

# BitTorrent 4.0.3's rarest_first_cutoff: a newcomer needs something to trade soon, and rare pieces
# come from few peers, so slowly.
RANDOM_FIRST_PIECES = 4
# So many pieces are one number of 2 KiB, which is quicker made than searched step by step.
FEW_PIECES = 16384


class Random(Protocol):
    """What the picker asks of chance."""

    def random(self) -> float: ...


class PiecePicker:
    """Counts who has which piece and chooses the next one to start.

    A piece is wanted at first; `pick` takes it out (it is started then), `want` puts it back, and
    `done` is for good. `remaining` is how many pieces are not done.
    """

    def __init__(self, num_pieces: int, random: Random) -> None:
        self._random = random
        self._num_pieces = num_pieces
        # How many peers have a piece is its count plus `_everywhere`. Only the sum means anything:
        # a peer with all pieces is one step of `_everywhere`, also if it leaves after its pieces
        # were counted one by one, so counts may be negative.
        self._everywhere = 0
        self._counts = array("i", bytes(4 * num_pieces))
        self._buckets = {0: Bitfield.full(num_pieces)}
        self._wanted = Bitfield.full(num_pieces)
        self._done = Bitfield(num_pieces)
        self.remaining = num_pieces

    # Who has what.

    def peer_has(self, index: int) -> None:
        """Count a peer's `have`."""
        self._change(index, 1)

    def peer_has_all(self) -> None:
        """Count a peer that has every piece."""
        self._everywhere += 1

    def add_bits(self, bits: Bitfield) -> None:
        """Count a peer's pieces when its bitfield comes."""
        self._count(bits, 1)

    def remove_bits(self, bits: Bitfield) -> None:
        """Take back the pieces of a peer that leaves, those of its later `have`s included."""
        self._count(bits, -1)

    def remove_all(self) -> None:
        """Take back a peer that has every piece."""
        self._everywhere -= 1

    def availability(self, index: int) -> int:
        """Return how many peers have a piece, as long as pieces remain."""
        return self._counts[index] + self._everywhere

    def _count(self, bits: Bitfield, step: int) -> None:
        if self.remaining == 0:
            return  # nothing will be picked any more; a seed need not count its peers' pieces
        if bits.count * 2 > bits.size:
            self._everywhere += step
            for index in bits.missing():
                self._change(index, -step)
        else:
            for index in bits:
                self._change(index, step)

    def _change(self, index: int, step: int) -> None:
        if self._wanted.has(index):
            self._leave(index)
            self._counts[index] += step
            self._enter(index)
        else:
            self._counts[index] += step

    def _enter(self, index: int) -> None:
        count = self._counts[index]
        bucket = self._buckets.get(count)
        if bucket is None:
            bucket = self._buckets[count] = Bitfield(self._num_pieces)
        bucket.set(index)

    def _leave(self, index: int) -> None:
        count = self._counts[index]
        bucket = self._buckets[count]
        bucket.clear(index)
        if not bucket.count:
            del self._buckets[count]  # so there are never more buckets than peers and one

    # What is to be started.

    @property
    def wanted(self) -> int:
        """How many pieces are neither done nor started."""
        return self._wanted.count

    def want(self, index: int) -> None:
        """Let a started piece be picked again; ValueError if it is done."""
        if self._done.has(index):
            raise ValueError(f"piece {index} is done")
        if not self._wanted.has(index):
            self._wanted.set(index)
            self._enter(index)

    def done(self, index: int) -> None:
        """Note that we have a piece; ValueError if that was known."""
        if self._done.has(index):
            raise ValueError(f"piece {index} is done twice")
        if self._wanted.has(index):
            self._take(index)
        self._done.set(index)
        self.remaining -= 1

    def _take(self, index: int) -> None:
        self._leave(index)
        self._wanted.clear(index)

    # Choosing.

    def pick(self, bits: Bitfield) -> int | None:
        """Start a wanted piece that `bits` has and return its index; None if there is none."""
        if not self._wanted.count:
            return None
        index = self._any(bits) if self._done.count < RANDOM_FIRST_PIECES else self._rarest(bits)
        if index is not None:
            self._take(index)
        return index

    def _start(self) -> int:
        return int(self._random.random() * self._num_pieces)

    def _any(self, bits: Bitfield) -> int | None:
        return bits.first_common(self._wanted, self._start())

    def _rarest(self, bits: Bitfield) -> int | None:
        start = self._start()
        if bits.size <= FEW_PIECES:
            # Most buckets have nothing in common with a peer: as numbers that is seen at once.
            ours = bits.integer()
            if not ours & self._wanted.integer():
                return None
            for count in sorted(self._buckets):
                if ours & self._buckets[count].integer():
                    return bits.first_common(self._buckets[count], start)
            return None
        for count in sorted(self._buckets):
            index = bits.first_common(self._buckets[count], start)
            if index is not None:
                return index
        return None
