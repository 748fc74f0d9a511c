"""A client of a Redis or Valkey server, on the loop: commands pipelined, replies in order (RESP 2).

Commands given within a turn of the loop leave in one write. Nothing here waits, and nothing is
held back for a server that is not there: who asks is told at once that he has to do without.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, Protocol

from rawserver.engine import RawServer, SingleSocket, Task
from rawserver.engine.tls import TlsClient
from rawserver.services.tracker.redis_url import RedisUrl

try:
    import hiredis
except ImportError:  # pragma: no cover - an extra of the package
    hiredis = None  # type: ignore[assignment]

# A server in the same network answers within a millisecond; who announced should not wait long
# for one that does not. It is for the making of a connection, and for every command.
TIMEOUT_SECONDS = 1.0
# A server that is away is asked for by every tracker process: soon at first, then less and less.
FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 10.0
# One command takes some 500 bytes here and 1,000 in what waits for its reply; a server that has
# not answered so many does not keep up, and could answer no more than these within the time-out.
MAX_WAITING = 20_000
# 200 peers with their ids take 11 KB; a reply that grows beyond this is none of ours.
MAX_REPLY_BYTES = 1024 * 1024

# Errors that say something of the server and nothing of the command: the next one would fare the
# same. Each is the first word of the reply.
_OF_THE_SERVER = frozenset(
    {
        "BUSY", "CLUSTERDOWN", "CROSSSLOT", "ASK", "LOADING", "MASTERDOWN", "MISCONF", "MOVED",
        "NOAUTH", "NOPERM", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN", "UNKILLABLE", "WRONGPASS",
    }
)  # fmt: skip
_MORE = object()
NEEDS_HIREDIS = "a store in Redis or Valkey needs hiredis: pip install 'rawserver[redis]'"
_pack: Any = getattr(hiredis, "pack_command", None)


class StoreError(Exception):
    """A store cannot be used, or has not answered. One line that says why."""


# Takes a command's reply: what hiredis makes of it, its ReplyError included, or a StoreError.
Answered = Callable[[Any], None]


class StoreOwner(Protocol):
    """Whose store it is."""

    def store_opened(self, replies: list[Any]) -> None:
        """Take the replies to the opening commands, errors too; StoreError if they do not do."""

    def store_lost(self, reason: str) -> None:
        """Be told that it is not there, each time that a connection ends or is not made.

        Whoever waits for a reply is told after this.
        """


def pack_command(*words: bytes | str | int) -> bytes:
    """Return a command as it is sent; StoreError if hiredis is not installed."""
    if _pack is None:
        raise StoreError(NEEDS_HIREDIS)
    packed: bytes = _pack(words)
    return packed


def check_server(error: Exception) -> None:
    """Raise StoreError for an error that says something of the server, not of the command."""
    if str(error).partition(" ")[0] in _OF_THE_SERVER:
        raise StoreError(str(error))


def raise_error(error: Exception) -> None:
    """Raise an error, as a task: the loop reports it."""
    raise error


class RedisClient:
    """Keeps one connection to a server, made anew when it is lost, with growing delays.

    `opening` are commands that each new connection begins with. Times are in seconds. Raises
    StoreError if hiredis is not installed.
    """

    def __init__(
        self,
        raw_server: RawServer,
        url: RedisUrl,
        owner: StoreOwner,
        opening: Sequence[bytes] = (),
        *,
        timeout: float = TIMEOUT_SECONDS,
        tls: TlsClient | None = None,
    ) -> None:
        if hiredis is None:
            raise StoreError(NEEDS_HIREDIS)
        self.url = url
        # Whether commands can be given.
        self.ready = False
        self._raw_server = raw_server
        self._owner = owner
        self._opening = list(opening)
        self._timeout = timeout
        self._tls = (tls or TlsClient()) if url.tls else None
        self._connection: SingleSocket | None = None
        self._reader: Any = None
        self._unread = 0
        self._unsent: list[bytes] = []
        self._waiting: deque[Answered] = deque()
        self._asked = self._answered = 0
        # What was sent together, the oldest first: the number of its last command, and until when
        # that has to be answered.
        self._batches: deque[tuple[int, float]] = deque()
        self._look_task: Task | None = None
        self._connect_task: Task | None = None
        self._failures = 0
        self._closed = False

    def start(self) -> None:
        """Connect, soon."""
        self._connect_task = self._raw_server.add_task(self._connect)

    def close(self) -> None:
        """End; whoever waits for a reply is told."""
        self._closed = True
        if self._connect_task is not None:
            self._connect_task.cancel()
        self._drop()
        self._tell_waiting("the tracker has closed its connection")

    def ask(self, command: bytes, answered: Answered) -> bool:
        """Send a command; its reply goes to `answered`, once and within the time-out.

        False, and nothing is done, if the server is not there or does not keep up.
        """
        if not self.ready or len(self._waiting) >= MAX_WAITING:
            return False
        self._send(command, answered)
        return True

    def ask_again(self, command: bytes, answered: Answered) -> None:
        """Do as `ask`, from within `answered`: the place that its command had is free again."""
        self._send(command, answered)

    def _send(self, command: bytes, answered: Answered) -> None:
        if not self._unsent:
            self._raw_server.add_task(self._flush)
        self._unsent.append(command)
        self._waiting.append(answered)
        self._asked += 1

    def _flush(self) -> None:
        if self._connection is None or not self._unsent:
            return  # lost in the meantime
        data = b"".join(self._unsent)
        self._unsent.clear()
        self._batches.append((self._asked, self._raw_server.network.time() + self._timeout))
        if self._look_task is None:
            self._look_task = self._raw_server.add_task(self._look, self._timeout)
        self._connection.write(data)

    # Time-outs.

    def _look(self) -> None:
        self._look_task = None
        overdue = self._oldest_batch()
        if overdue is None:
            return
        number, due = overdue
        wait = due - self._raw_server.network.time()
        if wait > 0:
            self._look_task = self._raw_server.add_task(self._look, wait)
        else:
            # If this process was held up itself, the reply lies there and is read in this turn.
            self._look_task = self._raw_server.add_task(self._give_up, 0, (number,))

    def _give_up(self, number: int) -> None:
        self._look_task = None
        if self._answered < number:
            self._lose(f"no answer within {self._timeout:g} s")
        else:
            self._look()

    def _oldest_batch(self) -> tuple[int, float] | None:
        batches = self._batches
        while batches and batches[0][0] <= self._answered:
            batches.popleft()
        return batches[0] if batches else None

    # What RawServer calls.

    def connection_made(self, connection: SingleSocket) -> None:
        if connection is not self._connection:
            connection.close()
            return
        self._reader = hiredis.Reader(notEnoughData=_MORE)
        self._unread = 0
        replies: list[Any] = []
        for command in self._login():
            self._send(command, self._logged_in)
        for command in self._opening[:-1]:
            self._send(command, replies.append)
        last = self._opening[-1] if self._opening else pack_command("PING")
        self._send(last, lambda reply: self._opened([*replies, reply]))
        self._flush()

    def connection_failed(self, address: object, error: BaseException) -> None:
        self._lose(f"no connection: {getattr(error, 'strerror', None) or error}")

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        if connection is not self._connection:
            return
        reader, waiting = self._reader, self._waiting
        self._unread += len(data)
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not _MORE:
                self._unread = 0
                if not waiting:
                    raise StoreError("it answers what it was not asked")
                if self.ready:
                    if isinstance(reply, hiredis.ReplyError):
                        check_server(reply)
                    self._failures = 0
                self._answered += 1
                self._tell(waiting.popleft(), reply)
                if connection is not self._connection:
                    return
        except (StoreError, hiredis.ProtocolError) as error:
            self._lose(f"{error}")
            return
        if self._unread > MAX_REPLY_BYTES:
            self._lose(f"a reply of more than {MAX_REPLY_BYTES} bytes")

    def _tell(self, answered: Answered, reply: Any) -> None:
        try:
            answered(reply)
        except StoreError:
            raise
        except Exception as error:
            # A fault of who asked; those behind him still get their replies.
            self._raw_server.add_task(raise_error, 0, (error,))

    def connection_lost(self, connection: SingleSocket) -> None:
        if connection is self._connection:
            self._lose(f"the connection ended{f': {connection.error}' if connection.error else ''}")

    # A connection's beginning and end.

    def _connect(self) -> None:
        self._connect_task = None
        self._connection = self._raw_server.start_connection(
            self.url.address,
            self,
            connect_timeout=self._timeout,
            idle_timeout=inf,
            urgent=True,
            tls=self._tls,
        )

    def _login(self) -> list[bytes]:
        url = self.url
        commands = []
        if url.password:
            words = ("AUTH", url.user, url.password) if url.user else ("AUTH", url.password)
            commands.append(pack_command(*words))
        if url.database:
            commands.append(pack_command("SELECT", url.database))
        return commands

    def _logged_in(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError):
            raise StoreError(str(reply))

    def _opened(self, replies: list[Any]) -> None:
        if isinstance(replies[-1], StoreError):
            return  # the connection was lost before
        if not self._opening:
            self._logged_in(replies[-1])
        self._owner.store_opened(replies)
        self.ready = True

    def _lose(self, reason: str) -> None:
        self._drop()
        if self._closed:
            return
        delay = min(FIRST_DELAY_SECONDS * 2**self._failures, LONGEST_DELAY_SECONDS)
        self._failures = min(self._failures + 1, 30)
        # Trackers that lost it together do not all come back together.
        delay *= 0.5 + 0.5 * self._raw_server.network.random.random()
        self._connect_task = self._raw_server.add_task(self._connect, delay)
        self._owner.store_lost(reason)
        self._tell_waiting(reason)

    def _drop(self) -> None:
        self.ready = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if self._look_task is not None:
            self._look_task.cancel()
            self._look_task = None
        self._unsent.clear()
        self._batches.clear()
        self._answered = self._asked

    def _tell_waiting(self, reason: str) -> None:
        waiting, self._waiting = self._waiting, deque()
        error = StoreError(reason)
        for answered in waiting:
            # Each by itself: where one fails, the others are told all the same.
            self._raw_server.add_task(answered, 0, (error,))
