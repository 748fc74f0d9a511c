"""What a connection is besides its bytes: whose it is, what polls it, how it ends."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from rawserver.engine.layer import Layer, Wire
from rawserver.engine.lingering import Lingering
from rawserver.engine.network import READABLE, WRITABLE, Socket
from rawserver.engine.throttle import Throttle
from rawserver.engine.write_buffer import WriteBuffer

if TYPE_CHECKING:
    from rawserver.engine.admission import Ticket
    from rawserver.engine.listener import Listener
    from rawserver.engine.proxy_protocol import ProxyHeader
    from rawserver.engine.rate_limit import RateLimit
    from rawserver.engine.rawserver import RawServer
    from rawserver.engine.tls_layer import TlsLayer
    from rawserver.engine.write_stall import WriteStall

# SO_LINGER on, for 0 seconds: closing resets.
_RESET = struct.pack("ii", 1, 0)


class Attempt(Protocol):
    """Whoever makes a connection; told when it is ended before it is made."""

    def abandon(self, error: BaseException | None) -> None: ...


class Deadline(Protocol):
    """What would end a connection, and is cancelled when that ends by itself."""

    def cancel(self) -> None: ...


class Endpoint:
    """The life of one connection; `SingleSocket` adds its bytes."""

    __slots__ = (
        "_attempt", "_buffer", "_closing", "_context", "_direct", "_ended_by_peer", "_events",
        "_handler", "_idle_timeout", "_layer", "_on_buffer", "_on_data", "_on_filled",
        "_raw_server", "_reading", "_refuses", "_resets", "_seen", "_seen_at", "_shut", "_sock",
        "_ticket", "connected", "deadline", "descriptor", "error", "ip", "listener", "lost",
        "made_at", "own_rate", "port", "proxy_header", "received", "sent", "stall",
    )  # fmt: skip

    def __init__(
        self, raw_server: RawServer, handler: Any, context: object, idle_timeout: float | None
    ) -> None:
        self._raw_server = raw_server
        self._sock: Any = None
        self._layer: Layer | None = None
        self._attempt: Attempt | None = None
        self._ticket: Ticket | None = None
        self._buffer = WriteBuffer()
        self._events = 0
        self._reading = True
        # Sends at once; None while something waits to be sent first, or nothing may be.
        self._direct: Callable[[Any], int] | None = None
        # Nothing more may be written, though what was may still wait to be sent.
        self._refuses = False
        self._closing = False
        self._shut: int | None = None
        self._ended_by_peer = False
        self._resets = False
        self.own_rate: RateLimit | None = None
        # By which it came, None for one that we started.
        self.listener: Listener | None = None
        # What a proxy said of it, for one that came through a listener that asks for that.
        self.proxy_header: ProxyHeader | None = None
        self.descriptor = -1
        self.ip = ""
        self.port = 0
        self.connected = False
        self.lost = False
        self.error: BaseException | None = None
        self._idle_timeout = idle_timeout
        # Bytes since it was made; those of TLS and the like are not counted.
        self.received = 0
        self.sent = 0
        self.made_at = self._seen_at = raw_server.now
        self._seen = 0
        # What ends it if its first bytes, or its change to TLS, are not there in time.
        self.deadline: Deadline | None = None
        # Watches over what waits to be sent, while something does.
        self.stall: WriteStall | None = None
        self.handler = handler
        # As the setter does with one that has no context yet; who makes it is in the loop's thread.
        raw_server.own(self, context)
        self._context = context

    # Whose it is.

    @property
    def handler(self) -> Any:
        """The object whose methods are called for this connection."""
        return self._handler

    @handler.setter
    def handler(self, handler: Any) -> None:
        # Looked up once, not at each byte.
        self._handler = handler
        self._on_data: Callable[..., object] = getattr(handler, "data_came_in", _drop_data)
        self._on_buffer: Callable[..., Any] | None = getattr(handler, "get_buffer", None)
        self._on_filled: Callable[..., object] = getattr(handler, "buffer_filled", _no_buffer)

    @property
    def context(self) -> object:
        """The context that owns this connection.

        Setting it raises ValueError when that context is not live, TooManyConnections when it is
        full; the connection stays where it was.
        """
        return self._context

    @context.setter
    def context(self, context: object) -> None:
        # Equal contexts are one, whether or not they are the same object.
        if context != self._context:
            self._raw_server.check_thread()
            if not self.lost:
                self._raw_server.own_connection(self, context)
            self._raw_server.disown_connection(self, self._context)
            self._context = context
            if self.connected:
                self.limit_rate()
        self._context = context

    @property
    def rate(self) -> RateLimit | None:
        """What limits its rate: its own limit, else its context's, its listener's, the loop's.

        May be set at any time.
        """
        return self.own_rate or self._raw_server.rate_of(self)

    @rate.setter
    def rate(self, rate: RateLimit | None) -> None:
        self._raw_server.check_thread()
        self.own_rate = rate
        self.limit_rate()

    def limit_rate(self) -> None:
        """Be held to the limit that is this connection's now; for RawServer's own parts."""
        if not self.connected:
            return
        rate = self.rate
        if rate is not None or self._layer is not None:
            wire = self.wire()
            if isinstance(wire.above, Throttle):
                wire.above.change(rate)
            elif rate is not None:
                self.stand_on(Throttle(wire, rate))

    # What it stands on.

    def socket(self) -> Socket:
        """Return the socket beneath all layers, of one that was made."""
        sock: Socket = self._sock if self._layer is None else self._layer.wire.sock
        return sock

    def fileno(self) -> int:
        """Return the descriptor, -1 when there is none."""
        return self.descriptor

    def getsockname(self) -> Any:
        """Return this side's address."""
        return self.socket().getsockname()

    def wire(self) -> Wire:
        """Return what has the socket, from now on, beneath layers; for RawServer's own parts."""
        if self._layer is not None:
            return self._layer.wire
        wire = Wire(self._raw_server, self._sock, self, self.sent)
        wire.take_over(self._events)
        return wire

    @property
    def tls(self) -> TlsLayer | None:
        """What TLS agreed on (`version`, `alpn`, `peer_certificate`...); None in the clear."""
        # A rate limit is always beneath it.
        layer: Any = self._layer
        return None if isinstance(layer, Throttle) else layer

    def top(self) -> Layer | None:
        """Return the topmost layer, None without any; for RawServer's own parts."""
        return self._layer

    def stand_on(self, layer: Layer) -> None:
        """Read and write through a layer, if it is the topmost; for RawServer's own parts."""
        if layer.above is self:
            self._layer = self._sock = layer
            layer.want(self._events)

    @property
    def buffered(self) -> int:
        """Bytes that the system has not taken yet, those in files included."""
        return self._buffer.size if self._layer is None else self._buffer.size + self._layer.unsent

    def acknowledged(self) -> int:
        """Count the bytes that the peer's system has received, TLS's own included.

        Where the system does not tell, those that it has taken from us.
        """
        sent = self.sent if self._layer is None else self._layer.wire.sent
        return sent - self.unacknowledged()

    def unacknowledged(self) -> int:
        """Count the bytes that the system has taken and the peer's has not received."""
        return self._raw_server.network.unacknowledged(self.socket())

    def ready(self, events: int) -> None:
        """Read or send, as the poller found; called by the loop."""
        raise NotImplementedError

    def look(self, now: float) -> float | None:
        """End if nothing passed for too long; see `Timeouts`."""
        raise NotImplementedError

    def watch_for_idleness(self) -> None:
        """Be looked at in time; for RawServer's own parts."""
        raise NotImplementedError

    def _want(self, events: int) -> None:
        if events == self._events or not self.connected:
            return
        if self._layer is not None:
            self._layer.want(events)
        else:
            self._raw_server.change(self.descriptor, self._events, events)
        self._events = events

    # Beginning, as RawServer and whoever makes it drive it.

    def attempting(self, attempt: Attempt | None) -> None:
        """Note who tries to make this connection."""
        self._attempt = attempt

    def came_in(self, listener: Listener, ticket: Ticket) -> None:
        """Note by which listener it came, and what is to be given back when it ends."""
        self.listener = listener
        self._ticket = ticket

    def comes_from(self, ip: str) -> None:
        """Be counted for an address, which a proxy told."""
        if self._ticket is not None:
            self._ticket.comes_from(ip)

    def hears_nothing(self) -> None:
        """Note that the peer's side has ended from the beginning: this is a pipe for writing."""
        self._ended_by_peer = True

    def never_made(self, error: BaseException) -> None:
        """End without ever having been made, and belong to nobody."""
        self.lost = self._refuses = True
        self._direct = None
        self.error = error
        self._buffer.clear()
        self._give_back_ticket()
        self._raw_server.disown(self, self._context)

    def made(self, sock: Socket, layer: Layer | None = None, *, reads_first: bool = False) -> None:
        """Begin on a connected socket, or on a layer that has it; see `ConnectionLoop.begin`.

        OSError, and nothing begun, if it cannot be polled, or if its context is full.
        """
        # What was asked for before it was made is done when it is writable.
        writing = self._buffer.size or self._closing or self._shut is not None
        events = (READABLE if self._reading else 0) | (WRITABLE if writing else 0)
        self._raw_server.entering(self)
        if layer is None:
            # First, as it may raise: the poller may have no room, or have this socket already.
            register = self._raw_server.register_later if reads_first else self._raw_server.register
            register(sock.fileno(), self, events)
            self._sock = sock
        else:
            layer.above = self
        self._attempt = None
        self._events = events
        self.descriptor = sock.fileno()
        self.connected = True
        self.made_at = self._seen_at = self._raw_server.now
        self._raw_server.entered(self)
        if layer is not None:
            self.stand_on(layer)

    # Ending.

    def close(self) -> None:
        """End at once and drop what has not been sent; `connection_lost` follows from the loop."""
        self._raw_server.check_thread()
        self._resets = self._raw_server.config.close_with_rst
        self.lose(None)

    def reset(self) -> None:
        """End at once with a reset (RFC 9293, section 3.10.4), as an abort: nothing lingers."""
        self._raw_server.check_thread()
        self._resets = True
        self.lose(None)

    def end(self) -> None:
        """End because the context does."""
        self.lose(None)

    def lose(self, error: BaseException | None, lingers: bool = False) -> None:
        """End with a reason; the descriptor is held until the turn is over, or lingers."""
        if self.lost:
            return
        self.lost = self._refuses = True
        self._direct = None
        self.error = error
        if self._ticket is not None:
            self._give_back_ticket()
        if self._attempt is not None:
            self._buffer.clear()
            self._attempt.abandon(error)
        elif self.connected:
            if self._layer is not None:
                self._leave_layers(error is None and not self._buffer.size)
            self.connected = False
            self._let_go(lingers and not self._ended_by_peer)
            self._raw_server.was_lost(self)

    def _leave_layers(self, in_good_order: bool) -> None:
        layer = self._layer
        assert layer is not None
        wire = layer.wire
        if in_good_order and not self._resets:
            # Says the end within TLS: what ends without it may have been cut by anybody.
            with suppress(OSError):
                layer.shutdown(socket.SHUT_WR)
        layer.lost()
        # The socket is polled by this connection again, as it was before.
        self._events = wire.give_back(self)
        self._layer, self._sock = None, wire.sock

    def _let_go(self, lingers: bool) -> None:
        raw_server, sock = self._raw_server, self._sock
        if self._buffer.size:
            self._buffer.clear()
        if not lingers and self._resets:
            reset_at_close(sock)
        raw_server.forget(self.descriptor, None if lingers else sock, bool(self._events))
        if lingers:
            Lingering(raw_server, sock, self._context)
        self.descriptor, self._events = -1, 0

    def _give_back_ticket(self) -> None:
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            ticket.give_back()


def _drop_data(connection: object, data: bytes) -> None:
    pass


def reset_at_close(sock: Socket) -> None:
    """Have a socket reset its connection when it is closed, not end it in good order."""
    # One whose peer has gone may refuse this: it is reset already.
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def _no_buffer(connection: object, count: int) -> None:
    raise TypeError("a handler with get_buffer needs buffer_filled")
