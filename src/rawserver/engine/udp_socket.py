"""A datagram socket on a RawServer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rawserver.engine.addresses import peer_of
from rawserver.engine.network import Socket
from rawserver.engine.receiver import Receiver

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer

LARGEST_DATAGRAM = 65536


class UdpSocket(Receiver):
    """Gives each datagram to its handler. `dropped` counts those the system had no room for.

    An IPv4 address is shown as (ip, port), and may be so given, on a dual-stack socket too.
    """

    def __init__(self, raw_server: RawServer, sock: Socket, handler: Any, context: object) -> None:
        self.handler = handler
        self.context = context
        self.sock = sock
        self.dropped = 0
        # Addresses of IPv6 sockets have four members.
        self._is_ipv6 = len(sock.getsockname()) == 4
        super().__init__(raw_server, sock.fileno(), "receive datagrams")

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
                self.rest(error)
                return
            self.went_well()
            if self._is_ipv6 and address[0].startswith("::ffff:"):
                address = peer_of(address)
            try:
                self.handler.data_came_in(address, data)
            except Exception as error:
                self._raw_server.context_failed(self.context, error)
            if not self.is_reading:
                return

    def end(self) -> None:
        """Stop and close, because the context ends."""
        self._raw_server.stop_listening_udp(self.sock)
        self.sock.close()
