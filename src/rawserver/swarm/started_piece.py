"""A piece that is being fetched: which of its blocks may be asked for, and who sent what."""

from __future__ import annotations

from collections.abc import Container, Hashable
from functools import partial
from itertools import repeat
from typing import Generic, NamedTuple, TypeVar

PeerT = TypeVar("PeerT", bound=Hashable)


class Block(NamedTuple):
    """A stretch of a piece, as BEP 3's `request` names it; `begin` and `length` are in bytes."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of a block
    begin: int
    length: int


# Block._make without its check; a piece is cut into up to a thousand of these on the hot path.
_make_block = partial(tuple.__new__, Block)


def blocks_of(index: int, size: int, block_length: int) -> list[Block]:
    """Return the blocks of a piece of `size` bytes, the first one first; the last may be short."""
    if size <= 0 or block_length <= 0:
        raise ValueError(f"piece {index} of {size} bytes in blocks of {block_length}")
    whole = size - size % block_length
    begins = range(0, whole, block_length)
    blocks = list(map(_make_block, zip(repeat(index), begins, repeat(block_length))))
    if whole < size:
        blocks.append(Block(index, whole, size - whole))
    return blocks


class StartedPiece(Generic[PeerT]):
    """The blocks of one piece: free (to be asked for), asked for, or received.

    `free` is a stack: the block to ask for next is its last. `workers` are the peers, of those
    still there, that were ever asked for a block of it; `worker` is the one of them that takes its
    free blocks, if there is one; `senders` tells who sent each block that came. `parole` marks a
    piece that failed with several senders: it is to come from its worker alone.
    """

    __slots__ = (
        "blocks", "free", "index", "parole", "parole_until", "senders", "size", "worker", "workers",
    )  # fmt: skip

    def __init__(self, index: int, size: int, block_length: int, parole: bool = False) -> None:
        self.index = index
        self.size = size
        self.blocks = blocks_of(index, size, block_length)
        self.free = self.blocks[::-1]
        self.workers: dict[PeerT, None] = {}  # in the order in which they came, unlike a set
        self.senders: dict[Block, PeerT] = {}
        self.worker: PeerT | None = None
        self.parole = parole
        self.parole_until: float | None = None

    @property
    def may_be_shared(self) -> bool:
        """Whether others than its worker may be asked for its blocks."""
        return not self.parole or self.worker is None

    def take(self, count: int) -> list[Block]:
        """Return up to `count` (at least one) free blocks, in order; they are free no longer."""
        taken = self.free[-count:]
        del self.free[-count:]
        taken.reverse()
        return taken

    def take_but(self, count: int, but: Container[Block]) -> list[Block]:
        """Like `take`, but leave the blocks that are in `but`. Slower: it looks at all."""
        taken = [block for block in reversed(self.free) if block not in but][:count]
        chosen = set(taken)
        self.free = [block for block in self.free if block not in chosen]
        return taken

    def has_free_but(self, but: Container[Block]) -> bool:
        """Whether `take_but` would find a block."""
        return any(block not in but for block in self.free)

    def all_senders(self) -> tuple[PeerT, ...]:
        """Return the peers whose blocks came, each once, the first to send first."""
        return tuple(dict.fromkeys(self.senders.values()))
