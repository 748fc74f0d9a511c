"""RawServer: one loop through which a whole process reaches the network."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Hashable
from contextlib import suppress
from typing import Any

from rawserver.engine.addresses import literal_address, peer_of
from rawserver.engine.config import Config
from rawserver.engine.connection_attempt import ConnectionAttempt
from rawserver.engine.handler import Address, DatagramHandler, ListeningHandler
from rawserver.engine.listener import Listener
from rawserver.engine.loop import ErrorFunction, Loop
from rawserver.engine.network import Network, Socket
from rawserver.engine.sigint import handle_sigint
from rawserver.engine.single_socket import SingleSocket
from rawserver.engine.udp_socket import UdpSocket


class RawServer(Loop):
    """The loop. Modules register handlers with it and are called when something happens.

    `doneflag` ends it, set from any thread or signal. `network` is the operating system, by
    default the real one. `errorfunc(level, text)` is told, at a level of `logging`, what goes
    wrong; by default that is written to stderr. `noisy` has faults of handlers told too.

    Unless said otherwise its methods are for the thread that runs the loop; another thread's
    call raises RuntimeError while the loop runs.
    """

    def __init__(
        self,
        doneflag: threading.Event | None = None,
        config: Config | None = None,
        *,
        network: Network | None = None,
        noisy: bool = True,
        errorfunc: ErrorFunction | None = None,
    ) -> None:
        super().__init__(doneflag, config, network, noisy, errorfunc)
        self._listeners: dict[Socket, Listener] = {}
        self._udp_sockets: dict[Socket, UdpSocket] = {}

    def install_sigint_handler(self) -> None:
        """Have the first ^C end the loop in good order, and the second at once.

        For the main thread. The second raises KeyboardInterrupt wherever the program is.
        """
        handle_sigint(self.doneflag)

    # Listening.

    def create_serversocket(
        self, port: int = 0, bind: str = "", *, backlog: int | None = None
    ) -> Socket:
        """Return a socket that listens on a port (0: any free one) of an address.

        "" is every address, IPv6 and IPv4. Raises OSError when the port cannot be had.
        """
        sock = self._bound_socket(port, bind, socket.SOCK_STREAM)
        return self._listening(sock, backlog)

    def create_unixserversocket(self, path: str, *, backlog: int | None = None) -> Socket:
        """Return a socket that listens at a path, which must be free."""
        sock = self.network.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(path)
        except OSError:
            sock.close()
            raise
        return self._listening(sock, backlog)

    def _listening(self, sock: Socket, backlog: int | None) -> Socket:
        try:
            sock.listen(self.config.backlog if backlog is None else backlog)
        except OSError:
            sock.close()
            raise
        return sock

    def create_udpsocket(self, port: int = 0, bind: str = "") -> Socket:
        """Return a datagram socket bound as `create_serversocket` says."""
        return self._bound_socket(port, bind, socket.SOCK_DGRAM)

    def _bound_socket(self, port: int, bind: str, kind: int) -> Socket:
        if not bind:
            try:
                return self._bind(socket.AF_INET6, ("::", port), kind)
            except OSError as error:
                # A system without IPv6; a port that is taken is taken for both.
                if error.errno not in (
                    errno.EAFNOSUPPORT,
                    errno.EADDRNOTAVAIL,
                    errno.EPROTONOSUPPORT,
                ):
                    raise
                return self._bind(socket.AF_INET, ("0.0.0.0", port), kind)
        found = literal_address(bind, port) or self.network.resolve(bind, port, kind)[0]
        return self._bind(found.family, found.address, kind)

    def _bind(self, family: int, address: Any, kind: int) -> Socket:
        sock = self.network.socket(family, kind)
        try:
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address[0] != "::"))
            sock.bind(address)
        except (OSError, OverflowError):
            sock.close()
            raise
        return sock

    def start_listening(
        self,
        serversocket: Socket,
        handler: ListeningHandler,
        context: Hashable = None,
        *,
        idle_timeout: float | None = None,
    ) -> Listener:
        """Give each connection that comes in to `handler`, which is its handler from then on.

        `idle_timeout` is in seconds; None is the config's, `math.inf` none.
        """
        self._check_thread()
        timeout = self.config.idle_timeout if idle_timeout is None else idle_timeout
        self._contexts.check(context)
        serversocket.setblocking(False)
        listener = Listener(self, serversocket, handler, context, timeout)
        self._contexts.own(listener, context)
        self._listeners[serversocket] = listener
        return listener

    def stop_listening(self, serversocket: Socket) -> None:
        """Take no more connections. The socket stays open; listening may be started again."""
        self._check_thread()
        listener = self._listeners.pop(serversocket)
        self._contexts.disown(listener, listener.context)
        listener.stop()

    def start_listening_udp(
        self, sock: Socket, handler: DatagramHandler, context: Hashable = None
    ) -> UdpSocket:
        """Give each datagram to `handler.data_came_in(address, data)`; returns what can send."""
        self._check_thread()
        self._contexts.check(context)
        sock.setblocking(False)
        udp_socket = UdpSocket(self, sock, handler, context)
        self._contexts.own(udp_socket, context)
        self._udp_sockets[sock] = udp_socket
        return udp_socket

    def stop_listening_udp(self, sock: Socket) -> None:
        """Take no more datagrams; the socket stays open."""
        self._check_thread()
        udp_socket = self._udp_sockets.pop(sock)
        self._contexts.disown(udp_socket, udp_socket.context)
        udp_socket.stop()

    # Connections.

    def start_connection(
        self,
        address: Address,
        handler: Any,
        context: Hashable = None,
        *,
        connect_timeout: float | None = None,
        idle_timeout: float | None = None,
    ) -> SingleSocket:
        """Connect to (host, port) or to a Unix socket's path.

        The connection is returned at once, and what is written to it is sent when it is made.
        The handler hears, in a later turn, exactly one of `connection_made(connection)` and
        `connection_failed(address, error)`. Times are in seconds; None is the config's.
        """
        self._check_thread()
        idle = self.config.idle_timeout if idle_timeout is None else idle_timeout
        timeout = self.config.connect_timeout if connect_timeout is None else connect_timeout
        connection = SingleSocket(self, handler, context, idle)
        ConnectionAttempt(self, connection, address, timeout).start()
        return connection

    def wrap_socket(self, sock: Socket, handler: Any, context: Hashable = None) -> SingleSocket:
        """Take over a connected socket. No `..._made` is called.

        OSError if it is not connected, or is here already; it is left as it is then.
        """
        self._check_thread()
        peer = peer_of(sock.getpeername())
        sock.setblocking(False)
        connection = SingleSocket(self, handler, context, self.config.idle_timeout)
        self._made(connection, sock, *peer)
        return connection

    def accepted(self, listener: Listener, sock: Socket, address: Any) -> None:
        """Take a connection that a listener accepted; for RawServer's own parts."""
        connection = SingleSocket(self, listener.handler, listener.context, listener.idle_timeout)
        self._begin(connection, sock, address)
        self.call_handler(connection, "external_connection_made")

    def connected(self, connection: SingleSocket, sock: Socket, address: Any) -> None:
        """Take a connection that was made; for RawServer's own parts."""
        self._begin(connection, sock, address)
        self.call_handler(connection, "connection_made")

    def _begin(self, connection: SingleSocket, sock: Socket, address: Any) -> None:
        sock.setblocking(False)
        if isinstance(address, tuple):
            # Whoever writes little bits means them to go; who writes much is not held up by it.
            # Where a socket whose peer has gone refuses this, its first read says so.
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._made(connection, sock, *peer_of(address))
        except OSError:
            sock.close()
            raise

    def _made(self, connection: SingleSocket, sock: Socket, ip: str, port: int) -> None:
        try:
            connection.made(sock, ip, port)
        except OSError as error:
            connection.failed(error)
            self._contexts.disown(connection, connection.context)
            raise
        self._watch_for_idleness(connection)
