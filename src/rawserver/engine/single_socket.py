"""One stream connection: reads for its handler, and sends what it is given as fast as that goes."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rawserver.engine.disk import Buffer, File
from rawserver.engine.errors import IdleTimeout, WriteBufferFull
from rawserver.engine.lingering import Lingering
from rawserver.engine.network import READABLE, WRITABLE, Socket
from rawserver.engine.write_buffer import WriteBuffer

if TYPE_CHECKING:
    from rawserver.engine.connection_attempt import ConnectionAttempt
    from rawserver.engine.rawserver import RawServer


_NOBODY = object()


class SingleSocket:
    """A connection on a RawServer. `ip` and `port` are those of the peer.

    `handler` and `context` may be replaced at any time: that is how one port serves many things.
    `connected` is true from when it is made until it is lost. `error` says why it was lost, None
    if it ended in good order. Nothing here ever calls a handler; the loop does, later.
    """

    __slots__ = (
        "_attempt", "_buffer", "_closing", "_context", "_ended_by_peer", "_events",
        "_flush_is_due", "_handler", "_on_buffer", "_on_data", "_on_filled", "_raw_server",
        "_reading", "_refuses", "_send", "_shut", "_sock", "connected", "descriptor", "error",
        "idle_timeout", "ip", "lost", "port", "progress_at",
    )  # fmt: skip

    def __init__(
        self, raw_server: RawServer, handler: Any, context: object, idle_timeout: float | None
    ) -> None:
        self._raw_server = raw_server
        self._sock: Socket | None = None
        self._attempt: ConnectionAttempt | None = None
        self._buffer = WriteBuffer()
        self._events = 0
        self._reading = True
        self._flush_is_due = False
        # Nothing more may be written, though what was may still wait to be sent.
        self._refuses = False
        self._closing = False
        self._ended_by_peer = False
        self._shut: int | None = None
        self._context: object = _NOBODY
        self.descriptor = -1
        self.ip = ""
        self.port = 0
        self.connected = False
        self.lost = False
        self.error: BaseException | None = None
        self.idle_timeout = idle_timeout
        self.progress_at = raw_server.now
        self.handler = handler
        self.context = context

    # What may be replaced.

    @property
    def handler(self) -> Any:
        """The object whose methods are called for this connection."""
        return self._handler

    @handler.setter
    def handler(self, handler: Any) -> None:
        # Looked up once, not at each byte.
        self._handler = handler
        self._on_data: Callable[..., object] | None = getattr(handler, "data_came_in", None)
        self._on_buffer: Callable[..., Any] | None = getattr(handler, "get_buffer", None)
        self._on_filled: Callable[..., object] = getattr(handler, "buffer_filled", _no_buffer)

    @property
    def context(self) -> object:
        """The context that owns this connection."""
        return self._context

    @context.setter
    def context(self, context: object) -> None:
        # Equal contexts are one, whether or not they are the same object.
        if self._context is _NOBODY or context != self._context:
            if not self.lost:
                self._raw_server.own(self, context)
            if self._context is not _NOBODY:
                self._raw_server.disown(self, self._context)
        self._context = context

    # Sending.

    @property
    def buffered(self) -> int:
        """Bytes that the system has not taken yet, those in files included."""
        return self._buffer.size

    def is_flushed(self) -> bool:
        """Tell whether everything has been handed to the system."""
        return not self._buffer.size

    def write(self, data: Buffer) -> bool:
        """Send bytes, at once as far as the system takes them, the rest later.

        False says that more than the high-water mark waits: stop until `connection_flushed`.
        What is written to a connection that has ended, or whose end was asked for, is dropped.
        """
        if self._refuses:
            return False
        buffer = self._buffer
        if buffer.size or not self.connected:
            buffer.add(data)
            return self._queued()
        try:
            count = self._send(data)
        except (BlockingIOError, InterruptedError):
            count = 0
        except OSError as error:
            self.lose(error)
            return False
        if count:
            self.progress_at = self._raw_server.now
        if count == len(data):
            return True
        buffer.add(data if not count else memoryview(data)[count:])
        return self._queued()

    def write_lent(self, parts: Sequence[Buffer]) -> bool:
        """Send several pieces of memory, in order, without ever copying them.

        They must stay as they are until they are sent: `is_flushed` says so. Returns as `write`.
        """
        if self._refuses:
            return False
        was_empty = not self._buffer.size
        self._buffer.add_lent(parts)
        return self._send_or_queue(was_empty)

    def sendfile(self, file: File, offset: int, count: int, header: bytes = b"") -> bool:
        """Send `header` and then `count` bytes of a file, in order with what is written.

        The bytes go from the file to the network without passing through memory here. The file
        must stay open until they are sent. Returns as `write` does.
        """
        if self._refuses:
            return False
        was_empty = not self._buffer.size
        self._buffer.add(header)
        self._buffer.add_file(file, offset, count)
        return self._send_or_queue(was_empty)

    def _send_or_queue(self, was_empty: bool) -> bool:
        if was_empty and self.connected:
            self._send_buffered()
            if self.lost or not self._buffer.size:
                return not self.lost
        return self._queued()

    def _queued(self) -> bool:
        limit = self._raw_server.config.write_buffer_limit
        if limit is not None and self._buffer.footprint > limit:
            self.lose(WriteBufferFull(errno.ENOBUFS, f"the peer let {limit} bytes wait"))
            return False
        self._flush_is_due = True
        self._want(self._events | WRITABLE)
        return self._buffer.size <= self._raw_server.config.high_water_mark

    def _send_buffered(self) -> None:
        raw_server = self._raw_server
        assert self._sock is not None
        try:
            sent = self._buffer.send(
                self._sock, raw_server.network.sendfile, raw_server.config.send_per_turn
            )
        except OSError as error:
            self.lose(error)
            return
        if sent:
            self.progress_at = raw_server.now

    def _writable(self) -> None:
        """Go on sending; the loop calls this when the system takes more."""
        self._send_buffered()
        if self.lost:
            return
        if not self._buffer.size:
            self._want(self._events & ~WRITABLE)
            if self._shut is not None:
                self._shut_down(self._shut)
            if self._closing:
                self.lose(None, lingers=True)
            if self.lost:
                return
        if self._flush_is_due and self._buffer.size <= self._raw_server.config.low_water_mark:
            self._flush_is_due = False
            self._raw_server.call_handler(self, "connection_flushed")

    # Receiving.

    def pause_reading(self) -> None:
        """Take no more bytes: the peer is held back by TCP itself."""
        self._reading = False
        self._want(self._events & ~READABLE)

    def resume_reading(self) -> None:
        """Take bytes again; nothing if the peer has ended its side."""
        if not self._ended_by_peer:
            self._reading = True
            self._want(self._events | READABLE)

    def ready(self, events: int) -> None:
        """Read or send, as the poller found; called by the loop."""
        if events & READABLE and self._events & READABLE:
            self._readable()
        if events & WRITABLE and self._events & WRITABLE and not self.lost:
            self._writable()

    def _readable(self) -> None:
        assert self._sock is not None
        try:
            if self._on_buffer is not None:
                buffer = self._on_buffer(self)
                if self.lost:
                    return
                try:
                    count = self._sock.recv_into(buffer)
                except (BlockingIOError, InterruptedError):
                    return
                except OSError as error:
                    self.lose(error)
                    return
                if count:
                    self.progress_at = self._raw_server.now
                    self._on_filled(self, count)
                    return
                if not len(buffer):
                    raise ValueError("get_buffer gave a buffer without room")
            else:
                try:
                    data = self._sock.recv(self._raw_server.config.read_size)
                except (BlockingIOError, InterruptedError):
                    return
                except OSError as error:
                    self.lose(error)
                    return
                if data:
                    self.progress_at = self._raw_server.now
                    if self._on_data is not None:
                        self._on_data(self, data)
                    return
        except Exception as error:
            self._raw_server.handler_failed(self, error)
            return
        self._end_of_stream()

    def _end_of_stream(self) -> None:
        self._ended_by_peer = True
        if self._closing:
            self.pause_reading()  # what was written still goes out
            return
        keep = self._raw_server.call_handler(self, "eof_received")
        if self.lost:
            return
        if not keep or (self._refuses and self._shut is None):
            self.lose(None)  # nothing can pass in either direction any more
        else:
            self.pause_reading()

    # Ending.

    def close(self) -> None:
        """End at once and drop what has not been sent; `connection_lost` follows from the loop."""
        self.lose(None)

    def close_when_flushed(self) -> None:
        """End when all that was written is sent, and can be received; no more can be written."""
        self._refuses = True
        if not self._buffer.size and self.connected:
            self.lose(None, lingers=True)
        else:
            self._closing = True  # `_writable` ends it

    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        """End one direction (`socket.SHUT_WR`: after what is written has been sent).

        When the peer has ended its direction too, the connection ends.
        """
        if self.lost:
            return
        if how != socket.SHUT_RD:
            self._refuses = True
        if not self.connected or (self._buffer.size and how != socket.SHUT_RD):
            self._shut = how if self._shut in (None, how) else socket.SHUT_RDWR
        else:
            self._shut_down(how)

    def _shut_down(self, how: int) -> None:
        self._shut = None
        assert self._sock is not None
        try:
            self._sock.shutdown(how)
        except OSError as error:
            self.lose(error)
        if self._ended_by_peer and how != socket.SHUT_RD:
            self.lose(None)

    def end(self) -> None:
        """End because the context does."""
        self.lose(None)

    def idle(self) -> None:
        """End because nothing passed for too long."""
        seconds = self.idle_timeout or 0.0
        self.lose(IdleTimeout(errno.ETIMEDOUT, f"nothing passed for {seconds:g} seconds"))

    def lose(self, error: BaseException | None, lingers: bool = False) -> None:
        """End with a reason; the descriptor is held until the turn is over, or lingers."""
        if self.lost:
            return
        self.lost = self._refuses = True
        self.error = error
        self._buffer.clear()
        if self._attempt is not None:
            self._attempt.abandon(error)
            return
        was_connected, self.connected = self.connected, False
        if self._sock is not None:
            lingers = lingers and not self._ended_by_peer
            sock = None if lingers else self._sock
            self._raw_server.forget(self.descriptor, sock, bool(self._events))
            if lingers:
                Lingering(self._raw_server, self._sock, self._context)
            self.descriptor, self._events = -1, 0
        if was_connected:
            self._raw_server.was_lost(self)

    # Life, as RawServer and ConnectionAttempt drive it.

    def failed(self, error: BaseException) -> None:
        """End without ever having been made."""
        self.lost = self._refuses = True
        self.error = error
        self._buffer.clear()

    def attempting(self, attempt: ConnectionAttempt | None) -> None:
        """Note who tries to make this connection."""
        self._attempt = attempt

    def made(self, sock: Socket, ip: str, port: int) -> None:
        """Begin on a connected socket. OSError, and nothing begun, if it cannot be polled."""
        self._attempt = None
        # What was asked for before it was made is done by `_writable`.
        writing = self._buffer.size or self._closing or self._shut is not None
        events = (READABLE if self._reading else 0) | (WRITABLE if writing else 0)
        # First, as it may raise: the poller may have no room, or have this socket already.
        self._raw_server.register(sock.fileno(), self, events)
        self._sock = sock
        self._send = sock.send
        self._events = events
        self.descriptor = sock.fileno()
        self.ip, self.port = ip, port
        self.connected = True
        self.progress_at = self._raw_server.now

    def _want(self, events: int) -> None:
        if events == self._events or not self.connected:
            return
        poller = self._raw_server.poller
        if not events:
            # A poller shows hang-ups of whatever is registered, again and again.
            poller.unregister(self.descriptor)
        elif not self._events:
            poller.register(self.descriptor, events)
        else:
            poller.modify(self.descriptor, events)
        self._events = events

    def fileno(self) -> int:
        """Return the descriptor, -1 when there is none."""
        return self.descriptor

    def getsockname(self) -> Any:
        """Return this side's address."""
        assert self._sock is not None
        return self._sock.getsockname()

    def __repr__(self) -> str:
        state = "connected" if self.connected else "lost" if self.lost else "connecting"
        return f"<SingleSocket {self.ip}:{self.port} {state}>"


def _no_buffer(connection: SingleSocket, count: int) -> None:
    raise TypeError("a handler with get_buffer needs buffer_filled")
