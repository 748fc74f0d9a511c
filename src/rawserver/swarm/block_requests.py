"""Who is asked for which block.

A block is free, asked for (of one peer; of a few in the endgame), or received. A peer goes on with
the piece that it works on, so few pieces are open at a time and most come from one peer, which
makes a bad one's sender plain. Pieces are shared between peers when there is nothing else to do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple

from rawserver.swarm.asked_blocks import AskedBlocks, times_in
from rawserver.swarm.bitfield import Bitfield
from rawserver.swarm.piece_picker import PiecePicker
from rawserver.swarm.started_piece import Block, PeerT, StartedPiece

__all__ = ["Block", "BlockRequests", "Received"]

# Every client serves blocks of this length; many serve none that are longer.
BLOCK_LENGTH_BYTES = 16384
# In the endgame: one peer that is slow and one that fails still leave a third.
MAX_PEERS_PER_BLOCK = 3
# How far into the endgame a peer is asked ahead for what others were asked too. Every such block
# may come twice; 256 KiB a peer is the most that is wasted so, and enough for the last second.
ENDGAME_DEPTH = 16
# Blocks that came wait in memory for the rest of their piece. Above this much in started pieces,
# peers share them before they start new ones. It is no hard limit: a piece whose peers have all
# gone holds its place, and must not stop the others.
MAX_STARTED_BYTES = 128 * 1024 * 1024
# How long a peer may take over a piece on parole while others could help. Someone who sends one
# block each half a minute must not hold up the end for hours.
PAROLE_SECONDS = 30.0


class Received(NamedTuple, Generic[PeerT]):
    """What a block that was asked for means.

    `cancel` are the other peers that were asked for the same block; they no longer are.
    """

    piece_complete: bool
    cancel: tuple[PeerT, ...]


_ONE_OF_MANY: Received[Any] = Received(False, ())


class BlockRequests(Generic[PeerT]):
    """The blocks of all pieces that are being fetched, and the peers that were asked for them.

    A piece is started when its first block is asked for, complete when all its blocks have come;
    the caller then hashes it and calls `piece_verified`, `piece_failed` or `abandon`.
    """

    def __init__(
        self,
        piece_lengths: Callable[[int], int],
        picker: PiecePicker,
        block_length: int = BLOCK_LENGTH_BYTES,
    ) -> None:
        """Fetch what `picker` wants; `piece_lengths` tells the bytes of a piece by its index."""
        self._piece_lengths = piece_lengths
        self._picker = picker
        self._block_length = block_length
        self._asked: dict[PeerT, AskedBlocks[PeerT]] = {}
        self._started: dict[int, StartedPiece[PeerT]] = {}
        self._open: dict[int, StartedPiece[PeerT]] = {}  # those started that have free blocks
        self._paroled: dict[int, StartedPiece[PeerT]] = {}  # those started that are on parole
        self._complete: dict[int, StartedPiece[PeerT]] = {}
        self._started_bytes = 0
        # Grows with whatever might let a block be asked of more peers in the endgame.
        self._chances = 0

    @property
    def remaining(self) -> int:
        """How many pieces are not verified yet."""
        return self._picker.remaining

    @property
    def endgame(self) -> bool:
        """Whether every block that is missing has been asked for, or waits for a peer on parole."""
        if self._picker.wanted:
            return False
        return not any(piece.may_be_shared for piece in self._open.values())

    def outstanding(self, peer: PeerT) -> int:
        """Return how many blocks a peer was asked for and did not send yet."""
        asked = self._asked.get(peer)
        return len(asked.blocks) if asked is not None else 0

    def senders(self, index: int) -> tuple[PeerT, ...]:
        """Return who sent blocks of a started or complete piece, the first to send first."""
        piece = self._complete.get(index) or self._started.get(index)
        return piece.all_senders() if piece is not None else ()

    def tick(self, now: float) -> bool:
        """End what has been on parole for too long; called about once a second, in seconds.

        Returns whether a peer has become quiet: others may be asked now.
        """
        self._chances += 1  # who was quiet may be so no longer, and the other way round
        for piece in list(self._paroled.values()):
            if piece.worker is None:
                piece.parole_until = None
            elif piece.parole_until is None:
                piece.parole_until = now + PAROLE_SECONDS
            elif now >= piece.parole_until:
                self._end_parole(piece, piece.worker)
        became_quiet = [asked.becomes_quiet(now) for asked in self._asked.values()]
        return any(became_quiet)

    # Asking.

    def next_blocks(self, peer: PeerT, bits: Bitfield, count: int) -> list[Block]:
        """Return up to `count` blocks to ask a peer for that has the pieces in `bits`."""
        asked = self._asked.get(peer)
        if asked is None:
            asked = self._asked[peer] = AskedBlocks()
        if asked.gave_back and not asked.blocks:
            asked.gave_back = False
        blocks: list[Block] = []
        while len(blocks) < count:
            piece = asked.piece or self._choose(peer, bits, asked)
            if piece is None:
                if self.endgame:
                    blocks += self._repeat(peer, bits, asked, count - len(blocks))
                break
            blocks += self._take(piece, peer, asked, count - len(blocks))
        return blocks

    def _take(
        self, piece: StartedPiece[PeerT], peer: PeerT, asked: AskedBlocks[PeerT], count: int
    ) -> list[Block]:
        if asked.gave_back:
            taken = piece.take_but(count, asked.blocks)
        else:
            taken = piece.take(count)
        asked.blocks.update(dict.fromkeys(taken, piece))
        piece.workers[peer] = None
        if not piece.free:
            self._close(piece)
        elif not taken:
            # All that is free of it was asked of this very peer, before it was snubbed.
            self._stop_working(asked)
        return taken

    def _close(self, piece: StartedPiece[PeerT]) -> None:
        """Note that nothing of a piece is free any more; its worker needs another."""
        del self._open[piece.index]
        if piece.worker is not None:
            asked = self._asked[piece.worker]
            if asked.piece is piece:
                asked.piece = None
            if not piece.parole:
                piece.worker = None

    def _stop_working(self, asked: AskedBlocks[PeerT]) -> None:
        if asked.piece is not None:
            asked.piece.worker = None
            asked.piece = None
            self._chances += 1

    def _choose(
        self, peer: PeerT, bits: Bitfield, asked: AskedBlocks[PeerT]
    ) -> StartedPiece[PeerT] | None:
        """Find a piece with free blocks for a peer; the peer becomes its worker if it has none."""
        piece = self._unattended(peer, bits, asked)
        if piece is None and self._started_bytes >= MAX_STARTED_BYTES:
            piece = self._shared(bits, asked)
        if piece is None:
            piece = self._start(bits)
        if piece is None:
            piece = self._shared(bits, asked)
        if piece is not None and (piece.worker is None or piece.worker == peer):
            piece.worker = peer
            asked.piece = piece
        return piece

    def _unattended(
        self, peer: PeerT, bits: Bitfield, asked: AskedBlocks[PeerT]
    ) -> StartedPiece[PeerT] | None:
        """Find a piece that nobody works on, rather one of which this peer was asked before."""
        found = None
        for piece in self._open.values():
            if (
                (piece.worker is None or piece.worker == peer)
                and bits.has(piece.index)
                and (not asked.gave_back or piece.has_free_but(asked.blocks))
            ):
                if peer in piece.workers:
                    return piece
                found = found or piece
        return found

    def _shared(self, bits: Bitfield, asked: AskedBlocks[PeerT]) -> StartedPiece[PeerT] | None:
        """Find a piece that its worker may be helped with, the one that needs it most."""
        helped = (
            piece
            for piece in self._open.values()
            if piece.may_be_shared
            and bits.has(piece.index)
            and (not asked.gave_back or piece.has_free_but(asked.blocks))
        )
        return max(helped, key=lambda piece: len(piece.free), default=None)

    def _start(self, bits: Bitfield) -> StartedPiece[PeerT] | None:
        index = self._picker.pick(bits)
        return None if index is None else self._add(index, parole=False)

    def _add(self, index: int, parole: bool) -> StartedPiece[PeerT]:
        size = self._piece_lengths(index)
        piece: StartedPiece[PeerT] = StartedPiece(index, size, self._block_length, parole)
        self._started[index] = self._open[index] = piece
        self._started_bytes += size
        self._chances += 1
        return piece

    # The endgame.

    def _repeat(
        self, peer: PeerT, bits: Bitfield, asked: AskedBlocks[PeerT], count: int
    ) -> list[Block]:
        """Ask for blocks that others were asked for already, of the longest started piece first."""
        count = min(count, ENDGAME_DEPTH - len(asked.blocks))
        # It is asked again whenever something has come, and mostly nothing has changed for it.
        now = self._chances, bits.count
        if count <= 0 or asked.in_vain == now:
            return []
        repeated: list[Block] = []
        for piece in self._started.values():
            if len(repeated) >= count:
                break
            if piece.may_be_shared and bits.has(piece.index):
                blocks = self._repeatable(piece, asked, count - len(repeated))
                if blocks:
                    piece.workers[peer] = None
                    asked.blocks.update(dict.fromkeys(blocks, piece))
                    repeated += blocks
        if len(repeated) < count:
            asked.in_vain = now
        return repeated

    def _repeatable(
        self, piece: StartedPiece[PeerT], asked: AskedBlocks[PeerT], count: int
    ) -> list[Block]:
        blocks: list[Block] = []
        senders, own = piece.senders, asked.blocks
        missing = [block for block in piece.blocks if block not in senders and block not in own]
        if not missing:
            return blocks
        others = self._expected_of(piece, quiet=asked.quiet)
        for block in missing:
            if times_in(others, block) < MAX_PEERS_PER_BLOCK:
                blocks.append(block)
                if len(blocks) == count:
                    break
        return blocks

    def _expected_of(
        self, piece: StartedPiece[PeerT], quiet: bool
    ) -> list[dict[Block, StartedPiece[PeerT]]]:
        """Return what each was asked for and not snubbed since; of those who are quiet if `quiet`.

        Only workers of the piece count.
        """
        everybody = [self._asked[worker] for worker in piece.workers]
        return [a.blocks for a in everybody if not a.gave_back and (quiet or not a.quiet)]

    # Receiving.

    def received(self, peer: PeerT, block: Block) -> Received[PeerT] | None:
        """Note a block that came; None if this peer was not asked for it, or no longer is."""
        asked = self._asked.get(peer)
        if asked is None:
            return None
        piece = asked.blocks.pop(block, None)
        if piece is None:
            return None
        piece.senders[block] = peer
        asked.heard = True
        if asked.gave_back and block in piece.free:
            piece.free.remove(block)
            if not piece.free:
                self._close(piece)
        cancel = self._withdraw(piece, block) if len(piece.workers) > 1 else ()
        if len(piece.senders) == len(piece.blocks):
            self._finish(piece)
            return Received(True, cancel)
        return Received(False, cancel) if cancel else _ONE_OF_MANY

    def _withdraw(self, piece: StartedPiece[PeerT], block: Block) -> tuple[PeerT, ...]:
        return tuple(
            [
                other
                for other in piece.workers
                if self._asked[other].blocks.pop(block, None) is not None
            ]
        )

    def _finish(self, piece: StartedPiece[PeerT]) -> None:
        del self._started[piece.index]
        self._started_bytes -= piece.size
        self._paroled.pop(piece.index, None)
        self._complete[piece.index] = piece
        piece.workers.clear()

    # Giving back.

    def choked(self, peer: PeerT) -> None:
        """Free what a peer was asked for: a choke drops all requests (BEP 3)."""
        asked = self._asked.get(peer)
        if asked is None:
            return
        self._release_pieces(peer, asked)
        if asked.blocks:
            self._chances += 1
        blocks, asked.blocks = asked.blocks, {}
        for block, piece in reversed(blocks.items()):
            self._free(piece, block, maybe_free=asked.gave_back)

    def lost(self, peer: PeerT) -> None:
        """Forget a peer; what it was asked for is free again."""
        self.choked(peer)
        if self._asked.pop(peer, None) is not None:
            for piece in self._started.values():
                piece.workers.pop(peer, None)

    def rejected(self, peer: PeerT, block: Block) -> bool:
        """Free one block that a peer will not send (BEP 6); False if it was not asked for it."""
        asked = self._asked.get(peer)
        piece = asked.blocks.pop(block, None) if asked is not None else None
        if asked is None or piece is None:
            return False
        self._chances += 1
        self._free(piece, block, maybe_free=asked.gave_back)
        return True

    def snubbed(self, peer: PeerT) -> None:
        """Free what a peer that went silent was asked for; its blocks still count if they come."""
        asked = self._asked.get(peer)
        if asked is None:
            return
        self._release_pieces(peer, asked)
        self._chances += 1
        before, asked.gave_back = asked.gave_back, True
        for block, piece in reversed(asked.blocks.items()):
            self._free(piece, block, maybe_free=before)

    def _release_pieces(self, peer: PeerT, asked: AskedBlocks[PeerT]) -> None:
        self._stop_working(asked)
        for piece in self._paroled.values():
            if piece.worker == peer:
                piece.worker = None

    def _free(self, piece: StartedPiece[PeerT], block: Block, maybe_free: bool) -> None:
        """Make a block free, unless somebody else was asked for it and is expected to send it."""
        if piece.workers and times_in(self._expected_of(piece, quiet=True), block):
            return
        if maybe_free and block in piece.free:
            return
        piece.free.append(block)
        self._open[piece.index] = piece

    # Complete pieces.

    def piece_verified(self, index: int) -> None:
        """Note that a complete piece is good and written; it is never asked for again."""
        self._pop_complete(index)
        self._picker.done(index)

    def piece_failed(self, index: int) -> tuple[tuple[Block, PeerT], ...]:
        """Want a complete piece again whose hash is wrong; return each block with its sender.

        If several sent it, it is on parole next: one peer gets all of it, so that another failure
        has one sender, and a success shows who sent other bytes before (`Blame`).
        """
        piece = self._pop_complete(index)
        if len(piece.all_senders()) > 1:
            self._paroled[index] = self._add(index, parole=True)
        else:
            self._picker.want(index)
        return tuple(piece.senders.items())

    def abandon(self, index: int) -> None:
        """Want a complete piece again that could not be written."""
        self._pop_complete(index)
        self._picker.want(index)

    def _pop_complete(self, index: int) -> StartedPiece[PeerT]:
        piece = self._complete.pop(index, None)
        if piece is None:
            raise ValueError(f"piece {index} is not complete")
        return piece

    def _end_parole(self, piece: StartedPiece[PeerT], worker: PeerT) -> None:
        del self._paroled[piece.index]
        piece.parole = False
        if self._asked[worker].piece is not piece:
            piece.worker = None
