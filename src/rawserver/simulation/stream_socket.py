"""Stream sockets of IPv4 and IPv6: the calls, which fail as Linux has them fail."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any

from rawserver.simulation.accept_queue import AcceptQueue
from rawserver.simulation.connection import CLOSED, SYN_RECEIVED, SYN_SENT, TIME_WAIT, Connection
from rawserver.simulation.description import ERROR, HANG_UP, READABLE, WRITABLE, error_of
from rawserver.simulation.internet_socket import InternetSocket
from rawserver.simulation.packet import Packet
from rawserver.simulation.port_table import PortTable
from rawserver.simulation.socket_addresses import (
    ANY_IPV4,
    ANY_IPV6,
    check_family,
    endpoint_of,
    is_multicast,
    shown,
)
from rawserver.simulation.socket_options import IP_BIND_ADDRESS_NO_PORT

if TYPE_CHECKING:
    from rawserver.simulation.kernel import Kernel

# Plain numbers: an operation on one of socket's flags costs as much as a whole call here.
MSG_MORE = int(getattr(socket, "MSG_MORE", 0x8000))
MSG_PEEK = int(socket.MSG_PEEK)
# How far `connect` is, as the socket layer above TCP sees it.
UNCONNECTED, CONNECTING, CONNECTED, DISCONNECTING = range(4)
_NOT_CONNECTED = (CLOSED, SYN_SENT, TIME_WAIT)


class StreamSocket(InternetSocket):
    """One of TCP. It listens, or has a connection, or neither yet."""

    __slots__ = ("_phase", "_shut", "connection", "queue")

    is_stream = True

    def __init__(self, kernel: Kernel, family: int) -> None:
        super().__init__(kernel, family)
        self.connection: Connection | None = None
        # Of those who come, while it listens.
        self.queue: AcceptQueue | None = None
        self._phase = UNCONNECTED
        # What was shut before there was a connection: 1 for reading, 2 for writing.
        self._shut = 0

    @property
    def ports(self) -> PortTable:
        return self.kernel.streams.ports

    @property
    def is_listening(self) -> bool:
        """Whether it takes connections."""
        return self.queue is not None

    # Readiness.

    def poll_events(self) -> int:
        connection = self.connection
        if connection is None:
            if self.queue is not None:
                return READABLE if len(self.queue) else 0
            return WRITABLE | HANG_UP | (READABLE if self._shut & 1 else 0)
        events = 0
        if connection.hears_nothing:
            events = READABLE | HANG_UP if connection.says_nothing else READABLE
        if connection.error:
            events |= ERROR
        state = connection.state
        if state == CLOSED or state == TIME_WAIT:
            return events | READABLE | WRITABLE | HANG_UP
        if state <= SYN_RECEIVED:
            return events
        if connection.receive_side.size:
            events |= READABLE
        if connection.says_nothing or connection.send_side.is_writable:
            events |= WRITABLE
        return events

    # Listening.

    def listen(self, backlog: int = 128, /) -> None:
        self.check_open()
        if self._phase != UNCONNECTED:
            raise error_of(errno.EINVAL)
        backlog = min(max(backlog, 0), self.kernel.limits.most_backlog)
        if self.queue is not None:
            self.queue.backlog = backlog
            return
        self.bind_anywhere()
        self.queue = AcceptQueue(self, backlog)
        if not self.ports.is_free_for(self):
            self.queue = None
            raise error_of(errno.EADDRINUSE)
        self.kernel.streams.add_listener(self)
        self.changed()

    def begin(self, packet: Packet) -> Connection:
        """Return a connection for somebody who asks for one; the queue calls this."""
        connection = self._make_connection(packet.destination, packet.source)
        connection.v6only = self.v6only
        return connection

    def accept(self) -> tuple[StreamSocket, Any]:
        self.check_open()
        if self.queue is None:
            raise error_of(errno.EINVAL)
        if not len(self.queue):
            raise error_of(errno.EAGAIN)
        self.kernel.check_call("accept")
        sock = StreamSocket(self.kernel, self.family)
        # First, as it may fail: then who waits goes on waiting.
        sock.open()
        connection = self.queue.take()
        assert connection is not None
        if connection.state == CLOSED and self.kernel.limits.accept_tells_aborts:
            sock.release()
            raise error_of(errno.ECONNABORTED)
        sock.options = self.options.copy()
        sock.take_options()
        sock.connection = connection
        connection.socket = sock
        sock.local, sock.remote, sock._phase = connection.local, connection.remote, CONNECTED
        sock.is_bound = True
        if connection.state == CLOSED:
            sock.connection_ended()
        return sock, shown(self.family, connection.remote)

    def _make_connection(self, local: tuple[str, int], remote: tuple[str, int]) -> Connection:
        connection = Connection(
            self.kernel,
            local,
            remote,
            self.buffer_size(socket.SO_SNDBUF) // 2,
            self.buffer_size(socket.SO_RCVBUF) // 2,
        )
        connection.reuse_address, connection.reuse_port = self.reuse_address, self.reuse_port
        no_delay = self.options.get(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.send_side.no_delay = bool(no_delay)
        return connection

    # Connecting.

    def connect_ex(self, address: Any, /) -> int:
        if self.descriptor < 0:
            return errno.EBADF
        remote = endpoint_of(self.family, address, "connect_ex")
        if self.queue is not None:
            return errno.EISCONN
        if self._phase >= CONNECTED:
            return errno.EISCONN if self._phase == CONNECTED else errno.EINVAL
        connection = self.connection
        if connection is None:
            return self._connect(remote)
        if connection.state == CLOSED:
            self._disconnect()
            return connection.error or errno.ECONNABORTED
        if connection.state in (SYN_SENT, SYN_RECEIVED):
            return errno.EALREADY
        self._phase = CONNECTED
        return 0

    def _disconnect(self) -> None:
        """Be as before `connect`."""
        self._phase = UNCONNECTED
        self._shut = 0
        self.connection = self.remote = None
        self.local = (self.bound_ip, self.local[1])

    def _connect(self, remote: tuple[str, int]) -> int:
        ip, port = remote
        if ip == ANY_IPV4:
            ip = "127.0.0.1"
        elif ip == ANY_IPV6:
            ip = "::1"
        try:
            check_family(self.family, ip, self.v6only)
            if is_multicast(ip):
                raise error_of(errno.ENETUNREACH)
            self.kernel.check_call("connect")
            source = self.source_for(ip)
            local = self._local_for(source, (ip, port))
        except OSError as error:
            return error.errno or errno.EIO
        if self.kernel.streams.is_taken(local, (ip, port)):
            return errno.EADDRNOTAVAIL
        if self.is_bound:
            self.ports.remove(self)
        self.local, self.remote, self._phase = local, (ip, port), CONNECTING
        self.is_bound = True
        connection = self.connection = self._make_connection(local, (ip, port))
        connection.socket = self
        connection.hears_nothing, connection.says_nothing = bool(self._shut & 1), self._shut > 1
        connection.call()
        return errno.EINPROGRESS

    def _local_for(self, source: str, remote: tuple[str, int]) -> tuple[str, int]:
        if self.is_bound:
            return source, self.local[1]
        return self.kernel.streams.choose_port(source, remote)

    def _needs_no_port(self) -> bool:
        return bool(self.options.get(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT))

    # Bytes.

    def send(self, data: Any, flags: int = 0, /) -> int:
        connection = self.connection
        if (
            connection is None
            or connection.says_nothing
            or connection.error
            or (connection.state <= SYN_RECEIVED)
        ):
            self._cannot_send(connection)
            return 0
        if type(data) is not bytes:
            data = memoryview(data).cast("B")
        if not data:
            return 0
        count = connection.send_side.write(data, bool(flags & MSG_MORE))
        if not count:
            raise error_of(errno.EAGAIN)
        return count

    def _cannot_send(self, connection: Connection | None) -> None:
        self.check_open()
        if connection is None:
            raise error_of(errno.EPIPE)
        code = self.take_error()
        if code:
            raise error_of(code)
        if connection.state == SYN_SENT:
            raise error_of(errno.EAGAIN)
        raise error_of(errno.EPIPE)

    def sendmsg(self, buffers: Any, ancdata: Any = (), flags: int = 0, /) -> int:
        return self.send(b"".join(buffers), flags)

    def sendto(self, data: Any, address: Any, /) -> int:
        if self.connection is None:
            self.check_open()
            raise error_of(errno.EPIPE)
        return self.send(data)

    def recv(self, count: int, flags: int = 0, /) -> bytes:
        connection = self.connection
        if connection is None or not connection.receive_side.size:
            return self._nothing_to_read(connection, count)
        side = connection.receive_side
        if flags & MSG_PEEK:
            return side.peek(count)
        if count <= 0:
            return b""
        data = side.read(count)
        if side.is_window_news and connection.state > SYN_RECEIVED:
            connection.acknowledge()
        return data

    def _nothing_to_read(self, connection: Connection | None, count: int) -> bytes:
        if not count:
            return b""  # as Python does, without a call
        if count < 0:
            raise ValueError("negative buffersize in recv")
        self.check_open()
        if connection is None:
            if self._shut & 1 and self.queue is None:
                return b""
            raise error_of(errno.ENOTCONN)
        if connection.is_done:
            return b""
        code = self.take_error()
        if code:
            raise error_of(code)
        if connection.hears_nothing:
            return b""
        raise error_of(errno.EAGAIN)

    def recv_into(self, buffer: Any, /) -> int:
        # What RawServer receives into is mostly just so already.
        is_bytes = type(buffer) is memoryview and buffer.format == "B" and buffer.ndim == 1
        view = buffer if is_bytes else memoryview(buffer).cast("B")
        connection = self.connection
        if connection is None or not connection.receive_side.size:
            return len(self._nothing_to_read(connection, len(view)))
        side = connection.receive_side
        count = side.read_into(view)
        if side.is_window_news and connection.state > SYN_RECEIVED:
            connection.acknowledge()
        return count

    def recvfrom(self, count: int, /) -> tuple[bytes, Any]:
        return self.recv(count), None

    @property
    def unacknowledged(self) -> int:
        """Bytes that the peer's system has not received (SIOCOUTQ)."""
        return 0 if self.connection is None else self.connection.send_side.size

    # Ending.

    def shutdown(self, how: int, /) -> None:
        self.check_open()
        connection = self.connection
        if self.queue is not None:
            if how != socket.SHUT_WR:
                self._stop_listening()
                self._shut = 0
            return
        bits = how + 1
        if connection is None or connection.state in (CLOSED, TIME_WAIT):
            self._shut |= bits
            if self._phase == CONNECTING:
                self._phase = DISCONNECTING
            self.changed()
            raise error_of(errno.ENOTCONN)
        if self._phase == CONNECTING and connection.state != SYN_SENT:
            self._phase = CONNECTED
        if connection.state == SYN_SENT:
            connection.close()
            self._disconnect()
            return
        if how != socket.SHUT_WR:
            connection.hears_nothing = True
        if how != socket.SHUT_RD:
            connection.say_nothing()
        self.changed()

    def _stop_listening(self) -> None:
        assert self.queue is not None
        queue, self.queue = self.queue, None
        self.kernel.streams.remove_listener(self)
        queue.close()
        if not self.port_was_chosen:
            self.ports.remove(self)
            self.is_bound = False
        self.changed()

    def connection_ended(self) -> None:
        """Have no port any more, unless it was chosen; the connection calls this."""
        if self.port_was_chosen:
            self.ports.add(self)
        else:
            self.is_bound = False

    def close(self) -> None:
        """Give the descriptor back, and have the kernel end what there is."""
        if not self.release():
            return
        if self.queue is not None:
            self._stop_listening()
        if self.is_bound:
            self.ports.remove(self)
        connection = self.connection
        if connection is not None:
            if self.options.lingers_for == 0:
                connection.socket = None
                connection.reset()
            else:
                connection.close()
            self.connection = None

    # Options and addresses.

    def take_error(self) -> int:
        connection = self.connection
        if connection is None:
            return 0
        code, connection.error = connection.error, 0
        return code

    def setsockopt(self, level: int, option: int, value: Any, /) -> None:
        super().setsockopt(level, option, value)
        connection = self.connection
        if connection is None:
            return
        if level == socket.IPPROTO_TCP and option == socket.TCP_NODELAY:
            connection.send_side.no_delay = bool(value)
            if value:
                connection.send_side.transmit()
        elif level == socket.SOL_SOCKET and option == socket.SO_SNDBUF:
            connection.send_side.capacity = self.buffer_size(option) // 2
            connection.sent_some()
        elif level == socket.SOL_SOCKET and option == socket.SO_RCVBUF:
            connection.receive_side.capacity = self.buffer_size(option) // 2

    def getpeername(self) -> Any:
        self.check_open()
        connection = self.connection
        if connection is None or self.remote is None or connection.state in _NOT_CONNECTED:
            raise error_of(errno.ENOTCONN)
        return shown(self.family, self.remote)
