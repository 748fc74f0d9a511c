"""What becomes of a connection that we start once its socket is connected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rawserver.engine.acceptor import set_no_delay
from rawserver.engine.addresses import peer_of
from rawserver.engine.handler import Address
from rawserver.engine.layer import Layer
from rawserver.engine.network import Socket
from rawserver.engine.opening import Opening

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer
    from rawserver.engine.single_socket import SingleSocket
    from rawserver.engine.tls import TlsClient


class Outgoing:
    """Has it begin, after TLS if that is asked for, or tells its handler that it could not."""

    def __init__(self, raw_server: RawServer, address: Address, tls: TlsClient | None) -> None:
        self._raw_server = raw_server
        self._address = address
        self._tls = tls

    def connected(self, connection: SingleSocket, sock: Socket, peer: Any) -> None:
        """Go on with a connected socket."""
        connection.ip, connection.port = peer_of(peer)
        sock.setblocking(False)
        if connection.ip:
            set_no_delay(sock)
        if self._tls is None:
            self.opened(connection, sock, None)
            return
        raw_server, timeout = self._raw_server, self._raw_server.config.handshake_timeout
        # Whose certificate it has to be. A Unix socket's path is nobody's name.
        name = self._address[0] if isinstance(self._address, tuple) else None
        opening = Opening(raw_server, connection, sock, self, timeout)
        opening.start(self._tls, server_name=name)

    def opened(self, connection: SingleSocket, sock: Socket, layer: Layer | None) -> None:
        """Have the connection begin."""
        try:
            self._raw_server.begin(connection, sock, layer)
        except OSError as error:  # the poller has no room for it, or its context
            self._raw_server.drop(sock, layer)
            self._raw_server.could_not_connect(connection, self._address, error)
        else:
            self._raw_server.call_handler(connection, "connection_made")

    def not_opened(self, connection: SingleSocket, error: BaseException) -> None:
        """Tell the handler that there is no connection."""
        self._raw_server.could_not_connect(connection, self._address, error)
