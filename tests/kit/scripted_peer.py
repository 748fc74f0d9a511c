"""A peer that does just what a test tells it, over a real connection of the same loop."""

from rawserver import RawServer, SingleSocket
from rawserver.wire import peer_wire
from rawserver.wire.peer_decoder import PeerDecoder
from rawserver.wire.peer_wire import Message

PEER_ID = b"-XX0001-scriptedpeer"


class ScriptedPeer:
    """Dials (or is listened for), records what comes in, says what it is told to say."""

    def __init__(self, raw_server: RawServer, info_hash: bytes, peer_id: bytes = PEER_ID) -> None:
        self.raw_server = raw_server
        self.info_hash = info_hash
        self.peer_id = peer_id
        self.connection: SingleSocket | None = None
        self.messages: list[Message] = []
        self.lost = False
        self.answers: dict[type, object] = {}
        self._decoder = PeerDecoder()

    def dial(self, port: int) -> "ScriptedPeer":
        self.raw_server.start_connection(("127.0.0.1", port), self)
        return self

    def listen(self) -> int:
        serversocket = self.raw_server.create_serversocket(0, "127.0.0.1")
        self.raw_server.start_listening(serversocket, self)
        return serversocket.getsockname()[1]

    def send(self, data: bytes) -> None:
        assert self.connection is not None
        self.connection.write(data)

    def got(self, kind: type) -> list[Message]:
        return [message for message in self.messages if type(message) is kind]

    def external_connection_made(self, connection: SingleSocket) -> None:
        self.connection_made(connection)

    def connection_made(self, connection: SingleSocket) -> None:
        self.connection = connection
        self.send(peer_wire.encode_handshake(self.info_hash, self.peer_id))

    def connection_failed(self, address: object, error: BaseException) -> None:
        raise error

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        for message in self._decoder.feed(data):
            if isinstance(message, peer_wire.Piece):
                message = message._replace(block=bytes(message.block))
            self.messages.append(message)
            answer = self.answers.get(type(message))
            if answer is not None:
                answer(message)

    def connection_lost(self, connection: SingleSocket) -> None:
        self.lost = True
