"""Pipes, terminals and the like as streams: a child process is spoken to as a peer is.

A pipe has one direction. One for writing is a connection whose peer has ended its side from the
beginning; one for reading is a connection whose own side has ended.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import stat
import sys
import termios
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from rawserver.engine.disk import Buffer

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer
    from rawserver.engine.single_socket import SingleSocket

# Linux tells at both ends of a pipe how much is in it; of a terminal, how much is still to go out.
_IN_PIPE = termios.FIONREAD
_IN_TERMINAL = termios.TIOCOUTQ


class DescriptorFile(Protocol):
    """A file object such as `subprocess.Popen` has; nothing may wait in its own buffer."""

    def fileno(self) -> int: ...
    def close(self) -> None: ...


class PipeSocket:
    """A descriptor with the methods of a stream's socket, and with their errors.

    It is closed with this, a file object by its own `close`. `reads` and `writes` tell its
    directions.
    """

    def __init__(self, descriptor: int | DescriptorFile) -> None:
        """OSError for what is always ready, so that nothing is told by polling it."""
        self._file = None if isinstance(descriptor, int) else descriptor
        self._descriptor = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        kind = os.fstat(self._descriptor).st_mode
        if stat.S_ISREG(kind) or stat.S_ISDIR(kind) or stat.S_ISBLK(kind):
            raise OSError(
                errno.EPERM,
                f"descriptor {self._descriptor} is a file, which no poller can wait for: "
                "use start_work, or sendfile",
            )
        self._is_terminal = os.isatty(self._descriptor)
        access = fcntl.fcntl(self._descriptor, fcntl.F_GETFL) & os.O_ACCMODE
        self.reads = access != os.O_WRONLY
        self.writes = access != os.O_RDONLY

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if self._file is not None:
            self._file.close()
        elif descriptor >= 0:
            os.close(descriptor)

    def setblocking(self, flag: bool, /) -> None:
        """Set it for all who share what was opened, in other processes too."""
        os.set_blocking(self._descriptor, flag)

    # Bytes.

    def recv(self, count: int, flags: int = 0, /) -> bytes:
        if not self.reads:
            self._find_reader()
        try:
            return os.read(self._descriptor, count)
        except OSError as error:
            if self._has_hung_up(error):
                return b""
            raise

    def recv_into(self, buffer: Any, /) -> int:
        if not self.reads:
            self._find_reader()
        try:
            return os.readv(self._descriptor, [buffer])
        except OSError as error:
            if self._has_hung_up(error):
                return 0
            raise

    def _has_hung_up(self, error: OSError) -> bool:
        # So Linux tells the end of a pseudo-terminal whose other side has been closed.
        return self._is_terminal and error.errno == errno.EIO

    def _find_reader(self) -> NoReturn:
        """Tell what a poller means that finds something at an end for writing."""
        poll = select.poll()
        poll.register(self._descriptor, 0)  # errors and hang-ups alone
        if poll.poll(0):
            raise BrokenPipeError(errno.EPIPE, "nobody reads from the pipe any more")
        raise BlockingIOError(errno.EAGAIN, "there is nothing to read at this end of a pipe")

    def send(self, data: Any, flags: int = 0, /) -> int:
        return os.write(self._descriptor, data)

    def sendmsg(self, buffers: Sequence[Buffer], ancdata: Any = (), flags: int = 0, /) -> int:
        return os.writev(self._descriptor, buffers)

    def unacknowledged(self) -> int:
        """Count the bytes that were written and not yet read at the other end, if that is told."""
        if not self.writes:
            return 0
        request = _IN_TERMINAL if self._is_terminal else _IN_PIPE
        try:
            answer = fcntl.ioctl(self._descriptor, request, bytes(4))
        except OSError:
            return 0  # a device that does not say
        return int.from_bytes(answer, sys.byteorder)

    def shutdown(self, how: int, /) -> None:
        """End nothing by itself: what has one direction ends by being closed.

        OSError for one direction of two.
        """
        if self.reads and self.writes:
            raise OSError(errno.ENOTSUP, "the directions of a terminal end together")

    # What it has not.

    def getsockname(self) -> str:
        return ""

    def getpeername(self) -> str:
        return ""

    def _no_socket(self, *args: Any) -> Any:
        raise OSError(errno.ENOTSOCK, "a pipe is no socket")

    accept = bind = connect_ex = getsockopt = listen = recvfrom = sendto = setsockopt = _no_socket


def wrap_pipe(
    raw_server: RawServer,
    descriptor: int | DescriptorFile,
    handler: Any,
    context: Hashable = None,
) -> SingleSocket:
    """Take over a pipe's end, a FIFO, a terminal; see `RawServer.wrap_pipe`."""
    pipe = PipeSocket(descriptor)
    was_blocking = os.get_blocking(pipe.fileno())
    try:
        connection = raw_server.wrap_socket(pipe, handler, context)
    except OSError as error:
        pipe.setblocking(was_blocking)
        if error.errno == errno.EPERM:  # of epoll: /dev/null and the like
            text = f"descriptor {pipe.fileno()} cannot be polled: it is always ready"
            raise OSError(error.errno, text) from None
        raise
    # A peer may vanish without a word; the system tells of every process that ends.
    connection.idle_timeout = None
    if not pipe.reads:
        connection.hears_nothing()
    elif not pipe.writes:
        connection.shutdown(socket.SHUT_WR)
    return connection
