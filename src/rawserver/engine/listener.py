"""A listening socket: lets connections in, as many as there may be, until none waits."""

from __future__ import annotations

import errno
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rawserver.engine.account import Account
from rawserver.engine.addresses import peer_of
from rawserver.engine.admission import Admission, Limits
from rawserver.engine.errors import TooManyConnections
from rawserver.engine.first_bytes import FirstBytes
from rawserver.engine.layer import Layer
from rawserver.engine.lingering import Lingering
from rawserver.engine.network import Socket
from rawserver.engine.opening import Opening
from rawserver.engine.rate_limit import RateLimit
from rawserver.engine.receiver import Receiver
from rawserver.engine.single_socket import SingleSocket

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer
    from rawserver.engine.tls import TlsServer

# The peer gave up before it was taken, or one of the network errors that accept(2) passes on.
_PEER_GONE = {errno.ECONNABORTED, errno.EPROTO, errno.ECONNRESET, errno.ENETDOWN,
              errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPERM, errno.ETIMEDOUT}  # fmt: skip
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}


# Refused ones that are sent why, and linger until they have seen it. Above this they are closed:
# refusing must not take the descriptors that the limits keep free.
MOST_LINGERING = 64


# Where there is much to do, who speaks first has spoken by the time it is accepted: to read at
# once saves telling the poller. Who had not costs a read in vain; then so many are polled first.
POLLED_FIRST = 16


@dataclass(frozen=True, slots=True)
class Listening:
    """How a listener treats those who come; times in seconds, None is without limit."""

    idle_timeout: float | None
    write_stall_timeout: float | None
    first_bytes_timeout: float | None
    handshake_timeout: float | None
    rate: RateLimit | None
    proxy_protocol: bool


