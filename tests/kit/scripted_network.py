"""A network on which connections end as a test says, on a clock that only a poll moves.

Nothing passes over it: it is for what happens until a connection is made or has failed.
"""

import errno
import heapq
import os
import random
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

from rawserver import RawServer
from rawserver.engine.network import WRITABLE, SocketAddress

NEVER = -1


def ipv4(last: int, port: int = 80) -> SocketAddress:
    return SocketAddress(socket.AF_INET, (f"192.0.2.{last}", port))


def ipv6(last: int, port: int = 80) -> SocketAddress:
    return SocketAddress(socket.AF_INET6, (f"2001:db8::{last}", port, 0, 0))


class ScriptedNetwork:
    """`outcome` says how an address answers: after so many seconds, with what errno (0: well).

    An address without one never answers. `begun` has (time, address) of each connect, and
    `open` the sockets that are not closed; a descriptor is the lowest that is free, as in Unix.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.began = self.now
        self.names: dict[str, list[SocketAddress]] = {}
        self.look_up_seconds = 0.0
        self.begun: list[tuple[float, Any]] = []
        self.sockets: list[ScriptedSocket] = []
        self.open: dict[int, Any] = {}
        self.random = random.Random(1)
        self.most_open = 1 << 20
        self._outcomes: dict[Any, tuple[float, int]] = {}
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0

    def answers(self, address: SocketAddress, seconds: float, code: int = 0) -> SocketAddress:
        """Say how an address answers; with 0 seconds and an errno, `connect` itself fails."""
        self._outcomes[address.address] = seconds, code
        return address

    def outcome(self, address: Any) -> tuple[float, int]:
        return self._outcomes.get(address, (NEVER, 0))

    @property
    def begun_after(self) -> list[tuple[float, str]]:
        """Seconds since the beginning and the ip of each connect."""
        return [(round(time - self.began, 6), address[0]) for time, address in self.begun]

    def at(self, time: float, func: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._later, (time, self._sequence, func))

    def run_until(self, time: float) -> None:
        """Move the clock, with what is to happen until then."""
        while self._later and self._later[0][0] <= time:
            self.now, _, func = heapq.heappop(self._later)
            func()
        self.now = max(self.now, time)

    def next_event(self) -> float | None:
        return self._later[0][0] if self._later else None

    def take_descriptor(self, holder: object) -> int:
        descriptor = next(number for number in range(3, 1 << 20) if number not in self.open)
        self.open[descriptor] = holder
        return descriptor

    # What a Network has.

    def time(self) -> float:
        return self.now

    def make_poller(self) -> "ScriptedPoller":
        return ScriptedPoller(self)

    def make_wakeup(self) -> "ScriptedWakeup":
        return ScriptedWakeup(self)

    def watch(self, doneflag: threading.Event, wakeup: object) -> Callable[[], None]:
        return lambda: None

    def socket(self, family: int, kind: int) -> "ScriptedSocket":
        if len(self.open) >= self.most_open:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        sock = ScriptedSocket(self, family)
        self.sockets.append(sock)
        return sock

    def sendfile(self, sock: object, file: object, offset: int, count: int) -> int:
        raise AssertionError("nothing is sent here")

    def unacknowledged(self, sock: object) -> int:
        return 0

    def resolve(self, host: str, port: int, kind: int) -> list[SocketAddress]:
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return self.names[host]

    def start_look_up(self, func: Callable[[], None]) -> None:
        self.at(self.now + self.look_up_seconds, func)


class ScriptedSocket:
    """A socket that connects as its network says."""

    def __init__(self, network: ScriptedNetwork, family: int) -> None:
        self.network = network
        self.family = family
        self.closed = False
        self.options: list[tuple[int, int, Any]] = []
        self.local: Any = None
        self.peer: Any = None
        self.ends_at = float("inf")
        self.code = 0
        self._descriptor = network.take_descriptor(self)

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            del self.network.open[self._descriptor]
            self._descriptor = -1

    def bind(self, address: Any) -> None:
        self.local = address

    def connect_ex(self, address: Any) -> int:
        assert not self.closed
        self.peer = address
        self.network.begun.append((self.network.now, address))
        seconds, self.code = self.network.outcome(address)
        if not seconds and self.code:
            return self.code
        if seconds != NEVER:
            self.ends_at = self.network.now + seconds
            self.network.at(self.ends_at, lambda: None)
        return errno.EINPROGRESS

    def is_writable(self) -> bool:
        return self.network.now >= self.ends_at

    def getsockopt(self, level: int, option: int) -> int:
        assert not self.closed
        return self.code

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        self.options.append((level, option, value))

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def getpeername(self) -> Any:
        assert not self.closed
        if not self.is_writable():
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return self.peer

    def getsockname(self) -> Any:
        return self.local or ("198.51.100.1", 49152)

    def send(self, data: Any, flags: int = 0) -> int:
        raise BlockingIOError

    def recv(self, count: int) -> bytes:
        raise BlockingIOError


class ScriptedWakeup:
    """Wakes a poll of the same thread."""

    def __init__(self, network: ScriptedNetwork) -> None:
        self._network = network
        self._descriptor = network.take_descriptor(self)
        self.woken = False

    def fileno(self) -> int:
        return self._descriptor

    def wake(self) -> None:
        self.woken = True

    def drain(self) -> None:
        self.woken = False

    def close(self) -> None:
        del self._network.open[self._descriptor]


class ScriptedPoller:
    """Strict about what is registered, and in the order in which it was."""

    def __init__(self, network: ScriptedNetwork) -> None:
        self._network = network
        self._events: dict[int, int] = {}

    def register(self, descriptor: int, events: int) -> None:
        assert descriptor in self._network.open
        assert descriptor not in self._events
        self._events[descriptor] = events

    def modify(self, descriptor: int, events: int) -> None:
        assert descriptor in self._events
        self._events[descriptor] = events

    def unregister(self, descriptor: int) -> None:
        assert descriptor in self._network.open, "closed before it was unregistered"
        del self._events[descriptor]

    def _ready(self) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for descriptor, events in self._events.items():
            holder = self._network.open[descriptor]
            if isinstance(holder, ScriptedWakeup):
                if holder.woken:
                    found.append((descriptor, events))
            elif events & WRITABLE and holder.is_writable():
                found.append((descriptor, WRITABLE))
        return found

    def poll(self, timeout_seconds: float | None) -> Sequence[tuple[int, int]]:
        network = self._network
        network.run_until(network.now)
        end = None if timeout_seconds is None else network.now + timeout_seconds
        while not (found := self._ready()):
            upcoming = network.next_event()
            if upcoming is None or (end is not None and upcoming > end):
                assert end is not None, "it would wait for ever"
                network.run_until(end)
                return self._ready()
            network.run_until(upcoming)
        return found

    def close(self) -> None:
        self._events.clear()


def run(raw_server: RawServer, seconds: float) -> None:
    """Turn until so many seconds of the network's clock have passed, and what is then due."""
    network: Any = raw_server.network
    end = network.now + seconds
    turns = 0
    while network.now < end:
        raw_server.listen_once(end - network.now)
        turns += 1
        assert turns < 10_000, "it spins"
    raw_server.listen_once(0.0)
    raw_server.listen_once(0.0)
