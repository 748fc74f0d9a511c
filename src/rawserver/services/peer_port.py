"""One listening port for all torrents of a process.

A connection comes in without saying what it is for; its handshake names the torrent, and from
then on it is that torrent's. All torrents share the port, the peer id, the buffer that bytes
are received into and the limit on what is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rawserver.engine import RawServer, SingleSocket
from rawserver.services.peer import RECEIVE_BUFFER_BYTES, Address, Peer
from rawserver.services.upload_limiter import UploadLimiter
from rawserver.wire.peer_id import make_peer_id

if TYPE_CHECKING:
    from rawserver.services.torrent import Torrent

# Connections whose handshake has not come. They cost a descriptor each for 10 seconds at most.
MAX_UNKNOWN_PEERS = 200


class PeerPort:
    """The handler of the listening socket.

    `port` 0 takes any free port; `upload_limit` is in bytes per second for all torrents
    together, 0 for none. Raises OSError when the port cannot be had.
    """

    def __init__(
        self, raw_server: RawServer, port: int = 0, bind: str = "", *, upload_limit: int = 0
    ) -> None:
        self.raw_server = raw_server
        self.peer_id = make_peer_id(raw_server.network.random_bytes(12))
        self.receive_buffer = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        self.upload_limiter = UploadLimiter(raw_server, upload_limit)
        self._torrents: dict[bytes, Torrent] = {}
        # In the order in which they came: that of a set of objects is another in each run.
        self._unknown: dict[Peer, None] = {}
        self._serversocket = raw_server.create_serversocket(port, bind)
        self.port: int = self._serversocket.getsockname()[1]
        raw_server.start_listening(self._serversocket, self)

    def add(self, torrent: Torrent) -> None:
        """Let connections find this torrent by its info-hash."""
        self._torrents[torrent.metainfo.info_hash] = torrent

    def remove(self, torrent: Torrent) -> None:
        """Refuse connections for this torrent from now on."""
        self._torrents.pop(torrent.metainfo.info_hash, None)

    def find(self, info_hash: bytes) -> Torrent | None:
        """Return the torrent that a handshake asks for, if it is here."""
        return self._torrents.get(info_hash)

    def dial(self, address: Address, torrent: Torrent) -> Peer:
        """Start a connection to a peer of a torrent."""
        peer = Peer(self, address, torrent)
        self.raw_server.start_connection(address, peer, torrent)
        return peer

    def close(self) -> None:
        """Stop listening and end the connections that belong to no torrent yet."""
        self.raw_server.stop_listening(self._serversocket)
        self._serversocket.close()
        for peer in list(self._unknown):
            peer.close("the port is closed")

    def external_connection_made(self, connection: SingleSocket) -> None:
        if len(self._unknown) >= MAX_UNKNOWN_PEERS:
            connection.close()
            return
        peer = Peer(self, (connection.ip, connection.port))
        self._unknown[peer] = None
        connection.handler = peer
        peer.external_connection_made(connection)

    def peer_gone(self, peer: Peer) -> None:
        """Forget a connection that has ended or found its torrent."""
        self._unknown.pop(peer, None)
