"""The getting side of a torrent: a byte until it is a piece on disk.

Blocks are asked for, put together, hashed and written off the loop; the bit is set only when the
write has returned, so that what we say we have is on disk. What fails is traced to its sender.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable
from functools import partial
from typing import Protocol

from rawserver.engine import RawServer
from rawserver.services.peer import Address, Peer
from rawserver.services.piece_buffers import PieceBuffers
from rawserver.services.storage import Storage
from rawserver.swarm.bitfield import Bitfield
from rawserver.swarm.blame import Blame
from rawserver.swarm.block_requests import Block, BlockRequests
from rawserver.swarm.piece_picker import PiecePicker
from rawserver.wire.metainfo import Metainfo
from rawserver.wire.peer_wire import Piece, encode_cancel, encode_request

# Pieces received but not yet on disk. When the disk is slower than the network, asking stops
# here, TCP's own window holds the peers back, and memory stays bounded.
MAX_UNWRITTEN_BYTES = 64 * 1024 * 1024
# BitTorrent 4.0.3's snub_time, for a peer that owes us blocks.
SNUB_SECONDS = 30.0


class DownloadOwner(Hashable, Protocol):
    """What a download needs of its torrent."""

    raw_server: RawServer
    metainfo: Metainfo
    have: Bitfield

    def piece_verified(self, index: int) -> None: ...
    def drop_guilty(self, address: Address, index: int) -> None: ...
    def fail(self, error: BaseException) -> None: ...


class Download:
    """Fetches the pieces that its torrent lacks."""

    def __init__(self, owner: DownloadOwner, storage: Storage, peers: Iterable[Peer]) -> None:
        self._owner = owner
        self._raw_server = owner.raw_server
        self._metainfo = owner.metainfo
        self._have = owner.have
        self._storage = storage
        self._peers = peers
        self._picker = PiecePicker(self._metainfo.num_pieces, self._raw_server.network.random)
        self._requests = BlockRequests[Peer](self._metainfo.piece_size, self._picker)
        self._buffers = PieceBuffers(self._metainfo.piece_length, self._metainfo.piece_size)
        self._blame = Blame[Block, Address]()
        self._unwritten_bytes = 0
        # The complete pieces that are being hashed and written.
        self.writing: dict[int, None] = {}
        self._ask_all_is_due = False
        self.complete = False
        self.bytes_received = 0
        self.bytes_wasted = 0

    def start(self, wants: bool) -> None:
        """Leave out what is on disk already; want nothing at all unless it `wants`."""
        for index in self._have:
            self._picker.done(index)
        self.complete = not wants

    # What peers have.

    def peer_has_bits(self, peer: Peer) -> None:
        """Count what a peer brings with its bitfield."""
        if not self.complete:
            self._picker.add_bits(peer.bits)
            peer.interesting = peer.bits.count_missing_from(self._have)
            peer.update_interest()

    def peer_has(self, peer: Peer, index: int) -> None:
        """Count one more piece of a peer."""
        if self.complete:
            return  # how many have which piece matters no more
        self._picker.peer_has(index)
        if not self._have.has(index):
            peer.interesting += 1
            if not peer.am_interested:
                peer.update_interest()

    def peer_choked(self, peer: Peer) -> None:
        """Ask others for what this peer will not send."""
        self._requests.choked(peer)
        self._ask_all_soon()

    def peer_lost(self, peer: Peer) -> None:
        """Forget a peer and ask others for what it owed."""
        if not self.complete:
            self._picker.remove_bits(peer.bits)
        self._requests.lost(peer)
        self._ask_all_soon()

    # Asking.

    def request_more(self, peer: Peer) -> None:
        """Keep as many blocks on their way from a peer as its rate wants, asked in bursts."""
        if peer.peer_choking or not peer.am_interested or self.complete or peer.closed:
            return
        if self._unwritten_bytes >= MAX_UNWRITTEN_BYTES:
            return
        count = peer.pipeline.refill(self._requests.outstanding(peer))
        if count <= 0:
            return
        blocks = self._requests.next_blocks(peer, peer.bits, count)
        if blocks:
            peer.send(b"".join([encode_request(*block) for block in blocks]))

    def _ask_all_soon(self) -> None:
        # Once per turn, however many peers gave blocks back.
        if not self._ask_all_is_due and not self.complete:
            self._ask_all_is_due = True
            self._raw_server.add_task(self._ask_all, 0, (), self._owner)

    def _ask_all(self) -> None:
        self._ask_all_is_due = False
        for peer in self._peers:
            self.request_more(peer)

    def look_for_snubs(self, now: float) -> None:
        """Give the blocks of peers that went silent to others; called once a second or so."""
        if self._requests.tick(now):
            self._ask_all_soon()
        for peer in self._peers:
            silent = now - peer.last_block_at > SNUB_SECONDS
            if silent and not peer.snubbed and self._requests.outstanding(peer):
                peer.snubbed = peer.pipeline.snubbed = True
                self._requests.snubbed(peer)
                self._ask_all_soon()

    # Receiving.

    def block_came_in(self, peer: Peer, piece: Piece) -> None:
        """Put a block into its piece, if this peer was asked for it."""
        index, begin, block = piece
        length = len(block)
        self.bytes_received += length
        received = self._requests.received(peer, Block(index, begin, length))
        if received is None:
            self.bytes_wasted += length
            return
        peer.downloaded.total += length  # `add`, without a call for each block
        if peer.rests:
            peer.moves()
        peer.pipeline.received()
        peer.last_block_at = peer.last_received_at
        if peer.snubbed:
            peer.snubbed = peer.pipeline.snubbed = False
        self._buffers.put(index, begin, block)
        if received.cancel:
            for other in received.cancel:
                other.send(encode_cancel(index, begin, length))
        if received.piece_complete:
            self._finish(index)

    def _finish(self, index: int) -> None:
        buffer = self._buffers.get(index)
        self._unwritten_bytes += len(buffer)
        self.writing[index] = None
        self._raw_server.start_work(
            self._hash_and_write, (index, buffer), partial(self._finished, index), self._owner
        )

    def _hash_and_write(self, index: int, buffer: memoryview) -> bool:
        """Runs off the loop: hashlib and pwrite both release the interpreter."""
        if hashlib.sha1(buffer, usedforsecurity=False).digest() != self._metainfo.piece_hash(index):
            return False
        self._storage.write(buffer, index * self._metainfo.piece_length)
        return True

    def _finished(self, index: int, good: bool | None, error: BaseException | None) -> None:
        was_full = self._unwritten_bytes >= MAX_UNWRITTEN_BYTES
        self._unwritten_bytes -= self._metainfo.piece_size(index)
        del self.writing[index]
        if error is not None:
            self._requests.abandon(index)
            self._buffers.release(index)
            self._owner.fail(error)
            return
        if good:
            self._passed(index)
        else:
            self._failed_hash(index)
        if was_full or not good:
            self._ask_all_soon()

    def _passed(self, index: int) -> None:
        self._requests.piece_verified(index)
        self._find_guilty_of_past_failures(index)
        self._buffers.release(index)
        self._have.set(index)
        self.complete = self._have.is_full
        for peer in self._peers:
            if peer.bits.has(index):
                peer.interesting -= 1
                if not peer.interesting:
                    peer.update_interest()
        self._owner.piece_verified(index)

    # Bad data.

    def _failed_hash(self, index: int) -> None:
        size = self._metainfo.piece_size(index)
        self.bytes_wasted += size
        delivered = self._requests.piece_failed(index)
        buffer = self._buffers.get(index)
        blocks = [(block, peer.address, self._digest(buffer, block)) for block, peer in delivered]
        guilty = self._blame.piece_failed(index, blocks)
        self._buffers.release(index)
        for address in guilty:
            self._owner.drop_guilty(address, index)

    def _find_guilty_of_past_failures(self, index: int) -> None:
        if self._blame.is_suspect(index):
            buffer = self._buffers.get(index)
            guilty = self._blame.piece_passed(index, lambda block: self._digest(buffer, block))
            for address in guilty:
                self._owner.drop_guilty(address, index)

    @staticmethod
    def _digest(buffer: memoryview, block: Block) -> bytes:
        return hashlib.sha1(
            buffer[block.begin : block.begin + block.length], usedforsecurity=False
        ).digest()
