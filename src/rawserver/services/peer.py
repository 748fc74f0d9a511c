"""One peer: a connection that speaks the peer wire protocol (BEP 3).

It translates between messages and its torrent: here every index, offset and length is checked,
so that what decides (`Download`, `Upload`) never sees rubbish. Whatever is wrong ends this one
connection, with a reason.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

from rawserver.engine import SingleSocket, Task
from rawserver.swarm.bitfield import Bitfield, BitfieldError
from rawserver.swarm.rate import RateMeter
from rawserver.swarm.request_pipeline import RequestPipeline
from rawserver.wire import peer_wire
from rawserver.wire.peer_decoder import MAX_MESSAGE_LENGTH, PeerDecoder
from rawserver.wire.peer_wire import PeerProtocolError

if TYPE_CHECKING:
    from rawserver.services.peer_port import PeerPort
    from rawserver.services.torrent import Torrent
    from rawserver.swarm.rate import RateWindow

Address = tuple[str, int]

# One read takes at most this much beyond what a message lacks: 15 blocks with their headers. It
# is as fast as larger reads, and still lies in a core's own cache when the blocks are copied.
WHOLE_BLOCKS_BYTES = 15 * (13 + 16384)
# The message that began before may be as long as a message can be.
RECEIVE_BUFFER_BYTES = WHOLE_BLOCKS_BYTES + MAX_MESSAGE_LENGTH
# libtorrent's handshake_timeout; a peer that is not one of ours must not hold a descriptor.
HANDSHAKE_TIMEOUT_SECONDS = 10.0
# Transmission asks ten seconds ahead of a peer that names no limit of its own: 60 MiB a second are
# 38,000 blocks. Only those who hold a slot may have any, so this bounds memory to some 10 MB each.
MAX_WANTED_BLOCKS = 50_000
# So many bytes of `have` messages wait for one peer at the most: a torrent may have millions of
# pieces, and a packet holds no more.
MAX_HELD_BYTES = 1400
# And for so long, or until the next tick: far less than the ten seconds of a choker's round, by
# which its peer should know what it could ask for.
MAX_HELD_SECONDS = 2.0
# Everybody asks for 16 KiB; 128 KiB is what old clients were allowed, and is still asked for.
MAX_BLOCK_LENGTH = 128 * 1024


class Peer:
    """The handler of one connection, and what is known of who is at its other end."""

    __slots__ = (
        "_deadline", "_held", "address", "am_choking", "am_interested", "bits", "close_reason",
        "closed", "connected_at", "connection", "decoder", "downloaded", "failed_pieces",
        "interesting", "last_block_at", "last_received_at", "last_sent_at", "listens_at",
        "news_since", "outgoing", "peer_choking", "peer_id", "peer_interested", "pipeline", "port",
        "readable_piece", "reading", "rests", "snubbed", "torrent", "unchoked_at", "uploaded",
        "wanted",
    )  # fmt: skip

    def __init__(self, port: PeerPort, address: Address, torrent: Torrent | None = None) -> None:
        now = port.raw_server.network.time()
        self.port = port
        self.address = address
        self.torrent = torrent
        self.outgoing = torrent is not None
        # Of one that dialled us it is not known, unless we reach it there, too.
        self.listens_at: Address | None = address if self.outgoing else None
        self.connection: SingleSocket | None = None
        self.decoder = PeerDecoder()
        self.peer_id = b""
        self.bits = Bitfield(0)
        self.closed = False
        self.close_reason = ""
        self.am_choking = self.peer_choking = True
        self.am_interested = self.peer_interested = False
        # How many pieces it has that we lack; we are interested while there is one.
        self.interesting = 0
        # In the order in which they came; a cancel must not search among thousands.
        self.wanted: OrderedDict[peer_wire.Request, None] = OrderedDict()
        # The piece that the system was told to read ahead, and whether a worker reads for it now.
        self.readable_piece = -1
        self.reading = False
        self.pipeline = RequestPipeline()
        self.snubbed = False
        self.failed_pieces = 0
        self.downloaded = RateMeter()
        self.uploaded = RateMeter()
        # Whether nothing moves on it, so that its rates are not measured.
        self.rests = True
        self.connected_at = self.unchoked_at = now
        self.last_block_at = self.last_received_at = self.last_sent_at = now
        self._deadline: Task | None = None
        # Messages that go out with the next one; since when it holds what the peer does not have,
        # infinity if it does not.
        self._held = b""
        self.news_since = inf

    # What the choker asks of a peer (rawserver.swarm.choker.ChokerPeer); see below the class.

    if TYPE_CHECKING:
        interested: bool
        choked_by_us: bool

    @property
    def download_rate(self) -> float:
        return self.downloaded.rate

    @property
    def upload_rate(self) -> float:
        return self.uploaded.rate

    # How fast it is.

    def moves(self) -> None:
        """Have its rates measured again, for bytes have come or gone while it rested."""
        self._torrent().peers.moves(self)

    def measure(self, window: RateWindow) -> None:
        """Measure its rates, and learn from them how far ahead to ask it."""
        self.downloaded.tick(window)
        self.uploaded.tick(window)
        self.pipeline.tick(self.downloaded.rate)
        self.rests = self.downloaded.rests and self.uploaded.rests

    # What RawServer calls.

    def external_connection_made(self, connection: SingleSocket) -> None:
        self._connected(connection)

    def connection_made(self, connection: SingleSocket) -> None:
        self._connected(connection)
        self._send_handshake()

    def connection_failed(self, address: object, error: BaseException) -> None:
        self.closed = True
        if self.torrent is not None:
            self.torrent.dial_failed(self, error)

    def get_buffer(self, connection: SingleSocket) -> memoryview:
        # In a stream of blocks this ends where a block ends, so that none is split.
        return self.port.receive_buffer[: self.decoder.missing + WHOLE_BLOCKS_BYTES]

    def buffer_filled(self, connection: SingleSocket, count: int) -> None:
        self.last_received_at = self.port.raw_server.network.time()
        try:
            messages = self.decoder.feed(self.port.receive_buffer[:count])
            if not messages:
                return  # a part of one
            for message in messages:
                _GOT[type(message)](self, message)
                if self.closed:
                    return
        except (PeerProtocolError, BitfieldError) as error:
            self.close(str(error))
            return
        # What these messages allow is done once for all of them.
        torrent = self.torrent
        if torrent is not None and self.peer_id:
            torrent.download.request_more(self)
            if self.wanted:
                torrent.upload.serve(self)

    def connection_flushed(self, connection: SingleSocket) -> None:
        if self.torrent is not None:
            self.torrent.upload.serve(self)

    def connection_lost(self, connection: SingleSocket) -> None:
        self.closed = True
        if not self.close_reason and connection.error is not None:
            self.close_reason = str(connection.error)
        if self._deadline is not None:
            self._deadline.cancel()
        self.port.peer_gone(self)
        if self.torrent is not None:
            self.torrent.peer_lost(self)

    def close(self, reason: str) -> None:
        """End this connection; `connection_lost` follows from the loop."""
        if not self.closed:
            self.closed = True
            self.close_reason = reason
            if self.connection is not None:
                self.connection.close()

    # The handshake, both ways.

    def _connected(self, connection: SingleSocket) -> None:
        self.connection = connection
        self._deadline = self.port.raw_server.add_task(
            self.close,
            HANDSHAKE_TIMEOUT_SECONDS,
            (f"no handshake within {HANDSHAKE_TIMEOUT_SECONDS:.0f} seconds",),
        )

    def _send_handshake(self) -> None:
        assert self.torrent is not None
        info_hash = self.torrent.metainfo.info_hash
        self.send(peer_wire.encode_handshake(info_hash, self.port.peer_id))

    def got_handshake(self, message: peer_wire.Handshake) -> None:
        if self.torrent is None:
            self.torrent = self.port.find(message.info_hash)
            if self.torrent is None:
                self.close("asks for a torrent that is not here")
                return
            self._send_handshake()
        elif message.info_hash != self.torrent.metainfo.info_hash:
            self.close("answers for another torrent")
            return
        if message.peer_id == self.port.peer_id:
            self.torrent.is_ourselves(self.address)
            self.close("is ourselves")
            return
        if self._deadline is not None:
            self._deadline.cancel()
        assert self.connection is not None
        self.connection.context = self.torrent
        self.decoder.num_pieces = self.torrent.metainfo.num_pieces
        self.bits = Bitfield(self.torrent.metainfo.num_pieces)
        self.peer_id = message.peer_id
        self.torrent.peer_joined(self)

    # Outgoing messages.

    def send(self, data: bytes) -> None:
        assert self.connection is not None
        if not self.closed:
            self.last_sent_at = self.port.raw_server.network.time()
            self.connection.write(self.take_held() + data if self._held else data)

    def send_have(self, have: bytes, index: int, slot_is_free: bool) -> None:
        """Tell of a piece that we have now: at once, if that lets the peer do anything sooner.

        What it has itself is no news: only a seed must be known as one in the end, and so
        `send_all_held` is called then. Nor can a peer ask for a piece as long as it waits for what
        it asked for already, or for us to unchoke it, and its interest is of no use to it while
        no slot is free. Such a one hears of the piece with what is said next, or by
        `send_old_news` a little later.
        """
        is_news = not self.bits.has(index)
        if self.am_choking:
            waits = self.peer_interested or not slot_is_free
        else:
            waits = bool(self.wanted)
        if is_news and not waits:
            self.send(have)
            return
        self._held += have
        if is_news and self.news_since == inf:
            self.news_since = self.port.raw_server.network.time()
        if len(self._held) > MAX_HELD_BYTES:
            self.send(b"")

    def take_held(self) -> bytes:
        """Return what is to be sent ahead of the next message; it is held no longer."""
        held, self._held = self._held, b""
        self.news_since = inf
        return held

    def send_old_news(self, now: float) -> None:
        """Send what has waited long enough to be said with something else."""
        if now - self.news_since > MAX_HELD_SECONDS:
            self.send(b"")

    def send_all_held(self) -> None:
        """Send all that waits to be said with something else."""
        if self._held:
            self.send(b"")

    def send_choke(self) -> None:
        self.am_choking = True
        # BEP 3: a choke drops what was asked for; the peer asks again when it is unchoked.
        self.wanted.clear()
        self.send(peer_wire.CHOKE)

    def send_unchoke(self) -> None:
        self.am_choking = False
        self.unchoked_at = self.port.raw_server.network.time()
        self.send(peer_wire.UNCHOKE)

    def update_interest(self) -> None:
        """Tell the peer if our interest in its pieces began or ended."""
        interested = self.interesting > 0
        if interested != self.am_interested:
            self.am_interested = interested
            self.send(peer_wire.INTERESTED if interested else peer_wire.NOT_INTERESTED)

    # Incoming messages, in the order of their ids (BEP 3, "peer messages").

    def got_keep_alive(self, message: peer_wire.KeepAlive) -> None:
        pass  # that something came in has been noted

    def got_choke(self, message: peer_wire.Choke) -> None:
        self.peer_choking = True
        self._torrent().download.peer_choked(self)

    def got_unchoke(self, message: peer_wire.Unchoke) -> None:
        self.peer_choking = False
        self.last_block_at = self.last_received_at

    def got_interested(self, message: peer_wire.Interested) -> None:
        self.peer_interested = True
        self._torrent().upload.interest_changed(self)

    def got_not_interested(self, message: peer_wire.NotInterested) -> None:
        self.peer_interested = False
        self.wanted.clear()
        self._torrent().upload.interest_changed(self)

    def got_have(self, message: peer_wire.Have) -> None:
        index, bits = message.index, self.bits
        self._check_index(index)
        if bits.set(index):
            self._torrent().download.peer_has(self, index)
            if bits.count == bits.size:
                self._is_complete()

    def got_bitfield(self, message: peer_wire.Bitfield) -> None:
        download = self._torrent().download
        bits = Bitfield.from_wire(self._torrent().metainfo.num_pieces, message.bits)
        if not self.bits.count:
            self.bits = bits
            download.peer_has_bits(self)
        else:
            # aria2 sends another one where that is shorter than a `have` for each new piece.
            for index in bits.without(self.bits):
                self.bits.set(index)
                download.peer_has(self, index)
        if self.bits.is_full:
            self._is_complete()

    def _is_complete(self) -> None:
        # There is nothing to do with it if we are complete, too.
        self._torrent().peers.look_at_all()

    def got_request(self, message: peer_wire.Request) -> None:
        torrent = self._torrent()
        index, begin, length = message
        self._check_index(index)
        if not 0 < length <= MAX_BLOCK_LENGTH or begin + length > torrent.metainfo.piece_size(
            index
        ):
            raise PeerProtocolError(f"asks for {length} bytes at {begin} of piece {index}")
        # A request that crossed our choke is no fault; it is dropped, as BEP 3 has it.
        if self.am_choking or not self.peer_interested or not torrent.have.has(index):
            return
        if len(self.wanted) >= MAX_WANTED_BLOCKS:
            raise PeerProtocolError(f"asks for more than {MAX_WANTED_BLOCKS} blocks ahead")
        self.wanted[message] = None

    def got_piece(self, message: peer_wire.Piece) -> None:
        # What was not asked for is dropped there, so index and offset need no check here.
        assert self.torrent is not None
        self.torrent.download.block_came_in(self, message)

    def got_cancel(self, message: peer_wire.Cancel) -> None:
        self.wanted.pop(peer_wire.Request(*message), None)

    def got_extra(self, message: object) -> None:
        """Take no notice of messages that we did not say we understand (port, extensions)."""

    def _torrent(self) -> Torrent:
        assert self.torrent is not None
        return self.torrent

    def _check_index(self, index: int) -> None:
        if not 0 <= index < self.bits.size:
            raise PeerProtocolError(f"speaks of piece {index}, which does not exist")


# The choker asks this of all peers whenever the interest of one changes: other names of the slots
# are read in a fifth of the time that a property takes.
for name, slot in (("interested", "peer_interested"), ("choked_by_us", "am_choking")):
    setattr(Peer, name, vars(Peer)[slot])

_GOT: dict[type, Callable[[Peer, Any], None]] = {
    peer_wire.Handshake: Peer.got_handshake,
    peer_wire.KeepAlive: Peer.got_keep_alive,
    peer_wire.Choke: Peer.got_choke,
    peer_wire.Unchoke: Peer.got_unchoke,
    peer_wire.Interested: Peer.got_interested,
    peer_wire.NotInterested: Peer.got_not_interested,
    peer_wire.Have: Peer.got_have,
    peer_wire.Bitfield: Peer.got_bitfield,
    peer_wire.Request: Peer.got_request,
    peer_wire.Piece: Peer.got_piece,
    peer_wire.Cancel: Peer.got_cancel,
    peer_wire.Port: Peer.got_extra,
    peer_wire.Unknown: Peer.got_extra,
}
