"""A scripted peer that has data and serves it, rightly or not."""

from collections.abc import Callable

from kit.scripted_peer import ScriptedPeer
from rawserver import RawServer
from rawserver.wire import peer_wire
from rawserver.wire.metainfo import Metainfo


class ScriptedSeed(ScriptedPeer):
    """Has everything; `spoil(request, block)` may change what it sends. Counts its requests."""

    def __init__(
        self,
        raw_server: RawServer,
        metainfo: Metainfo,
        data: bytes,
        peer_id: bytes,
        spoil: Callable[[peer_wire.Request, bytes], bytes] = lambda request, block: block,
        pieces: range | None = None,
    ) -> None:
        super().__init__(raw_server, metainfo.info_hash, peer_id)
        self.metainfo = metainfo
        self.data = data
        self.spoil = spoil
        self.pieces = pieces or range(metainfo.num_pieces)
        self.serves = True
        self.requests: list[peer_wire.Request] = []
        self.answers[peer_wire.Handshake] = self.greet
        self.answers[peer_wire.Request] = self.serve

    def greet(self, handshake: object) -> None:
        for index in self.pieces:
            self.send(peer_wire.encode_have(index))
        self.send(peer_wire.UNCHOKE)

    def serve(self, request: peer_wire.Request) -> None:
        self.requests.append(request)
        if self.serves:
            self.send_block(request)

    def send_block(self, request: peer_wire.Request) -> None:
        index, begin, length = request
        start = index * self.metainfo.piece_length + begin
        block = self.spoil(request, self.data[start : start + length])
        self.send(peer_wire.encode_piece_header(index, begin, len(block)) + block)
