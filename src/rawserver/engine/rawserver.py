"""RawServer: one loop through which a whole process reaches the network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from math import inf
from typing import TYPE_CHECKING, Any

from rawserver.engine import bound_sockets
from rawserver.engine.acceptor import set_no_delay
from rawserver.engine.addresses import peer_of
from rawserver.engine.admission import Limits
from rawserver.engine.config import Config
from rawserver.engine.connection_attempt import ConnectionAttempt
from rawserver.engine.connection_loop import ConnectionLoop
from rawserver.engine.drain import Drain
from rawserver.engine.fault_reports import ErrorFunction
from rawserver.engine.half_open import HalfOpenLimit
from rawserver.engine.handler import (
    Address,
    DatagramBatchHandler,
    DatagramHandler,
    ListeningHandler,
    PackedDatagramHandler,
)
from rawserver.engine.listener import Listener, Listening
from rawserver.engine.network import Network, Socket
from rawserver.engine.os_pipe import DescriptorFile, wrap_pipe
from rawserver.engine.os_watchdog import Watchdog
from rawserver.engine.outgoing import Outgoing
from rawserver.engine.outgoing_socket import local_address
from rawserver.engine.rate_limit import RateLimit
from rawserver.engine.signals import handle_sigint
from rawserver.engine.single_socket import SingleSocket
from rawserver.engine.start_tls import StartTls
from rawserver.engine.started_handler import StartedHandler
from rawserver.engine.statistics import Statistics, statistics_of
from rawserver.engine.udp_socket import UdpSocket

if TYPE_CHECKING:
    from rawserver.engine.tls import TlsClient, TlsServer


class RawServer(ConnectionLoop):
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
        self._watchdog: Watchdog | None = None

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
        self,
        port: int = 0,
        bind: str = "",
        *,
        reuse_port: bool = False,
        tos: int = 0,
        receive_buffer: int | None = None,
    ) -> Socket:
        """Return a datagram socket bound as `create_serversocket` says.

        `receive_buffer`: bytes that may wait to be taken (each small datagram has some 800), None
        for the system's number. Linux gives no more than net.core.rmem_max, but to root.
        """
        return bound_sockets.datagram_socket(
            self.network, port, bind, reuse_port, tos, receive_buffer
        )

    def create_udpsockets(
        self, port: int = 0, *, reuse_port: bool = False, receive_buffer: int | None = None
    ) -> list[Socket]:
        """Return one of IPv4 and one of IPv6, on one port of every address, as far as they are had.

        To the system a datagram of IPv4 is less work so than on a socket for both.
        """
        return bound_sockets.datagram_sockets(self.network, port, reuse_port, receive_buffer)

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
        write_stall_timeout: float | None = None,
        first_bytes_timeout: float | None = None,
        handshake_timeout: float | None = None,
        limits: Limits | None = None,
        rate: RateLimit | None = None,
        tls: TlsServer | None = None,
        proxy_protocol: bool = False,
    ) -> Listener:
        """Give each connection that comes in to `handler`, which is its handler from then on.

        Times are in seconds; None is the config's, `math.inf` none. `limits` says how many may be
        in at once. All share `rate`. With `tls` they are the handler's after the handshake; with
        `proxy_protocol` each has to begin with a proxy's header, and its `ip` and `port` are those
        that this tells. Of those that fail before, `handler.opening_failed(connection, error)`
        hears, if there is such a method.
        """
        self.check_thread()
        config = self.config
        self._contexts.check(context)
        serversocket.setblocking(False)
        self.reserve.fill()
        how = Listening(
            _seconds(idle_timeout, config.idle_timeout),
            _seconds(write_stall_timeout, config.write_stall_timeout),
            _seconds(first_bytes_timeout, config.first_bytes_timeout),
            _seconds(handshake_timeout, config.handshake_timeout),
            rate,
            proxy_protocol,
        )
        listener = Listener(self, serversocket, handler, context, how, limits or Limits(), tls)
        self._contexts.own(listener, context)
        self._listeners[serversocket] = listener
        return listener

    def stop_listening(self, serversocket: Socket) -> None:
        """Take no more connections. The socket stays open; listening may be started again."""
        self.check_thread()
        listener = self._listeners.pop(serversocket)
        self._contexts.disown(listener, listener.context)
        listener.stop()

    def start_listening_udp(
        self,
        sock: Socket,
        handler: DatagramHandler | DatagramBatchHandler | PackedDatagramHandler,
        context: Hashable = None,
    ) -> UdpSocket:
        """Give each datagram to `handler.data_came_in(address, data)`; returns what can send.

        Or all of a turn at once, if it has `datagrams_came_in(udp_socket, [(address, data), ...])`
        or, the fastest, `packed_datagrams_came_in(udp_socket, addresses, datagrams)`.
        """
        self.check_thread()
        self._contexts.check(context)
        sock.setblocking(False)
        udp_socket = UdpSocket(self, sock, handler, context)
        self._contexts.own(udp_socket, context)
        self._udp_sockets[sock] = udp_socket
        return udp_socket

    def stop_listening_udp(self, sock: Socket) -> None:
        """Take no more datagrams; the socket stays open."""
        self.check_thread()
        udp_socket = self._udp_sockets.pop(sock)
        self._contexts.disown(udp_socket, udp_socket.context)
        udp_socket.stop()

    def start_listening_multicast(
        self,
        sock: Socket,
        handler: DatagramHandler | DatagramBatchHandler | PackedDatagramHandler,
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
        tls: TlsClient | None = None,
    ) -> SingleSocket:
        """Connect to (host, port) or to a Unix socket's path.

        The connection is returned at once, and what is written to it is sent when it is made.
        The handler hears, in a later turn, exactly one of `connection_made(connection)` and
        `connection_failed(address, error)`. Times are in seconds; None is the config's, `math.inf`
        none. A name's addresses race (RFC 8305).

        At most `Config.max_half_open` are in the making at once; an `urgent` one waits for its turn
        ahead of the others, and no waiting counts as connecting. `bind` is the local ip to connect
        from, None the config's and "" any; ValueError if it is no ip. With `tls` it is made when
        the handshake is over, within `Config.handshake_timeout`.
        """
        self.check_thread()
        idle = _seconds(idle_timeout, self.config.idle_timeout)
        timeout = _seconds(connect_timeout, self.config.connect_timeout)
        local = local_address(self.config.bind if bind is None else bind)
        connection = SingleSocket(self, handler, context, idle)
        outgoing = Outgoing(self, address, tls)
        ConnectionAttempt(self, connection, address, outgoing, timeout, local, urgent).start()
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
        self.check_thread()
        peer = peer_of(sock.getpeername())
        sock.setblocking(False)
        connection = SingleSocket(self, handler, context, self.config.idle_timeout)
        connection.ip, connection.port = peer
        if connection.ip:
            set_no_delay(sock)
        try:
            self.begin(connection, sock, None)
        except OSError as error:
            connection.never_made(error)
            raise
        return connection

    def wrap_pipe(
        self, descriptor: int | DescriptorFile, handler: Any, context: Hashable = None
    ) -> SingleSocket:
        """Take over a pipe's end, a FIFO or a terminal, such as a child process is spoken to by.

        The descriptor, or the file object that has it, is closed with the connection, which has no
        idle time-out. One for writing hears nothing but `connection_lost`; one for reading ends
        with what there is to read. OSError for what cannot be polled, such as a file on a disk.
        """
        return wrap_pipe(self, descriptor, handler, context)

    def start_tls(
        self,
        connection: SingleSocket,
        tls: TlsServer | TlsClient,
        *,
        server_name: str | None = None,
        received: bytes = b"",
        timeout: float | None = None,
    ) -> None:
        """Go on with TLS on a connection that is in use (STARTTLS).

        `received` is what came with the last data and belongs to the handshake already. Nothing
        more is read in the clear; what is written from now on waits for the handshake. The
        handler hears `tls_started(connection)`, or the connection is lost. RuntimeError if the
        connection is not made, or what was written has not been sent.
        """
        self.check_thread()
        if not connection.connected or connection.buffered:
            raise RuntimeError("TLS starts on a connection that is made and flushed")
        seconds = _seconds(timeout, self.config.handshake_timeout)
        StartTls(self, connection, seconds).start(tls, server_name, received)

    # Ending in good order, and watching.

    def drain(
        self,
        deadline: float,
        done: Callable[[], object] | None = None,
        context: Hashable = ...,
    ) -> None:
        """Take nobody new, let those finish who are here, and end all by a deadline in seconds.

        Of one context, or of all. Listening sockets are closed; handlers hear `drain(connection)`.
        `done()` is called when no connection is left, at the deadline at the latest. See `Drain`.
        """
        self.check_thread()
        listeners = [
            one for one in self._listeners.values() if context is ... or one.context == context
        ]
        Drain(self, listeners, context, deadline, done)

    def statistics(self) -> Statistics:
        """Return what the loop does now and has done, in figures; O(connections)."""
        self.check_thread()
        return statistics_of(self)

    def listeners(self) -> list[Listener]:
        """Return those who listen."""
        return list(self._listeners.values())

    def udp_sockets(self) -> list[UdpSocket]:
        """Return those who take datagrams."""
        return list(self._udp_sockets.values())

    def install_watchdog(self, threshold: float = 0.5) -> Watchdog:
        """Have each call that holds up the loop for longer than `threshold` seconds reported.

        `errorfunc` is told from another thread, while the call lasts, with its stack.
        """
        if self._watchdog is not None:
            self._watchdog.stop()
        self._watchdog = Watchdog(self, threshold)
        self._watchdog.start()
        return self._watchdog

    def _end(self) -> None:
        super()._end()
        if self._watchdog is not None:
            self._watchdog.stop()


def _seconds(asked: float | None, default: float | None) -> float | None:
    """Return a time limit: what is asked for, else the default; None for none."""
    seconds = default if asked is None else asked
    return None if seconds == inf else seconds
