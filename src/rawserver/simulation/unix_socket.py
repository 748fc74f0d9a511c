"""Unix stream sockets within a host (unix(7)): no packets, one end writes into the other."""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

from rawserver.simulation.description import (
    ERROR,
    HANG_UP,
    READABLE,
    WRITABLE,
    Description,
    error_of,
)
from rawserver.simulation.receive_side import ReceiveSide
from rawserver.simulation.socket_options import SocketOptions

if TYPE_CHECKING:
    from rawserver.simulation.kernel import Kernel

# Never a window: how much fits in is decided by who sends.
_ROOM = 1 << 62
# The longest path (struct sockaddr_un, with its terminating zero).
_LONGEST_PATH = 107


class UnixSocket(Description):
    """One end. `peer` is the other, also of one that was not accepted yet."""

    __slots__ = (
        "_backlog", "_error", "_hears_nothing", "_name", "_options", "_peer_name", "_received",
        "_says_nothing", "_waiting", "is_connected", "peer",
    )  # fmt: skip

    family = socket.AF_UNIX

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self._options = SocketOptions(socket.AF_UNIX, is_stream=True)
        self._name = self._peer_name = ""
        self._received = ReceiveSide(_ROOM)
        self._error = 0
        self._hears_nothing = self._says_nothing = False
        self.is_connected = False
        self.peer: UnixSocket | None = None
        # Of one that listens: how many more than one may wait, and who does.
        self._backlog = -1
        self._waiting: deque[UnixSocket] = deque()

    def poll_events(self) -> int:
        if self._backlog >= 0:
            events = READABLE if self._waiting or self._hears_nothing else 0
            return events | HANG_UP if self._hears_nothing and self._says_nothing else events
        if not self.is_connected:
            return WRITABLE | HANG_UP | (READABLE if self._hears_nothing else 0)
        events = ERROR if self._error else 0
        if self._received.size or self._hears_nothing:
            events |= READABLE
        if self._hears_nothing and self._says_nothing:
            events |= HANG_UP
        if self.peer is None or 4 * self.peer._received.size <= self._limit:
            events |= WRITABLE
        return events

    @property
    def _limit(self) -> int:
        size = self._options.buffer(socket.SO_SNDBUF)
        return self.kernel.limits.unix_buffer if size is None else size

    # Names.

    def bind(self, address: Any, /) -> None:
        self.check_open()
        path = _path_of(address)
        self.kernel.check_call("bind")
        host = self.kernel.host
        if path in host.unix_names or (path[0] != "\0" and host.disk.status(path) is not None):
            raise error_of(errno.EADDRINUSE)
        if self._name:
            raise error_of(errno.EINVAL)
        host.unix_names[path] = self
        self._name = path

    def listen(self, backlog: int = 128, /) -> None:
        self.check_open()
        if not self._name or self.is_connected:
            raise error_of(errno.EINVAL)
        self._backlog = min(max(backlog, 0), self.kernel.limits.most_backlog)
        self.changed()

    def accept(self) -> tuple[UnixSocket, Any]:
        self.check_open()
        if self._backlog < 0:
            raise error_of(errno.EINVAL)
        if not self._waiting:
            raise error_of(errno.EAGAIN)
        self.kernel.check_call("accept")
        self._waiting[0].open()
        sock = self._waiting.popleft()
        return sock, _shown(sock._peer_name)

    def connect_ex(self, address: Any, /) -> int:
        if self.descriptor < 0:
            return errno.EBADF
        try:
            path = _path_of(address)
            self.kernel.check_call("connect")
        except OSError as error:
            if error.errno is None:
                raise
            return error.errno
        names = self.kernel.host.unix_names
        if path not in names:
            return errno.ECONNREFUSED if self._is_no_socket(path) else errno.ENOENT
        listener = names[path]
        if listener is None or listener._backlog < 0 or listener._hears_nothing:
            return errno.ECONNREFUSED
        if len(listener._waiting) > listener._backlog:
            return errno.EAGAIN
        if self.is_connected:
            return errno.EISCONN
        if self._backlog >= 0:
            return errno.EINVAL
        other = UnixSocket(self.kernel)
        other._name, other._peer_name = path, self._name
        self._peer_name = path
        _join(self, other)
        listener._waiting.append(other)
        listener.changed()
        self.changed()
        return 0

    def _is_no_socket(self, path: str) -> bool:
        # An abstract name that nobody has is refused; so is a file that is no socket.
        return path[0] == "\0" or self.kernel.host.disk.status(path) is not None

    # Bytes.

    def send(self, data: Any, flags: int = 0, /) -> int:
        self.check_open()
        if not self.is_connected:
            raise error_of(errno.ENOTCONN)
        if self._says_nothing:
            raise error_of(errno.EPIPE)
        peer = self.peer
        if peer is None or peer._hears_nothing:
            raise error_of(self._take_error() or errno.EPIPE)
        data = bytes(data)
        side = peer._received
        part = data[: max(0, self._limit - side.size)]
        if data and not part:
            raise error_of(errno.EAGAIN)
        side.take(side.next, part)
        peer.changed()
        return len(part)

    def sendmsg(self, buffers: Any, ancdata: Any = (), flags: int = 0, /) -> int:
        return self.send(b"".join(buffers), flags)

    def sendto(self, data: Any, address: Any, /) -> int:
        self.check_open()
        raise error_of(errno.EISCONN if self.is_connected else errno.EOPNOTSUPP)

    def recv(self, count: int, flags: int = 0, /) -> bytes:
        if not count:
            return b""  # as Python does, without a call
        self.check_open()
        if not self.is_connected:
            raise error_of(errno.EINVAL)
        side = self._received
        if not side.size:
            code = self._take_error()
            if code:
                raise error_of(code)
            if self._hears_nothing:
                return b""
            raise error_of(errno.EAGAIN)
        if flags & socket.MSG_PEEK:
            return side.peek(count)
        data = side.read(count)
        if self.peer is not None:
            self.peer.changed()
        return data

    def recv_into(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self.recv(len(view))
        view[: len(data)] = data
        return len(data)

    def recvfrom(self, count: int, /) -> tuple[bytes, Any]:
        return self.recv(count), None

    @property
    def unacknowledged(self) -> int:
        """Bytes that the other end has not read (SIOCOUTQ of unix(7))."""
        return 0 if self.peer is None else self.peer._received.size

    # Ending.

    def shutdown(self, how: int, /) -> None:
        self.check_open()
        peer = self.peer
        if how != socket.SHUT_RD:
            self._says_nothing = True
            if peer is not None:
                peer._hears_nothing = True
        if how != socket.SHUT_WR:
            self._hears_nothing = True
            if peer is not None:
                peer._says_nothing = True
        self.changed()
        if peer is not None:
            peer.changed()

    def close(self) -> None:
        """Give the descriptor back; a path stays behind, an abstract name does not."""
        if not self.release():
            return
        names = self.kernel.host.unix_names
        if self._name and names.get(self._name) is self:
            if self._name[0] == "\0":
                del names[self._name]
            else:
                names[self._name] = None
        self._backlog = -1
        for waiting in self._waiting:
            waiting._leave(errno.ECONNRESET)
        self._waiting.clear()
        self._leave(errno.ECONNRESET if self._received.size else 0)

    def _leave(self, code: int) -> None:
        peer, self.peer = self.peer, None
        self._received.drop()
        if peer is not None:
            peer.peer = None
            peer._error = code
            peer._hears_nothing = peer._says_nothing = True
            peer.changed()

    def _take_error(self) -> int:
        code, self._error = self._error, 0
        return code

    # Options and addresses.

    def getsockname(self) -> Any:
        self.check_open()
        return _shown(self._name)

    def getpeername(self) -> Any:
        self.check_open()
        if not self.is_connected:
            raise error_of(errno.ENOTCONN)
        return _shown(self._peer_name)

    def getsockopt(self, level: int, option: int, /) -> int:
        self.check_open()
        if level == socket.SOL_SOCKET:
            if option == socket.SO_ERROR:
                return self._take_error()
            if option == socket.SO_TYPE:
                return int(socket.SOCK_STREAM)
            if option == socket.SO_SNDBUF:
                return self._limit
        return self._options.get(level, option)

    def setsockopt(self, level: int, option: int, value: Any, /) -> None:
        self.check_open()
        self._options.set(level, option, value)

    def setblocking(self, flag: bool, /) -> None:
        self.check_open()
        if flag:
            raise error_of(errno.EOPNOTSUPP)  # there is nobody to wait here


def _join(one: UnixSocket, other: UnixSocket) -> None:
    one.peer, other.peer = other, one
    one.is_connected = other.is_connected = True


def _path_of(address: Any) -> str:
    path = os.fsdecode(address) if isinstance(address, bytes) else address
    if not isinstance(path, str):
        raise TypeError(f"a path is a str or bytes, not {type(address).__name__}")
    if not path:
        raise error_of(errno.EINVAL)
    if len(os.fsencode(path)) > _LONGEST_PATH + (path[0] == "\0"):
        raise OSError("AF_UNIX path too long")
    return path


def _shown(name: str) -> Any:
    return os.fsencode(name) if name.startswith("\0") else name
