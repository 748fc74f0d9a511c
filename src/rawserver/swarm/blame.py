"""Who sent the bad data in a piece whose hash was wrong.

A piece from one sender convicts it. For a piece from several, a digest of each block is kept with
its sender; once the piece has been fetched again and is good, whoever had sent other bytes for a
block is guilty, and nobody else is ("smart ban"; BitTorrent 4.0.3 compared the blocks).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, NamedTuple, TypeVar

SenderT = TypeVar("SenderT", bound=Hashable)
BlockT = TypeVar("BlockT", bound=Hashable)

# Some 200 bytes each, so 7 MB at the most; as many as 32 failed pieces of 16 MiB have. A swarm in
# which more pieces are bad at a time has many liars, who will be caught over later pieces.
MAX_BLOCKS = 32768


class _Suspicion(NamedTuple, Generic[BlockT, SenderT]):
    block: BlockT
    sender: SenderT
    digest: bytes


class Blame(Generic[BlockT, SenderT]):
    """Remembers who sent what in failed pieces until it is known who lied.

    Senders are any keys that outlive a connection (addresses); blocks are keys within the torrent.
    """

    def __init__(self, max_blocks: int = MAX_BLOCKS) -> None:
        """Remember up to `max_blocks` blocks, but always all of the last failed piece."""
        self._max_blocks = max_blocks
        self._blocks = 0
        self._suspicions: dict[int, list[_Suspicion[BlockT, SenderT]]] = {}

    def piece_failed(
        self, index: int, blocks: Iterable[tuple[BlockT, SenderT, bytes]]
    ) -> list[SenderT]:
        """Take in a failed piece as (block, sender, digest of the block); return who is guilty.

        That is the sender if there is only one, else nobody yet.
        """
        sent = [_Suspicion(*block) for block in blocks]
        senders = list(dict.fromkeys(suspicion.sender for suspicion in sent))
        if len(senders) == 1:
            return senders
        self._remember(index, sent)
        return []

    def is_suspect(self, index: int) -> bool:
        """Whether `piece_passed` could convict somebody for this piece."""
        return index in self._suspicions

    def piece_passed(self, index: int, digest_of: Callable[[BlockT], bytes]) -> list[SenderT]:
        """Return who had sent bad blocks of a piece that is good now, the first to lie first.

        `digest_of` gives the digest of a block's good bytes; it is asked once for each block.
        """
        sent = self._suspicions.pop(index, [])
        self._blocks -= len(sent)
        good = {block: digest_of(block) for block in dict.fromkeys(item.block for item in sent)}
        return list(dict.fromkeys(item.sender for item in sent if item.digest != good[item.block]))

    def _remember(self, index: int, sent: list[_Suspicion[BlockT, SenderT]]) -> None:
        # What failed before failed longest ago, yet it is this piece that will pass next: it moves
        # to the end, with what its earlier attempts showed.
        earlier = self._suspicions.pop(index, [])
        known = set(earlier)
        fresh = [suspicion for suspicion in sent if suspicion not in known]
        self._suspicions[index] = earlier + fresh
        self._blocks += len(fresh)
        while self._blocks > self._max_blocks and len(self._suspicions) > 1:
            oldest = next(iter(self._suspicions))
            self._blocks -= len(self._suspicions.pop(oldest))
        self._shorten(index, len(sent))

    def _shorten(self, index: int, keep: int) -> None:
        """Forget the earliest attempts at a piece that alone takes more than there is room for."""
        suspicions = self._suspicions[index]
        excess = min(self._blocks - self._max_blocks, len(suspicions) - keep)
        if excess > 0:
            del suspicions[:excess]
            self._blocks -= excess
