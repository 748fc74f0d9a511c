"""One stream connection: reads for its handler, and sends what it is given as fast as that goes."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from threading import get_ident
from typing import TYPE_CHECKING, Any

from rawserver.engine.disk import Buffer, File
from rawserver.engine.endpoint import Endpoint
from rawserver.engine.errors import IdleTimeout, WriteBufferFull
from rawserver.engine.layer import Layer, send_file
from rawserver.engine.network import READABLE, WRITABLE, Socket
from rawserver.engine.write_buffer import MSG_MORE
from rawserver.engine.write_stall import WriteStall

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer

# One that is idle is found so many looks after its last byte: within a quarter more of its time.
# Bytes note nothing, so only looking tells when the last one passed.
LOOKS = 4


class SingleSocket(Endpoint):
    """A connection on a RawServer. `ip` and `port` are those of the peer.

    `handler` and `context` may be replaced at any time: that is how one port serves many things.
    `connected` is true from when it is made until it is lost. `error` says why it was lost, None
    if it ended in good order. `received` and `sent` count its bytes. Nothing here ever calls a
    handler; the loop does, later.
    """

    __slots__ = (
        "_flush_is_due", "_read_size", "_recv", "_send", "_sendfile", "write_stall_timeout",
    )  # fmt: skip

    def __init__(
        self, raw_server: RawServer, handler: Any, context: object, idle_timeout: float | None
    ) -> None:
        self._flush_is_due = False
        self._read_size = raw_server.config.read_size
        self.write_stall_timeout = raw_server.config.write_stall_timeout
        super().__init__(raw_server, handler, context, idle_timeout)

    # Sending.

    def is_flushed(self) -> bool:
        """Tell whether everything has been handed to the system."""
        return not self.buffered

    def write(self, data: Buffer) -> bool:
        """Send bytes, at once as far as the system takes them, the rest later.

        False says that more than the high-water mark waits: stop until `connection_flushed`.
        What is written to a connection that has ended, or whose end was asked for, is dropped.
        """
        raw_server = self._raw_server
        if raw_server.thread != get_ident():
            raw_server.check_thread()
        send = self._direct
        if send is None:
            return self._write_later(data)
        try:
            count = send(data)
        except (BlockingIOError, InterruptedError):
            count = 0
        except OSError as error:
            self.lose(error)
            return False
        self.sent += count
        if count == len(data):
            return True
        self._buffer.add(data if not count else memoryview(data)[count:])
        return self._queued()

    def _write_later(self, data: Buffer) -> bool:
        if self._refuses:
            return False
        self._buffer.add(data)
        return self._queued()

    def write_lent(self, parts: Sequence[Buffer]) -> bool:
        """Send several pieces of memory, in order, without ever copying them.

        They must stay as they are until they are sent: `is_flushed` says so. Returns as `write`.
        """
        self._raw_server.check_thread()
        if self._refuses:
            return False
        was_empty = not self._buffer.size
        self._buffer.add_lent(parts)
        return self._send_or_queue(was_empty)

    def sendfile(self, file: File, offset: int, count: int, header: bytes = b"") -> bool:
        """Send `header` and then `count` bytes of a file, in order with what is written.

        The bytes go from the file to the network without passing through memory here, unless
        they are encrypted. The file must stay open until they are sent. Returns as `write` does.
        """
        self._raw_server.check_thread()
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
        raw_server = self._raw_server
        limit = raw_server.config.write_buffer_limit
        if limit is not None and self._buffer.footprint > limit:
            self.lose(WriteBufferFull(errno.ENOBUFS, f"the peer let {limit} bytes wait"))
            return False
        self._flush_is_due = True
        self._direct = None
        if self.connected:
            self._want(self._events | WRITABLE)
            self._watch_for_stall()
        return self._buffer.size <= raw_server.config.high_water_mark

    def _watch_for_stall(self) -> None:
        if self.stall is None and self.write_stall_timeout is not None:
            self.stall = WriteStall(self._raw_server, self, self.write_stall_timeout)

    def _send_through(self, data: Buffer) -> int:
        """Send through layers, which may hold what the system has not taken."""
        layer = self._layer
        assert layer is not None
        count = layer.send(data)
        if layer.unsent:
            self._watch_for_stall()
        return count

    def _send_buffered(self) -> None:
        raw_server = self._raw_server
        try:
            sent = self._buffer.send(self._sock, self._sendfile, raw_server.config.send_per_turn)
        except OSError as error:
            self.lose(error)
            return
        self.sent += sent
        if not self._buffer.size and not self._refuses:
            self._direct = self._send

    def _writable(self) -> None:
        """Go on sending; the loop calls this when the system takes more."""
        self._send_buffered()
        if self.lost:
            return
        if not self._buffer.size:
            if not self.buffered:
                self._all_is_sent()
            if self.lost:
                return
        if self._flush_is_due and self._buffer.size <= self._raw_server.config.low_water_mark:
            self._flush_is_due = False
            self._raw_server.call_handler(self, "connection_flushed")

    def _all_is_sent(self) -> None:
        self._want(self._events & ~WRITABLE)
        if self._shut is not None:
            self._shut_down(self._shut)
        if self._closing:
            self.lose(None, lingers=True)

    # Receiving.

    def pause_reading(self) -> None:
        """Take no more bytes: the peer is held back by TCP itself."""
        self._raw_server.check_thread()
        self._reading = False
        self._want(self._events & ~READABLE)

    def resume_reading(self) -> None:
        """Take bytes again; nothing if the peer has ended its side."""
        self._raw_server.check_thread()
        if not self._ended_by_peer:
            self._reading = True
            self._want(self._events | READABLE)

    def ready(self, events: int) -> None:
        """Read or send, as the poller found; called by the loop."""
        if events & READABLE and self._events & READABLE:
            if self._on_buffer is None:
                # Not in a method of its own: here every message passes.
                try:
                    data = self._recv(self._read_size)
                except (BlockingIOError, InterruptedError):
                    pass
                except OSError as error:
                    self.lose(error)
                else:
                    if data:
                        self.received += len(data)
                        try:
                            self._on_data(self, data)
                        except Exception as error:
                            self._raw_server.handler_failed(self, error, "data_came_in")
                        if len(data) == self._read_size:
                            self._read_size = self._raw_server.config.bulk_read_size
                    else:
                        self._end_of_stream()
            else:
                self._fill_buffer(self._on_buffer)
        if events & WRITABLE and self._events & WRITABLE and not self.lost:
            self._writable()

    def _fill_buffer(self, get_buffer: Callable[..., Any]) -> None:
        try:
            buffer = get_buffer(self)
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
                self.received += count
                self._on_filled(self, count)
                return
            if not len(buffer):
                raise ValueError("get_buffer gave a buffer without room")
        except Exception as error:
            self._raw_server.handler_failed(self, error, "get_buffer, buffer_filled")
        else:
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

    def close_when_flushed(self) -> None:
        """End when all that was written is sent, and can be received; no more can be written."""
        self._raw_server.check_thread()
        if self.lost:
            return
        self._refuses, self._direct = True, None
        if self.connected and not self.buffered:
            self.lose(None, lingers=True)
        else:
            self._closing = True  # `_writable` ends it
            self._wait_until_sent()

    def write_last(self, data: Buffer, *, lingers: bool = True) -> None:
        """Write, and end when all is sent: what `write` and then `close_when_flushed` do.

        The bytes and the end leave in one packet where the system can do that. `lingers` False says
        that the peer has sent all that it would: what it sends yet resets the connection.
        """
        if self._direct is None or self._layer is not None:
            self.write(data)
            self._end_in_good_order(lingers)
            return
        self._raw_server.check_thread()
        try:
            # Held back until the end follows it, which is now.
            count = self._sock.send(data, MSG_MORE)
        except (BlockingIOError, InterruptedError):
            count = 0
        except OSError as error:
            self.lose(error)
            return
        self.sent += count
        if count < len(data):
            self._buffer.add(memoryview(data)[count:])
            self._queued()
        elif self._ended_by_peer or not lingers:
            try:
                # The socket is closed when the turn is over: that would be late.
                self._sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the peer has gone, or it is a pipe: closing it is the end
        self._end_in_good_order(lingers)

    def _end_in_good_order(self, lingers: bool) -> None:
        if lingers or self.buffered:
            self.close_when_flushed()
        else:
            self.lose(None)

    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        """End one direction (`socket.SHUT_WR`: after what is written has been sent).

        When the peer has ended its direction too, the connection ends.
        """
        self._raw_server.check_thread()
        if self.lost:
            return
        if how != socket.SHUT_RD:
            self._refuses, self._direct = True, None
        if not self.connected or (self.buffered and how != socket.SHUT_RD):
            self._shut = how if self._shut in (None, how) else socket.SHUT_RDWR
            self._wait_until_sent()
        else:
            self._shut_down(how)

    def _wait_until_sent(self) -> None:
        if self.connected:
            self._want(self._events | WRITABLE)
            self._watch_for_stall()

    def _shut_down(self, how: int) -> None:
        self._shut = None
        try:
            self._sock.shutdown(how)
        except OSError as error:
            # There is no connection any more: the peer has reset it, and nobody has read that yet.
            gone = error.errno == errno.ENOTCONN
            text = "reset by the peer"
            self.lose(ConnectionResetError(errno.ECONNRESET, text) if gone else error)
        if self._ended_by_peer and how != socket.SHUT_RD:
            self.lose(None)

    # Idleness.

    @property
    def idle_timeout(self) -> float | None:
        """For so many seconds may nothing pass, in either direction; None is for ever."""
        return self._idle_timeout

    @idle_timeout.setter
    def idle_timeout(self, seconds: float | None) -> None:
        self._raw_server.check_thread()
        self._idle_timeout = seconds
        if self.connected:
            self.watch_for_idleness()

    def watch_for_idleness(self) -> None:
        """Be looked at in time; for RawServer's own parts."""
        timeout = self._idle_timeout
        at = None if timeout is None else self._raw_server.now + timeout / LOOKS
        self._raw_server.watch(self, at)

    def look(self, now: float) -> float | None:
        """End if nothing passed for too long; see `Timeouts`."""
        timeout = self._idle_timeout
        if self.lost or timeout is None:
            return None
        # What we hand to the system is no progress, what the peer takes is: else one that we
        # write to would never be idle, and one that reads slowly what we wrote long ago would be.
        seen = self.received + self.acknowledged()
        if seen != self._seen:
            self._seen = seen
            self._seen_at = now
        if now - self._seen_at < timeout:
            return min(self._seen_at + timeout, now + timeout / LOOKS)
        self.lose(IdleTimeout(errno.ETIMEDOUT, f"nothing passed for {timeout:g} seconds"))
        return None

    # What it stands on.

    def made(self, sock: Socket, layer: Layer | None = None, *, reads_first: bool = False) -> None:
        """Begin; see `Endpoint.made`."""
        self._recv: Callable[[int], bytes] = sock.recv
        self._send: Callable[[Any], int] = sock.send
        self._sendfile: Callable[..., int] = self._raw_server.network.sendfile
        super().made(sock, layer, reads_first=reads_first)
        if not self._buffer.size and not self._refuses:
            self._direct = self._send

    def stand_on(self, layer: Layer) -> None:
        """Read and write through a layer, if it is the topmost; for RawServer's own parts."""
        super().stand_on(layer)
        if self._layer is not None:
            self._recv, self._send = self._layer.recv, self._send_through
            self._sendfile = send_file
            if self._direct is not None:
                self._direct = self._send

    def __repr__(self) -> str:
        state = "connected" if self.connected else "lost" if self.lost else "connecting"
        return f"<SingleSocket {self.ip}:{self.port} {state}>"
