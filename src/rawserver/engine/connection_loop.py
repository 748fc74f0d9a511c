"""A loop that has connections: whose they are, how they begin and end, and who is told."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from rawserver.engine.account import Account
from rawserver.engine.contexts import Endable
from rawserver.engine.endpoint import Endpoint
from rawserver.engine.fault_reports import Where, method_of
from rawserver.engine.handler import Address
from rawserver.engine.layer import Layer
from rawserver.engine.lingering import Lingering
from rawserver.engine.loop import Loop
from rawserver.engine.network import Socket
from rawserver.engine.rate_limit import RateLimit
from rawserver.engine.reserve import Reserve
from rawserver.engine.single_socket import SingleSocket
from rawserver.engine.task import Task
from rawserver.engine.timeouts import Timeouts, Watch
from rawserver.engine.write_stall import WriteStall


class ConnectionLoop(Loop):
    """What a loop knows of its connections; `RawServer` adds how they come about."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # Kept for when descriptors run out.
        self.reserve = Reserve(self.network)
        # All connections and bytes.
        self.account = Account()
        self._rate: RateLimit | None = None
        self._timeouts = Timeouts()
        self._scan: Task | None = None

    # Contexts.

    def add_context(
        self,
        context: Hashable,
        *,
        max_connections: int | None = None,
        rate: RateLimit | None = None,
    ) -> None:
        """Let `context` own things: at most so many connections, which share a rate.

        It may offer `got_exception(error, where)`: `where` is a `Where`, which tells the call and
        the connection. ValueError if the context is there already.
        """
        self.check_thread()
        self._contexts.add(context, Account(max_connections, rate))

    def remove_context(self, context: Hashable) -> None:
        """End all that a context owns, at once: tasks, connections, attempts, listeners, work.

        The handlers of its connections still hear `connection_lost`. Its listening sockets are
        closed. Nothing if it is not live.
        """
        self.check_thread()
        self._contexts.end(context)

    def has_room(self, context: Hashable) -> bool:
        """Whether a context may have one more connection; not if it is not live."""
        account = self._contexts.account(context)
        return account is not None and not account.is_full

    def connections(self, context: Hashable = ...) -> list[SingleSocket]:
        """Return the connections, of one context or of all; those in the making, too."""
        things = self._things_of(context)
        return [one for one in things if isinstance(one, SingleSocket) and not one.lost]

    def lingering(self, context: Hashable = ...) -> list[Lingering]:
        """Return what is left of connections that ended in good order, as `connections` does."""
        return [one for one in self._things_of(context) if isinstance(one, Lingering)]

    def _things_of(self, context: Hashable) -> list[Endable]:
        if context is ...:
            return self._contexts.all_things()
        return list(self._contexts.things(context) or ())

    def accounts(self) -> dict[Hashable, Account]:
        """Return what each live context has of connections and bytes."""
        return dict(self._contexts.accounts)

    def own_connection(self, connection: Endpoint, context: Hashable) -> None:
        """Give a connection to a context; ValueError, TooManyConnections if it cannot have it."""
        self._contexts.check(context)
        if connection.connected:
            account = self._contexts.accounts[context]
            account.check_room()
            account.enter(connection)
        self._contexts.own(connection, context)

    def disown_connection(self, connection: Endpoint, context: Hashable) -> None:
        """Take a connection from a context."""
        self._contexts.disown(connection, context)
        account = self._contexts.account(context)
        if connection.connected and account is not None:
            account.leave(connection)

    # Rates.

    @property
    def rate(self) -> RateLimit:
        """The limit of all connections together: without rates until they are set.

        From when it is first asked for, every connection is counted by it.
        """
        if self._rate is None:
            self._rate = RateLimit(self)
            for connection in self.connections():
                connection.limit_rate()
        return self._rate

    def rate_of(self, connection: Endpoint) -> RateLimit | None:
        """Return what limits a connection that has no limit of its own."""
        account = self._contexts.account(connection.context)
        if account is not None and account.rate is not None:
            return account.rate
        if connection.listener is not None and connection.listener.how.rate is not None:
            return connection.listener.how.rate
        return self._rate

    # How connections begin.

    def begin(
        self,
        connection: SingleSocket,
        sock: Socket,
        layer: Layer | None,
        *,
        reads_first: bool = False,
    ) -> None:
        """Have a connection begin on its socket. OSError, and nothing begun, if it cannot.

        One that `reads_first`, without layers, is polled when `read_first` is called for it.
        """
        connection.made(sock, layer, reads_first=reads_first)
        if connection.own_rate is not None or self.rate_of(connection) is not None:
            connection.limit_rate()
        timeout = connection.write_stall_timeout
        if timeout is not None and connection.buffered:  # what was written before it was made
            connection.stall = WriteStall(self, connection, timeout)

    def entering(self, connection: Endpoint) -> None:
        """Check that a connection may begin; TooManyConnections if its context is full."""
        account = self._contexts.account(connection.context)
        if account is not None and account.max_connections is not None:
            account.check_room()

    def entered(self, connection: Endpoint) -> None:
        """Count a connection that has begun, and watch it."""
        for account in self._accounts_of(connection):
            # As `enter` does; nothing has passed yet.
            account.connections += 1
            account.made += 1
        connection.watch_for_idleness()

    def _accounts_of(self, connection: Endpoint) -> list[Account]:
        accounts = [self.account]
        if (account := self._contexts.accounts.get(connection.context)) is not None:
            accounts.append(account)
        if connection.listener is not None:
            accounts.append(connection.listener.account)
        return accounts

    # Time-outs.

    def scan_for_timeouts(self) -> None:
        """End the connections on which nothing passed for their time-out."""
        if self._scan is not None:
            self._scan.cancel()  # somebody called this before it was due
            self._scan = None
        self._timeouts.look(self._time())
        if len(self._timeouts):
            self._scan_later()

    def watch(self, watch: Watch, at: float | None) -> None:
        """Have a watch look, at a time of the clock; for RawServer's own parts."""
        self._timeouts.add(watch, at)
        if self._scan is None and len(self._timeouts):
            self._scan_later()

    def unwatch(self, watch: Watch) -> None:
        """Have a watch look no more; for RawServer's own parts."""
        self._timeouts.remove(watch)

    def _scan_later(self) -> None:
        interval = self.config.timeout_check_interval
        self._scan = self._add_task(self.scan_for_timeouts, interval, (), None)

    # How they end.

    def drop(self, sock: Socket, layer: Layer | None) -> None:
        """Close a socket with which no connection began, when the turn is over."""
        if layer is not None:
            layer.lost()
            layer.wire.forget()
        else:
            self.hold(sock)

    def was_lost(self, connection: Endpoint) -> None:
        """Note a connection that ended; its handler is told at the end of the turn."""
        self._timeouts.remove(connection)
        if connection.stall is not None:
            self._timeouts.remove(connection.stall)
        if connection.deadline is not None:
            connection.deadline.cancel()
        received, sent = connection.received, connection.sent
        for account in self._accounts_of(connection):
            # As `leave` does.
            account.connections -= 1
            account.received += received
            account.sent += sent
        self._lost.append(connection)

    def _tell_lost(self) -> None:
        # Only those of this turn: a handler that ends another in `connection_lost` is not nested.
        for _ in range(len(self._lost)):
            connection = self._lost.popleft()
            self.times.running = connection
            self.call_handler(connection, "connection_lost")
            self._contexts.disown(connection, connection.context)

    def could_not_connect(
        self, connection: Endpoint, address: Address, error: BaseException
    ) -> None:
        """Tell the handler in the next turn that a connection was not made."""
        self._contexts.disown(connection, connection.context)
        self._add_task(self._tell_failed, 0.0, (connection, address, error), None)

    def _tell_failed(self, connection: Endpoint, address: Address, error: BaseException) -> None:
        connection.never_made(error)
        failed = getattr(connection.handler, "connection_failed", None)
        if failed is not None:
            try:
                failed(address, error)
            except Exception as fault:
                call = method_of(connection.handler, "connection_failed")
                self.context_failed(connection.context, fault, Where(call))

    def _end(self) -> None:
        super()._end()
        self.reserve.close()

    def _run_what_tells_of_the_end(self) -> None:
        for task in self.tasks.take_due(self.now):
            if task.func == self._tell_failed:
                self._run(task)

    # Whom they tell.

    def call_handler(self, connection: Endpoint, name: str) -> Any:
        """Call a method of a connection's handler, if it has it; a fault ends the connection."""
        method = getattr(connection.handler, name, None)
        if method is None:
            return None
        try:
            return method(connection)
        except Exception as error:
            self.handler_failed(connection, error, name)
            return None

    def handler_failed(self, connection: Endpoint, error: BaseException, name: str) -> None:
        """End a connection whose handler raised in a method of a name, and tell its context."""
        # The handler may have given the connection to a context during the call: it is asked now.
        context = connection.context
        connection.lose(error)
        call = method_of(connection.handler, name)
        self.context_failed(context, error, Where(call, connection))
