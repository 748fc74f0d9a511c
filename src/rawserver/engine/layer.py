"""What may stand between a connection and its socket: TLS, a rate limit.

A connection reads, writes and polls its socket by itself. Where something stands between, the
connection's socket is the topmost layer, which does the same to the one beneath it; at the bottom
is the wire, which has the socket and polls it. A connection without layers pays nothing for them.

    SingleSocket  <-  TlsLayer  <-  Throttle  <-  Wire  <-  poller

Down go `recv`, `send` and the like, with the errors of a socket that does not block, and `want`:
which events the one above waits for. Up goes `ready`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from rawserver.engine.disk import File
from rawserver.engine.network import Socket

if TYPE_CHECKING:
    from rawserver.engine.loop import Loop


class Above(Protocol):
    """The layer above, or the connection: it is told what the one below is ready for."""

    def ready(self, events: int) -> None: ...


class Wire:
    """The socket itself, and its place in the poller, beneath the layers.

    `events` is what it is polled for. `sent` counts the bytes that the socket has taken, those of
    a protocol of a layer included.
    """

    __slots__ = ("_loop", "above", "descriptor", "events", "sent", "sock")

    def __init__(self, loop: Loop, sock: Socket, above: Above, sent: int = 0) -> None:
        self._loop = loop
        self.events = 0
        self.sock = sock
        # -1 while it is not polled.
        self.descriptor = -1
        self.above = above
        self.sent = sent

    def register(self, events: int) -> None:
        """Begin to be polled; OSError if the poller has no room, or has this socket already."""
        self._loop.register(self.sock.fileno(), self, events)
        self.descriptor = self.sock.fileno()
        self.events = events

    def take_over(self, events: int) -> None:
        """Go on in the place of who is polled for this socket now, for `events`."""
        self.descriptor = self.sock.fileno()
        self._loop.replace(self.descriptor, self)
        self.events = events

    def ready(self, events: int) -> None:
        """Pass on what the poller found, as far as it is waited for; called by the loop."""
        events &= self.events
        if events:
            self.above.ready(events)

    def want(self, events: int) -> None:
        """Be polled for these events from now on."""
        if events != self.events and self.descriptor >= 0:
            self._loop.change(self.descriptor, self.events, events)
            self.events = events

    def give_back(self, pollable: Above) -> int:
        """Have `pollable` polled for the socket in this one's place; returns for which events."""
        self._loop.replace(self.descriptor, pollable)
        self.descriptor = -1
        return self.events

    def forget(self) -> None:
        """Be polled no more, if it is; the socket is closed when the turn is over."""
        if self.descriptor >= 0:
            self._loop.forget(self.descriptor, self.sock, bool(self.events))
            self.descriptor, self.events = -1, 0
        else:
            self._loop.hold(self.sock)

    # What a socket does.

    @property
    def unsent(self) -> int:
        """Bytes that were taken from above and not by the socket."""
        return 0

    def recv(self, count: int) -> bytes:
        return self.sock.recv(count)

    def recv_into(self, buffer: Any) -> int:
        return self.sock.recv_into(buffer)

    def send(self, data: Any, flags: int = 0) -> int:
        count = self.sock.send(data, flags)
        self.sent += count
        return count

    def sendmsg(self, buffers: Any, ancillary: Any = (), flags: int = 0) -> int:
        count = self.sock.sendmsg(buffers, ancillary, flags)
        self.sent += count
        return count

    def sendfile(self, file: File, offset: int, count: int) -> int:
        """Send a part of a file; returns the bytes taken, 0 at the file's end."""
        count = self._loop.network.sendfile(self.sock, file, offset, count)
        self.sent += count
        return count

    def shutdown(self, how: int) -> None:
        self.sock.shutdown(how)


class Layer:
    """One that changes nothing: what it does not override is done by the one below."""

    __slots__ = ("above", "below")

    def __init__(self, below: Wire | Layer) -> None:
        """Stand upon `below`, and beneath what was above it."""
        self.below = below
        self.above: Above = below.above
        below.above = self
        if isinstance(self.above, Layer):
            self.above.stand_upon(self)

    def stand_upon(self, below: Wire | Layer) -> None:
        """Go on upon another, which has come between."""
        self.below = below

    @property
    def wire(self) -> Wire:
        """What is at the bottom."""
        below = self.below
        return below if isinstance(below, Wire) else below.wire

    def ready(self, events: int) -> None:
        """Do what can be done now, and tell the one above."""
        self.above.ready(events)

    def want(self, events: int) -> None:
        """Have `above.ready` called when reading or writing can go on."""
        self.below.want(events)

    def lost(self) -> None:
        """Let go of what waits, and have those beneath do so: the connection has ended."""
        if isinstance(self.below, Layer):
            self.below.lost()

    @property
    def unsent(self) -> int:
        """Bytes that were taken from above and not by the socket."""
        return self.below.unsent

    def recv(self, count: int) -> bytes:
        return self.below.recv(count)

    def recv_into(self, buffer: Any) -> int:
        return self.below.recv_into(buffer)

    def send(self, data: Any, flags: int = 0) -> int:
        return self.below.send(data, flags)

    def sendmsg(self, buffers: Any, ancillary: Any = (), flags: int = 0) -> int:
        return self.below.sendmsg(buffers, ancillary, flags)

    def sendfile(self, file: File, offset: int, count: int) -> int:
        """Send a part of a file; returns the bytes taken, 0 at the file's end."""
        return self.below.sendfile(file, offset, count)

    def shutdown(self, how: int) -> None:
        self.below.shutdown(how)


def send_file(top: Layer, file: File, offset: int, count: int) -> int:
    """Send a part of a file through layers; stands where `Network.sendfile` does."""
    return top.sendfile(file, offset, count)
