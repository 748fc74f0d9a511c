"""Blocks of files' bytes, each kept once: a swarm's peers have the same on all their disks."""

from __future__ import annotations

import sys

# What `Piece` messages carry; a file's bytes are compared and kept by so much.
BLOCK_BYTES = 16 * 1024
# Below so many there is little to win: 64 MiB.
_FEWEST_TO_SWEEP = 4096


def _reference_counts(blocks: dict[bytes, bytes]) -> list[int]:
    return [sys.getrefcount(block) for block in blocks]


def _one_that_nobody_uses() -> dict[bytes, bytes]:
    block = bytes(2)
    return {block: block}


class BlockPool:
    """Gives equal blocks as one object. Those that only it still holds are let go in time."""

    def __init__(self) -> None:
        self._blocks: dict[bytes, bytes] = {}
        self._sweep_at = _FEWEST_TO_SWEEP
        # The pool's own references. Counted, since versions of Python differ in it.
        self._own_references = _reference_counts(_one_that_nobody_uses())[0]

    def __len__(self) -> int:
        return len(self._blocks)

    def share(self, block: bytes) -> bytes:
        """Return the block, or an equal one that was shared before."""
        shared = self._blocks.setdefault(block, block)
        if len(self._blocks) > self._sweep_at:
            self.sweep()
        return shared

    def sweep(self) -> None:
        """Let go of what nobody else holds."""
        counts = _reference_counts(self._blocks)
        self._blocks = {
            block: block
            for block, count in zip(self._blocks, counts, strict=True)
            if count > self._own_references
        }
        # Twice what is in use: so a sweep costs each block that comes a constant.
        self._sweep_at = max(_FEWEST_TO_SWEEP, 2 * len(self._blocks))
