"""Making a connection: look the name up, race its addresses, end in made or failed."""

from __future__ import annotations

import errno
import math
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

from rawserver.engine.address_order import in_order_of_attempts
from rawserver.engine.addresses import literal_address, unix_address
from rawserver.engine.connect_errors import ConnectErrors
from rawserver.engine.handler import Address
from rawserver.engine.network import SocketAddress
from rawserver.engine.outgoing_socket import OutgoingSocket
from rawserver.engine.single_socket import SingleSocket
from rawserver.engine.task import Task

if TYPE_CHECKING:
    from rawserver.engine.outgoing import Outgoing
    from rawserver.engine.rawserver import RawServer

# Sockets of one attempt at once. When the next address is due the oldest is given up: with the
# usual delay it has had two seconds, in which a lost SYN is sent again once (RFC 6298: after 1 s).
MOST_RACING = 8
# However little time there is (RFC 8305, section 8: the delay must not be shorter).
SHORTEST_DELAY = 0.01


class ConnectionAttempt:
    """One connection that is being made; the handler hears of exactly one outcome.

    Happy Eyeballs (RFC 8305): an address that has not answered within
    `Config.connection_attempt_delay` gets the next one beside it, one that fails is followed by
    the next at once, and the first that connects is it. `timeout` is in seconds, for the look-up
    and the connecting; waiting for a turn among the half-open ones does not count.
    """

    __slots__ = (
        "_address", "_connection", "_deadline", "_errors", "_left", "_local", "_next_is_due",
        "_outgoing", "_over", "_racing", "_raw_server", "_targets", "_timeout", "_urgent",
    )  # fmt: skip

    def __init__(
        self,
        raw_server: RawServer,
        connection: SingleSocket,
        address: Address,
        outgoing: Outgoing,
        timeout: float | None,
        local: SocketAddress | None = None,
        urgent: bool = False,
    ) -> None:
        self._raw_server = raw_server
        self._connection = connection
        self._address = address
        self._outgoing = outgoing
        self._timeout = self._left = math.inf if timeout is None else timeout
        self._local = local
        self._urgent = urgent
        self._targets: deque[SocketAddress] = deque()
        # In the order in which they began.
        self._racing: dict[OutgoingSocket, None] = {}
        self._errors = ConnectErrors()
        self._over = False
        self._deadline: Task | None = None
        self._next_is_due: Task | None = None
        connection.attempting(self)

    def start(self) -> None:
        """Begin. The outcome comes in a later turn, never from here."""
        if isinstance(self._address, str):
            self._wait_for_turn([unix_address(self._address)])
            return
        host, port = self._address
        literal = literal_address(host, port)
        if literal is not None:
            self._wait_for_turn([literal])
            return
        self._start_clock()
        try:
            # Not in the connection's context, which may change meanwhile: the connection is what
            # a context owns, and the answer of one that has ended is dropped.
            self._raw_server.start_look_up(host, port, socket.SOCK_STREAM, self._looked_up)
        except RuntimeError as error:
            self._fail(error)  # the system has no room for a thread

    def _looked_up(
        self, addresses: list[SocketAddress] | None, error: BaseException | None
    ) -> None:
        if self._over:
            return
        self._stop_clock()
        if error is not None:
            self._fail(error)
        else:
            self._wait_for_turn(addresses or [])

    def _wait_for_turn(self, found: list[SocketAddress]) -> None:
        local = self._local
        fitting = found
        if local is not None:
            fitting = [one for one in found if one.family in (local.family, socket.AF_UNIX)]
        if found and not fitting:
            assert local is not None
            family = "IPv6" if local.family == socket.AF_INET6 else "IPv4"
            text = f"bound to {local.address[0]}, and the peer has no {family} address"
            self._fail(OSError(errno.EAFNOSUPPORT, text))
            return
        self._targets = in_order_of_attempts(fitting)
        context: Any = self._connection.context
        self._raw_server.half_open_limit.add(self, context, self._urgent)

    def begin(self) -> None:
        """Connect: it is this one's turn; called by the limit of half-open ones."""
        self._start_clock()
        self._try_next()

    def _try_next(self) -> None:
        self._cancel_next()
        while self._targets:
            target = self._targets.popleft()
            try:
                racing = OutgoingSocket(self._raw_server, self, target, self._local)
            except (OSError, ValueError, OverflowError, TypeError) as error:
                # No way there, or an address that cannot be: a path or a port too large.
                self._errors.add(target.address, error)
                continue
            self._racing[racing] = None
            self._give_up_the_oldest()
            self._expect_next()
            return
        if not self._racing:
            self._fail(self._errors.most_telling())

    def _give_up_the_oldest(self) -> None:
        if len(self._racing) > MOST_RACING:
            oldest = next(iter(self._racing))
            self._drop(oldest, TimeoutError(errno.ETIMEDOUT, "no answer"))

    def _expect_next(self) -> None:
        if not self._targets:
            return
        delay = self._raw_server.config.connection_attempt_delay
        if self._deadline is not None:
            # Where time is short, each address still gets its share of it.
            left = self._deadline.due - self._raw_server.network.time()
            delay = min(delay, max(left / (len(self._targets) + 1), SHORTEST_DELAY))
        self._next_is_due = self._raw_server.add_task(self._try_next, delay)

    def won(self, racing: OutgoingSocket, peer: Any) -> None:
        """Take the first socket that connected; the others end unheard. Called by the socket."""
        del self._racing[racing]
        self._finish()
        sock = racing.hand_over()
        try:
            self._outgoing.connected(self._connection, sock, peer)
        except OSError as error:  # the poller has no room for it
            self._raw_server.could_not_connect(self._connection, self._address, error)

    def not_here(self, racing: OutgoingSocket, error: BaseException) -> None:
        """Go on to the next address at once; called by the socket."""
        self._drop(racing, error)
        self._try_next()

    def _drop(self, racing: OutgoingSocket, error: BaseException) -> None:
        del self._racing[racing]
        racing.close()
        self._errors.add(racing.address, error)

    def abandon(self, error: BaseException | None) -> None:
        """End without a connection, because somebody closed it before it was made."""
        self._fail(error or ConnectionAbortedError(errno.ECONNABORTED, "closed before it was made"))

    def _too_late(self) -> None:
        unanswered = [racing.address for racing in self._racing]
        self._fail(self._errors.too_late(self._timeout, unanswered))

    def _fail(self, error: BaseException) -> None:
        if self._over:
            return
        self._finish()
        self._connection.attempting(None)
        self._raw_server.could_not_connect(self._connection, self._address, error)

    def _finish(self) -> None:
        self._over = True
        self._stop_clock()
        self._cancel_next()
        self._targets.clear()
        for racing in self._racing:
            racing.close()
        self._racing.clear()
        self._raw_server.half_open_limit.remove(self)

    def _start_clock(self) -> None:
        if self._left != math.inf:
            self._deadline = self._raw_server.add_task(self._too_late, self._left)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._left = max(self._deadline.due - self._raw_server.network.time(), 0.0)
            self._deadline.cancel()
            self._deadline = None

    def _cancel_next(self) -> None:
        if self._next_is_due is not None:
            self._next_is_due.cancel()
            self._next_is_due = None
