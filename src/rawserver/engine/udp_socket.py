"""A datagram socket on a RawServer."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rawserver.engine.addresses import literal_address, peer_of
from rawserver.engine.disk import Buffer
from rawserver.engine.fault_reports import Where, method_of
from rawserver.engine.network import Datagram, Socket
from rawserver.engine.packed_address import pack_address, show_address
from rawserver.engine.receiver import Receiver

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer

# UDP's longest is 65,527 bytes (RFC 8200; without a jumbogram). One that fills this was cut short.
LARGEST_DATAGRAM = 65536

# What `write_batch` gives to the system by one call, and the fewest for which that is cheaper than
# a call for each: the lists that it wants cost as much as two or three calls. Packed addresses
# would have to be shown for a call each.
AT_ONCE = 64
WORTH_A_BATCH = 6
WORTH_A_PACKED_BATCH = 4

# The system has no room to send it. UDP may lose datagrams, and here it does.
_NO_ROOM = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.ENOMEM, errno.EINTR}
# What the network says of a datagram that we sent; the socket is well.
_OF_THE_NETWORK = {errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETUNREACH,
                   errno.EHOSTDOWN, errno.ENETDOWN, errno.ETIMEDOUT, errno.EPROTO, errno.EMSGSIZE,
                   errno.ENOPROTOOPT, errno.EACCES}  # fmt: skip


class UdpSocket(Receiver):
    """Gives each datagram to its handler.

    A handler that has `datagrams_came_in(udp_socket, batch)` is given all of a turn at once, as a
    list of (address, data), and no `data_came_in(address, data)`. One that has
    `packed_datagrams_came_in(udp_socket, addresses, datagrams)` is given them so, as two lists: the
    addresses packed (see `packed_address`), as `write_packed` takes them. To him who handles
    100,000 a second that saves a third of what the engine costs. One that has
    `error_received(udp_socket, error)` is told what the network answered to something we sent,
    such as ConnectionRefusedError on a connected socket (RFC 1122, section 4.1.3.3).

    An IPv4 address is shown as (ip, port), and may be so given, on a dual-stack socket too.

    `received` and `sent` count datagrams, `bytes_received` and `bytes_sent` what was in them;
    `dropped` those that the system had no room to send, `unsendable` those of a batch that it
    would not send to where they should go, `truncated` those that came in longer than any of UDP,
    which are not given, and `discarded` those that were taken but not given when it was stopped.
    """

    __slots__ = (
        "__dict__", "__weakref__", "_batches", "_handler", "_is_ipv6", "_maps_ipv4", "_on_batch",
        "_on_data", "_on_packed", "_pending", "_receive", "_send_to", "bytes_received",
        "bytes_sent", "context", "discarded", "dropped", "peer", "received", "sent", "sock",
        "truncated", "unsendable",
    )  # fmt: skip

    def __init__(self, raw_server: RawServer, sock: Socket, handler: Any, context: object) -> None:
        self.handler = handler
        self.context = context
        self.sock = sock
        self.peer: Any = None
        self.received = self.bytes_received = 0
        self.sent = self.bytes_sent = 0
        self.dropped = self.unsendable = self.truncated = self.discarded = 0
        # Addresses of IPv6 sockets have four members.
        name = sock.getsockname()
        self._is_ipv6 = isinstance(name, tuple) and len(name) == 4
        self._batches = batches = raw_server.network.datagram_batches(sock)
        send_to = None if batches is None else batches.send_to
        self._send_to = sock.sendto if send_to is None else send_to
        # Whether an address of IPv4 is written as one of IPv6 when it is sent to.
        self._maps_ipv4 = self._is_ipv6 and send_to is None
        self._receive = None if batches is None else batches.receive
        # What the handler has not been given, because it paused amid a batch.
        self._pending: list[Datagram] = []
        super().__init__(raw_server, sock.fileno(), "receive datagrams")

    @property
    def handler(self) -> Any:
        """The object that is given the datagrams."""
        return self._handler

    @handler.setter
    def handler(self, handler: Any) -> None:
        self._handler = handler
        self._on_data: Callable[..., object] | None = getattr(handler, "data_came_in", None)
        self._on_batch: Callable[..., object] | None = getattr(handler, "datagrams_came_in", None)
        self._on_packed: Callable[..., object] | None = getattr(
            handler, "packed_datagrams_came_in", None
        )

    @property
    def local_address(self) -> Any:
        """The address that it is bound to, as `getsockname` has it; IPv4 as (ip, port)."""
        return self._shown(self.sock.getsockname())

    def _shown(self, address: Any) -> Any:
        if self._is_ipv6 and address[0].startswith("::ffff:"):
            return peer_of(address)
        return address

    # Sending.

    def connect(self, address: tuple[str, int]) -> None:
        """Take datagrams from this (ip, port) alone, and `write` to it. Nothing is sent.

        What others sent before is still given. ValueError if `address` has no ip; OSError if the
        system knows no way there.
        """
        ip, port = address
        found = literal_address(ip, port)
        if found is None:
            raise ValueError(f"not an ip: {ip}")
        target = found.address
        code = self.sock.connect_ex(self._in_family(target))
        if code:
            raise OSError(code, os.strerror(code))
        self.peer = self._shown(target)

    def _in_family(self, address: Any) -> Any:
        if self._is_ipv6 and ":" not in address[0]:
            return (f"::ffff:{address[0]}", address[1])
        return address

    def write(self, data: Buffer) -> bool:
        """Send a datagram to where it is connected to; else as `write_to`."""
        try:
            count = self.sock.send(data)
        except OSError as error:
            return self._not_sent(error, self.sock.send, data)
        self.sent += 1
        self.bytes_sent += count
        return True

    def write_to(self, data: Buffer, address: Any) -> bool:
        """Send a datagram to (ip, port); False if it was dropped for lack of room.

        Raises OSError else, with EMSGSIZE for one that is too long.
        """
        if self._maps_ipv4 and ":" not in address[0]:
            address = (f"::ffff:{address[0]}", address[1])
        try:
            count = self._send_to(data, address)
        except OSError as error:
            return self._not_sent(error, self._send_to, data, address)
        self.sent += 1
        self.bytes_sent += count
        return True

    def _not_sent(self, error: OSError, send: Callable[..., int], *args: Any) -> bool:
        if error.errno not in _NO_ROOM:
            if self.peer is None or error.errno == errno.EMSGSIZE:
                raise error
            # It may be about an earlier one, and have come in place of sending this one.
            try:
                count = send(*args)
            except OSError as again:
                if again.errno not in _NO_ROOM:
                    raise
            else:
                self._tell_later(error)
                self.sent += 1
                self.bytes_sent += count
                return True
        self.dropped += 1
        return False

    def write_batch(self, datagrams: Iterable[tuple[Any, Buffer]]) -> int:
        """Send many, each an (address, data), in order; returns how many the system took.

        For lack of room the rest is dropped. One that cannot go where it should is passed over
        and counted as `unsendable`. OSError (EMSGSIZE) if one is too long, when those before it
        have been sent.
        """
        all_of_them = list(datagrams)
        return self._send_all(
            len(all_of_them), lambda start, stop: self._send_some(all_of_them[start:stop])
        )

    def write_packed(self, addresses: Sequence[bytes], datagrams: Sequence[Buffer]) -> int:
        """Do as `write_batch`, to packed addresses, as many as datagrams.

        ValueError if there are not, or one is not packed as this socket's family is.
        """
        count = len(datagrams)
        if len(addresses) != count:
            raise ValueError(f"{len(addresses)} addresses for {count} datagrams")
        return self._send_all(
            count,
            lambda start, stop: self._send_packed(addresses[start:stop], datagrams[start:stop]),
        )

    def _send_all(self, count: int, send: Callable[[int, int], tuple[int, int]]) -> int:
        """Send all of them; `send(start, stop)` is for some, and returns how many went."""
        before, done = self.sent, 0
        while done < count:
            try:
                taken, size = send(done, done + AT_ONCE)
            except OSError as error:
                if error.errno in _NO_ROOM:
                    self.dropped += count - done
                    break
                if error.errno == errno.EMSGSIZE:
                    raise
                if self.peer is not None and error.errno == errno.ECONNREFUSED:
                    self._tell_later(error)  # about an earlier one
                    continue
                self.unsendable += 1
                done += 1
            else:
                self.sent += taken
                self.bytes_sent += size
                done += taken
        return self.sent - before

    def _send_packed(
        self, addresses: Sequence[bytes], datagrams: Sequence[Buffer]
    ) -> tuple[int, int]:
        if self._batches is not None and len(datagrams) >= WORTH_A_PACKED_BATCH:
            return self._batches.send_packed(addresses, datagrams)
        shown = map(show_address, addresses)
        return self._send_some(list(zip(shown, datagrams, strict=True)))

    def _send_some(self, datagrams: list[tuple[Any, Buffer]]) -> tuple[int, int]:
        if self._batches is not None and len(datagrams) >= WORTH_A_BATCH:
            return self._batches.send(datagrams)
        count = size = 0
        try:
            for address, data in datagrams:
                size += self.sock.sendto(data, self._in_family(address))
                count += 1
        except OSError:
            if not count:
                raise
        return count, size

    # Receiving.

    def ready(self, events: int) -> None:
        """Take what has come, up to a turn's worth; called by the loop."""
        limit = self._raw_server.config.datagrams_per_turn
        if self._receive is None:
            self._receive_singly(limit)
        elif self._on_packed is None:
            try:
                batch, count = self._receive(limit)
            except OSError as error:
                self._failed(error)
            else:
                self._took(batch, count)
        else:
            self._receive_packed(limit)

    def _receive_packed(self, limit: int) -> None:
        try:
            addresses, datagrams, count = self._batches.receive_packed(limit)  # type: ignore[union-attr]
        except OSError as error:
            self._failed(error)
        else:
            self._took_packed(addresses, datagrams, count)

    def _receive_singly(self, limit: int) -> None:
        batch: list[Datagram] = []
        failure: OSError | None = None
        count = 0
        is_ipv6, receive = self._is_ipv6, self.sock.recvfrom
        for _ in range(limit):
            try:
                data, address = receive(LARGEST_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                failure = error
                break
            if len(data) == LARGEST_DATAGRAM:
                self.truncated += 1
                continue
            if is_ipv6 and address[0].startswith("::ffff:"):
                address = peer_of(address)
            count += len(data)
            batch.append((address, data))
        if batch and self._on_packed is not None:
            packed = [pack_address(address, is_ipv6) for address, _ in batch]
            self._took_packed(packed, [data for _, data in batch], count)
        elif batch:
            self._took(batch, count)
        if failure is not None:
            self._failed(failure)

    def _took(self, batch: list[Datagram], count: int) -> None:
        self._told = False
        self.received += len(batch)
        self.bytes_received += count
        if self._on_batch is None:
            self._give_each(batch)
            return
        try:
            self._on_batch(self, batch)
        except Exception as error:
            self._handler_failed("datagrams_came_in", error)

    def _took_packed(self, addresses: list[bytes], datagrams: list[bytes], count: int) -> None:
        self._told = False
        self.received += len(datagrams)
        self.bytes_received += count
        try:
            self._on_packed(self, addresses, datagrams)  # type: ignore[misc]  # looked at before
        except Exception as error:
            self._handler_failed("packed_datagrams_came_in", error)

    def _give_each(self, batch: list[Datagram]) -> None:
        left = iter(batch)
        for address, data in left:
            on_data = self._on_data
            if on_data is not None:
                try:
                    on_data(address, data)
                except Exception as error:
                    self._handler_failed("data_came_in", error)
            if self.descriptor < 0:
                self.discarded += len(list(left))
            elif self._paused:
                self._pending = list(left)

    def resume_reading(self) -> None:
        """Take again what comes, and give what was held back, in the next turn."""
        super().resume_reading()
        if self._pending:
            self._raw_server.add_task(self._give_pending)

    def _give_pending(self) -> None:
        if not self._paused:
            pending, self._pending = self._pending, []
            self._give_each(pending)

    def _failed(self, error: OSError) -> None:
        if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR) or self.descriptor < 0:
            return
        if error.errno in _OF_THE_NETWORK:
            self._tell(error)
        else:
            self.rest(error)

    def _tell_later(self, error: OSError) -> None:
        # Handlers are called by the loop alone, never from within a call of theirs.
        self._raw_server.add_task(self._tell, 0.0, (error,))

    def _tell(self, error: OSError) -> None:
        told = getattr(self.handler, "error_received", None)
        if told is not None and self.descriptor >= 0:
            try:
                told(self, error)
            except Exception as fault:
                self._handler_failed("error_received", fault)

    def _handler_failed(self, name: str, error: Exception) -> None:
        where = Where(method_of(self.handler, name))
        self._raw_server.context_failed(self.context, error, where)

    # Ending.

    def stop(self) -> None:
        """Take nothing more; the socket stays open."""
        self.discarded += len(self._pending)
        self._pending = []
        super().stop()

    def end(self) -> None:
        """Stop and close, because the context ends."""
        self._raw_server.stop_listening_udp(self.sock)
        self.sock.close()
