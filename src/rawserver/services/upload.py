"""The giving side of a torrent: who is unchoked, and the blocks that are sent to them.

Blocks that follow one another are read in one call and sent in one call, with their 13-byte
headers between them. What the system has in memory is read at once; the loop never waits for the
medium, a worker does. (`sendfile` costs both ends more: a page at a time, and a call per block.)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from functools import partial
from typing import Protocol

from rawserver.engine import RawServer
from rawserver.services.peer import Peer
from rawserver.services.storage import Storage, StorageError
from rawserver.services.upload_limiter import UploadLimiter
from rawserver.swarm.bitfield import Bitfield
from rawserver.swarm.choker import ROUND_SECONDS, Choker, Decision
from rawserver.wire.metainfo import Metainfo
from rawserver.wire.peer_wire import Request, encode_have, encode_piece_header

# Blocks handed to a connection ahead of what the kernel takes, so that the next writable event
# finds work without another turn through this file.
SEND_AHEAD_BYTES = 256 * 1024
# Blocks that are asked for one after the other are read and sent together: a call for each would
# cost more than moving the bytes.
RUN_BYTES = 256 * 1024
# What one peer may take of one turn when its socket takes everything: others wait meanwhile.
RUNS_PER_TURN = 4


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
        self._buffer = memoryview(bytearray(RUN_BYTES))
        self.bytes_sent = 0

    def start(self) -> None:
        """Begin to choke and unchoke in rounds."""
        self._raw_server.add_task(self._round, ROUND_SECONDS, (), self._owner)

    def _round(self) -> None:
        self._raw_server.add_task(self._round, ROUND_SECONDS, (), self._owner)
        now = self._raw_server.network.time()
        self._apply(self._choker.round(list(self._peers), now, self._owner.have.is_full))

    def interest_changed(self, peer: Peer) -> None:
        """Fill a free slot at once: a newcomer does not wait for the next round."""
        if peer.am_choking and not peer.peer_interested:
            return  # it held none, and nobody waits as long as one is free
        self._apply(self._choker.interest_changed(list(self._peers), peer))

    def tell_of(self, index: int) -> None:
        """Tell the peers of a piece that is there from now on."""
        have = encode_have(index)
        peers = list(self._peers)
        slot_is_free = self._choker.has_free_slot(peers)
        is_full = self._owner.have.is_full
        for peer in peers:
            peer.send_have(have, index, slot_is_free)
            if is_full:
                peer.send_all_held()

    @staticmethod
    def _apply(decision: Decision[Peer]) -> None:
        for peer in decision.choke:
            peer.send_choke()
        for peer in decision.unchoke:
            peer.send_unchoke()

    def serve(self, peer: Peer) -> None:
        """Send what the peer asked for, as far as its connection and the limit take it."""
        if not peer.wanted or peer.closed:
            return
        if not self._limiter.unlimited:
            self._limiter.wait(peer, partial(self._serve_limited, peer))
            return
        for _ in range(RUNS_PER_TURN):
            if not self._may_send(peer):
                return
            self._send(peer, self._take_run(peer.wanted))
        if self._may_send(peer):
            self._raw_server.add_task(self.serve, 0, (peer,), self._owner)

    def _may_send(self, peer: Peer) -> bool:
        # `serve` comes again when the connection has drained, the disk has answered, or the peer
        # asks for more.
        connection = peer.connection
        assert connection is not None
        return (
            bool(peer.wanted)
            and not peer.closed
            and not peer.reading
            and connection.buffered < SEND_AHEAD_BYTES
        )

    def _serve_limited(self, peer: Peer) -> bool:
        """Send one block; True while there is another that the connection would take."""
        if self._may_send(peer) and self._limiter.take(first(peer.wanted).length):
            self._send(peer, [peer.wanted.popitem(last=False)[0]])
        return self._may_send(peer)

    def _take_run(self, wanted: OrderedDict[Request, None]) -> list[Request]:
        """Take requests that follow one another in the torrent: one read serves them all."""
        run: list[Request] = []
        size = end = 0
        while wanted and size < RUN_BYTES:
            request = first(wanted)
            if run and self._offset(request) != end:
                break
            del wanted[request]
            run.append(request)
            size += request.length
            end = self._offset(request) + request.length
        return run

    def _offset(self, request: Request) -> int:
        return request.index * self._metainfo.piece_length + request.begin

    def _send(self, peer: Peer, run: list[Request]) -> None:
        offset = self._offset(run[0])
        size = self._offset(run[-1]) + run[-1].length - offset
        index = run[0].index
        if index != peer.readable_piece:
            peer.readable_piece = index
            self._storage.will_need(offset, self._metainfo.piece_size(index) - run[0].begin)
        buffer = self._buffer[:size] if size <= RUN_BYTES else memoryview(bytearray(size))
        try:
            cached = self._storage.read_cached(buffer, offset)
        except StorageError as error:
            self._owner.fail(error)
            return
        if cached:
            self._send_blocks(peer, run, buffer)
        else:
            peer.reading = True
            came = partial(self._read_came, peer, run)
            self._raw_server.start_work(self._read, (offset, size), came, self._owner)

    def _read(self, offset: int, size: int) -> memoryview:
        buffer = memoryview(bytearray(size))
        self._storage.read_into(buffer, offset)
        return buffer

    def _read_came(
        self,
        peer: Peer,
        run: list[Request],
        buffer: memoryview | None,
        error: BaseException | None,
    ) -> None:
        peer.reading = False
        if buffer is None:
            self._owner.fail(error or OSError("a block could not be read"))
        elif not peer.closed and not peer.am_choking:
            self._send_blocks(peer, run, buffer)
            self.serve(peer)

    def _send_blocks(self, peer: Peer, run: list[Request], buffer: memoryview) -> None:
        parts: list[bytes | memoryview] = [peer.take_held()]
        start = 0
        for index, begin, length in run:
            parts.append(encode_piece_header(index, begin, length))
            parts.append(buffer[start : start + length])
            start += length
        connection = peer.connection
        assert connection is not None
        connection.write_lent(parts)
        if not connection.is_flushed():
            # It is still being sent: the next run is read into another one.
            self._buffer = memoryview(bytearray(RUN_BYTES))
        self.bytes_sent += start
        peer.uploaded.add(start)
        if peer.rests:
            peer.moves()
        peer.last_sent_at = self._raw_server.network.time()


def first(requests: OrderedDict[Request, None]) -> Request:
    """Return the request that has waited longest."""
    return next(iter(requests))
