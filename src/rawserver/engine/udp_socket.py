"""A datagram socket on a RawServer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from rawserver.engine.addresses import peer_of
from rawserver.engine.network import READABLE, Socket
from rawserver.engine.task import Task

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer

LARGEST_DATAGRAM = 65536


class UdpSocket:
    """Gives each datagram to its handler. `dropped` counts those the system had no room for.

    An IPv4 address is shown as (ip, port), and may be so given, on a dual-stack socket too.
    """

    def __init__(self, raw_server: RawServer, sock: Socket, handler: Any, context: object) -> None:
        self.handler = handler
        self.context = context
        self.sock = sock
        self.descriptor = sock.fileno()
        self.dropped = 0
        # Addresses of IPv6 sockets have four members.
        self._is_ipv6 = len(sock.getsockname()) == 4
        self._raw_server = raw_server
        self._pause: Task | None = None
        self._told = False
        raw_server.register(self.descriptor, self, READABLE)

    def write_to(self, data: bytes | bytearray | memoryview, address: Any) -> bool:
        """Send a datagram; False if it was dropped for lack of room. Raises OSError else."""
        if self._is_ipv6 and ":" not in address[0]:
            address = (f"::ffff:{address[0]}", address[1])
        try:
            self.sock.sendto(data, address)
        except (BlockingIOError, InterruptedError):
            self.dropped += 1
            return False
        return True

    def ready(self, events: int) -> None:
        """Take what has come, up to a turn's worth; called by the loop."""
        for _ in range(self._raw_server.config.datagrams_per_turn):
            try:
                data, address = self.sock.recvfrom(LARGEST_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionRefusedError:
                continue  # an ICMP answer to something we sent; the socket is well
            except OSError as error:
                self._rest(error)
                return
            self._told = False
            if self._is_ipv6 and address[0].startswith("::ffff:"):
                address = peer_of(address)
            try:
                self.handler.data_came_in(address, data)
            except Exception as error:
                self._raw_server.context_failed(self.context, error)
            if self.descriptor < 0:
                return

    def _rest(self, error: OSError) -> None:
        # The system has no room for what has come. It stays readable: trying on would spin.
        seconds = self._raw_server.config.accept_pause
        if not self._told:
            self._told = True
            self._raw_server.report(
                logging.ERROR, f"cannot receive datagrams, trying every {seconds:g} s: {error}"
            )
        self._raw_server.unregister(self.descriptor, self)
        self._pause = self._raw_server.add_task(self._go_on, seconds)

    def _go_on(self) -> None:
        self._pause = None
        self._raw_server.register(self.descriptor, self, READABLE)

    def stop(self) -> None:
        """Take no more datagrams; the socket stays open."""
        if self.descriptor < 0:
            return
        if self._pause is not None:
            self._pause.cancel()
        else:
            self._raw_server.unregister(self.descriptor, self)
        self.descriptor = -1

    def end(self) -> None:
        """Stop and close, because the context ends."""
        self._raw_server.stop_listening_udp(self.sock)
        self.sock.close()
