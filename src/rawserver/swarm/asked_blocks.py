"""What one peer was asked for and did not send yet, and whether it is heard of at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic

from rawserver.swarm.started_piece import Block, PeerT, StartedPiece

# Who sends nothing for so long keeps nobody from what it was asked for: three could else hold up
# the end until they are snubbed.
QUIET_SECONDS = 3.0


class AskedBlocks(Generic[PeerT]):
    """The blocks that one peer owes, each with its piece, in the order in which it was asked.

    `heard`: a block of them came since the last tick. `quiet`: none has for a while. `in_vain`:
    when it was last seen that nothing can be asked of it twice, as `BlockRequests` counts it.
    """

    __slots__ = ("blocks", "gave_back", "heard", "heard_at", "in_vain", "piece", "quiet")

    def __init__(self) -> None:
        self.heard = True
        self.heard_at = 0.0
        self.quiet = False
        self.in_vain = (-1, 0)
        self.blocks: dict[Block, StartedPiece[PeerT]] = {}
        self.piece: StartedPiece[PeerT] | None = None  # whose free blocks this peer takes
        # It was snubbed: each of its blocks may also be free or asked of another.
        self.gave_back = False

    def becomes_quiet(self, now: float) -> bool:
        """Take note of a tick at a time in seconds; returns whether the peer is quiet as of it."""
        if self.heard or not self.blocks:
            self.heard, self.heard_at, self.quiet = False, now, False
        was_quiet, self.quiet = self.quiet, now - self.heard_at >= QUIET_SECONDS
        return self.quiet and not was_quiet


def times_in(askings: Iterable[dict[Block, StartedPiece[PeerT]]], block: Block) -> int:
    """Count those who owe a block."""
    times = 0
    # Not a sum of a generator's: in the endgame this is asked of each block again and again.
    for blocks in askings:
        if block in blocks:
            times += 1
    return times
