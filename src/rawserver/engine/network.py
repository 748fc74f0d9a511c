"""The seam: what RawServer asks of an operating system.

`OsNetwork` is the real one; whatever else implements these protocols can stand in its place under
the same RawServer. Sockets have the methods and the errors of `socket.socket`.
"""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from rawserver.engine.disk import Buffer, Disk, File

# Bits of a poller's events, those of epoll and poll. Any other bit is an error or a hang-up, and
# stands for both: the next call tells which.
READABLE = 1
WRITABLE = 4
# The kind of socket for whose addresses who will send datagrams asks `resolve`.
DATAGRAM = int(socket.SOCK_DGRAM)


class SocketAddress(NamedTuple):
    """A resolved address: the family of its socket and what `connect` takes."""

    family: int
    address: Any


class Socket(Protocol):
    """The part of `socket.socket` that RawServer uses. It never blocks."""

    def fileno(self) -> int: ...
    def close(self) -> None: ...
    def connect_ex(self, address: Any, /) -> int: ...
    def accept(self) -> tuple[Any, Any]: ...
    def recv(self, count: int, flags: int = 0, /) -> bytes: ...
    def recv_into(self, buffer: Any, /) -> int: ...
    def recvfrom(self, count: int, /) -> tuple[bytes, Any]: ...
    def send(self, data: Any, flags: int = 0, /) -> int: ...
    def sendmsg(self, buffers: Any, ancdata: Any = ..., flags: int = ..., /) -> int: ...
    def sendto(self, data: Any, address: Any, /) -> int: ...
    def shutdown(self, how: int, /) -> None: ...
    def getsockname(self) -> Any: ...
    def getpeername(self) -> Any: ...
    def getsockopt(self, level: int, option: int, /) -> int: ...
    def setsockopt(self, level: int, option: int, value: Any, /) -> None: ...
    def setblocking(self, flag: bool, /) -> None: ...
    def bind(self, address: Any, /) -> None: ...
    def listen(self, backlog: int = ..., /) -> None: ...


# An address as `recvfrom` has it, and the datagram.
Datagram = tuple[Any, bytes]


class DatagramBatches(Protocol):
    """Takes and sends many datagrams of one socket by one call. It never blocks.

    `send_to(data, address)`, if there is one, does as the socket's `sendto`, faster, and takes
    (ip, port) of IPv4 on IPv6 sockets, too.
    """

    @property
    def send_to(self) -> Callable[[Buffer, Any], int] | None: ...

    def receive(self, limit: int) -> tuple[list[Datagram], int]:
        """Take 1 to `limit` datagrams, in order; returns them and the sum of their bytes.

        An address of IPv4 is (ip, port) on IPv6 sockets too. Raises OSError as `recvfrom` does.
        """

    def send(self, datagrams: Sequence[tuple[Any, Buffer]]) -> tuple[int, int]:
        """Send the first ones, to (ip, port) each; returns how many were taken, and their bytes.

        One at least. Raises OSError as `sendto` does, because of the first one.
        """

    def receive_packed(self, limit: int) -> tuple[list[bytes], list[bytes], int]:
        """Do as `receive`; returns packed addresses (`packed_address`), datagrams, and bytes."""

    def send_packed(
        self, addresses: Sequence[bytes], datagrams: Sequence[Buffer]
    ) -> tuple[int, int]:
        """Do as `send`, to packed addresses of the socket's family, as many as datagrams."""


class Poller(Protocol):
    """Level-triggered readiness of descriptors."""

    def register(self, descriptor: int, events: int) -> None: ...
    def modify(self, descriptor: int, events: int) -> None: ...
    def unregister(self, descriptor: int) -> None: ...

    def poll(self, timeout_seconds: float | None) -> Sequence[tuple[int, int]]:
        """Wait for events, at most so long (None: for ever); returns (descriptor, events)."""

    def close(self) -> None: ...


class Wakeup(Protocol):
    """Makes a poll return, from any thread."""

    def fileno(self) -> int: ...
    def wake(self) -> None: ...
    def drain(self) -> None: ...
    def close(self) -> None: ...


class Network(Protocol):
    """An operating system, as far as RawServer and its services need one."""

    random: random.Random
    disk: Disk

    def time(self) -> float:
        """Return seconds of a clock that never jumps."""

    def wall_time(self) -> float:
        """Return seconds since 1970 (UTC)."""

    def random_bytes(self, count: int) -> bytes:
        """Return bytes that nobody can foresee."""

    def make_poller(self) -> Poller:
        """Return a poller of its own for one RawServer."""

    def make_wakeup(self) -> Wakeup:
        """Return a wake-up to register with a poller."""

    def watch(self, doneflag: threading.Event, wakeup: Wakeup) -> Callable[[], None]:
        """Wake when the flag is set, by whoever; returns what ends the watching."""

    def socket(self, family: int, kind: int) -> Socket:
        """Return a new socket that does not block; OSError if there is none to be had."""

    def acceptor(self, serversocket: Socket) -> Callable[[], tuple[Any, Any]]:
        """Return what accepts: it gives sockets that do not block, nor delay little writes."""

    def datagram_batches(self, sock: Socket) -> DatagramBatches | None:
        """Return what handles the socket's datagrams by the batch; None if nothing does."""

    def remove_unix_socket(self, path: str) -> None:
        """Remove a Unix socket's file; OSError (EADDRINUSE) if it is one of another kind."""

    def set_unix_socket_mode(self, path: str, mode: int) -> None:
        """Set the permissions of a Unix socket's file, which decide who can connect."""

    def resolve(self, host: str, port: int, kind: int) -> list[SocketAddress]:
        """Look a name up, blocking; OSError if it has no address."""

    def start_work(self, func: Callable[[], None]) -> None:
        """Run a function off the loop, first come first served."""

    def start_look_up(self, func: Callable[[], None]) -> None:
        """Run a look-up off the loop, apart from work: one may wait long for its answer."""

    def sendfile(self, sock: Socket, file: File, offset: int, count: int) -> int:
        """Send a part of a file; returns the bytes taken, 0 at the file's end."""

    def unacknowledged(self, sock: Socket) -> int:
        """Count the bytes that a stream socket took and its peer's system has not received.

        0 where the system does not tell.
        """

    def primary_address(self) -> str:
        """Return the address at which other machines of the network reach this one."""
