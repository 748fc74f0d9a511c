"""What RawServer calls.

A handler is any object; the methods that it has are called, those that it lacks are not. Only
the first is required, and only of a listening handler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rawserver.engine.single_socket import SingleSocket
    from rawserver.engine.udp_socket import UdpSocket

Address = tuple[str, int] | str


class ListeningHandler(Protocol):
    """Is told of each connection that comes in; it is then the connection's handler too."""

    def external_connection_made(self, connection: SingleSocket, /) -> None: ...


class Handler(Protocol):
    """All that RawServer may call for a connection. Calls come from the loop alone.

    `connection_lost` comes exactly once, last, for every connection that was made. For one that
    we start, exactly one of `connection_made` and `connection_failed` comes. A handler with
    `get_buffer` and `buffer_filled` receives into its own memory, and `data_came_in` is not
    called. `connection_flushed` comes when a write buffer that had to wait has drained to the low
    mark. `eof_received` is asked when the peer has ended its side: True keeps ours open.
    """

    def external_connection_made(self, connection: SingleSocket, /) -> None: ...
    def connection_made(self, connection: SingleSocket, /) -> None: ...
    def connection_failed(self, address: Address, error: BaseException, /) -> None: ...
    def data_came_in(self, connection: SingleSocket, data: bytes, /) -> None: ...
    def get_buffer(self, connection: SingleSocket, /) -> bytearray | memoryview: ...
    def buffer_filled(self, connection: SingleSocket, count: int, /) -> None: ...
    def connection_flushed(self, connection: SingleSocket, /) -> None: ...
    def eof_received(self, connection: SingleSocket, /) -> bool: ...
    def connection_lost(self, connection: SingleSocket, /) -> None: ...


class DatagramHandler(Protocol):
    """Is given each datagram with the address that sent it.

    It may offer `error_received(udp_socket, error)`, for what the network answers to a datagram
    of ours: ConnectionRefusedError, when nobody has the port that a socket is connected to.
    """

    def data_came_in(self, address: Any, data: bytes, /) -> None: ...


class DatagramBatchHandler(Protocol):
    """Is given all datagrams of a turn at once, in order, in place of each."""

    def datagrams_came_in(
        self, udp_socket: UdpSocket, batch: list[tuple[Any, bytes]], /
    ) -> None: ...


class PackedDatagramHandler(Protocol):
    """Is given all datagrams of a turn at once, and their addresses as `packed_address` says."""

    def packed_datagrams_came_in(
        self, udp_socket: UdpSocket, addresses: list[bytes], datagrams: list[bytes], /
    ) -> None: ...
