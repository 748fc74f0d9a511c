"""The giving side of a torrent: who is unchoked, and the blocks that are sent to them.

A block goes out by `sendfile` behind its 13-byte header and never passes through Python; one
that crosses files is read off the loop.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import partial
from typing import Protocol

from rawserver.engine import RawServer
from rawserver.services.peer import Peer
from rawserver.services.storage import Storage
from rawserver.services.upload_limiter import UploadLimiter
from rawserver.swarm.bitfield import Bitfield
from rawserver.swarm.choker import Choker
from rawserver.wire.metainfo import Metainfo
from rawserver.wire.peer_wire import Request, encode_piece_header

# As BitTorrent 4.0.3: long enough for TCP to reach its rate, short enough to answer a change.
CHOKE_INTERVAL_SECONDS = 10.0
# Blocks handed to a connection ahead of what the kernel takes, so that the next writable event
# finds work without another turn through this file.
SEND_AHEAD_BYTES = 256 * 1024
# What one peer may take of one turn when its socket takes everything: others wait meanwhile.
BLOCKS_PER_TURN = 64


class UploadOwner(Hashable, Protocol):
    """What an upload needs of its torrent."""

    raw_server: RawServer
    metainfo: Metainfo
    have: Bitfield

    def fail(self, error: BaseException) -> None: ...


class Upload:
    """Serves the verified pieces of its torrent to its peers."""

    def __init__(
        self,
        owner: UploadOwner,
        storage: Storage,
        peers: Iterable[Peer],
        limiter: UploadLimiter,
    ) -> None:
        self._owner = owner
        self._raw_server = owner.raw_server
        self._metainfo = owner.metainfo
        self._storage = storage
        self._peers = peers
        self._limiter = limiter
        self._choker = Choker(self._raw_server.network.random)
        self.bytes_sent = 0

    def start(self) -> None:
        """Begin to choke and unchoke in rounds."""
        self._raw_server.add_task(self._round, CHOKE_INTERVAL_SECONDS, (), self._owner)

    def _round(self) -> None:
        self._raw_server.add_task(self._round, CHOKE_INTERVAL_SECONDS, (), self._owner)
        now = self._raw_server.network.time()
        decision = self._choker.round(list(self._peers), now, self._owner.have.is_full)
        for peer in decision.choke:
            peer.send_choke()
        for peer in decision.unchoke:
            peer.send_unchoke()

    def interest_changed(self, peer: Peer) -> None:
        """Fill a free slot at once: a newcomer does not wait for the next round."""
        decision = self._choker.interest_changed(list(self._peers), peer)
        for choked in decision.choke:
            choked.send_choke()
        for unchoked in decision.unchoke:
            unchoked.send_unchoke()

    def serve(self, peer: Peer) -> None:
        """Send what the peer asked for, as far as its connection and the limit take it."""
        if not peer.wanted or peer.closed:
            return
        if not self._limiter.unlimited:
            self._limiter.wait(peer, partial(self._serve_limited, peer))
            return
        connection = peer.connection
        assert connection is not None
        for _ in range(BLOCKS_PER_TURN):
            if not peer.wanted or connection.buffered >= SEND_AHEAD_BYTES or peer.closed:
                return
            self._send(peer, peer.wanted.popleft())
        if peer.wanted and connection.is_flushed():
            self._raw_server.add_task(self.serve, 0, (peer,), self._owner)

    def _serve_limited(self, peer: Peer) -> bool:
        """Send one block; True while there is another that the connection would take."""
        connection = peer.connection
        assert connection is not None
        if not peer.wanted or connection.buffered >= SEND_AHEAD_BYTES:
            return False  # `serve` comes again when it has drained or asks for more
        if self._limiter.take(peer.wanted[0].length):
            self._send(peer, peer.wanted.popleft())
        return bool(peer.wanted)

    def _send(self, peer: Peer, request: Request) -> None:
        index, begin, length = request
        offset = index * self._metainfo.piece_length + begin
        if index != peer.readable_piece:
            peer.readable_piece = index
            self._storage.will_need(offset, self._metainfo.piece_size(index) - begin)
        span = self._storage.span_for_sendfile(offset, length)
        if span is None:
            self._raw_server.start_work(
                self._read, (offset, length), partial(self._send_read, peer, request), self._owner
            )
            return
        file, file_offset = span
        assert peer.connection is not None
        peer.connection.sendfile(
            file, file_offset, length, encode_piece_header(index, begin, length)
        )
        self._count(peer, length)

    def _read(self, offset: int, length: int) -> bytearray:
        block = bytearray(length)
        self._storage.read_into(block, offset)
        return block

    def _send_read(
        self, peer: Peer, request: Request, block: bytearray | None, error: BaseException | None
    ) -> None:
        if block is None:
            self._owner.fail(error or OSError("a block could not be read"))
        elif not peer.closed and not peer.am_choking:
            peer.send(encode_piece_header(*request) + block)
            self._count(peer, len(block))

    def _count(self, peer: Peer, length: int) -> None:
        self.bytes_sent += length
        peer.uploaded.add(length)
        peer.last_sent_at = self._raw_server.network.time()