class Listener(Receiver):
    """Gives each connection that comes in to its handler.

    `account` counts connections and bytes; `admission` those that are in, and by the reason those
    that were not let in. `tls` and `limits` may be replaced: they are for those who come from
    then on.
    """

    def __init__(
        self,
        raw_server: RawServer,
        serversocket: Socket,
        handler: Any,
        context: object,
        how: Listening,
        limits: Limits,
        tls: TlsServer | None,
    ) -> None:
        self.serversocket = serversocket
        self._accept = raw_server.network.acceptor(serversocket)
        self.address = serversocket.getsockname()
        self.handler = handler
        self.context = context
        self.how = how
        self.tls = tls
        self.account = Account()
        self.admission = Admission(limits, self._has_room)
        # Paused because as many are in as may be, and not by somebody.
        self._waits_for_room = False
        self._lingering = 0
        # How many have begun since one had nothing to read yet; those of now that are read first.
        self._polled_first = 0
        self._unread: deque[tuple[SingleSocket, int]] = deque()
        # Whether descriptors had run out the last time, too.
        self._shortage = False
        super().__init__(raw_server, serversocket.fileno(), "accept connections")

    @property
    def limits(self) -> Limits:
        """How many may be in at once."""
        return self.admission.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self.admission.limits = limits
        self._has_room()

    def pause_reading(self) -> None:
        """Take nobody until `resume_reading`; they wait in the system's backlog."""
        self._waits_for_room = False
        super().pause_reading()

    def _has_room(self) -> None:
        if self._waits_for_room:
            self._waits_for_room = False
            self.resume_reading()

    # Those who come.

    def ready(self, events: int) -> None:
        """Take what waits, up to a turn's worth; called by the loop."""
        try:
            self._take_those_who_wait()
        finally:
            # After all: one kind of work at a time fits in the processor's caches.
            if self._unread:
                self._read_first()

    def _take_those_who_wait(self) -> None:
        admission = self.admission
        for _ in range(self._raw_server.config.accepts_per_turn):
            if admission.is_full and admission.limits.when_full == "wait":
                self.pause_reading()
                self._waits_for_room = True
                return
            try:
                sock, address = self._accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _PEER_GONE:
                    continue
                self._cannot_accept(error)
                return
            self.went_well()
            self._shortage = False
            self._came(sock, *peer_of(address))
            if not self.is_reading:
                return

    def _came(self, sock: Socket, ip: str, port: int) -> None:
        raw_server, how = self._raw_server, self.how
        # Behind a proxy everybody comes from its address; whose they are is seen in `opened`.
        counted = "" if how.proxy_protocol else ip
        if raw_server.has_room(self.context):
            reason = self.admission.why_not(counted)
        else:
            reason = "context"
        if reason is not None:
            self._refuse(sock, reason)
            return
        connection = SingleSocket(raw_server, self.handler, self.context, how.idle_timeout)
        connection.ip, connection.port = ip, port
        connection.write_stall_timeout = how.write_stall_timeout
        connection.came_in(self, self.admission.admit(counted))
        if self.tls is None and not how.proxy_protocol:
            reads_first = self._polled_first >= POLLED_FIRST
            self._polled_first += 1
            self._begin(connection, sock, None, reads_first)
            return
        self.admission.opening += 1
        opening = Opening(raw_server, connection, sock, self, how.handshake_timeout)
        opening.start(self.tls, takes_proxy_header=how.proxy_protocol)

    # Those whose opening is over.

    def opened(self, connection: SingleSocket, sock: Socket, layer: Layer | None) -> None:
        """Have a connection begin; called by its opening."""
        self.admission.opening -= 1
        if self.how.proxy_protocol:
            reason = self.admission.why_not_from(connection.ip)
            if reason is not None:
                self._drop(connection, sock, layer, TooManyConnections(reason), reason)
                return
            connection.comes_from(connection.ip)
        self._begin(connection, sock, layer)

    def not_opened(self, connection: SingleSocket, error: BaseException) -> None:
        """Note that a connection is none; called by its opening."""
        self.admission.opening -= 1
        self.admission.refused["opening failed"] += 1
        connection.never_made(error)
        failed = getattr(self.handler, "opening_failed", None)
        if failed is not None:
            self._raw_server.add_task(failed, 0.0, (connection, error), self.context)

    def _begin(
        self,
        connection: SingleSocket,
        sock: Socket,
        layer: Layer | None,
        reads_first: bool = False,
    ) -> None:
        try:
            self._raw_server.begin(connection, sock, layer, reads_first=reads_first)
        except OSError as error:
            # The context has become full meanwhile, or the poller has no room.
            full = isinstance(error, TooManyConnections)
            if not full:
                self._raw_server.report(logging.ERROR, f"cannot take a connection: {error}")
            self._drop(connection, sock, layer, error, "context" if full else "poller")
            return
        timeout = self.how.first_bytes_timeout
        if timeout is not None:
            FirstBytes(self._raw_server, connection, timeout)
        self._raw_server.call_handler(connection, "external_connection_made")
        if reads_first:
            self._unread.append((connection, sock.fileno()))

    def _read_first(self) -> None:
        """Read what has come already: who asks, is answered and ends is never polled."""
        while self._unread:
            connection, descriptor = self._unread.popleft()
            try:
                self._raw_server.read_first(descriptor)
            except OSError as error:
                self._raw_server.report(logging.ERROR, f"cannot poll a connection: {error}")
                connection.lose(error)
            if not connection.received:
                self._polled_first = 0

    # Those who are not let in.

    def _refuse(self, sock: Socket, reason: str) -> None:
        self.admission.refused[reason] += 1
        refusal = self.limits.refusal
        # Within TLS it would be none.
        if refusal and self.tls is None and self._lingering < MOST_LINGERING:
            try:
                sock.send(refusal)
            except OSError:
                sock.close()  # the peer has gone
                return
            self._lingering += 1
            Lingering(self._raw_server, sock, self.context, self._lingered)
        else:
            sock.close()

    def _lingered(self) -> None:
        self._lingering -= 1

    def _drop(
        self,
        connection: SingleSocket,
        sock: Socket,
        layer: Layer | None,
        error: OSError,
        reason: str,
    ) -> None:
        connection.never_made(error)
        # What lingers needs the poller, too.
        if layer is None and self.limits.refusal and reason != "poller":
            self._refuse(sock, reason)
        else:
            self.admission.refused[reason] += 1
            self._raw_server.drop(sock, layer)

    def _cannot_accept(self, error: OSError) -> None:
        # Mostly that descriptors have run out. A short shortage harms nobody: they wait in the
        # backlog. In a longer one they are told by being closed, rather than left to wait for ever.
        if error.errno in _NO_DESCRIPTORS:
            if self._shortage:
                limit = self._raw_server.config.accepts_per_turn
                shed = self._raw_server.reserve.shed(self.serversocket, limit)
                self.admission.refused["descriptors"] += shed
            self._shortage = True
        self.rest(error)

    def end(self) -> None:
        """Stop and close, because the context ends."""
        self._raw_server.stop_listening(self.serversocket)
        self.serversocket.close()
