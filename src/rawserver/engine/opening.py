"""What comes before a connection's own bytes: a proxy's header, then TLS."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Protocol

from rawserver.engine.errors import HandshakeTimeout
from rawserver.engine.layer import Layer, Wire
from rawserver.engine.network import READABLE, Socket
from rawserver.engine.proxy_protocol import (
    ProxyHeader,
    ProxyHeaderParser,
    ProxyProtocolError,
)

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer
    from rawserver.engine.single_socket import SingleSocket
    from rawserver.engine.task import Task
    from rawserver.engine.tls import TlsClient, TlsServer
    from rawserver.engine.tls_layer import TlsLayer

# Looked at, not taken: more than a header's bytes are left to what follows it.
PEEK_SIZE = 4096


class Outcome(Protocol):
    """Who is told how an opening ends: one of the two, once."""

    def opened(self, connection: SingleSocket, sock: Socket, layer: Layer | None) -> None: ...
    def not_opened(self, connection: SingleSocket, error: BaseException) -> None: ...


class Opening:
    """A socket that is connected, on the way to being a connection, within `timeout` seconds.

    The connection's `ip` and `port` become those that the proxy tells.
    """

    def __init__(
        self,
        raw_server: RawServer,
        connection: SingleSocket,
        sock: Socket,
        outcome: Outcome,
        timeout: float | None,
    ) -> None:
        self._raw_server = raw_server
        self._connection = connection
        self._outcome = outcome
        self._sock = sock
        self._timeout = timeout
        self._wire = Wire(raw_server, sock, self)
        self._layer: TlsLayer | None = None
        self._parser: ProxyHeaderParser | None = None
        self._tls: TlsServer | TlsClient | None = None
        self._server_name: str | None = None
        self._over = False
        self._deadline: Task | None = None

    def start(
        self,
        tls: TlsServer | TlsClient | None,
        *,
        server_name: str | None = None,
        takes_proxy_header: bool = False,
    ) -> None:
        """Begin. The outcome comes from the loop, later."""
        self._connection.attempting(self)
        try:
            self._wire.register(READABLE)
        except OSError as error:  # the poller has no room for it
            self._raw_server.add_task(self._fail, 0.0, (error,))
            return
        self._tls, self._server_name = tls, server_name
        if self._timeout is not None:
            self._deadline = self._raw_server.add_task(self._too_late, self._timeout)
        if takes_proxy_header:
            self._parser = ProxyHeaderParser()
        else:
            self._start_tls()

    def ready(self, events: int) -> None:
        """Read the proxy's header; called by the wire."""
        parser = self._parser
        assert parser is not None
        try:
            data = self._sock.recv(PEEK_SIZE, socket.MSG_PEEK)
            if not data:
                raise ProxyProtocolError("the connection ended before its PROXY header did")
            count = parser.feed(data)
            while count:
                count -= len(self._sock.recv(count))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(error)
            return
        if parser.header is not None:
            self._take_header(parser.header)

    def _take_header(self, header: ProxyHeader) -> None:
        self._parser = None
        source = header.source
        if isinstance(source, tuple):
            self._connection.ip, self._connection.port = source
        self._connection.proxy_header = header
        if self._tls is not None:
            self._start_tls()
        else:
            self._finish()
            self._raw_server.unregister(self._wire.descriptor, self._wire)
            self._wire.descriptor = -1
            self._outcome.opened(self._connection, self._sock, None)

    def _start_tls(self) -> None:
        from rawserver.engine.tls_layer import TlsLayer  # loads OpenSSL: only where it is used

        assert self._tls is not None
        try:
            self._layer = TlsLayer(
                self._raw_server, self._wire, self._tls, server_hostname=self._server_name
            )
        except (OSError, ValueError) as error:  # a name that cannot be verified
            self._wire.want(0)
            self._raw_server.add_task(self._fail, 0.0, (error,))
            return
        self._layer.start(self._shaken_hands)

    def _shaken_hands(self, error: BaseException | None) -> None:
        if self._over:
            return
        if error is not None:
            self._fail(error)
        else:
            self._finish()
            self._outcome.opened(self._connection, self._sock, self._layer)

    def _too_late(self) -> None:
        what = "the PROXY header" if self._parser is not None else "the TLS handshake"
        text = f"{what} was not there within {self._timeout:g} seconds"
        self._fail(HandshakeTimeout(errno.ETIMEDOUT, text))

    def abandon(self, error: BaseException | None) -> None:
        """End without a connection, because somebody closed it before it was made."""
        self._fail(error or ConnectionAbortedError(errno.ECONNABORTED, "closed before it was made"))

    def _fail(self, error: BaseException) -> None:
        if self._over:
            return
        self._finish()
        if self._layer is not None:
            self._layer.lost()
        self._wire.forget()
        self._outcome.not_opened(self._connection, error)

    def _finish(self) -> None:
        self._over = True
        self._connection.attempting(None)
        if self._deadline is not None:
            self._deadline.cancel()
