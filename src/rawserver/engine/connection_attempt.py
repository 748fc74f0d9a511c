"""Making a connection: look the name up, try its addresses in turn, end in made or failed."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Any

from rawserver.engine.addresses import literal_address
from rawserver.engine.handler import Address
from rawserver.engine.network import WRITABLE, Socket, SocketAddress
from rawserver.engine.single_socket import SingleSocket
from rawserver.engine.task import Task

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer

_IN_PROGRESS = {errno.EINPROGRESS, errno.EALREADY}
if errno.EWOULDBLOCK != errno.EAGAIN:
    # Windows says it so. Elsewhere EAGAIN is a failure: a full backlog, or no free local port.
    _IN_PROGRESS.add(errno.EWOULDBLOCK)


class ConnectionAttempt:
    """One connection that is being made; the handler hears of exactly one outcome."""

    def __init__(
        self,
        raw_server: RawServer,
        connection: SingleSocket,
        address: Address,
        timeout: float | None,
    ) -> None:
        self._raw_server = raw_server
        self._connection = connection
        self._address = address
        self._sock: Socket | None = None
        self._addresses: list[SocketAddress] = []
        self._error: BaseException | None = None
        self._over = False
        self._deadline: Task | None = None
        self._next_is_due: Task | None = None
        connection.attempting(self)
        if timeout is not None:
            self._deadline = raw_server.add_task(self._too_late, timeout, (timeout,))

    def start(self) -> None:
        """Begin. The outcome comes in a later turn, never from here."""
        if isinstance(self._address, str):
            self._addresses = [SocketAddress(socket.AF_UNIX, self._address)]
        else:
            host, port = self._address
            literal = literal_address(host, port)
            if literal is None:
                self._raw_server.start_look_up(host, port, socket.SOCK_STREAM, self._looked_up)
                return
            self._addresses = [literal]
        self._raw_server.add_task(self._try_next)

    def _looked_up(
        self, addresses: list[SocketAddress] | None, error: BaseException | None
    ) -> None:
        if self._over:
            return
        self._addresses = addresses or []
        self._error = error
        self._try_next()

    def _try_next(self) -> None:
        while not self._over:
            if not self._addresses:
                self._fail(self._error or OSError(errno.EADDRNOTAVAIL, "the name has no address"))
                return
            family, address = self._addresses.pop(0)
            try:
                sock = self._raw_server.network.socket(family, socket.SOCK_STREAM)
            except OSError as error:
                self._error = error
                continue
            try:
                code = sock.connect_ex(address)
            except (OSError, ValueError, OverflowError) as error:
                sock.close()
                self._error = error  # an address that cannot be: a path or a port too large
                continue
            if code and code not in _IN_PROGRESS:
                sock.close()
                self._error = OSError(code, os.strerror(code))
                continue
            self._sock = sock
            self._raw_server.register(sock.fileno(), self, WRITABLE)
            self._leave_time_for_the_others()
            return

    def _leave_time_for_the_others(self) -> None:
        # One address that swallows what is sent to it, often the IPv6 one, must not use up the
        # time of those after it.
        if self._addresses and self._deadline is not None:
            left = self._deadline.due - self._raw_server.network.time()
            share = left / (len(self._addresses) + 1)
            self._next_is_due = self._raw_server.add_task(self._no_answer_here, share)

    def _no_answer_here(self) -> None:
        self._not_here(TimeoutError(errno.ETIMEDOUT, "no answer from the last of its addresses"))

    def _not_here(self, error: OSError) -> None:
        self._release()
        self._error = error
        self._try_next()

    def ready(self, events: int) -> None:
        """Learn how `connect` ended; called by the loop."""
        sock = self._sock
        assert sock is not None
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._not_here(OSError(code, os.strerror(code)))
            return
        try:
            peer: Any = sock.getpeername()
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                self._not_here(error)
            return  # an event of another's: still connecting
        if isinstance(peer, tuple) and sock.getsockname() == peer:
            # Nobody listens, but TCP connects a port that the system chose for us to itself
            # (RFC 9293, section 3.5, simultaneous open).
            self._not_here(ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself"))
            return
        self._finish()
        self._sock = None
        self._raw_server.unregister(sock.fileno(), self)
        try:
            self._raw_server.connected(self._connection, sock, peer)
        except OSError as error:  # the poller has no room for it
            self._raw_server.could_not_connect(self._connection, self._address, error)

    def abandon(self, error: BaseException | None) -> None:
        """End without a connection, because somebody closed it before it was made."""
        self._fail(error or ConnectionAbortedError(errno.ECONNABORTED, "closed before it was made"))

    def _too_late(self, timeout: float) -> None:
        self._fail(TimeoutError(errno.ETIMEDOUT, f"no answer within {timeout:g} seconds"))

    def _fail(self, error: BaseException) -> None:
        if self._over:
            return
        self._finish()
        self._release()
        self._connection.attempting(None)
        self._raw_server.could_not_connect(self._connection, self._address, error)

    def _finish(self) -> None:
        self._over = True
        if self._deadline is not None:
            self._deadline.cancel()
        if self._next_is_due is not None:
            self._next_is_due.cancel()

    def _release(self) -> None:
        if self._next_is_due is not None:
            self._next_is_due.cancel()
        if self._sock is not None:
            self._raw_server.forget(self._sock.fileno(), self._sock, True)
            self._sock = None
