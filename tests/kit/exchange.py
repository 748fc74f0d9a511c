"""Exchanges of bytes between simulated hosts, and an oracle that knows what RawServer promises.

Two ends send each other so many bytes each. The ends check every call that they get, and what a
run leaves behind is checked as a whole: nothing here knows of any fault in particular.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rawserver import SingleSocket
from rawserver.engine.errors import WriteBufferFull
from rawserver.simulation.world import World

# What all streams are parts of; each begins at a place of its own.
PATTERN = random.Random(1).randbytes(1 << 16)
_TWICE = memoryview(PATTERN + PATTERN)
HEADER_SIZE = 4
MOST_WRITTEN_AT_ONCE = 60_000
# What a flood writes, whatever `write` returns.
FLOOD_SIZE = 3_000_000


class Planned(Exception):
    """Raised by a handler or a task on purpose."""


class Oracle:
    """What was promised and not kept, in words; nothing is raised, for handlers may raise.

    `calm` runs have slow and lossy links, but no host and no link fails in them.
    """

    def __init__(self, world: World, *, calm: bool) -> None:
        self.world = world
        self.calm = calm
        self.broken: list[str] = []
        self.exchanges: dict[int, Exchange] = {}
        # Faults that were raised on purpose, and that were reported.
        self.planned = self.reported = 0
        self._in_a_call = False

    def check(self, held: object, text: str) -> None:
        """Note that something does not hold."""
        if not held:
            self.broken.append(f"{self.world.now:.6f} {text}")

    @contextmanager
    def no_calls(self) -> Iterator[None]:
        """Have it noted if what is done here calls a handler (promise 1)."""
        before, self._in_a_call = self._in_a_call, True
        try:
            yield
        finally:
            self._in_a_call = before

    def told(self, what: str) -> None:
        """Note that a handler or a task is called."""
        self.check(not self._in_a_call, f"{what} from within a call of ours")

    def raise_planned(self) -> None:
        """Raise, and know that it has to be reported."""
        self.planned += 1
        raise Planned

    def look_at_the_end(self) -> None:
        """Check what became of all exchanges, when everything should be over."""
        for exchange in self.exchanges.values():
            exchange.look_at_the_end()


class Exchange:
    """What two ends are to send each other. `disturbed` says why it need not come to its end."""

    def __init__(self, oracle: Oracle, key: int, kind: str) -> None:
        self.oracle = oracle
        self.kind = kind
        self.disturbed = kind if kind in ("flood", "refused") else ""
        chance = random.Random(f"{oracle.world.seed} {key}")
        sizes = [0, 1, 1000, 20_000, 100_000, 700_000]
        self.lengths = [chance.choices(sizes, [2, 2, 4, 8, 4, 1])[0] for _ in range(2)]
        if kind == "flood":
            self.lengths[0] = FLOOD_SIZE
        # One of the two may close; the other one shuts its own direction.
        self.closes = chance.choice([0, 1, None])
        self.ends: list[End] = []

    def __repr__(self) -> str:
        return f"{self.kind} of {self.lengths}"

    def disturb(self, why: str) -> None:
        """Note that something was done to it."""
        self.disturbed = why

    def look_at_the_end(self) -> None:
        """Check that each end was told how it ended, and that nothing is missing."""
        check = self.oracle.check
        for end in self.ends:
            if not end.is_dead:
                check(end.state in ("lost", "failed"), f"{end} is never over")
        caller = self.ends[0]
        if self.disturbed == "flood" and self.oracle.calm and not caller.is_complete:
            check(caller.error is not None, f"{self} of {caller} ended, and nobody knows why")
        if self.disturbed:
            return
        errors = [end.error for end in self.ends if end.error is not None]
        if self.oracle.calm:
            check(not errors, f"{self} failed for no reason: {errors}")
        if not errors and caller.state != "failed":
            # Who waits for nothing cannot know that the other host has failed.
            is_known = self.oracle.calm or caller.incoming > 0
            check(len(self.ends) >= 2 or not is_known, f"{self}: nobody took it")
            # Packets that chaos held back for long may have begun it once more (RFC 1337).
            for end in self.ends[:2]:
                check(end.is_complete, f"{end} ended in good order, and bytes are missing")


class End:
    """One end: the handler of its connection. `number` is 0 for who calls."""

    def __init__(self, oracle: Oracle, chance: random.Random, exchange: Exchange | None) -> None:
        self.oracle = oracle
        self.chance = chance
        self.exchange = exchange
        self.number = 0 if exchange is not None else 1
        self.key = b""
        self.state = "new"
        self.connection: SingleSocket | None = None
        self.error: BaseException | None = None
        self.paused = self.waits = self.shut = False
        # Its process has crashed: it hears nothing more.
        self.is_dead = False
        self.sent = self.received = 0
        # Called with this end when it is over.
        self.over: Callable[[End], object] = lambda end: None
        # May raise, or do something to a connection.
        self.meddle: Callable[[End], object] = lambda end: None
        if exchange is not None:
            exchange.ends.append(self)
        if chance.random() < 0.3:
            self.buffer = bytearray(chance.choice([777, 70_000]))
            self.get_buffer = self._get_buffer
            self.buffer_filled = self._buffer_filled

    def __repr__(self) -> str:
        return (
            f"<End {self.number} of {self.exchange}: {self.state}, sent {self.sent}, "
            f"received {self.received}, error {self.error!r}, {self.connection}>"
        )

    @property
    def outgoing(self) -> int:
        """The bytes that it is to send."""
        return 0 if self.exchange is None else self.exchange.lengths[self.number]

    @property
    def incoming(self) -> int:
        """The bytes that it is to receive."""
        return 0 if self.exchange is None else self.exchange.lengths[1 - self.number]

    @property
    def is_complete(self) -> bool:
        """Whether everything has been received."""
        return self.exchange is not None and self.received == self.incoming

    # What it is told.

    def told(self, name: str, *states: str) -> None:
        """Check that something may be told now."""
        self.oracle.told(name)
        self.oracle.check(not self.is_dead, f"{name} in a process that is no more")
        self.oracle.check(self.state in states, f"{name} when {self}")

    def made(self, connection: SingleSocket, name: str) -> None:
        """Begin."""
        self.told(name, "new")
        self.state = "made"
        self.connection = connection
        try:
            connection.socket().getpeername()
        except OSError as error:
            self.oracle.check(self._is_reset(), f"{name}, and it has no peer ({error}): {self}")
        if self.exchange is not None:
            refused = self.exchange.kind == "refused"
            self.oracle.check(not refused, f"made with nobody: {self}")
            connection.write(self.key)
        self.meddle(self)
        self.go_on()

    def _is_reset(self) -> bool:
        # A connection may be made and reset before its handler hears of it.
        assert self.connection is not None
        sock: Any = self.connection.socket()
        return sock.connection is not None and sock.connection.state == 0

    def connection_made(self, connection: SingleSocket) -> None:
        self.made(connection, "connection_made")

    def connection_failed(self, address: object, error: BaseException) -> None:
        self.told("connection_failed", "new")
        self.state, self.error = "failed", error
        self.oracle.check(isinstance(error, OSError), f"failed with {error!r}: {self}")
        self.over(self)

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        self._take(data)

    def _get_buffer(self, connection: SingleSocket) -> bytearray:
        self.told("get_buffer", "made")
        return self.buffer

    def _buffer_filled(self, connection: SingleSocket, count: int) -> None:
        self._take(bytes(self.buffer[:count]))

    def _take(self, data: bytes) -> None:
        self.told("data_came_in", "made")
        self.oracle.check(data, f"no data came in: {self}")
        self.oracle.check(not self.paused, f"data for who had paused: {self}")
        if self.exchange is None:
            data = self._take_key(data)
        if data:
            begin = self._place(1 - self.number, self.received)
            held = data == (_TWICE[begin:].tobytes() + PATTERN * (len(data) >> 16))[: len(data)]
            self.oracle.check(held, f"bytes were lost, doubled or out of order: {self}")
            self.received += len(data)
            self.oracle.check(self.received <= self.incoming, f"too much came in: {self}")
        if self.exchange is not None:
            self.meddle(self)
            self.go_on()

    def _place(self, number: int, position: int) -> int:
        return (int.from_bytes(self.key) * 7919 + number * 31_337 + position) % len(PATTERN)

    def _take_key(self, data: bytes) -> bytes:
        missing = HEADER_SIZE - len(self.key)
        self.key += data[:missing]
        if len(self.key) == HEADER_SIZE:
            self.exchange = self.oracle.exchanges.get(int.from_bytes(self.key))
            self.oracle.check(self.exchange is not None, f"wrong bytes came first: {self}")
            if self.exchange is not None:
                self.exchange.ends.append(self)
        return data[missing:]

    def connection_flushed(self, connection: SingleSocket) -> None:
        self.told("connection_flushed", "made")
        self.waits = False
        self.meddle(self)
        self.go_on()

    def eof_received(self, connection: SingleSocket) -> bool:
        self.told("eof_received", "made")
        self.oracle.check(not self.paused, f"the end for who had paused: {self}")
        # One who never said who it is wants nothing more.
        return self.exchange is not None

    def connection_lost(self, connection: SingleSocket) -> None:
        self.told("connection_lost", "made")
        self.oracle.check(connection is self.connection, f"another's connection lost: {self}")
        self.oracle.check(connection.lost and connection.fileno() == -1, f"not quite lost: {self}")
        self.state, self.error = "lost", connection.error
        if isinstance(self.error, WriteBufferFull):
            flood = self.exchange is not None and self.exchange.kind == "flood"
            self.oracle.check(flood, f"the buffer is full of nothing: {self}")
        if isinstance(self.error, Planned) and self.exchange is not None:
            self.exchange.disturb("planned")
        self.over(self)

    # What it does.

    def go_on(self) -> None:
        """Write as much as may be written; end this direction when all is."""
        connection, exchange = self.connection, self.exchange
        if exchange is None or connection is None or connection.lost or self.shut:
            return
        with self.oracle.no_calls():
            while self.sent < self.outgoing and not self.waits:
                self._write(connection, exchange)
                if connection.lost:
                    return
            if self.sent == self.outgoing:
                self._end(connection, exchange)

    def _write(self, connection: SingleSocket, exchange: Exchange) -> None:
        begin = self._place(self.number, self.sent)
        most = min(self.outgoing - self.sent, MOST_WRITTEN_AT_ONCE)
        count = min(most, self.chance.choice([1, 500, 9000, MOST_WRITTEN_AT_ONCE]))
        if exchange.kind == "flood":
            count = most
        data = _TWICE[begin : begin + count]
        if self.chance.random() < 0.5:
            goes_on = connection.write(bytes(data))
        elif self.chance.random() < 0.5:
            goes_on = connection.write(bytearray(data))
        else:
            goes_on = connection.write_lent([data[: count // 2], data[count // 2 :]])
        self.sent += count
        self.waits = not goes_on and exchange.kind != "flood"

    def _end(self, connection: SingleSocket, exchange: Exchange) -> None:
        if exchange.closes == self.number:
            if self.is_complete:
                self.shut = True
                connection.close_when_flushed()
        else:
            self.shut = True
            connection.shutdown()
