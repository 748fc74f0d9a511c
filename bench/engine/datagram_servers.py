"""Datagram echo servers of all engines: `python -m bench.engine.datagram_servers NAME`."""

import socket
import sys
from collections.abc import Callable
from typing import Any

from bench.engine.servers import ADDRESS, ready


class Echo:
    """A handler that sends back what came."""

    udp_socket: Any

    def data_came_in(self, address: Any, data: bytes) -> None:
        self.udp_socket.write_to(data, address)


class BatchEcho:
    """A handler that sends back at once all that came in a turn."""

    def datagrams_came_in(self, udp_socket: Any, batch: Any) -> None:
        udp_socket.write_batch(batch)


def serve_rawserver(handler: Any) -> None:
    """Serve with RawServer."""
    from rawserver import RawServer

    server = RawServer()
    sock = server.create_udpsocket(0, ADDRESS)
    udp_socket = server.start_listening_udp(sock, handler)
    if isinstance(handler, Echo):
        handler.udp_socket = udp_socket
    ready(sock.getsockname()[1])
    server.listen_forever()


def serve_asyncio(new_event_loop: Callable[[], Any]) -> None:
    """Serve with a DatagramProtocol on a loop of asyncio's interface."""
    import asyncio

    class Protocol(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self._transport = transport

        def datagram_received(self, data: bytes, address: Any) -> None:
            self._transport.sendto(data, address)

    loop = new_event_loop()
    made = loop.create_datagram_endpoint(Protocol, local_addr=(ADDRESS, 0))
    transport, _ = loop.run_until_complete(made)
    ready(transport.get_extra_info("sockname")[1])
    loop.run_forever()


def serve_with_asyncio() -> None:
    """Serve with asyncio's own loop."""
    import asyncio

    serve_asyncio(asyncio.new_event_loop)


def serve_with_uvloop() -> None:
    """Serve with uvloop."""
    import uvloop

    serve_asyncio(uvloop.new_event_loop)


def serve_bare() -> None:
    """Serve with a socket that blocks: the least that Python can do."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((ADDRESS, 0))
    ready(sock.getsockname()[1])
    while True:
        data, address = sock.recvfrom(65536)
        sock.sendto(data, address)


SERVERS: dict[str, Callable[[], None]] = {
    "rawserver": lambda: serve_rawserver(Echo()),
    "rawserver-batch": lambda: serve_rawserver(BatchEcho()),
    "uvloop": serve_with_uvloop,
    "asyncio": serve_with_asyncio,
    "python-blocking": serve_bare,
}


if __name__ == "__main__":
    SERVERS[sys.argv[1]]()
