"""TLS on a connection that is in use: STARTTLS, and what is like it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rawserver.engine.errors import HandshakeTimeout

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer
    from rawserver.engine.single_socket import SingleSocket
    from rawserver.engine.tls import TlsClient, TlsServer


class StartTls:
    """One connection's change to TLS. Its handler hears `tls_started`, or that it is lost."""

    def __init__(
        self, raw_server: RawServer, connection: SingleSocket, timeout: float | None
    ) -> None:
        self._raw_server = raw_server
        self._connection = connection
        self._timeout = timeout

    def start(self, tls: TlsServer | TlsClient, server_name: str | None, received: bytes) -> None:
        """Begin; the outcome comes from the loop, later."""
        from rawserver.engine.tls_layer import TlsLayer  # loads OpenSSL: only where it is used

        connection = self._connection
        wire = connection.wire()
        try:
            layer = TlsLayer(
                self._raw_server,
                connection.top() or wire,
                tls,
                server_hostname=server_name,
                received=received,
            )
        except Exception:  # a name that cannot be verified: it goes on as it was
            if connection.top() is None:
                wire.give_back(connection)
            raise
        connection.stand_on(layer)
        if self._timeout is not None:
            self._deadline = self._raw_server.add_task(self._too_late, self._timeout)
            connection.deadline = self._deadline
        layer.start(self._shaken_hands)

    def _shaken_hands(self, error: BaseException | None) -> None:
        if self._timeout is not None:
            self._deadline.cancel()
        if error is not None:
            self._connection.lose(error)
        elif not self._connection.lost:
            self._raw_server.call_handler(self._connection, "tls_started")

    def _too_late(self) -> None:
        text = f"the TLS handshake was not over within {self._timeout:g} seconds"
        self._connection.lose(HandshakeTimeout(errno.ETIMEDOUT, text))
