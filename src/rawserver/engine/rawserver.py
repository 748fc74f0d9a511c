"""RawServer: one loop through which a whole process reaches the network."""

from __future__ import annotations

import socket
import threading
from collections.abc import Hashable
from contextlib import suppress
from typing import Any

from rawserver.engine import bound_sockets
from rawserver.engine.addresses import peer_of
from rawserver.engine.config import Config
from rawserver.engine.connection_attempt import ConnectionAttempt
from rawserver.engine.half_open import HalfOpenLimit
from rawserver.engine.handler import (
    Address,
    DatagramBatchHandler,
    DatagramHandler,
    ListeningHandler,
)
from rawserver.engine.listener import Listener
from rawserver.engine.loop import ErrorFunction, Loop
from rawserver.engine.network import Network, Socket
from rawserver.engine.outgoing_socket import local_address
from rawserver.engine.signals import handle_sigint
from rawserver.engine.single_socket import SingleSocket
from rawserver.engine.started_handler import StartedHandler
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
        # Its `half_open` and `waiting` count the connections in the making.
        self.half_open_limit = HalfOpenLimit(self.config.max_half_open, self.add_task)

    def install_sigint_handler(self) -> None:
        """Have the first ^C end the loop in good order, and the second at once.

        For the main thread. The second raises KeyboardInterrupt wherever the program is.
        """
        handle_sigint(self.doneflag)

    # Listening.

    def create_serversocket(
        self,
        port: int = 0,
        bind: str = "",
        *,
        backlog: int | None = None,
        reuse_port: bool = False,
        tos: int = 0,
    ) -> Socket:
        """Return a socket that listens on a port (0: any free one) of an address.

        "" is every address, IPv6 and IPv4. With `reuse_port` several sockets of one user may
        listen on the port, and the system shares connections out to them. Raises OSError when the
        port cannot be had.
        """
        backlog = self.config.backlog if backlog is None else backlog
        return bound_sockets.listening_socket(self.network, port, bind, backlog, reuse_port, tos)

    def create_unixserversocket(
        self, path: str, *, backlog: int | None = None, mode: int | None = None
    ) -> Socket:
        """Return a socket that listens at a path, or at an abstract name ("@name", Linux).

        The file of a socket on which nobody listens any more is replaced; OSError (EADDRINUSE) if
        anything else is there. `mode` is the file's permissions; None leaves them to the umask.
        """
        backlog = self.config.backlog if backlog is None else backlog
        return bound_sockets.unix_listening_socket(self.network, path, backlog, mode)

    def create_udpsocket(
        self, port: int = 0, bind: str = "", *, reuse_port: bool = False, tos: int = 0
    ) -> Socket:
        """Return a datagram socket bound as `create_serversocket` says."""
        return bound_sockets.datagram_socket(self.network, port, bind, reuse_port, tos)

    def create_multicastsocket(
        self,
        port: int,
        group: str,
        *,
        bind: str = "",
        interface: str = "",
        ttl: int = 1,
        loopback: bool = True,
        tos: int = 0,
    ) -> Socket:
        """Return a datagram socket that has joined a group, IPv4 or IPv6.

        It takes what comes to `port` at the group and at `bind` ("": every address of the
        family). `interface` is the name of the one to join and send on, or an IPv4 address of
        it. What is sent passes `ttl` - 1 routers, and reaches this machine's members with
        `loopback`. ValueError if `group` or `ttl` (0 to 255) is none, OSError if it cannot be
        joined.
        """
        return bound_sockets.multicast_socket(
            self.network, port, group, bind, interface, ttl, loopback, tos
        )

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
        self,
        sock: Socket,
        handler: DatagramHandler | DatagramBatchHandler,
        context: Hashable = None,
    ) -> UdpSocket:
        """Give each datagram to `handler.data_came_in(address, data)`; returns what can send.

        Or all of a turn at once, if it has `datagrams_came_in(udp_socket, [(address, data), ...])`.
        """
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

    def start_listening_multicast(
        self,
        sock: Socket,
        handler: DatagramHandler | DatagramBatchHandler,
        context: Hashable = None,
    ) -> UdpSocket:
        """Do as `start_listening_udp`, by the name that BitTorrent 5 had for multicast."""
        return self.start_listening_udp(sock, handler, context)

    def stop_listening_multicast(self, sock: Socket) -> None:
        """Do as `stop_listening_udp`. It leaves the group when the socket is closed."""
        self.stop_listening_udp(sock)

    # Connections.

    def start_connection(
        self,
        address: Address,
        handler: Any,
        context: Hashable = None,
        *,
        connect_timeout: float | None = None,
        idle_timeout: float | None = None,
        bind: str | None = None,
        urgent: bool = False,
    ) -> SingleSocket:
        """Connect to (host, port) or to a Unix socket's path.

        The connection is returned at once, and what is written to it is sent when it is made.
        The handler hears, in a later turn, exactly one of `connection_made(connection)` and
        `connection_failed(address, error)`. Times are in seconds; None is the config's, `math.inf`
        none. A name's addresses race (RFC 8305).

        At most `Config.max_half_open` are in the making at once; an `urgent` one waits for its turn
        ahead of the others, and no waiting counts as connecting. `bind` is the local ip to connect
        from, None the config's and "" any; ValueError if it is no ip.
        """
        self._check_thread()
        idle = self.config.idle_timeout if idle_timeout is None else idle_timeout
        timeout = self.config.connect_timeout if connect_timeout is None else connect_timeout
        local = local_address(self.config.bind if bind is None else bind)
        connection = SingleSocket(self, handler, context, idle)
        ConnectionAttempt(self, connection, address, timeout, local, urgent).start()
        return connection

    def async_start_connection(
        self, address: Address, handler: Any, context: Hashable = None, **options: Any
    ) -> SingleSocket:
        """Do as `start_connection`, by its name and manner of BitTorrent 4.2 and later.

        A handler that has `connection_started(connection)` hears that in place of
        `connection_made`. It never returns False, as that of 4.4 did when too many were half-open:
        here one more waits for its turn.
        """
        return self.start_connection(address, StartedHandler(handler), context, **options)

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
